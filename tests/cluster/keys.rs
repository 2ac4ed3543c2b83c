//! The keys in Redis, and how long each is kept.

use std::time::Duration;

use engine::{Engine, Idempotency, Outgoing, new_id};
use redis::cmd;
use tests::RedisServer;

use crate::cluster::{Cluster, LEASE, Member, SERVER, connection, secret};

/// The keys without a TTL: there is one of each, and the limits bound its size.
const BOUNDED: [&str; 10] = [
    "meta",
    "gateways",
    "expired-gateways",
    "connected",
    "events",
    "event-bytes",
    "due:tokens",
    "due:messages",
    "due:records",
    "due:half-refs",
];

/// Does some of every operation.
async fn busy(cluster: &Cluster) {
    let [a, b] = [cluster.join().await, cluster.join().await];
    for number in 0..20 {
        let device = format!("phone-{number}");
        a.claim(&device).await;
        a.authorise(&device, &format!("waits for {device}")).await;
        b.open(&device, &device).await;
        for key in 0..3 {
            let idempotency =
                Some(Idempotency { key: secret(&format!("key {key}")), body: secret("body") });
            let ttl = Duration::from_secs(10 * (1 + key));
            let message = Outgoing { device: &device, data: "1", ttl, idempotency };
            let sent = a.engine.send(message).await.unwrap();
            a.engine.acknowledgement(&device, &sent.epoch, sent.seq).await.unwrap();
        }
        let name = connection(&device);
        b.engine.accept(&device, &name, "id", "1").await.unwrap();
        if number % 2 == 0 {
            b.engine.acknowledge(&device, &name, 2).await.unwrap();
        }
        if number % 3 == 0 {
            b.engine.close(&device, &name, Some(1000)).await.unwrap();
        }
        if number % 5 == 0 {
            b.engine.disconnect(&device).await.unwrap();
        }
    }
    let next = a.engine.events(0, 0, 0).await.unwrap().next;
    a.engine.events(0, next, 1).await.unwrap();
    drop(b);
    cluster.pass(2 * LEASE, &[&a]).await;
    a.claim("late").await;
    a.open("late", "late").await;
    let sent = a.send("late", "1").await;
    a.engine.acknowledgement("late", &sent.epoch, sent.seq).await.unwrap();
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn every_key_has_a_ttl_or_a_bound() {
    let cluster = Cluster::new();
    busy(&cluster).await;
    let keys = cluster.keys();
    let kinds = [
        "device:",
        "token:",
        "half-ref:",
        "outbox:",
        "expired:",
        "accepted:",
        "idempotency:",
        "idempotency-due:",
        "waiters:",
        "sockets:",
        "expired-gateway:",
    ];
    for kind in kinds {
        assert!(keys.iter().any(|(key, _)| key.starts_with(kind)), "no {kind}");
    }
    for (key, left) in keys {
        let bounded = BOUNDED.contains(&key.as_str());
        assert!(bounded || left.is_some(), "{key} is kept for ever");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn extending_a_record_extends_the_ttl_of_its_keys() {
    let cluster = Cluster::new();
    let a = cluster.join().await;
    a.claim("phone").await;
    a.open("phone", "c").await;
    a.engine.accept("phone", &connection("c"), "id", "1").await.unwrap();
    let own = |key: &str| {
        let kinds = ["device:", "token:", "outbox:", "accepted:"];
        kinds.iter().any(|kind| key.starts_with(kind))
    };
    a.send("phone", "1").await;
    let keys = cluster.keys();
    let mut server = SERVER.connection();
    for (key, _) in keys.iter().filter(|(key, _)| own(key)) {
        // As if the server's own time had passed as well.
        let full = format!("{}{key}", cluster.prefix);
        cmd("PEXPIRE").arg(full).arg(60_000).exec(&mut server).unwrap();
    }
    cluster.jump(Duration::from_hours(72));
    a.send("phone", "2").await;
    let kept: Vec<_> = cluster.keys().into_iter().filter(|(key, _)| own(key)).collect();
    assert_eq!(kept.len(), 4);
    for (key, left) in kept {
        assert!(left.unwrap() > Duration::from_hours(24), "{key} ends before its record: {left:?}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn nothing_is_left_of_expired_devices() {
    let cluster = Cluster::new();
    busy(&cluster).await;
    let a = cluster.join().await;
    for _ in 0..4 {
        cluster.jump(Duration::from_hours(25));
        cluster.pass(2 * LEASE, &[&a]).await;
    }
    let mut left: Vec<_> = cluster.keys().into_iter().map(|(key, _)| key).collect();
    left.retain(|key| !key.starts_with("expired-gateway:") && !key.starts_with("sockets:"));
    left.sort();
    assert_eq!(left, ["events", "gateways", "meta"]);
    let meta = format!("{}meta", cluster.prefix);
    let room: [u64; 2] = cmd("HMGET")
        .arg(&[meta.as_str(), "bytes", "reserved"])
        .query(&mut SERVER.connection())
        .unwrap();
    assert_eq!(room, [0, 0], "no bytes are kept or reserved");
}

/// The memory that Redis needs for each of so many devices, in bytes.
async fn memory_per_device(devices: usize, prepare: impl AsyncFn(&Member, &str)) -> u64 {
    let server = RedisServer::start();
    let cluster = Cluster::on(&server.url());
    let a = cluster.join().await;
    let used = || {
        let info: String = server.run(&["INFO", "memory"]);
        let field = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        field.and_then(|bytes| bytes.parse::<u64>().ok()).expect("a number")
    };
    // The first device also makes the keys that there is one of.
    prepare(&a, "the-first-of-them").await;
    let before = used();
    for number in 0..devices {
        prepare(&a, &format!("0f9619ff-8b86-d011-b42d-{number:012}")).await;
    }
    (used() - before) / devices as u64
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_device_takes_little_memory() {
    let claimed = memory_per_device(2000, async |a, device| a.claim(device).await).await;
    let connected = memory_per_device(2000, async |a, device| {
        a.claim(device).await;
        a.open(device, &new_id()).await;
        a.release(u64::MAX).await;
    })
    .await;
    let sent_to = memory_per_device(2000, async |a, device| {
        a.claim(device).await;
        a.send(device, &format!("\"{}\"", "x".repeat(254))).await;
    })
    .await;
    let speaking = memory_per_device(500, async |a, device| {
        a.claim(device).await;
        let name = new_id();
        a.open(device, &name).await;
        for number in 0..256 {
            let id = format!("0f9619ff-8b86-d011-b42d-{number:012}");
            a.engine.accept(device, &connection(&name), &id, "1").await.unwrap();
        }
        a.release(u64::MAX).await;
    })
    .await;
    println!(
        "bytes: claimed {claimed}, connected {connected}, sent to {sent_to}, speaking {speaking}"
    );
    // The figures of `docs/redis.md`, with some room.
    assert!(claimed < 1200, "{claimed}");
    assert!(connected < 2400, "{connected}");
    assert!(sent_to < 2400, "{sent_to}");
    assert!(speaking < 16_000, "{speaking}");
}
