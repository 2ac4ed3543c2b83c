//! A gateway under test: the real binary, on a free port, killed when the test ends.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;

use crate::client::{Answer, Call};

/// The longest time to wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The gateway's binary, built once by the test run.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let root = root();
        let built = openapi::cargo::cargo()
            .args(["build", "--quiet", "--workspace", "--bins", "--locked"])
            .current_dir(&root)
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the gateway builds");
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        target.join("debug").join("connect-socket")
    })
}

/// The top folder of the project.
///
/// # Panics
/// Never: the tests live in a folder of it.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}

/// The flags, variables and process limits that a gateway starts with.
#[derive(Default)]
pub struct GatewayBuilder {
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    descriptors: Option<u32>,
    file_size: Option<u64>,
    operator_key: String,
    log: Option<PathBuf>,
    unread_log: bool,
    ignored_signal: Option<&'static str>,
    subcommand: Option<&'static str>,
    other_user: Option<PathBuf>,
    program: Option<PathBuf>,
}

impl GatewayBuilder {
    /// With its log in a pipe that is not read until [`Gateway::read_log`].
    #[must_use]
    pub fn unread_log(mut self) -> Self {
        self.unread_log = true;
        self
    }

    /// In a process that is started with this signal ignored, such as `HUP` by `nohup`.
    #[must_use]
    pub fn ignored_signal(mut self, name: &'static str) -> Self {
        self.ignored_signal = Some(name);
        self
    }

    /// As a user who owns nothing, from this copy of the program. Only root can start it so.
    #[must_use]
    pub fn other_user(mut self, program: &Path) -> Self {
        self.other_user = Some(program.to_owned());
        self
    }

