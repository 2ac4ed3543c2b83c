//! The operations over HTTP, as their users call them.

mod connect_socket;
