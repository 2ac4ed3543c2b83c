//! Messages that expire: in an outbox at its limit before a gateway expires them, and many at once.

use std::time::Duration;

use engine::{Acknowledgement, Engine, Idempotency, Limits, Outgoing, Requester, SendError, Sent};
use tests::RedisServer;

use crate::cluster::{Cluster, Member, connection, secret, token_id};

/// Messages that an outbox takes here.
const MESSAGES: usize = 3;

/// How long the messages of these tests wait.
const TTL: Duration = Duration::from_secs(10);

const DAY: Duration = Duration::from_hours(24);

/// The smallest step of time.
const MOMENT: Duration = Duration::from_millis(1);

fn cluster_with(limits: Limits) -> Cluster {
    Cluster { limits, ..Cluster::new() }
}

async fn send(member: &Member, data: &str, ttl: Duration) -> Result<Sent, SendError> {
    member.engine.send(Outgoing { device: "phone", data, ttl, idempotency: None }).await
}

/// How often Redis has run a command.
fn runs(server: &RedisServer, command: &str) -> u64 {
    let info: String = server.run(&["INFO", "commandstats"]);
    let field = format!("cmdstat_{command}:calls=");
    let calls = info.lines().find_map(|line| line.strip_prefix(&*field)?.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

/// More messages than one call of a function expires.
const MANY: usize = 950;

/// Ends the record of a device with many messages, and checks that no call writes more than a batch.
async fn ends_in_slices(end: impl AsyncFn(&Cluster, &Member)) {
    let server = RedisServer::start();
    let cluster = Cluster::on(&server.url());
    let a = cluster.join().await;
    a.engine.request_token("phone", Requester::Test, None, &secret("phone")).await.unwrap();
    for _ in 0..MANY {
        send(&a, "1", 100 * DAY).await.unwrap();
    }
    let before = runs(&server, "fcall");
    end(&cluster, &a).await;
    assert!(runs(&server, "fcall") - before >= 9, "every call writes at most 100 events");
    let expected: Vec<_> = (1..=MANY).map(|seq| format!("phone expired {seq}")).collect();
    assert_eq!(a.events().await, expected);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_large_outbox_ends_in_slices_when_its_device_is_disconnected() {
    ends_in_slices(async |_, a| a.engine.disconnect("phone").await.unwrap()).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_large_outbox_ends_in_slices_when_its_token_is_revoked() {
    ends_in_slices(async |_, a| a.engine.revoke_token(&token_id(secret("phone"))).await.unwrap())
        .await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_large_outbox_ends_in_slices_when_its_device_is_claimed() {
    ends_in_slices(async |_, a| {
        let claim = Requester::Claim { shown: None, key: None };
        a.engine.request_token("phone", claim, None, &secret("claim")).await.unwrap();
    })
    .await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_large_outbox_ends_in_slices_when_its_record_expires() {
    ends_in_slices(async |cluster, a| {
        cluster.jump(2 * DAY);
        a.engine.expire().await.unwrap();
    })
    .await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_outbox_that_stays_full_is_not_read_for_each_message() {
    let server = RedisServer::start();
    let limits = Limits { outbox_messages: MESSAGES, ..Limits::default() };
    let cluster = Cluster { limits, ..Cluster::on(&server.url()) };
    let a = cluster.join().await;
    a.claim("phone").await;
    for ttl in [2 * TTL, TTL, 3 * TTL] {
        send(&a, "1", ttl).await.unwrap();
    }
    a.open("phone", "c").await;
    a.engine.acknowledge("phone", &connection("c"), 2).await.unwrap();
    for ttl in [5 * TTL, 4 * TTL] {
        send(&a, "1", ttl).await.unwrap();
    }
    assert_eq!(send(&a, "1", TTL).await, Err(SendError::OutboxFull(3 * TTL)));
    let before = runs(&server, "zrange");
    for _ in 0..50 {
        assert_eq!(send(&a, "1", TTL).await, Err(SendError::OutboxFull(3 * TTL)));
    }
    // Heartbeats look for what is due.
    assert!(runs(&server, "zrange") - before < 50);
    cluster.jump(3 * TTL);
    assert_eq!(send(&a, "1", TTL).await.unwrap().seq, 6);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn messages_that_are_due_take_no_place_in_a_full_outbox() {
    let cluster = cluster_with(Limits { outbox_messages: MESSAGES, ..Limits::default() });
    let a = cluster.join().await;
    a.claim("phone").await;
    for ttl in [2 * TTL, TTL, TTL] {
        send(&a, "1", ttl).await.unwrap();
    }
    cluster.jump(TTL.saturating_sub(MOMENT));
    assert_eq!(send(&a, "1", TTL).await, Err(SendError::OutboxFull(MOMENT)));
    assert!(a.events().await.is_empty());

    cluster.jump(MOMENT);
    assert_eq!(send(&a, "1", TTL).await.unwrap().seq, 4);
    assert_eq!(a.events().await, ["phone expired 2", "phone expired 3"]);
    a.open("phone", "c").await;
    assert_eq!(a.waiting("phone", "c").await, [1, 4]);
    // No message expires twice.
    a.engine.expire().await.unwrap();
    assert_eq!(a.events().await.len(), 3);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn messages_that_are_due_take_no_bytes_of_a_full_outbox() {
    let cluster = cluster_with(Limits { outbox_bytes: 4, ..Limits::default() });
    let a = cluster.join().await;
    a.claim("phone").await;
    send(&a, "100", TTL).await.unwrap();
    assert_eq!(send(&a, "20", TTL).await, Err(SendError::OutboxFull(TTL)));
    cluster.jump(TTL);
    assert_eq!(send(&a, "20", TTL).await.unwrap().seq, 2);
    assert_eq!(a.engine.device("phone").await.unwrap().unwrap().unacknowledged, 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_great_many_due_messages_expire_in_the_order_of_their_deadlines() {
    const MANY: u64 = 250;
    let cluster = Cluster::new();
    let a = cluster.join().await;
    for device in ["phone", "tablet"] {
        a.claim(device).await;
        for number in 0..MANY {
            // Later messages expire earlier, several at a time.
            let ttl = Duration::from_secs(MANY - number / 7);
            let message = Outgoing { device, data: "1", ttl, idempotency: None };
            a.engine.send(message).await.unwrap();
        }
    }
    cluster.jump(Duration::from_secs(MANY));
    a.engine.expire().await.unwrap();
    let mut expected: Vec<_> = ["phone", "tablet"]
        .into_iter()
        .flat_map(|device| (0..MANY).map(move |number| (MANY - number / 7, device, number + 1)))
        .collect();
    expected.sort_unstable();
    let expected: Vec<_> =
        expected.into_iter().map(|(_, device, seq)| format!("{device} expired {seq}")).collect();
    assert_eq!(a.events().await, expected);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_great_many_messages_are_acknowledged_batch_by_batch() {
    const MANY: u64 = 250;
    let server = RedisServer::start();
    let cluster = Cluster::on(&server.url());
    let a = cluster.join().await;
    a.claim("phone").await;
    let mut epoch = None;
    for number in 0..MANY {
        let ttl = if number % 2 == 0 { TTL } else { 2 * TTL };
        epoch = Some(send(&a, "1", ttl).await.unwrap().epoch);
    }
    a.open("phone", "c").await;
    cluster.jump(TTL);
    let before = runs(&server, "fcall");
    a.engine.acknowledge("phone", &connection("c"), MANY - 1).await.unwrap();
    assert_eq!(runs(&server, "fcall") - before, 3);
    assert_eq!(a.waiting("phone", "c").await, [MANY]);
    let epoch = epoch.unwrap();
    let found = async |seq| a.engine.acknowledgement("phone", &epoch, seq).await.unwrap();
    assert_eq!(found(MANY - 1).await, Acknowledgement::Never, "it had expired");
    assert_eq!(found(MANY - 2).await, Acknowledgement::Acknowledged);
    let expired = a.events().await.into_iter().filter(|event| event.contains("expired")).count();
    assert_eq!(expired as u64, MANY / 2);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_message_that_expired_is_never_reported_as_acknowledged() {
    // More messages expire than are remembered by number.
    let cluster = cluster_with(Limits { outbox_messages: MESSAGES, ..Limits::default() });
    let a = cluster.join().await;
    a.claim("phone").await;
    let send_once = async |key: &str, ttl| {
        let idempotency = Some(Idempotency { key: secret(key), body: secret("body") });
        let message = Outgoing { device: "phone", data: "1", ttl, idempotency };
        a.engine.send(message).await.unwrap()
    };
    let first = send_once("expired", TTL).await;
    for _ in 0..4 {
        cluster.jump(TTL);
        a.engine.expire().await.unwrap();
        send(&a, "1", TTL).await.unwrap();
    }
    let last = send_once("acknowledged", TTL).await;
    a.open("phone", "c").await;
    a.engine.acknowledge("phone", &connection("c"), last.seq).await.unwrap();

    let acknowledged = async |seq| a.engine.acknowledgement("phone", &first.epoch, seq).await;
    assert_eq!(acknowledged(first.seq).await, Ok(Acknowledgement::Never));
    assert_eq!(acknowledged(last.seq).await, Ok(Acknowledgement::Acknowledged));
    assert!(!send_once("expired", TTL).await.acknowledged);
    assert!(send_once("acknowledged", TTL).await.acknowledged);
}
