//! What a second worker adds: the CPU time of each exchange with one worker and with two, and how
//! much of it is spent in the engine, whose lock all workers share.

use std::{
    fmt::Write,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{
    Authorisation, ConnectionId, Digest, Engine, Limits, Outgoing, Requester, SystemClock, TokenId,
    embedded::Embedded,
};

use crate::{
    measure::{Measured, median},
    process::Server,
    protocol::Protocol,
    recovery::Nothing,
    rows::Row,
    run_local,
    subject::{Load, Programs, Subject, flags_without},
};

/// Exchanges of each kind that call the engine without a gateway.
const IN_ENGINE: usize = 10_000;

/// The cores of a server with two workers: one of them has the load too.
const BOTH_CORES: &str = "0,1";

const DEVICE: &str = "device";

/// Measures each exchange with one worker on a core of its own, and with two.
pub fn table(programs: &Programs, load: Load, rounds: usize) -> io::Result<String> {
    let mut table =
        "| exchange | CPU for each with one worker, us | with two | in the engine, us | two \
                     workers do |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in [Row::Post, Row::Accepted, Row::Opened, Row::Pushed] {
        let mut measured: [Vec<Measured>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (workers, rounds) in [1, 2].into_iter().zip(&mut measured) {
                rounds.push(with_workers(programs, load, row, workers)?);
            }
        }
        let [one, two] = measured.map(|rounds| median(&rounds).cpu);
        let engine = run_local(in_engine(row))?.as_secs_f64() * 1e6;
        // At worst, each waits for the other as long as that is in the engine.
        let times = 2.0 * one / (two + engine);
        let _ = writeln!(
            table,
            "| {} | {one:.1} | {two:.1} | {engine:.2} | {times:.2} times as much |",
            row.name()
        );
    }
    Ok(table)
}

fn with_workers(programs: &Programs, load: Load, row: Row, workers: usize) -> io::Result<Measured> {
    let mut flags = flags_without("--workers");
    flags.extend(["--workers".to_owned(), workers.to_string()]);
    let core = programs.cores.server.to_string();
    let server =
        Server::start_on(if workers == 1 { &core } else { BOTH_CORES }, &programs.gateway, &flags)?;
    run_local(row.exchanges(Subject::new(&server, Protocol::Gateway, load)))
}

/// How long the engine takes for an exchange of this kind, on one thread: a little more than it holds
/// its lock.
async fn in_engine(row: Row) -> io::Result<Duration> {
    let limits = Limits {
        authorisations_per_second: 1_000_000,
        event_bytes: usize::MAX,
        event_bytes_per_device: usize::MAX,
        ..Limits::default()
    };
    let engine = Embedded::new(limits, Arc::new(SystemClock), Arc::new(Nothing));
    let token = TokenId::of(b"token");
    let requested = engine.request_token(DEVICE, Requester::Test, None, &token.digest).await;
    requested.map_err(io::Error::other)?;
    let mut socket = ConnectionId::new();
    let mut took = Duration::ZERO;
    for n in 0..IN_ENGINE {
        let half_ref = Digest::of(&n.to_be_bytes());
        let half_ref = &half_ref;
        if n == 0 || row == Row::Opened {
            let authorisation =
                Authorisation { token: &token, device: DEVICE, half_ref, linkinjected: None };
            engine.authorise(authorisation).await.map_err(io::Error::other)?;
            socket = ConnectionId::new();
        }
        let begin = Instant::now();
        match row {
            Row::Post | Row::PostJournaled if n > 0 => {
                engine.check_token(&token).await.map_err(io::Error::other)?;
                let linkinjected = Some("https://www.example.com/?from=bench");
                let authorisation =
                    Authorisation { token: &token, device: DEVICE, half_ref, linkinjected };
                engine.authorise(authorisation).await.map_err(io::Error::other)?;
            }
            _ if n == 0 || row == Row::Opened => {
                engine.redeem(half_ref, &socket).await.map_err(io::Error::other)?;
            }
            Row::Pushed => {
                let ttl = Duration::from_mins(1);
                let message = Outgoing { device: DEVICE, data: "1", ttl, idempotency: None };
                let sent = engine.send(message).await.map_err(io::Error::other)?;
                let read = engine.outbox(DEVICE, &socket, sent.seq - 1, usize::MAX).await;
                read.map_err(io::Error::other)?;
                let acknowledged = engine.acknowledge(DEVICE, &socket, sent.seq).await;
                acknowledged.map_err(io::Error::other)?;
            }
            _ => {
                let id = n.to_string();
                let accepted = engine.accept(DEVICE, &socket, &id, "\"a message\"").await;
                accepted.map_err(io::Error::other)?;
            }
        }
        took += begin.elapsed();
    }
    Ok(took / u32::try_from(IN_ENGINE).unwrap_or(u32::MAX))
}
