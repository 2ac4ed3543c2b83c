//! What many idle sockets cost: themselves, and the exchanges beside them.

use std::{fmt::Write, io, time::Duration};

use tokio::task::JoinSet;

use crate::{
    client::Socket,
    measure::{Measured, median},
    process::Server,
    protocol::Protocol,
    run_local,
    subject::{GATEWAY_FLAGS, Load, Programs, Subject},
};

/// How many idle sockets there are: few, and nearly as many as a process has descriptors.
pub const SIZES: [usize; 2] = [1000, 19_000];

/// The sockets of each size whose opening is measured: the last.
const LAST: usize = 1000;

/// The device numbers of each exchange.
const DEVICES: usize = 1000;

/// Each socket is pinged once in this time.
pub const HEARTBEAT: Duration = Duration::from_secs(25);

/// A row of the table, and where its figures are.
type Figures = (&'static str, fn(&Growth) -> Measured);

/// What one size gives.
struct Growth {
    opened: Measured,
    /// The share of a core that the heartbeats take.
    idle: f64,
    posts: Measured,
    messages: Measured,
    pushed: Measured,
}

/// The table: each exchange beside few and many idle sockets.
pub fn table(
    programs: &Programs,
    load: Load,
    sizes: [usize; 2],
    heartbeat: Duration,
    rounds: usize,
) -> io::Result<String> {
    let mut measured: [Vec<Growth>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (size, rounds) in sizes.into_iter().zip(&mut measured) {
            let flags = GATEWAY_FLAGS.map(str::to_owned);
            let server = Server::start(&programs.gateway, &flags, programs.cores)?;
            let subject = Subject::new(&server, Protocol::Gateway, load);
            rounds.push(run_local(grown(subject, size, heartbeat))?);
        }
    }
    let [few, many] = sizes;
    let mut table = format!(
        "| beside idle sockets | {few}, us of CPU | {many}, us of CPU | growth | p99 | p99 |\n\
         |---|---|---|---|---|---|\n"
    );
    let rows: [Figures; 4] = [
        ("socket opened", |it| it.opened),
        ("documented POST", |it| it.posts),
        ("message to `accepted`", |it| it.messages),
        ("operator's POST to frame", |it| it.pushed),
    ];
    for (name, of) in rows {
        let [few, many] = measured.each_ref().map(|rounds| {
            let rounds: Vec<_> = rounds.iter().map(of).collect();
            median(&rounds)
        });
        let _ = writeln!(
            table,
            "| {name} | {:.1} | {:.1} | {:+.0} % | {:.1} ms | {:.1} ms |",
            few.cpu,
            many.cpu,
            100.0 * (many.cpu / few.cpu - 1.0),
            few.p99 / 1000.0,
            many.p99 / 1000.0
        );
    }
    let [few, many] = measured.each_ref().map(|rounds| {
        let idle = rounds.iter().map(|it| Measured { cpu: it.idle, ..it.opened });
        median(&idle.collect::<Vec<_>>())
    });
    let _ = write!(
        table,
        "| memory of each, KiB | {:.2} | {:.2} | {:+.0} % | | |\n\
         | heartbeats, share of a core | {:.2} % | {:.2} % | | | |\n",
        few.memory,
        many.memory,
        100.0 * (many.memory / few.memory - 1.0),
        100.0 * few.cpu,
        100.0 * many.cpu
    );
    Ok(table)
}

#[expect(clippy::cast_precision_loss, reason = "a count of sockets is small")]
async fn grown(subject: Subject<'_>, size: usize, heartbeat: Duration) -> io::Result<Growth> {
    let before = subject.server.memory();
    let devices = subject.devices(size).await?;
    let mut handshakes = subject.handshakes(&devices).await?;
    drop(devices);
    let last = handshakes.split_off(size.saturating_sub(LAST));
    let (first, _) = subject.open_all(handshakes).await?;
    let (last, opened) = subject.open_all(last).await?;
    subject.check_sockets(size).await?;
    let mut idle = JoinSet::new();
    for socket in first.into_iter().chain(last) {
        idle.spawn_local(stay(socket));
    }
    tokio::time::sleep(subject.load.warm_up).await;
    let memory = subject.server.memory().saturating_sub(before) as f64 / size as f64;
    let cpu = subject.server.cpu();
    tokio::time::sleep(heartbeat).await;
    let cpu = subject.server.cpu().saturating_sub(cpu);
    let beside = |n: usize| Subject { first_device: size + n * DEVICES, idle: size, ..subject };
    let grown = Growth {
        opened: Measured { memory, ..opened },
        idle: cpu.as_secs_f64() / heartbeat.as_secs_f64(),
        posts: beside(0).posts().await?,
        messages: beside(1).messages().await?,
        pushed: beside(2).pushed().await?,
    };
    subject.check_sockets(size).await?;
    match idle.try_join_next() {
        None => Ok(grown),
        Some(_) => Err(io::Error::other("an idle socket was closed")),
    }
}

/// Answers pings.
async fn stay(mut socket: Socket) -> io::Result<()> {
    loop {
        socket.next().await?;
    }
}
