//! Leases: the sockets of a dead gateway end, and a gateway that was only paused learns of it.

use std::time::Duration;

use engine::{EndReason, Engine, SocketError};

use crate::cluster::{Cluster, LEASE, Member, Notification, SERVER, connection};

/// More sockets than one call ends.
const MANY: usize = 250;

/// The smallest step of time.
const MOMENT: Duration = Duration::from_millis(1);

async fn open_many(member: &Member, count: usize) -> Vec<String> {
    let mut devices: Vec<_> = (0..count).map(|number| format!("phone-{number:03}")).collect();
    devices.sort();
    for device in &devices {
        member.claim(device).await;
        member.open(device, &format!("socket of {device}")).await;
    }
    devices
}

/// The `disconnected` events, in the order of the devices.
async fn ends(member: &Member) -> Vec<String> {
    let mut events = member.events().await;
    events.retain(|event| event.contains(" disconnected "));
    events.sort();
    events
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn each_socket_of_a_dead_gateway_is_disconnected_once() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    let devices = open_many(&a, MANY).await;
    b.claim("other").await;
    b.open("other", "stays").await;
    drop(a);
    cluster.pass(LEASE, &[&b]).await;
    let expected: Vec<_> =
        devices.iter().map(|device| format!("{device} disconnected socket of {device}")).collect();
    assert_eq!(ends(&b).await, expected);
    cluster.pass(3 * LEASE, &[&b]).await;
    assert_eq!(ends(&b).await, expected);
    let connected = b.engine.connected(None, "", 10).await.unwrap();
    assert_eq!(connected.iter().map(|state| &*state.device).collect::<Vec<_>>(), ["other"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn several_gateways_expire_each_socket_once() {
    let cluster = Cluster::new();
    let [a, b, c] = [cluster.join().await, cluster.join().await, cluster.join().await];
    open_many(&a, MANY).await;
    drop(a);
    cluster.pass(LEASE / 10 * 9, &[&b, &c]).await;
    cluster.jump(LEASE / 5);
    tokio::try_join!(b.engine.expire(), c.engine.expire()).unwrap();
    assert_eq!(ends(&b).await.len(), MANY);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_silent_gateway_keeps_its_sockets_until_its_lease_is_over() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 1).await;
    a.engine.expire().await.unwrap();
    cluster.pass(LEASE.saturating_sub(MOMENT), &[&b]).await;
    assert!(ends(&b).await.is_empty());
    cluster.pass(MOMENT, &[&b]).await;
    assert_eq!(ends(&b).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_renews_its_lease_keeps_its_sockets() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 3).await;
    cluster.pass(5 * LEASE, &[&a, &b]).await;
    assert!(ends(&b).await.is_empty());
    assert_eq!(
        a.notifications(),
        [Notification::EventsAppended, Notification::EventsAppended, Notification::EventsAppended]
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_leaves_expires_at_once() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 1).await;
    a.engine.end().await;
    b.engine.expire().await.unwrap();
    assert_eq!(ends(&b).await, ["phone-000 disconnected socket of phone-000"]);
    assert!(a.engine.expire().await.is_err());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_wakes_after_its_lease_ends_its_sockets() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    cluster.pass(2 * LEASE, &[&b]).await;
    a.notifications();
    // For this gateway the socket is still open.
    assert!(a.engine.accept("phone", &connection("c"), "id", "1").await.is_err());
    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    assert_eq!(ends(&b).await, ["phone disconnected c"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_wakes_after_its_lease_learns_of_a_superseded_socket() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    for device in ["phone", "tablet"] {
        a.claim(device).await;
        a.open(device, &format!("socket of {device}")).await;
    }
    cluster.pass(2 * LEASE, &[&b]).await;
    b.open("phone", "newer").await;
    a.notifications();
    // Its first call shows it.
    let _ = a.engine.expire().await;
    a.is_notified(&Notification::End("socket of phone".to_owned(), EndReason::Superseded)).await;
    a.is_notified(&Notification::End("socket of tablet".to_owned(), EndReason::LeaseExpired)).await;
    assert!(b.engine.outbox("phone", &connection("newer"), 0, 1).await.is_ok());
    let stale = a.engine.outbox("phone", &connection("socket of phone"), 0, 1).await;
    assert_eq!(stale, Err(SocketError::Stale));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_wakes_after_its_lease_serves_again() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    cluster.pass(2 * LEASE, &[&b]).await;
    let _ = a.engine.expire().await;
    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    let epoch = a.open("phone", "again").await.epoch;
    assert_eq!(b.send("phone", "1").await.epoch, epoch);
    a.is_notified(&Notification::MessageQueued("again".to_owned())).await;
    cluster.pass(3 * LEASE, &[&a, &b]).await;
    assert!(a.engine.outbox("phone", &connection("again"), 0, 1).await.is_ok());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn leases_restart_after_a_time_without_any_heartbeat() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 1).await;
    cluster.jump(100 * LEASE);
    b.engine.expire().await.unwrap();
    a.engine.expire().await.unwrap();
    assert!(ends(&b).await.is_empty());
    // From then on a silent gateway counts as dead.
    cluster.pass(LEASE, &[&b]).await;
    assert_eq!(ends(&b).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_new_gateway_ends_the_sockets_of_dead_ones() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 2).await;
    drop((a, b));
    cluster.jump(10 * LEASE);
    let c = cluster.join().await;
    cluster.pass(LEASE, &[&c]).await;
    assert_eq!(ends(&c).await.len(), 2);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_socket_of_an_unknown_gateway_ends_with_its_record() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 1).await;
    drop(a);
    // As if every gateway had been dead for longer than the list of its sockets is kept.
    for (key, _) in cluster.keys() {
        if key.starts_with("sockets:") || key == "gateways" {
            let _: u64 = SERVER.run(&["DEL", &format!("{}{key}", cluster.prefix)]);
        }
    }
    b.engine.expire().await.unwrap();
    let life = cluster.limits.token_ttl + cluster.limits.record_ttl;
    cluster.jump(life + LEASE);
    b.engine.expire().await.unwrap();
    assert!(b.engine.device("phone-000").await.unwrap().is_none_or(|state| state.socket.is_none()));
}
