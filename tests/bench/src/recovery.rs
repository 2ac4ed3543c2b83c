//! How long a gateway takes to be ready after a kill, with a million devices in its journal.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{
    ConnectionId, Digest, Durability, EndReason, Engine, EngineListener, Limits, Outgoing,
    Requester, SystemClock,
    embedded::{COMPACTION_THRESHOLD, Embedded},
};
use tokio::task::JoinSet;

use crate::{
    books::Books,
    client::{Http, request},
    process::Server,
    run_local,
    subject::{GATEWAY_FLAGS, Programs},
};

/// Devices that are made at the same time, so that a commit has many entries.
const AT_ONCE: usize = 1000;

/// Nothing is notified where the engine is called without a gateway.
pub struct Nothing;

impl EngineListener for Nothing {
    fn end(&self, _: &ConnectionId, _: EndReason) {}
    fn message_queued(&self, _: &ConnectionId) {}
    fn messages_settled(&self, _: &str) {}
    fn events_appended(&self, _: usize) {}
}

/// Fills a journal with so many claimed devices, each with a message of 100 bytes in its outbox, and
/// ends as a kill does. It calls the engine, because requests would take several minutes.
pub async fn fill(folder: &Path, devices: usize) -> io::Result<()> {
    let limits = Limits::default();
    let (clock, listener) = (Arc::new(SystemClock), Arc::new(Nothing));
    let (durability, compaction) = (Durability::Process, COMPACTION_THRESHOLD);
    let engine = Embedded::open(&limits, clock, listener, folder, durability, compaction);
    let engine = Arc::new(engine.map_err(io::Error::other)?);
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE.min(devices) {
        let engine = Arc::clone(&engine);
        tasks.spawn_local(async move {
            for number in (first..devices).step_by(AT_ONCE) {
                fill_one(&engine, number).await?;
            }
            Ok::<_, io::Error>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.map_err(io::Error::other)??;
    }
    // No destructor runs, as after a kill.
    std::process::exit(0)
}

async fn fill_one(engine: &Embedded, number: usize) -> io::Result<()> {
    let device = format!("device-{number}");
    let token = Digest::of(device.as_bytes());
    let requester = Requester::Claim { shown: None, key: None };
    engine.request_token(&device, requester, None, &token).await.map_err(io::Error::other)?;
    let data = format!(r#""{number:098}""#);
    let ttl = Duration::from_hours(24);
    let message = Outgoing { device: &device, data: &data, ttl, idempotency: None };
    engine.send(message).await.map_err(io::Error::other)?;
    Ok(())
}

/// Starts a gateway on a filled journal, `rounds` times, and kills it each time.
pub fn table(programs: &Programs, devices: usize, rounds: usize) -> io::Result<String> {
    let folder = tempfile::tempdir()?;
    let journal = folder.path().join("journal");
    let filled = Command::new(&programs.bench)
        .args(["fill", &journal.display().to_string(), &devices.to_string()])
        .stdout(Stdio::null())
        .status()?;
    if !filled.success() {
        return Err(io::Error::other("the journal cannot be filled"));
    }
    let size = std::fs::read_dir(&journal)?.flatten().filter_map(|file| file.metadata().ok());
    let size: u64 = size.map(|file| file.len()).sum();
    let mut flags = GATEWAY_FLAGS.map(str::to_owned).to_vec();
    flags.extend(["--data-dir".to_owned(), journal.display().to_string()]);
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        let begin = Instant::now();
        let server = Server::start(&programs.gateway, &flags, programs.cores)?;
        run_local(async {
            Http::open(server.port).await?.ask(&request("GET /readyz", "", ""), 200).await?;
            times.push((begin.elapsed(), server.cpu(), server.memory()));
            let books = Books::read(server.port).await?;
            books.check("connectsocket_devices", devices)?;
            books.check("connectsocket_outbox_messages", devices)
        })?;
    }
    times.sort_unstable();
    let (took, cpu, memory) = times[times.len() / 2];
    Ok(format!(
        "| devices, each with a message | journal | ready after | CPU | memory |\n\
         |---|---|---|---|---|\n\
         | {devices} | {} MiB | {:.2} s | {:.2} s | {} MiB |\n",
        size >> 20,
        took.as_secs_f64(),
        cpu.as_secs_f64(),
        memory >> 10,
    ))
}
