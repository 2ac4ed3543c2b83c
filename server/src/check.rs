//! `connect-socket check`: tells, without starting, whether a gateway would work with the settings of
//! this process.
//!
//! Each setting is checked by the code with which a start uses it. Nothing is left behind: no file, no
//! key in Redis.

use std::{fmt, io, io::Write, net::IpAddr};

use actix_web::rt::System;
use engine::{inspect_journal, redis};

use crate::{
    config::{Config, OperatorKeys, is_exposed},
    descriptors::Descriptors,
    server,
};

/// Free space of a disk below which a journal is warned about, in bytes.
const LITTLE_SPACE: u64 = 256 * 1024 * 1024;

/// What was found out about one subject.
struct Finding {
    level: Level,
    subject: &'static str,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warning,
    Error,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        // The errors of a start end with a period, and every other text does not.
        write!(formatter, "{level:<7}  {}: {}", self.subject, self.text.trim_end_matches('.'))
    }
}

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, level: Level, subject: &'static str, text: impl fmt::Display) {
        self.0.push(Finding { level, subject, text: text.to_string() });
    }

    fn ok(&mut self, subject: &'static str, text: impl fmt::Display) {
        self.add(Level::Ok, subject, text);
    }

    fn warn(&mut self, subject: &'static str, text: impl fmt::Display) {
        self.add(Level::Warning, subject, text);
    }

    /// The value, or its error as a finding.
    fn take<T, E: fmt::Display>(
        &mut self,
        subject: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add(Level::Error, subject, error)).ok()
    }
}

/// Checks the settings and prints a line for each finding. Returns whether a gateway would work.
#[must_use]
pub fn run(config: &Config) -> bool {
    let findings = find(config);
    let mut terminal = io::stdout();
    for finding in &findings.0 {
        // A reader that closes standard output still gets the exit code.
        let _ = writeln!(terminal, "{finding}");
    }
    findings.0.iter().all(|finding| finding.level != Level::Error)
}

fn find(config: &Config) -> Findings {
    let mut findings = Findings::default();
    findings.take("variables", Config::refuse_unknown_variables());
    findings.take("log", config.log.filter());
    listen(config, &mut findings);
    let keys = findings.take("operator keys", config.operator_keys());
    if let Some(keys) = &keys {
        operator_keys(config, keys, &mut findings);
    }
    let trial = keys.is_some_and(|keys| keys.trial);
    descriptors(config, &mut findings);
    storage(config, trial, &mut findings);
    if !trial {
        origins(config, &mut findings);
    }
    proxies(config, trial, &mut findings);
    findings
}

fn listen(config: &Config, findings: &mut Findings) {
    let address = config.http.listen;
    if findings.take("listen", server::bind(address)).is_some() {
        findings.ok("listen", format_args!("{address} is free"));
    }
}

fn operator_keys(config: &Config, keys: &OperatorKeys, findings: &mut Findings) {
    let subject = "operator keys";
    if keys.trial {
        findings.ok(subject, "none is needed: this is a trial, which makes its own at start");
        return;
    }
    findings.ok(subject, format_args!("{} given", keys.keys.len()));
    if let Some(file) = config.operator.operator_key_file.as_ref().filter(|file| is_exposed(file)) {
        let file = file.display();
        findings.warn(
            subject,
            format_args!("every user of the machine can read or replace {file}; chmod 600 {file}"),
        );
    }
}

fn descriptors(config: &Config, findings: &mut Findings) {
    let workers = config.http.worker_threads();
    let found = Descriptors::of_this_process(workers);
    if let Some(descriptors) = findings.take("descriptors", found) {
        let (limit, room) = (descriptors.limit(), descriptors.room());
        findings.ok("descriptors", format_args!("{limit}, which is room for {room} connections"));
    }
}

