//! Settings of HTTP: addresses, request bodies, probes and the shutdown.

use std::{net::SocketAddr, num::NonZeroUsize, thread, time::Duration};

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::{tokens::Switch, value};

/// Addresses, requests and the shutdown.
#[derive(Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpConfig {
    /// The address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = value::address)]
    pub listen: SocketAddr,

    /// The URL under which browsers reach the gateway; its origin may open sockets.
    #[arg(long, value_name = "URL", value_parser = value::origin_of_url)]
    pub public_url: Option<String>,

    /// An origin whose pages may call the gateway and open sockets; repeatable, in the environment
    /// with commas between.
    #[arg(
        long = "allowed-origin",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = value::origin
    )]
    pub allowed_origins: Vec<String>,

    /// A network of reverse proxies whose X-Forwarded-For is trusted; repeatable, in the
    /// environment with commas between.
    #[arg(
        long = "trusted-proxy",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = value::network
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// The largest request body, in bytes.
    #[arg(long, value_name = "N", default_value_t = 16 * 1024, value_parser = value::size)]
    pub body_bytes: u32,

    /// The largest request body of a message to a prospect, in bytes.
    #[arg(long, value_name = "N", default_value_t = 64 * 1024, value_parser = value::size)]
    pub message_body_bytes: u32,

    /// How long a request body may take to arrive.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub body_timeout: Duration,

    /// How long a connection may be idle between two requests: longer than a proxy before the
    /// gateway keeps it.
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = value::time)]
    pub keep_alive: Duration,

    /// How long a client may take nothing of a response or of its event stream. Beyond that time it
    /// must have taken 4 KiB a second of what did not fit into the connection at once.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = value::time)]
    pub write_timeout: Duration,

    /// Open connections per address, sockets included; three quarters of all when not given. The
    /// addresses of trusted proxies have no limit.
    #[arg(long, value_name = "N", value_parser = value::count)]
    pub connections_per_address: Option<u32>,

    /// How long a shutdown waits for requests and sockets to end.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub drain_timeout: Duration,

    /// Who may read /metrics: the operator alone, or everyone.
    #[arg(long, value_name = "WHO", default_value = "operator")]
    pub metrics: MetricsAccess,

    /// Whether the gateway serves its pages and the Swagger UI.
    #[arg(long, value_name = "SWITCH", default_value = "on")]
    pub web: Switch,

    /// Worker threads; as many as the machine has cores when not given.
    #[arg(long, value_name = "N", value_parser = value::workers)]
    pub workers: Option<u32>,
}

impl HttpConfig {
    /// How many worker threads the gateway runs.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let most = value::MAX_WORKERS as usize;
        self.workers.map_or_else(|| cores().min(most), |workers| workers as usize)
    }
}

/// Who may read the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricsAccess {
    /// Requests with an operator key.
    Operator,
    /// Every request.
    Open,
}
