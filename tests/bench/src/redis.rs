//! A Redis of the benchmark's own.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::process::cpu_of;

/// Tries to reach it, one each 50 ms.
const TRIES: usize = 200;

/// A running Redis, killed when it is dropped.
pub struct RedisServer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl RedisServer {
    pub fn start() -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--maxmemory-policy", "noeviction"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { child, port, _folder: folder };
        for _ in 0..TRIES {
            if server.keys().is_ok() {
                return Ok(server);
            }
            sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("redis-server does not start"))
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// How many keys there are.
    pub fn keys(&self) -> io::Result<usize> {
        let line = self.answer("DBSIZE", |_| true)?;
        line.trim_start_matches(':').parse().map_err(io::Error::other)
    }

    /// How often functions were called.
    pub fn calls(&self) -> io::Result<usize> {
        let line = self.answer("INFO commandstats", |line| line.starts_with("cmdstat_fcall:"))?;
        let calls = line.split_once("calls=").and_then(|(_, rest)| rest.split(',').next());
        calls.unwrap_or_default().parse().map_err(io::Error::other)
    }

    /// The CPU time that it has used.
    pub fn cpu(&self) -> Duration {
        cpu_of(&self.child)
    }

    /// The first line like this of the answer to a command.
    fn answer(&self, command: &str, is_like: impl Fn(&str) -> bool) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
        for line in BufReader::new(stream).lines() {
            let line = line?;
            if is_like(&line) {
                return Ok(line);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
