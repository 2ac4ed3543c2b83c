//! What a user would pick instead of the gateway: the same load, on the same core, one after the
//! other. What each of them leaves out is said in `docs/performance.md`.

use std::{
    fmt::Write,
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    measure::{Measured, median},
    process::{Cores, Server},
    protocol::Protocol,
    report::{micros, share},
    root,
    rows::Row,
    run_local,
    subject::{Load, Programs, Subject},
};

const CENTRIFUGO: &str = "github.com/centrifugal/centrifugo/v6@v6.9.1";
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// A server, and the exchanges that it has.
#[derive(Clone, Copy)]
struct Peer {
    name: &'static str,
    protocol: Protocol,
    program: Program,
    exchanges: &'static [Row],
}

#[derive(Clone, Copy)]
enum Program {
    /// A script of `tests/bench/peers`.
    Node(&'static str),
    Centrifugo,
    Nchan,
}

const PEERS: [Peer; 5] = [
    Peer {
        name: "Fastify",
        protocol: Protocol::Bare,
        program: Program::Node("fastify.mjs"),
        exchanges: &[Row::Post],
    },
    Peer {
        name: "ws",
        protocol: Protocol::Accepting,
        program: Program::Node("ws.mjs"),
        exchanges: &[Row::Accepted, Row::Opened, Row::Pushed],
    },
    Peer {
        name: "Socket.IO",
        protocol: Protocol::SocketIo,
        program: Program::Node("socket-io.mjs"),
        exchanges: &[Row::Accepted, Row::Opened, Row::Pushed],
    },
    Peer {
        name: "Centrifugo",
        protocol: Protocol::Centrifugo,
        program: Program::Centrifugo,
        exchanges: &[Row::Accepted, Row::Opened, Row::Pushed],
    },
    Peer {
        name: "Nchan",
        protocol: Protocol::Nchan,
        program: Program::Nchan,
        exchanges: &[Row::Opened, Row::Pushed],
    },
];

/// Measures each exchange with the gateway and with each peer that has it. `get` says whether what is
/// missing is installed first; otherwise it is named.
pub fn table(programs: &Programs, load: Load, rounds: usize, get: bool) -> io::Result<String> {
    let mut peers = Vec::new();
    let mut missing = String::new();
    for peer in PEERS {
        match peer.program.find(get) {
            Ok(()) => peers.push(peer),
            Err(error) => {
                let _ = writeln!(missing, "\n{} is not measured: {error}.", peer.name);
            }
        }
    }
    let mut table = "| exchange | server | rate | share of the gateway's | CPU for each, us | p50 / p99 | idle \
                     socket, KiB |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in [Row::Post, Row::Accepted, Row::Opened, Row::Pushed] {
        let with_row = peers.iter().filter(|peer| peer.exchanges.contains(&row));
        let servers: Vec<_> = [None].into_iter().chain(with_row.map(Some)).collect();
        let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); servers.len()];
        for _ in 0..rounds {
            for (peer, rounds) in servers.iter().zip(&mut measured) {
                rounds.push(match peer {
                    None => row.measure(programs, load, true)?,
                    Some(peer) => peer.measure(programs.cores, load, row)?,
                });
            }
        }
        let gateway = median(&measured[0]);
        for (peer, rounds) in servers.iter().zip(&measured) {
            let it = median(rounds);
            let memory = match row {
                Row::Opened => format!("{:.1}", it.memory),
                _ => String::new(),
            };
            let line = format!(
                "| {} | {} | {:.0}/s | {} | {:.1} | {} / {} | {memory} |",
                row.name(),
                peer.map_or("the gateway", |peer| peer.name),
                it.rate,
                share(it.rate, gateway.rate),
                it.cpu,
                micros(it.p50),
                micros(it.p99),
            );
            eprintln!("{line}");
            let _ = writeln!(table, "{line}");
        }
    }
    Ok(table + &missing)
}

impl Peer {
    fn measure(&self, cores: Cores, load: Load, row: Row) -> io::Result<Measured> {
        let server = self.program.start(cores)?;
        let measured = run_local(row.exchanges(Subject::new(&server, self.protocol, load)));
        measured
            .map_err(|error| io::Error::other(format!("{}, {}: {error}", self.name, row.name())))
    }
}

impl Program {
    /// Looks for what it needs, and has its package manager get that where it may.
    fn find(self, get: bool) -> io::Result<()> {
        match self {
            Self::Node(_) => {
                let folder = folder();
                if !folder.join("node_modules").exists() {
                    let npm = ["ci", "--loglevel=error", "--prefix"];
                    run(Command::new("npm").args(npm).arg(&folder))?;
                }
                Ok(())
            }
            Self::Centrifugo if centrifugo().exists() => Ok(()),
            Self::Centrifugo if get => {
                let folder = centrifugo().with_file_name("");
                fs::create_dir_all(&folder)?;
                run(Command::new("go").args(["install", CENTRIFUGO]).env("GOBIN", folder))
            }
            Self::Centrifugo => {
                Err(io::Error::other("cargo bench-gateway --peers builds it, which takes minutes"))
            }
            Self::Nchan if Path::new(NCHAN).exists() => Ok(()),
            Self::Nchan => Err(io::Error::other("apt-get install libnginx-mod-nchan")),
        }
    }

    fn start(self, cores: Cores) -> io::Result<Server> {
        let free_port = || {
            Ok::<_, io::Error>(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
        };
        match self {
            Self::Node(script) => {
                let script = folder().join(script).display().to_string();
                Server::start("node", &[script], cores)
            }
            Self::Centrifugo => {
                let port = free_port()?;
                let config = folder().join("centrifugo.json").display().to_string();
                let port_flag = format!("--http_server.port={port}");
                let address = "--http_server.address=127.0.0.1".to_owned();
                let arguments = ["--config".to_owned(), config, port_flag, address];
                Server::start_at(port, &[], centrifugo(), &arguments, cores)
            }
            Self::Nchan => {
                let port = free_port()?;
                let config = fs::read_to_string(folder().join("nginx.conf"))?;
                let config = config.replace("PORT", &port.to_string());
                let arguments = ["-c", "%/nginx.conf", "-e", "stderr"].map(str::to_owned);
                Server::start_at(port, &[("nginx.conf", &config)], "nginx", &arguments, cores)
            }
        }
    }
}

fn folder() -> PathBuf {
    root().join("tests/bench/peers")
}

fn centrifugo() -> PathBuf {
    root().join("target/tools/bin/centrifugo")
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed"))) }
}
