//! The kernel loses packets between gateways and Redis: what TCP sends again arrives late.
//!
//! The test runs itself once more, in a network namespace of its own.

use std::{
    env,
    io::{Write, stderr},
    process::{Command, Stdio},
};

use tests::{Bookkeeper, Load, Proxy, RedisServer, gateway::eventually};

use crate::gateways::{KEY, builder, start};

/// Whether this process is the second run.
const INSIDE: &str = "IN_A_NETWORK_OF_ITS_OWN";

/// Names of the program, the one first that works on more kernels.
const IPTABLES: [&str; 2] = ["iptables-legacy", "iptables"];

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut run = Command::new(program);
    let status = run.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Loses so much of what comes to Redis, and from it. `change` is `-A` to begin with that, and `-D` to end it.
fn lose(change: &str, server: &RedisServer, probability: &str) -> bool {
    let port = server.port().to_string();
    ["--dport", "--sport"].iter().all(|end| {
        let random = ["-m", "statistic", "--mode", "random", "--probability", probability];
        let rule =
            [&[change, "INPUT", "-p", "tcp", end, &port], &random[..], &["-j", "DROP"]].concat();
        IPTABLES.iter().any(|program| runs(program, &rule))
    })
}

/// Runs a test of this module in a network of its own, where the system allows that.
fn run_inside(test: &str) {
    let program = env::current_exe().expect("this program");
    let program = program.to_str().expect("UTF-8");
    let in_network = |arguments: &[&str]| runs("unshare", &[&["--net", "--"], arguments].concat());
    let random = "-m statistic --mode random --probability 0.5 -j DROP";
    let rule = format!("iptables-legacy -A INPUT {random} || iptables -A INPUT {random}");
    if !in_network(&["sh", "-c", &format!("ip link set lo up && {{ {rule}; }}")]) {
        // Not through `eprintln!`, which a test that passes keeps to itself.
        writeln!(
            stderr(),
            "SKIPPED: {test}, because no network namespace with iptables can be made"
        )
        .expect("written");
        return;
    }
    let run = Command::new("unshare")
        .args(["--net", "--", program, "--exact", test, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(run.expect("it runs").success(), "it fails in a network of its own: see above");
}

#[test]
#[ignore = "needs redis-server"]
fn lost_packets_lose_and_double_no_message() {
    if env::var_os(INSIDE).is_none() {
        return run_inside("lossy_network::lost_packets_lose_and_double_no_message");
    }
    assert!(runs("ip", &["link", "set", "lo", "up"]));
    let server = RedisServer::durable();
    let gateways = [(); 2].map(|()| start(builder(&server.url()).flag("--redis-timeout", "1s")));
    let port = |authority: &str| authority.rsplit(':').next().and_then(|port| port.parse().ok());
    let ports = gateways.each_ref().map(|gateway| port(gateway.authority()).expect("a port"));
    let proxy = Proxy::to(&ports);
    assert!(lose("-A", &server, "0.05"));
    let load = Load { devices: 4, ..Load::RESTARTS };
    let bookkeeper = Bookkeeper::start(&format!("127.0.0.1:{}", proxy.port()), KEY, load);
    for percent in [25, 50] {
        bookkeeper.progress_to(percent);
        assert!(lose("-A", &server, "1"));
        for gateway in &gateways {
            eventually("Redis is out of reach", || gateway.get("/readyz").status == 503);
        }
        assert!(lose("-D", &server, "1"));
    }
    let _sockets = bookkeeper.finish();
    for gateway in &gateways {
        let _line = gateway.logged("reconnecting to Redis");
    }
}
