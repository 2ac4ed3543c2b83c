//! The real Redis server, on a free port and in its own folder, killed when the test ends.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, cmd};
use tempfile::TempDir;

use crate::{WallClock, certificates::Certificate, gateway::PATIENCE, process::Process};

/// The program that serves as Redis: `redis-server`, or the one of the variable `REDIS_SERVER`, such
/// as `valkey-server`.
pub(crate) fn program() -> String {
    env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// A running Redis.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    /// A second port, which speaks TLS.
    tls: Option<(u16, TlsServer)>,
    options: Vec<String>,
    /// Its environment variables, as `name=value`.
    variables: Vec<String>,
    process: Option<Process>,
}

/// What a server with TLS shows and asks for.
#[derive(Clone)]
pub struct TlsServer {
    /// Its certificate and key.
    pub shows: Certificate,
    /// The authority whose client certificates it asks for, and trusts as a client itself.
    pub trusts: PathBuf,
    /// Whether clients have to show one.
    pub asks: bool,
}

impl TlsServer {
    fn settings(&self) -> [(&'static str, String); 4] {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("tls-cert-file", path(&self.shows.certificate)),
            ("tls-key-file", path(&self.shows.key)),
            ("tls-ca-cert-file", path(&self.trusts)),
            ("tls-auth-clients", if self.asks { "yes" } else { "no" }.to_owned()),
        ]
    }

    /// As lines of a configuration.
    pub(crate) fn lines(&self) -> String {
        self.settings().map(|(name, value)| format!("{name} \"{value}\"\n")).concat()
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

impl RedisServer {
    /// Starts a server without persistence.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server that syncs each write to disk before it answers.
    #[must_use]
    pub fn durable() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server with these options.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        Self::on_free_ports(options, None, Vec::new())
    }

    /// Starts a server with a wall clock of its own.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn with_clock(clock: &WallClock, options: &[&str]) -> Self {
        let variables = clock.variables().map(|(name, value)| match name {
            // Redis's jemalloc asks for the time before `faketime` can tell it.
            "LD_PRELOAD" => format!("{name}={value} libc.so.6"),
            _ => format!("{name}={value}"),
        });
        Self::on_free_ports(options, None, variables.to_vec())
    }

    /// Starts a server with these options that speaks TLS on a second port.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn with_tls(tls: &TlsServer, options: &[&str]) -> Self {
        Self::on_free_ports(options, Some(tls.clone()), Vec::new())
    }

    fn on_free_ports(options: &[&str], tls: Option<TlsServer>, variables: Vec<String>) -> Self {
        let options = options.iter().map(ToString::to_string).collect();
        let folder = TempDir::new().expect("a temporary folder");
        let tls = tls.map(|tls| (0, tls));
        let mut server = Self { folder, port: 0, tls, options, variables, process: None };
        // Another process may take the port before the server does.
        for _ in 0..5 {
            server.port = free_port();
            if let Some((port, _)) = &mut server.tls {
                *port = free_port();
            }
            if server.try_again() {
                return server;
            }
        }
        panic!("redis-server does not start: {}", server.log());
    }

    /// Starts it again, on the same port and with the same folder.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&mut self) {
        assert!(self.try_again(), "redis-server does not start: {}", self.log());
    }

    fn try_again(&mut self) -> bool {
        self.process = None;
        let mut arguments = ["--bind", "127.0.0.1", "--save", "", "--logfile", "log", "--dir"]
            .map(ToOwned::to_owned)
            .to_vec();
        arguments.push(self.folder.path().to_string_lossy().into_owned());
        arguments.extend(["--port".to_owned(), self.port.to_string()]);
        if let Some((port, tls)) = &self.tls {
            arguments.extend(["--tls-port".to_owned(), port.to_string()]);
            let settings = tls.settings().map(|(name, value)| [format!("--{name}"), value]);
            arguments.extend(settings.into_iter().flatten());
        }
        let program = [program()];
        let arguments =
            self.variables.iter().chain(&program).chain(&arguments).chain(&self.options);
        self.process = Some(Process::start("env", arguments));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.runs() {
            if self.answers() {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn runs(&self) -> bool {
        self.process.as_ref().is_some_and(Process::runs)
    }

    /// Whether it answers; it does not while it loads its data.
    #[must_use]
    pub fn answers(&self) -> bool {
        let Ok(client) = redis::Client::open(self.url()) else { return false };
        let connection = client.get_connection_with_timeout(PATIENCE);
        connection.is_ok_and(|mut connection| cmd("PING").exec(&mut connection).is_ok())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The port on 127.0.0.1 that speaks TLS.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls.as_ref().expect("a server with TLS").0
    }

    /// Its URL with TLS, by this name of 127.0.0.1.
    #[must_use]
    pub fn tls_url(&self, host: &str) -> String {
        format!("rediss://{host}:{}/", self.tls_port())
    }

    /// Kills it. What it has written to disk stays.
    ///
    /// # Panics
    /// When it lives on.
    pub fn kill(&mut self) {
        self.process = None;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(Instant::now() < deadline, "it still listens");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal, by its name for `kill`.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, name: &str) {
        self.process.as_ref().expect("it was started").signal(name);
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("a URL");
        client.get_connection_with_timeout(PATIENCE).expect("a connection")
    }

    /// Runs a command.
    ///
    /// # Panics
    /// When it is refused.
    #[expect(clippy::must_use_candidate, reason = "running is what it is called for")]
    pub fn run<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = self.connection();
        let (name, arguments) = command.split_first().expect("a command");
        cmd(name).arg(arguments).query(&mut connection).expect("an answer")
    }
}
