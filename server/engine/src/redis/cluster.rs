//! Finds the server of a Redis Cluster that holds a slot.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, Value, cmd};
use tokio::sync::Mutex;

use super::{
    connect_error::ConnectError,
    dialer::Dialer,
    locator::Locator,
    protocol::{int, text},
};

/// The slots of a cluster.
const SLOTS: u16 = 16_384;

/// How long a node may take to say where the slots are, before the next one is asked.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the slot map may be used. Many partitions ask for it at a time.
const MAP_TTL: Duration = Duration::from_millis(100);

/// A Redis Cluster, by the addresses that were given and those that it has reported.
pub struct ClusterNodes {
    /// User, password and database, and whether the nodes speak TLS.
    template: ConnectionInfo,
    given: Vec<Node>,
    map: Mutex<SlotMap>,
}

/// Host and port.
type Node = (String, u16);

/// Which node holds which slots.
struct SlotMap {
    asked: Option<Instant>,
    /// The first and the last slot of a range, and its primary.
    ranges: Vec<(u16, u16, Node)>,
    /// The nodes to ask, the next one first.
    nodes: VecDeque<Node>,
}

impl ClusterNodes {
    /// The cluster that these nodes are part of, which are alike but for host and port. `None` where one
    /// of the addresses is none of a network, or there is none.
    pub fn new(nodes: &[ConnectionInfo]) -> Option<Self> {
        let given = nodes.iter().map(|it| address(it.addr())).collect::<Option<Vec<_>>>()?;
        let map =
            SlotMap { asked: None, ranges: Vec::new(), nodes: given.iter().cloned().collect() };
        Some(Self { template: nodes.first()?.clone(), given, map: Mutex::new(map) })
    }

    /// The primary of a slot. Nodes are asked by turns: one that has lost the others may not know better.
    async fn primary(&self, slot: u16, dialer: &Dialer) -> Result<Node, ConnectError> {
        let mut map = self.map.lock().await;
        if map.asked.is_none_or(|asked| asked.elapsed() > MAP_TTL) {
            self.refresh(&mut map, dialer).await?;
        }
        let holds = |(first, last, _): &&(u16, u16, Node)| (*first..=*last).contains(&slot);
        let range = map.ranges.iter().find(holds);
        range.map(|(.., node)| node.clone()).ok_or(ConnectError::SlotUnassigned)
    }

    async fn refresh(&self, map: &mut SlotMap, dialer: &Dialer) -> Result<(), ConnectError> {
        let mut last_error = ConnectError::SlotUnassigned;
        for _ in 0..map.nodes.len() {
            let Some(node) = map.nodes.pop_front() else { break };
            map.nodes.push_back(node.clone());
            match self.ask(&node, dialer).await {
                Ok(ranges) => {
                    let primaries = ranges.iter().map(|(.., node)| node.clone());
                    let mut nodes: VecDeque<_> = self.given.iter().cloned().collect();
                    nodes.extend(primaries);
                    // Another one comes first the next time.
                    let mut seen = HashSet::new();
                    nodes.retain(|node| seen.insert(node.clone()));
                    if let Some(place) = nodes.iter().position(|it| *it == node) {
                        nodes.rotate_left(place + 1);
                    }
                    (map.ranges, map.nodes, map.asked) = (ranges, nodes, Some(Instant::now()));
                    return Ok(());
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    async fn ask(
        &self,
        node: &Node,
        dialer: &Dialer,
    ) -> Result<Vec<(u16, u16, Node)>, ConnectError> {
        let dialer = Dialer { timeout: NODE_TIMEOUT.min(dialer.timeout), tls: dialer.tls.clone() };
        let mut redis = dialer.connect(self.at(node), AsyncConnectionConfig::new()).await?;
        let slots: redis::RedisResult<Value> =
            cmd("CLUSTER").arg("SLOTS").query_async(&mut redis).await;
        let slots = slots.map_err(|error| match error.detail() {
            Some(detail) if detail.contains("cluster support disabled") => ConnectError::NoCluster,
            _ => error.into(),
        })?;
        read_slots(&slots, &node.0).ok_or(ConnectError::SlotUnassigned)
    }

    /// How to connect to a node.
    fn at(&self, (host, port): &Node) -> ConnectionInfo {
        let address = match self.template.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host.clone(), *port),
        };
        self.template.clone().set_addr(address)
    }
}

fn address(address: &ConnectionAddr) -> Option<Node> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some((host.clone(), *port))
        }
        _ => None,
    }
}

