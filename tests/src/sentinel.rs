//! Real sentinels, which watch a Redis and promote its replica when it fails.

use std::{
    fs,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, cmd};
use tempfile::TempDir;

use crate::{
    gateway::PATIENCE,
    process::Process,
    redis::{RedisServer, TlsServer, free_port, program},
};

/// The service that the sentinels watch.
pub const SERVICE: &str = "the-service";

/// Sentinels that watch one primary.
pub struct Sentinels {
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    _process: Process,
    _folder: TempDir,
    port: u16,
}

impl Sentinels {
    /// Starts this many sentinels, a majority of which decides. `lines` are for the configuration of
    /// each.
    ///
    /// # Panics
    /// When they do not start or do not find each other.
    #[must_use]
    pub fn watch(primary: &RedisServer, count: usize, lines: &str) -> Self {
        Self::start(primary.port(), count, lines, None)
    }

    /// Sentinels that speak TLS only, to gateways and to Redis.
    #[must_use]
    pub fn watch_with_tls(primary: &RedisServer, count: usize, tls: &TlsServer) -> Self {
        let primary = primary.tls_port();
        Self::start(primary, count, "tls-replication yes\n", Some(tls))
    }

    fn start(primary: u16, count: usize, lines: &str, tls: Option<&TlsServer>) -> Self {
        let quorum = count / 2 + 1;
        let monitor = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds {SERVICE} 1000\n\
             sentinel failover-timeout {SERVICE} 3000\n{lines}"
        );
        let start = |_| Sentinel::start(&monitor, tls);
        let all = Self { sentinels: (0..count).map(start).collect() };
        if tls.is_none() && !lines.contains("requirepass") {
            all.wait_until_they_know_each_other();
        }
        all
    }

    fn wait_until_they_know_each_other(&self) {
        let deadline = Instant::now() + PATIENCE;
        for index in 0..self.sentinels.len() {
            let others = |index| -> usize {
                let known: Vec<redis::Value> = self.run(index, &["SENTINELS", SERVICE]);
                known.len()
            };
            while others(index) + 1 < self.sentinels.len() {
                assert!(Instant::now() < deadline, "the sentinels do not find each other");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Runs a command of one sentinel, without its first word.
    ///
    /// # Panics
    /// When it is refused.
    #[expect(clippy::must_use_candidate, reason = "running is what it is called for")]
    pub fn run<T: FromRedisValue>(&self, index: usize, command: &[&str]) -> T {
        let url = format!("redis://127.0.0.1:{}/", self.sentinels[index].port);
        let client = redis::Client::open(url).expect("a URL");
        let mut connection = client.get_connection_with_timeout(PATIENCE).expect("a connection");
        cmd("SENTINEL").arg(command).query(&mut connection).expect("an answer")
    }

    /// Kills one of them.
    pub fn kill(&mut self, index: usize) {
        self.sentinels.remove(index);
    }

    /// The port of each.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(|sentinel| sentinel.port).collect()
    }

    /// Their URL, without the scheme and who asks: hosts and service.
    #[must_use]
    pub fn hosts_and_service(&self) -> String {
        let hosts = self.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>();
        format!("{}/{SERVICE}", hosts.join(","))
    }

    /// Their URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}", self.hosts_and_service())
    }
}

impl Sentinel {
    fn start(lines: &str, tls: Option<&TlsServer>) -> Self {
        // Another process may take the port before the sentinel does.
        for _ in 0..5 {
            let (port, folder) = (free_port(), TempDir::new().expect("a temporary folder"));
            // Sentinels rewrite their configuration.
            let file = folder.path().join("sentinel.conf");
            let ports = match tls {
                Some(tls) => format!("port 0\ntls-port {port}\n{}", tls.lines()),
                None => format!("port {port}\n"),
            };
            let own =
                format!("bind 127.0.0.1\nlogfile log\n{ports}dir {}\n", folder.path().display());
            fs::write(&file, own + lines).expect("a file");
            let arguments = [file.as_os_str(), "--sentinel".as_ref()];
            let process = Process::start(&program(), arguments);
            let deadline = Instant::now() + PATIENCE;
            while Instant::now() < deadline && process.runs() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { _process: process, _folder: folder, port };
                }
                thread::sleep(Duration::from_millis(5));
            }
            eprintln!("{}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
        }
        panic!("redis-server does not start as a sentinel");
    }
}
