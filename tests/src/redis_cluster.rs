//! A real Redis Cluster on this machine: three primaries, each with a replica.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{RedisServer, TlsServer, gateway::PATIENCE};

/// How long a node may be silent before it counts as dead, in milliseconds.
const NODE_TIMEOUT: &str = "1000";

/// A running cluster.
pub struct RedisCluster {
    /// The primaries first, as the cluster begins.
    pub nodes: Vec<RedisServer>,
    tls: Option<TlsServer>,
}

impl RedisCluster {
    /// Starts a cluster in which a slot without a node refuses nothing but its own keys.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::of(None)
    }

    /// The same, whose nodes speak TLS with gateways and with each other.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_with_tls(tls: &TlsServer) -> Self {
        Self::of(Some(tls.clone()))
    }

    fn of(tls: Option<TlsServer>) -> Self {
        let nodes = (0..6).map(|_| node(tls.as_ref())).collect();
        let cluster = Self { nodes, tls };
        let addresses: Vec<_> = cluster.nodes.iter().map(|node| cluster.address(node)).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        cluster.cli(&create);
        cluster.is_settled();
        cluster
    }

    /// Its URL, with two of its nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        let [one, other] = [0, 5].map(|place| self.address(&self.nodes[place]));
        format!("{scheme}-cluster://{one},{other}")
    }

    fn address(&self, node: &RedisServer) -> String {
        let port = if self.tls.is_some() { node.tls_port() } else { node.port() };
        format!("127.0.0.1:{port}")
    }

    /// Runs `redis-cli`.
    ///
    /// # Panics
    /// When it fails.
    pub fn cli(&self, arguments: &[&str]) {
        let mut cli = Command::new("redis-cli");
        if let Some(TlsServer { shows, trusts, .. }) = &self.tls {
            cli.arg("--tls").arg("--cacert").arg(trusts);
            cli.arg("--cert").arg(&shows.certificate).arg("--key").arg(&shows.key);
        }
        let output = cli.args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("redis-cli runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "redis-cli {arguments:?}: {text}");
    }

    /// Waits until every node that runs knows a primary for all slots.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn is_settled(&self) {
        let deadline = Instant::now() + PATIENCE;
        let is_settled = |node: &RedisServer| {
            !node.answers() || node.run::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        };
        while !self.nodes.iter().all(is_settled) {
            assert!(Instant::now() < deadline, "the cluster does not settle");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The place of the primary that holds the slot of a key.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn primary_of(&self, key: &str) -> usize {
        let holds = |node: &RedisServer| {
            let mut connection = node.connection();
            // A node that does not hold the slot says so, and a replica too.
            redis::cmd("EXISTS").arg(key).exec(&mut connection).is_ok()
        };
        self.nodes.iter().position(|node| node.answers() && holds(node)).expect("a primary")
    }

    /// Moves the slot of a key, with all that is in it, to the node at a place.
    ///
    /// # Panics
    /// When the cluster refuses.
    pub fn move_slot(&self, key: &str, to: usize) {
        let from = &self.nodes[self.primary_of(key)];
        let to = &self.nodes[to];
        let id = |node: &RedisServer| node.run::<String>(&["CLUSTER", "MYID"]);
        let slot = from.run::<u16>(&["CLUSTER", "KEYSLOT", key]).to_string();
        let (from_id, to_id, port) = (id(from), id(to), to.port().to_string());
        to.run::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        from.run::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
        loop {
            let keys: Vec<Vec<u8>> = from.run(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg(&["127.0.0.1", &port, "", "0", "5000", "KEYS"]).arg(keys);
            migrate.exec(&mut from.connection()).expect("moved");
        }
        for node in [to, from] {
            node.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
        }
    }
}

fn node(tls: Option<&TlsServer>) -> RedisServer {
    let bus = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("its address").port().to_string()
    };
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        "--cluster-node-timeout",
        NODE_TIMEOUT,
        "--cluster-require-full-coverage",
        "no",
        "--repl-diskless-sync-delay",
        "0",
    ];
    let between_nodes = ["--tls-cluster", "yes", "--tls-replication", "yes"];
    match tls {
        Some(tls) => RedisServer::with_tls(tls, &[options.as_slice(), &between_nodes].concat()),
        None => RedisServer::with(&options),
    }
}
