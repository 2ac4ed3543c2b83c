//! Measures the gateway against the least that a server can do for the same exchange. The servers
//! run on one core, the load on another, by turns and several times; what counts is the ratio of
//! the medians. The table goes to the terminal and into `docs/performance.md`.

mod books;
mod client;
mod event_stream;
mod exchanges;
mod growth;
mod instructions;
mod measure;
mod peers;
mod process;
mod prospect;
mod protocol;
mod recovery;
mod redis;
mod redis_cost;
mod report;
mod rows;
mod soak;
mod stress;
mod subject;
mod workers;
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
use rows::{ROWS, Row};
use soak::{Soak, StateIn};
use stress::Stress;
use subject::{Load, Programs};
use tokio::task::LocalSet;

/// Measures the gateway against bare servers and writes docs/performance.md.
#[derive(Parser)]
#[command(name = "bench-gateway")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Arguments {
    #[command(subcommand)]
    helper: Option<Helper>,
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
    /// What 19,000 idle sockets cost, next to 1,000; nothing is written.
    #[arg(long)]
    growth: bool,
    /// How long a start after a kill takes, with so many devices in the journal; nothing is written.
    #[arg(long, value_name = "DEVICES", num_args = 0..=1, default_missing_value = "1000000")]
    recovery: Option<usize>,
    /// What exchanges cost a Redis; nothing is written.
    #[arg(long)]
    redis: bool,
    /// What a user would pick instead: Fastify, ws, Socket.IO, Centrifugo, Nchan; nothing is written.
    #[arg(long)]
    peers: bool,
    /// What a second worker adds, and how long each exchange is in the engine; nothing is written.
    #[arg(long)]
    workers: bool,
    /// What those that talk notice of floods, of readers that stop, and of 19,000 that come back at
    /// once; nothing is written.
    #[arg(long)]
    stress: bool,
    /// Mixed traffic for so many minutes, and what it leaves; nothing is written.
    #[arg(long, value_name = "MINUTES", num_args = 0..=1, default_missing_value = "30")]
    soak: Option<u64>,
    /// Where the gateway of a soak keeps its state.
    #[arg(long, value_enum, default_value = "journal", requires = "soak")]
    state: StateIn,
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

/// What the benchmark runs as a process of its own.
#[derive(Subcommand)]
enum Helper {
    /// Runs a bare server.
    Yardstick { name: YardstickName },
    /// Fills a journal, and ends as a kill does.
    Fill { folder: PathBuf, devices: usize },
}

#[derive(Clone, Copy, ValueEnum)]
enum YardstickName {
    Actix,
    Tokio,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.helper {
        Some(Helper::Yardstick { name: YardstickName::Actix }) => {
            actix_web::rt::System::new().block_on(yardsticks::actix())
        }
        Some(Helper::Yardstick { name: YardstickName::Tokio }) => {
            actix_web::rt::System::new().block_on(yardsticks::tokio())
        }
        Some(Helper::Fill { folder, devices }) => run_local(recovery::fill(folder, *devices)),
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
    if let Some(devices) = arguments.recovery {
        println!("{}", recovery::table(&programs, devices, arguments.rounds)?);
        return Ok(());
    }
    if let Some(minutes) = arguments.soak {
        let soak = if arguments.smoke {
            let time = Duration::from_secs(1);
            Soak { time, prospects: 4, pause: Duration::from_millis(1) }
        } else {
            let time = Duration::from_mins(minutes);
            Soak { time, prospects: 50, pause: Duration::from_millis(200) }
        };
        println!("{}", soak::table(&programs, arguments.state, soak)?);
        return Ok(());
    }
    let load = load(arguments);
    let rounds = if arguments.smoke { 1 } else { arguments.rounds };
    if arguments.redis {
        println!("{}", redis_cost::table(&programs, load, rounds)?);
        return Ok(());
    }
    if arguments.peers {
        println!("{}", peers::table(&programs, load, rounds, !arguments.smoke)?);
        return Ok(());
    }
    if arguments.workers {
        println!("{}", workers::table(&programs, load, rounds)?);
        return Ok(());
    }
    if arguments.stress {
        let time = if arguments.smoke { load.time } else { Duration::from_secs(10) };
        let (lost, talking) = if arguments.smoke { (50, 5) } else { (19_000, 100) };
        let stress = Stress { lost, talking, time, rounds };
        println!("{}", stress::tables(&programs, load, stress)?);
        return Ok(());
    }
    if arguments.growth {
        let (sizes, heartbeat) = if arguments.smoke {
            ([10, 20], Duration::from_millis(100))
        } else {
            (growth::SIZES, growth::HEARTBEAT)
        };
        println!("{}", growth::table(&programs, load, sizes, heartbeat, rounds)?);
        return Ok(());
    }
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

/// Runs a task and what it spawns on this thread.
fn run_local<T>(task: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, task)
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
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // With what Cargo tells this program, ring and all that is above it would be rebuilt.
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let told =
        names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
    for name in told {
        cargo.env_remove(name);
    }
    let built = cargo
        .args(["build", "--release", "--locked", "--package", "server", "--bin", "connect-socket"])
        .current_dir(root())
        .status()?;
    if !built.success() {
        return Err(io::Error::other("the gateway does not build"));
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    Ok(target.join("release/connect-socket"))
}
