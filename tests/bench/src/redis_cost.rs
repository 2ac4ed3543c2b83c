//! What exchanges cost a Redis: its CPU time, alone and with many at a time, when operations share calls.

use std::{fmt::Write, io, time::Duration};

use crate::{
    client::ready,
    measure::{Measured, median},
    process::Server,
    protocol::Protocol,
    redis::RedisServer,
    run_local,
    subject::{GATEWAY_FLAGS, Load, Programs, Subject},
};

/// How long a gateway may take to reach its Redis.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// An exchange that is measured.
#[derive(Clone, Copy)]
enum Exchange {
    /// `POST /prospect/connectsocket`: one operation in Redis.
    Authorised,
    /// A message of a prospect, until it is accepted: one.
    Accepted,
    /// A message of the operator: sent, delivered and acknowledged, which is three.
    Conversed,
}

const EXCHANGES: [(Exchange, &str); 3] = [
    (Exchange::Authorised, "documented POST"),
    (Exchange::Accepted, "message to `accepted`"),
    (Exchange::Conversed, "message sent, delivered, acknowledged"),
];

/// Measures each exchange, one and many at a time.
pub fn table(programs: &Programs, load: Load, rounds: usize) -> io::Result<String> {
    let mut table = "| exchange | at a time | Redis's CPU for each, us | calls for each | gateway's CPU for each, us \
                     | rate | p50 / p99, us |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (exchange, name) in EXCHANGES {
        for connections in [1, load.connections] {
            let load = Load { connections, sockets: connections, ..load };
            let rounds = (0..rounds).map(|_| measure(programs, load, exchange));
            let it = median(&rounds.collect::<io::Result<Vec<_>>>()?);
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "| {name} | {connections} | {:.1} | {:.2} | {:.1} | {:.0}/s | {:.0} / {:.0} |",
                it.redis, it.calls, it.cpu, it.rate, it.p50, it.p99,
            );
        }
    }
    Ok(table)
}

/// One round, with a Redis and a gateway of its own.
fn measure(programs: &Programs, load: Load, exchange: Exchange) -> io::Result<Measured> {
    let redis = RedisServer::start()?;
    let mut flags = GATEWAY_FLAGS.map(str::to_owned).to_vec();
    flags.extend(["--redis-url".to_owned(), redis.url()]);
    let server = Server::start(&programs.gateway, &flags, programs.cores)?;
    let subject = Subject { redis: Some(&redis), ..Subject::new(&server, Protocol::Gateway, load) };
    run_local(async {
        ready(server.port, READY_WITHIN).await?;
        match exchange {
            Exchange::Authorised => subject.posts().await,
            Exchange::Accepted => subject.messages().await,
            Exchange::Conversed => subject.conversed().await,
        }
    })
}
