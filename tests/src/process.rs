//! A process that does not outlive the test that started it.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// Runs a program and kills it when the script's standard input closes, so that it does not outlive a
/// test that is killed. The first line of output is its process id.
const KEEPER: &str = r#""$@" >/dev/null 2>&1 & echo $!; cat >/dev/null; kill -KILL $!; wait"#;

/// A running process, killed when dropped.
pub struct Process {
    keeper: Child,
    pid: u32,
}

impl Process {
    /// Starts a program whose output is dropped.
    ///
    /// # Panics
    /// When there is no shell.
    pub fn start<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let mut line = String::new();
        let mut stdout = BufReader::new(keeper.stdout.take().expect("its output"));
        stdout.read_line(&mut line).expect("a line");
        let pid = line.trim().parse().expect("the number of a process");
        Self { keeper, pid }
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    /// Sends it a signal, by its name for `kill`.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, name: &str) {
        let pid = self.pid.to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