/// Reads the reply to `CLUSTER SLOTS` of a node at `host`: of each range its ends and then its nodes, the
/// primary first. A node without an address is at the host that was asked.
fn read_slots(reply: &Value, host: &str) -> Option<Vec<(u16, u16, Node)>> {
    let Value::Array(ranges) = reply else { return None };
    let number = |value: &Value| u16::try_from(int(value)?).ok();
    let range = |range: &Value| {
        let Value::Array(parts) = range else { return None };
        let [first, last, Value::Array(primary), ..] = &parts[..] else { return None };
        let [address, port, ..] = &primary[..] else { return None };
        let address = text(address).filter(|address| !address.is_empty()).unwrap_or(host);
        Some((number(first)?, number(last)?, (address.to_owned(), number(port)?)))
    };
    ranges.iter().map(range).collect()
}

impl fmt::Display for ClusterNodes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.given.iter().map(|(host, port)| format!("{host}:{port}"));
        formatter.write_str(&nodes.collect::<Vec<_>>().join(","))
    }
}

/// The server that holds a slot.
struct SlotOwner {
    nodes: Arc<ClusterNodes>,
    slot: u16,
}

#[async_trait]
impl Locator for SlotOwner {
    async fn locate(&self, dialer: &Dialer) -> Result<ConnectionInfo, ConnectError> {
        let node = self.nodes.primary(self.slot, dialer).await?;
        Ok(self.nodes.at(&node))
    }

    fn is_cluster(&self) -> bool {
        true
    }

    fn of_key(&self, key: &str) -> Option<Arc<dyn Locator>> {
        Some(locator(&self.nodes, key))
    }
}

impl fmt::Display for SlotOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.fmt(formatter)
    }
}

/// The server of a cluster that holds this key.
pub fn locator(nodes: &Arc<ClusterNodes>, key: &str) -> Arc<dyn Locator> {
    Arc::new(SlotOwner { nodes: Arc::clone(nodes), slot: slot(key) })
}

/// The slot of a key: by its part between the first `{` and the next `}`, where it has such a part.
fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let hashed = tag.map(|(tag, _)| tag).filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16(hashed.as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, which clusters use.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let crc = crc ^ u16::from(*byte) << 8;
        (0..8).fold(crc, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn the_slot_of_a_key_is_that_of_its_tag() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot("connectsocket:{p3}:meta"), slot("p3"));
        // As `CLUSTER KEYSLOT` says.
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{}foo"), slot("{}foo"));
    }

    #[test]
    fn a_node_without_an_address_is_at_the_host_that_was_asked() {
        let node = |host: Value| Value::Array(vec![host, Value::Int(7000), bulk("id")]);
        let range = |first, last, host| {
            Value::Array(vec![
                Value::Int(first),
                Value::Int(last),
                node(host),
                node(bulk("replica")),
            ])
        };
        let reply = Value::Array(vec![
            range(0, 99, bulk("10.0.0.1")),
            range(100, 16_383, bulk("")),
            range(16_383, 16_383, Value::Nil),
        ]);
        let expected = [(0, 99, "10.0.0.1"), (100, 16_383, "asked"), (16_383, 16_383, "asked")];
        let expected = expected.map(|(first, last, host)| (first, last, (host.to_owned(), 7000)));
        assert_eq!(read_slots(&reply, "asked"), Some(expected.to_vec()));
    }
}
