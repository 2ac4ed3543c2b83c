//! Settings of open sockets.

use std::time::Duration;

use clap::Args;

use super::value;

/// Open sockets.
#[derive(Clone, Args)]
#[command(next_help_heading = "Sockets")]
pub struct SocketConfig {
    /// Open sockets per address.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value::count)]
    pub sockets_per_address: u32,

    /// The largest frame from a prospect, in bytes.
    #[arg(long, value_name = "N", default_value_t = 4 * 1024, value_parser = value::size)]
    pub inbound_frame_bytes: u32,

    /// Frames from a prospect per second; twice as many in a burst; `off` for no limit.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value::rate)]
    pub frames_per_second: u32,

    /// How often an open socket is pinged.
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = value::time)]
    pub heartbeat: Duration,

    /// How long a socket has to answer a ping, or to take what is sent to it.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub pong_timeout: Duration,
}
