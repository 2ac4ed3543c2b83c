//! Who is there, by lease: a gateway that is gone takes its sockets with it, and one that was only
//! away finds out.

use std::time::Duration;

use engine::{EndReason, Engine, SocketError};

use crate::members::{Cluster, LEASE, Member, SERVER, Told, connection};

/// More sockets than end in one call.
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

/// The ends that were written down, in order of the devices.
async fn ends(member: &Member) -> Vec<String> {
    let mut events = member.events().await;
    events.retain(|event| event.contains(" disconnected "));
    events.sort();
    events
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_is_gone_takes_each_of_its_sockets_with_it_once() {
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
    let connected = b.engine.connected("", 10).await.unwrap();
    assert_eq!(connected.iter().map(|state| &*state.device).collect::<Vec<_>>(), ["other"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn several_that_see_it_end_each_socket_once() {
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
async fn a_gateway_keeps_its_sockets_until_its_lease_is_over() {
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
async fn a_gateway_that_keeps_its_lease_keeps_its_sockets() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 3).await;
    cluster.pass(5 * LEASE, &[&a, &b]).await;
    assert!(ends(&b).await.is_empty());
    assert_eq!(a.told(), [Told::Happened, Told::Happened, Told::Happened]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_says_that_it_goes_is_not_waited_for() {
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
async fn a_gateway_that_wakes_after_its_lease_finds_its_sockets_lost() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    cluster.pass(2 * LEASE, &[&b]).await;
    a.told();
    // It believes that the socket is still its own.
    assert!(a.engine.accept("phone", &connection("c"), "id", "1").await.is_err());
    a.is_told(&Told::End("c".to_owned(), EndReason::LeaseExpired)).await;
    assert_eq!(ends(&b).await, ["phone disconnected c"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_wakes_after_its_lease_finds_a_socket_superseded() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    for device in ["phone", "tablet"] {
        a.claim(device).await;
        a.open(device, &format!("socket of {device}")).await;
    }
    cluster.pass(2 * LEASE, &[&b]).await;
    b.open("phone", "newer").await;
    a.told();
    // Whatever it does first shows it.
    let _ = a.engine.expire().await;
    a.is_told(&Told::End("socket of phone".to_owned(), EndReason::Superseded)).await;
    a.is_told(&Told::End("socket of tablet".to_owned(), EndReason::LeaseExpired)).await;
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
    a.is_told(&Told::End("c".to_owned(), EndReason::LeaseExpired)).await;
    let epoch = a.open("phone", "again").await.epoch;
    assert_eq!(b.send("phone", "1").await.epoch, epoch);
    a.is_told(&Told::Queued("again".to_owned())).await;
    cluster.pass(3 * LEASE, &[&a, &b]).await;
    assert!(a.engine.outbox("phone", &connection("again"), 0, 1).await.is_ok());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn nobody_is_taken_for_gone_after_a_time_in_which_nobody_could_be_heard() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 1).await;
    cluster.jump(100 * LEASE);
    b.engine.expire().await.unwrap();
    a.engine.expire().await.unwrap();
    assert!(ends(&b).await.is_empty());
    // From then on who is silent is gone.
    cluster.pass(LEASE, &[&b]).await;
    assert_eq!(ends(&b).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn when_all_gateways_are_gone_the_next_one_ends_their_sockets() {
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
async fn a_socket_whose_gateway_is_nowhere_to_be_found_ends_with_its_record() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    open_many(&a, 1).await;
    drop(a);
    // As if every gateway had been gone for longer than the list of its sockets is kept.
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
