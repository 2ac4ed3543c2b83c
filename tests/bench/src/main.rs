//! Measures the gateway against the least that a server can do for the same exchange. The servers
//! run on one core, the load on another, by turns and several times; what counts is the ratio of
//! the medians. The table goes to the terminal and into `docs/performance.md`.

mod client;
mod instructions;
mod measure;
mod process;
mod report;
mod rows;
mod yardsticks;

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};

use measure::{Measured, median};
use process::{Cores, stolen};
use rows::{Load, Programs, ROWS, Row};

/// Measures the gateway against bare servers and writes docs/performance.md.
#[derive(Parser)]
#[command(name = "bench-gateway")]
struct Arguments {
    #[command(subcommand)]
    yardstick: Option<Yardstick>,
    /// How often each server is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many seconds each time.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rows whose name contains this; then nothing is written.
    #[arg(long)]
    only: Option<String>,
    /// A moment of everything, to see that it works; nothing is written.
    #[arg(long)]
    smoke: bool,
    /// A gateway in place of the release build.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Counts instructions instead, with valgrind; nothing is written.
    #[arg(long)]
    instructions: bool,
    /// Another gateway whose instructions stand beside.
    #[arg(long, requires = "instructions")]
    before: Option<PathBuf>,
    /// The core of the servers.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core of the load.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
}

#[derive(Subcommand)]
enum Yardstick {
    /// Runs a bare server.
    Yardstick { name: YardstickName },
}

#[derive(Clone, Copy, ValueEnum)]
enum YardstickName {
    Actix,
    Tokio,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.yardstick {
        Some(Yardstick::Yardstick { name: YardstickName::Actix }) => {
            actix_web::rt::System::new().block_on(yardsticks::actix())
        }
        Some(Yardstick::Yardstick { name: YardstickName::Tokio }) => {
            actix_web::rt::System::new().block_on(yardsticks::tokio())
        }
        None => run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let gateway = match &arguments.gateway {
        Some(gateway) => gateway.clone(),
        None => release_build()?,
    };
    let cores = Cores { server: arguments.server_core, load: arguments.load_core };
    cores.pin_load()?;
    if arguments.instructions {
        println!("{}", instructions::table(&gateway, arguments.before.as_ref(), cores)?);
        return Ok(());
    }
    let programs = Programs { gateway, bench: env::current_exe()?, cores };
    let load = load(arguments);
    let rounds = if arguments.smoke { 1 } else { arguments.rounds };
    let chosen =
        |row: &&Row| arguments.only.as_ref().is_none_or(|only| row.name().contains(only.as_str()));
    let before = stolen();
    let mut lines = Vec::new();
    for row in ROWS.iter().filter(chosen) {
        let mut measured: [Vec<Measured>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (of_gateway, rounds) in [false, true].into_iter().zip(&mut measured) {
                let round = row.measure(&programs, load, of_gateway).map_err(|error| {
                    let server = if of_gateway { "the gateway" } else { row.yardstick() };
                    io::Error::other(format!("{}, {server}: {error}", row.name()))
                })?;
                rounds.push(round);
            }
        }
        let [yardstick, gateway] = measured.map(|rounds| median(&rounds));
        lines.push(report::line(*row, gateway, yardstick));
        eprintln!("{}", lines.last().map_or("", String::as_str));
    }
    let after = stolen();
    let table = report::table(&lines, (after.0 - before.0, after.1 - before.1));
    println!("{table}");
    if arguments.smoke || arguments.only.is_some() || arguments.gateway.is_some() {
        return Ok(());
    }
    report::write(&root().join("docs/performance.md"), &table)
}

fn load(arguments: &Arguments) -> Load {
    if arguments.smoke {
        return Load {
            warm_up: Duration::from_millis(100),
            time: Duration::from_millis(300),
            connections: 4,
            sockets: 8,
            opened: 50,
            pushed_per_ms: 1,
        };
    }
    Load {
        warm_up: Duration::from_secs(1),
        time: Duration::from_secs(arguments.seconds),
        connections: 64,
        sockets: 100,
        opened: 5000,
        pushed_per_ms: 5,
    }
}

/// The top folder of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn release_build() -> io::Result<PathBuf> {
    let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--package", "server", "--bin", "connect-socket"])
        .current_dir(root())
        .status()?;
    if !built.success() {
        return Err(io::Error::other("the gateway does not build"));
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    Ok(target.join("release/connect-socket"))
}
