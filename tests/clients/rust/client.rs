//! What progenitor generates.

include!(concat!(env!("OUT_DIR"), "/client.rs"));