/// Where the state is kept: a journal, a Redis, or memory alone.
fn storage(config: &Config, trial: bool, findings: &mut Findings) {
    let Some(limits) = findings.take("limits", config.engine_limits()) else { return };
    let Some(options) = findings.take("redis", config.redis.options()) else { return };
    if let Some(options) = options {
        let address = options.address();
        let checked = System::new().block_on(redis::check(&limits, &options));
        let checked = checked.map_err(|why| {
            format!("{address}: {why} (a gateway would start, and refuse requests until then)")
        });
        if let Some(warning) = findings.take("redis", checked) {
            findings.ok("redis", format_args!("{address} can serve a gateway"));
            if let Some(key) = config.redis.redis_key.as_ref().filter(|file| is_exposed(file)) {
                let file = key.display();
                findings.warn(
                    "redis",
                    format_args!("every user of the machine can read {file}; chmod 600 {file}"),
                );
            }
            if let Some(warning) = warning {
                findings.warn("redis", warning);
            }
        }
    } else if let Some(folder) = &config.journal.data_dir {
        let inspection = inspect_journal(folder)
            .map_err(|source| format!("--data-dir {} cannot be used: {source}", folder.display()));
        if let Some(found) = findings.take("journal", inspection) {
            let state = if found.exists {
                format!("holds a journal of {} entries", found.commits)
            } else {
                "has no journal yet; a start makes one".to_owned()
            };
            findings.ok("journal", format_args!("{} {state}", folder.display()));
            journal(&found, findings);
        }
    } else if !trial {
        findings.warn(
            "journal",
            "a restart forgets everything; give --data-dir, or --redis-url for many gateways",
        );
    }
}

fn journal(found: &engine::JournalInspection, findings: &mut Findings) {
    if found.replaceable {
        findings.warn(
            "journal",
            "every user of the machine can replace files in the folder; chmod 700 it",
        );
    }
    if !found.readable.is_empty() {
        let files = found.readable.join(", ");
        findings.warn(
            "journal",
            format_args!("other users can read or write {files}; a start makes the files private"),
        );
    }
    if found.free < LITTLE_SPACE {
        let free = found.free / (1024 * 1024);
        findings.warn("journal", format_args!("its disk has only {free} MiB left; free some"));
    }
}

fn origins(config: &Config, findings: &mut Findings) {
    let http = &config.http;
    for origin in http.public_url.iter().chain(&http.allowed_origins) {
        if let Some(host) = origin.strip_prefix("http://").filter(|host| !is_local(host)) {
            findings.warn(
                "origins",
                format_args!(
                    "http://{host} is not encrypted, so others can read tokens; use https"
                ),
            );
        }
    }
    match (&http.public_url, http.allowed_origins.as_slice()) {
        (None, []) => findings.warn(
            "origins",
            "only apps and pages of the gateway's own host may open sockets; give --allowed-origin for \
             the pages that may too",
        ),
        (public, allowed) => {
            let all: Vec<_> = public.iter().chain(allowed).map(String::as_str).collect();
            findings.ok("origins", format_args!("pages of {} may open sockets", all.join(", ")));
        }
    }
}

/// Whether an authority is this machine's own.
fn is_local(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        if port.bytes().all(|digit| digit.is_ascii_digit()) { host } else { authority }
    });
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|it| it.is_loopback())
}

fn proxies(config: &Config, trial: bool, findings: &mut Findings) {
    let subject = "trusted proxies";
    let http = &config.http;
    for network in http.trusted_proxies.iter().filter(|network| network.prefix_len() == 0) {
        findings.warn(
            subject,
            format_args!("{network} lets every client choose its address; name your proxies alone"),
        );
    }
    if !http.trusted_proxies.is_empty() {
        let networks: Vec<_> = http.trusted_proxies.iter().map(ToString::to_string).collect();
        findings.ok(subject, networks.join(", "));
    } else if http.public_url.as_ref().is_some_and(|url| url.starts_with("https://")) {
        findings.warn(
            subject,
            "none, so all clients of the proxy for --public-url share one address and its limits; give \
             --trusted-proxy",
        );
    } else if !trial {
        findings.ok(subject, "none; the client address is that of the connection");
    }
}
