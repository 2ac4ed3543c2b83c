//! The servers that are measured: processes pinned to one core, and what `/proc` says of them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{self, Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

/// The operator key of every gateway here.
pub const OPERATOR_KEY: &str = "the-operator-key-of-the-benchmark";

/// Tries to reach a server that starts, one each 50 ms.
const TRIES: usize = 200;

/// The cores that the servers and the load run on.
#[derive(Clone, Copy)]
pub struct Cores {
    pub server: usize,
    pub load: usize,
}

impl Cores {
    /// Pins this process, before it has threads.
    pub fn pin_load(self) -> io::Result<()> {
        let pid = process::id().to_string();
        let pinned = Command::new("taskset")
            .args(["-p", "-c", &self.load.to_string(), &pid])
            .stdout(Stdio::null())
            .status()?;
        if pinned.success() { Ok(()) } else { Err(io::Error::other("taskset failed")) }
    }
}

/// A running server, killed when it is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    /// Its log and its journal.
    folder: TempDir,
}

impl Server {
    /// Starts a program that prints a URL with its port, on the server's core. `%` in an argument
    /// stands for its folder.
    pub fn start(
        program: impl AsRef<OsStr>,
        arguments: &[String],
        cores: Cores,
    ) -> io::Result<Self> {
        Self::start_on(&cores.server.to_string(), program, arguments)
    }

    /// Starts a program on these cores, such as `0,1`.
    pub fn start_on(
        cores: &str,
        program: impl AsRef<OsStr>,
        arguments: &[String],
    ) -> io::Result<Self> {
        let mut server = Self::spawn(0, &[], cores, program.as_ref(), arguments)?;
        let mut line = String::new();
        if let Some(output) = server.child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let port = line.split_once("http://127.0.0.1:").and_then(|(_, rest)| {
            rest.split(|digit: char| !digit.is_ascii_digit()).next()?.parse().ok()
        });
        server.port = port.ok_or_else(|| server.does_not_start())?;
        Ok(server)
    }

    /// Starts a program that listens on `port`, on the server's core, and waits until it does. It finds
    /// `files` in its folder, for which `%` stands in them too.
    pub fn start_at(
        port: u16,
        files: &[(&str, &str)],
        program: impl AsRef<OsStr>,
        arguments: &[String],
        cores: Cores,
    ) -> io::Result<Self> {
        let cores = cores.server.to_string();
        let server = Self::spawn(port, files, &cores, program.as_ref(), arguments)?;
        for _ in 0..TRIES {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(server);
            }
            sleep(Duration::from_millis(50));
        }
        Err(server.does_not_start())
    }

    fn spawn(
        port: u16,
        files: &[(&str, &str)],
        cores: &str,
        program: &OsStr,
        arguments: &[String],
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display().to_string();
        for (name, text) in files {
            fs::write(folder.path().join(name), text.replace('%', &path))?;
        }
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(arguments.iter().map(|argument| argument.replace('%', &path)))
            .env("CONNECTSOCKET_OPERATOR_KEY", OPERATOR_KEY)
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()?;
        Ok(Self { child, port, folder })
    }

    fn does_not_start(&self) -> io::Error {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        io::Error::other(format!("the server does not start: {log}"))
    }

    /// Ends it in its own time, and returns what is in a file of its folder then.
    pub fn end(mut self, file: &str) -> io::Result<String> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        fs::read_to_string(self.folder.path().join(file))
    }

    /// The CPU time that it has used.
    pub fn cpu(&self) -> Duration {
        cpu_of(&self.child)
    }

    /// Its memory that no file backs, in KiB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

/// The CPU time that the threads of a process have used, to the nanosecond: `stat` counts in hundredths of a
/// second.
pub fn cpu_of(process: &Child) -> Duration {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id()));
    let nanos = threads.into_iter().flatten().flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// What a server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub descriptors: usize,
    pub threads: usize,
    /// Files in its folder.
    pub files: usize,
}

impl Server {
    pub fn held(&self) -> Held {
        let count = |what| {
            fs::read_dir(format!("/proc/{}/{what}", self.child.id())).map_or(0, Iterator::count)
        };
        Held { descriptors: count("fd"), threads: count("task"), files: files(self.folder.path()) }
    }
}

/// The files below a folder.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|it| if it.path().is_dir() { files(&it.path()) } else { 1 }).sum()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How much of the machine's time went to others, since it started: `steal` and all of it.
pub fn stolen() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let times = stat.lines().next().unwrap_or_default();
    let times: Vec<u64> =
        times.split_whitespace().filter_map(|time| time.parse().ok()).take(8).collect();
    (times.get(7).copied().unwrap_or(0), times.iter().sum())
}
