//! The websocket: its handshake and its life, seen by clients that share no code with the server.

mod session;
