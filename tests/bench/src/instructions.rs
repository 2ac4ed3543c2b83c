//! Counts the instructions that an exchange takes in user space, with callgrind. Unlike times, they
//! are the same on every machine and whatever else it does, to about one in a hundred.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    client::Http,
    process::{Cores, Server},
    protocol::Protocol,
    rows::{ROWS, Row},
    run_local,
    subject::{
        ACCEPTED, Load, MESSAGE, Subject, acknowledgement, message_from, message_to, write_count,
    },
};

/// The exchanges of two runs: the difference has neither start nor end of the gateway.
const FEW: usize = 100;
const MANY: usize = 600;

/// The table of `gateway`, next to `before` where there is one.
pub fn table(gateway: &Path, before: Option<&PathBuf>, cores: Cores) -> io::Result<String> {
    let mut table = match before {
        Some(_) => "| exchange | instructions before | after | change |\n|---|---|---|---|\n",
        None => "| exchange | instructions |\n|---|---|\n",
    }
    .to_owned();
    for row in ROWS {
        let after = of_one(row, gateway, cores)?;
        let counts = match before {
            Some(before) => {
                let before = of_one(row, before, cores)?;
                #[expect(clippy::cast_precision_loss, reason = "a share")]
                let change = 100.0 * (after as f64 / before as f64 - 1.0);
                format!("{before} | {after} | {change:+.1} %")
            }
            None => after.to_string(),
        };
        let line = format!("| {} | {counts} |\n", row.name());
        eprint!("{line}");
        table.push_str(&line);
    }
    Ok(table)
}

/// The instructions of one exchange.
fn of_one(row: Row, gateway: &Path, cores: Cores) -> io::Result<u64> {
    let few = of_run(row, gateway, cores, FEW)?;
    let many = of_run(row, gateway, cores, MANY)?;
    Ok(many.saturating_sub(few) / (MANY - FEW) as u64)
}

/// The instructions of a gateway from its start to its end, with so many exchanges.
fn of_run(row: Row, gateway: &Path, cores: Cores, exchanges: usize) -> io::Result<u64> {
    let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=%/callgrind"];
    let mut arguments = tool.map(str::to_owned).to_vec();
    arguments.push(gateway.display().to_string());
    arguments.extend(row.gateway_flags());
    let server = Server::start("valgrind", &arguments, cores)?;
    let subject = Subject::one_at_a_time(&server);
    run_local(subject.exchange(row, exchanges, MANY))?;
    let log = server.end("callgrind")?;
    let count = log.lines().find_map(|line| line.split_once("Collected :"));
    count
        .and_then(|(_, count)| count.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("callgrind counted nothing: {log}")))
}

impl<'a> Subject<'a> {
    /// A gateway that serves one client.
    const fn one_at_a_time(server: &'a Server) -> Self {
        let time = Duration::ZERO;
        let load =
            Load { warm_up: time, time, connections: 1, sockets: 1, opened: 1, pushed_per_ms: 1 };
        Self::new(server, Protocol::Gateway, load)
    }

    /// Does so many exchanges of a row, one after the other, after a preparation for `prepared`.
    async fn exchange(&self, row: Row, count: usize, prepared: usize) -> io::Result<()> {
        let devices = self.devices(if row == Row::Opened { prepared } else { 1 }).await?;
        let mut http = Http::open(self.server.port).await?;
        if matches!(row, Row::Post | Row::PostJournaled) {
            let (mut request, at) = devices[0].authorisation();
            for n in 0..count {
                write_count(&mut request, at, n);
                http.ask(&request, 200).await?;
            }
            return Ok(());
        }
        let handshakes = self.handshakes(&devices).await?;
        if row == Row::Opened {
            let mut open = Vec::new();
            for handshake in &handshakes[..count] {
                open.push(handshake.open(self.server.port).await?);
            }
            return Ok(());
        }
        let mut socket = handshakes[0].open(self.server.port).await?;
        for n in 0..count {
            if row == Row::Pushed {
                http.ask(&message_to(&devices[0], n), 202).await?;
                socket.next_like(MESSAGE).await?;
                socket.send(&acknowledgement(n + 1)).await?;
            } else {
                let (mut frame, at) = message_from();
                write_count(&mut frame, at, n);
                socket.send(&frame).await?;
                socket.next_like(ACCEPTED).await?;
            }
        }
        Ok(())
    }
}