    /// From this program instead of the one under test.
    #[must_use]
    pub fn program_at(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// With its log in this file.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// With this flag.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// With this operator key, which the harness then uses.
    #[must_use]
    pub fn operator_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.operator_key);
        self.flag("--operator-key", key)
    }

    /// With this environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this flag, which takes no value.
    #[must_use]
    pub fn switch(mut self, name: &str) -> Self {
        self.flags.push(name.to_owned());
        self
    }

    /// In a process that may open so many file descriptors.
    #[must_use]
    pub fn descriptors(mut self, at_most: u32) -> Self {
        self.descriptors = Some(at_most);
        self
    }

    /// In a process whose files may have at most so many bytes, which acts as a full disk until
    /// [`Gateway::lift_file_size`].
    #[must_use]
    pub fn file_size(mut self, at_most: u64) -> Self {
        self.file_size = Some(at_most);
        self
    }

    fn program(&self) -> Command {
        if let Some(program) = &self.other_user {
            let mut other = Command::new("setpriv");
            other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
            return other;
        }
        let limits = [
            self.descriptors.map(|at_most| format!("ulimit -n {at_most}")),
            // A process that ignores the signal gets an error instead of being killed.
            self.file_size.map(|at_most| {
                format!("trap '' XFSZ && prlimit --pid $$ --fsize={at_most}:unlimited")
            }),
            self.ignored_signal.map(|name| format!("trap '' {name}")),
        ];
        let limits: Vec<_> = limits.into_iter().flatten().collect();
        let program = self.program.as_deref().unwrap_or_else(|| binary());
        if limits.is_empty() {
            return Command::new(program);
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!(r#"{} && exec "$0" "$@""#, limits.join(" && "))).arg(program);
        shell
    }

    fn command(&self) -> Command {
        let mut command = self.program();
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONNECTSOCKET_")) {
            command.env_remove(name);
        }
        command.args(self.subcommand);
        // A test sends requests faster than a prospect does, and from one address.
        if !self.flags.iter().any(|flag| flag.starts_with("--token-requests-per-second")) {
            command.args(["--token-requests-per-second", "1000"]);
        }
        if !self.flags.iter().any(|flag| flag == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(&self.flags).envs(self.variables.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(self) -> Gateway {
        let folder = TempDir::new().expect("a temporary folder");
        let log = self.log.clone().unwrap_or_else(|| folder.path().join("log"));
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(if self.unread_log {
                Stdio::piped()
            } else {
                File::create(&log).expect("a log").into()
            })
            .spawn()
            .expect("the gateway starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its first line");
        let line = line.trim();
        let announced =
            line.strip_prefix("Swagger UI: ").or_else(|| line.strip_prefix("Gateway: "));
        let Some(announced) = announced.map(str::to_owned) else {
            let _ = child.wait();
            panic!("the gateway did not start: {}", fs::read_to_string(&log).unwrap_or_default());
        };
        let (swagger_ui, local) = match announced.split_once(" (listening on ") {
            Some((public, local)) => (public, local.trim_end_matches(')')),
            None => (&*announced, announced.trim_end_matches("/swagger-ui/")),
        };
        let (swagger_ui, url) = (swagger_ui.to_owned(), local.to_owned());
        let mut key = self.operator_key.clone();
        if !self.is_given_a_key() {
            stdout.read_line(&mut key).expect("its second line");
        }
        let operator_key = key.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Gateway { child, url, swagger_ui, operator_key, log, _folder: folder }
    }

    fn is_given_a_key(&self) -> bool {
        let keys = |name: &str| name.to_lowercase().replace('_', "-").contains("operator-key");
        self.flags.iter().any(|flag| keys(flag))
            || self.variables.iter().any(|(name, _)| keys(name))
    }

    /// Runs a subcommand with its settings.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn run(mut self, subcommand: &'static str) -> Output {
        self.subcommand = Some(subcommand);
        self.refused()
    }

    /// Starts it and expects it to exit by itself.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn refused(self) -> Output {
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        if wait(&mut child).is_none() {
            let _ = child.kill();
        }
        child.wait_with_output().expect("its output")
    }
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Waits for `happened` to be true.
///
/// # Panics
/// When it does not come true.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "did not happen: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A running gateway. It is killed when dropped.
pub struct Gateway {
    child: Child,
    /// Where it listens, without a slash at the end.
    pub url: String,
    /// The address of the Swagger UI, as it printed it.
    pub swagger_ui: String,
    /// The key that a trial printed or that `operator_key` set; empty otherwise.
    pub operator_key: String,
    log: PathBuf,
    _folder: TempDir,
}

impl Gateway {
    /// A trial with default settings.
    #[must_use]
    pub fn trial() -> Self {
        Self::builder().start()
    }

    /// A gateway with settings of its own.
    #[must_use]
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::default()
    }

    /// Host and port.
    ///
    /// # Panics
    /// Never: the gateway printed the URL itself.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.strip_prefix("http://").expect("an http URL")
    }

    /// A call to this gateway.
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(method, &format!("{}{path}", self.url))
    }

    /// GET.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send()
    }

    /// `PUT /token` through a channel, showing a token or none.
    #[must_use]
    pub fn request_token(&self, channel: &str, device: &str, shown: Option<&str>) -> Answer {
        let call =
            self.call("PUT", "/token").json(&json!({"channel": channel, "deviceTag": device}));
        match shown {
            Some(token) => call.header("token", token).send(),
            None => call.send(),
        }
    }

    /// A token of the test channel.
    ///
    /// # Panics
    /// When the gateway gives none.
    #[must_use]
    pub fn token(&self, device: &str) -> String {
        self.request_token("test", device, None).token()
    }

    /// Claims a device and gives its token.
    ///
    /// # Panics
    /// When the gateway gives none.
    #[must_use]
    pub fn claim(&self, device: &str) -> String {
        self.request_token("browser", device, None).token()
    }

    /// `POST /operator/prospects/{deviceTag}/token`.
    #[must_use]
    pub fn issue_token(&self, operator_key: &str, device: &str) -> Answer {
        self.call("POST", &format!("/operator/prospects/{device}/token"))
            .header("authorization", &format!("Bearer {operator_key}"))
            .send()
    }

    /// `DELETE /token`.
    #[must_use]
    pub fn revoke_token(&self, token: &str) -> Answer {
        self.call("DELETE", "/token").header("token", token).send()
    }

    /// `POST /prospect/connectsocket`.
    #[must_use]
    pub fn connect_socket(&self, token: &str, device: &str, half_ref: &str) -> Answer {
        self.call("POST", "/prospect/connectsocket")
            .header("token", token)
            .json(&json!({"halfRef": half_ref, "deviceTag": device}))
            .send()
    }

    /// What it has logged so far. The log is written in the background, so this waits for a pause.
    #[must_use]
    pub fn log(&self) -> String {
        const PAUSE: Duration = Duration::from_millis(50);
        let read = || fs::read_to_string(&self.log).unwrap_or_default();
        let mut log = read();
        loop {
            thread::sleep(PAUSE);
            let longer = read();
            if longer.len() == log.len() {
                return log;
            }
            log = longer;
        }
    }

    /// Waits for a line of the log that contains this.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    pub fn logged(&self, text: &str) -> String {
        let mut found = None;
        eventually(&format!("{text:?} is logged"), || {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            // The last line may be written in part.
            let mut whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            found = whole.find(|line| line.contains(text)).map(str::to_owned);
            found.is_some()
        });
        found.expect("a line")
    }

    /// The lines of a log that was not read so far, as they come.
    ///
    /// # Panics
    /// Without [`GatewayBuilder::unread_log`].
    pub fn read_log(&mut self) -> impl Iterator<Item = String> {
        let log = self.child.stderr.take().expect("an unread log");
        BufReader::new(log).lines().map_while(Result::ok)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
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

    /// Lifts the limit that [`GatewayBuilder::file_size`] set.
    ///
    /// # Panics
    /// When the limit cannot be lifted.
    pub fn lift_file_size(&self) {
        let pid = self.pid().to_string();
        let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
        assert!(lifted.expect("prlimit runs").success());
    }

    /// Waits until it exits.
    ///
    /// # Panics
    /// When it does not.
    pub fn ended(&mut self) -> ExitStatus {
        wait(&mut self.child).expect("the gateway ends")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
