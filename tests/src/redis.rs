//! The real Redis server, on a free port and in its own folder, killed when the test ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, cmd};
use tempfile::TempDir;

use crate::gateway::PATIENCE;

/// Runs the server and kills it when the script's standard input closes, so that the server does not
/// outlive a test that is killed. The first line of output is the server's process id.
const KEEPER: &str =
    r#"redis-server "$@" >/dev/null 2>&1 & echo $!; cat >/dev/null; kill -KILL $!; wait"#;

/// A running Redis.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    process: Option<Process>,
}

struct Process {
    keeper: Child,
    pid: u32,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn free_port() -> u16 {
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
        let options = options.iter().map(ToString::to_string).collect();
        let folder = TempDir::new().expect("a temporary folder");
        let mut server = Self { folder, port: 0, options, process: None };
        // Another process may take the port before the server does.
        for _ in 0..5 {
            server.port = free_port();
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
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", "--bind", "127.0.0.1", "--save", ""])
            .args(["--port", &self.port.to_string(), "--logfile", "log", "--dir"])
            .arg(self.folder.path())
            .args(&self.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let mut line = String::new();
        let mut stdout = BufReader::new(keeper.stdout.take().expect("its output"));
        stdout.read_line(&mut line).expect("a line");
        let pid = line.trim().parse().expect("the number of a process");
        self.process = Some(Process { keeper, pid });
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
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
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

    fn pid(&self) -> u32 {
        self.process.as_ref().expect("it was started").pid
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
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success());
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
