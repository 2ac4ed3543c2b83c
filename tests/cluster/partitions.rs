//! Partitions on a Redis Cluster: slots that move, primaries that die, and what is refused.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{
    Authorisation, ConnectionId, EndReason, Engine, EngineError, EngineListener, Home, Limits,
    Outgoing, Requester, SendError, TokenId,
    partitions::Partitioned,
    redis::{ConnectError, RedisOptions, Unfit, check},
};
use tests::{RedisCluster, RedisServer, gateway::PATIENCE};
use tokio::time::sleep;

use crate::cluster::{connection, device_of, eventually, secret};

/// So many partitions lie on all three primaries.
const PARTITIONS: usize = 6;

struct Ignored;

impl EngineListener for Ignored {
    fn end(&self, _: &ConnectionId, _: EndReason) {}
    fn message_queued(&self, _: &ConnectionId) {}
    fn messages_settled(&self, _: &str) {}
    fn events_appended(&self, _: usize) {}
}

fn options(url: &str, partitions: usize) -> RedisOptions {
    let mut options = RedisOptions::new(url).expect("a URL");
    options.partitions = partitions.try_into().expect("at least one");
    options.timeout = Duration::from_secs(1);
    options
}

fn start(url: &str, partitions: usize) -> Partitioned {
    let listener: Arc<dyn EngineListener> = Arc::new(Ignored);
    Partitioned::start(&Limits::default(), &options(url, partitions), None, &listener)
}

/// A gateway whose partitions all serve.
async fn join(url: &str) -> Partitioned {
    let engine = start(url, PARTITIONS);
    eventually("every partition serves", async || streams(&engine).await.is_some()).await;
    engine
}

/// The name of each partition's stream; `None` where one cannot be reached.
async fn streams(engine: &Partitioned) -> Option<Vec<Arc<str>>> {
    let mut streams = Vec::new();
    for partition in 0..engine.partitions() {
        engine.events(partition, 0, 0).await.ok()?;
        streams.push(engine.stream(partition).await.ok()?);
    }
    Some(streams)
}

/// A device of each partition.
fn devices() -> Vec<String> {
    (0..PARTITIONS).map(|partition| device_of(partition, PARTITIONS)).collect()
}

/// Claims each device.
async fn claim(engine: &Partitioned, devices: &[String]) {
    for device in devices {
        let requester = Requester::Claim { shown: None, key: None };
        engine.request_token(device, requester, None, &secret(device)).await.expect("a token");
    }
}

async fn send(engine: &Partitioned, device: &str) -> Result<u64, SendError> {
    let ttl = Duration::from_hours(1);
    let sent = engine.send(Outgoing { device, data: "1", ttl, idempotency: None }).await;
    sent.map(|sent| sent.seq)
}

/// A key of a partition.
fn key(partition: usize) -> String {
    format!("connectsocket:{{p{partition}}}:meta")
}

/// Sends to each device until `done`, and counts what was queued for certain and what perhaps.
async fn load(
    engine: &Partitioned,
    devices: &[String],
    done: impl Fn() -> bool,
) -> Vec<(usize, usize)> {
    let mut counts = vec![(0, 0); devices.len()];
    while !done() {
        for (device, (certain, perhaps)) in devices.iter().zip(&mut counts) {
            match send(engine, device).await {
                Ok(_) => *certain += 1,
                Err(SendError::Engine(EngineError::OutcomeUnknown)) => *perhaps += 1,
                Err(SendError::Engine(EngineError::Unavailable)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    counts
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_slot_that_moves_under_load_loses_nothing() {
    let cluster = RedisCluster::start();
    let engine = join(&cluster.url()).await;
    let devices = devices();
    claim(&engine, &devices).await;
    let before = streams(&engine).await.expect("they serve");
    let (moving, cluster) = (Arc::new(()), Arc::new(cluster));
    let (held, its_cluster) = (Arc::clone(&moving), Arc::clone(&cluster));
    let moved = tokio::task::spawn_blocking(move || {
        for partition in 0..PARTITIONS {
            let from = its_cluster.primary_of(&key(partition));
            its_cluster.move_slot(&key(partition), (from + 1) % 3);
        }
        drop(held);
    });
    let counts = load(&engine, &devices, || Arc::strong_count(&moving) == 1).await;
    moved.await.expect("the slots move");
    eventually("every partition serves again", async || streams(&engine).await.is_some()).await;
    assert_eq!(streams(&engine).await, Some(before), "no new streams: nothing is lost");
    for (device, (certain, perhaps)) in devices.iter().zip(counts) {
        let state = engine.device(device).await.expect("it serves").expect("a record");
        assert!((certain..=certain + perhaps).contains(&state.unacknowledged), "{device}");
        send(&engine, device).await.expect("sent");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_that_takes_over_begins_new_streams_of_its_partitions_alone() {
    let mut cluster = RedisCluster::start();
    let engine = join(&cluster.url()).await;
    let devices = devices();
    claim(&engine, &devices).await;
    let before = streams(&engine).await.expect("they serve");
    let place = cluster.primary_of(&key(0));
    let its: Vec<_> = (0..PARTITIONS).map(|it| cluster.primary_of(&key(it)) == place).collect();
    cluster.nodes[place].kill();
    let begun = Instant::now();
    load(&engine, &devices, || begun.elapsed() > Duration::from_secs(1)).await;
    eventually("the replica serves", async || streams(&engine).await.is_some()).await;
    let after = streams(&engine).await.expect("they serve");
    for partition in 0..PARTITIONS {
        let is_new = before[partition] != after[partition];
        assert_eq!(is_new, its[partition], "partition {partition}");
        send(&engine, &devices[partition]).await.expect("sent");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_shard_that_is_gone_refuses_its_devices_alone() {
    let mut cluster = RedisCluster::start();
    let engine = join(&cluster.url()).await;
    let devices = devices();
    claim(&engine, &devices).await;
    let place = cluster.primary_of(&key(0));
    let its: Vec<_> = (0..PARTITIONS).map(|it| cluster.primary_of(&key(it)) == place).collect();
    // Without its replica.
    for replica in 3..6 {
        cluster.nodes[replica].kill();
    }
    cluster.nodes[place].kill();
    eventually("the partition is gone", async || send(&engine, &devices[0]).await.is_err()).await;
    for (device, is_gone) in devices.iter().zip(its) {
        if is_gone {
            let unavailable = SendError::Engine(EngineError::Unavailable);
            eventually("503", async || send(&engine, device).await == Err(unavailable)).await;
        } else {
            eventually("it serves", async || send(&engine, device).await.is_ok()).await;
        }
    }
    assert_eq!(engine.ready().await, Ok(()), "the others serve");
    assert!(engine.connected(None, "", 10).await.is_err(), "a list without them would be wrong");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn another_number_of_partitions_is_refused() {
    let server = RedisServer::start();
    drop(join(&server.url()).await);
    for given in [1, 4, 8] {
        let engine = start(&server.url(), given);
        let begun = Instant::now();
        while engine.failure().is_none_or(|why| !why.contains("was made with 6 partitions")) {
            assert!(begun.elapsed() < PATIENCE, "{given}: {:?}", engine.failure());
            sleep(Duration::from_millis(5)).await;
        }
        assert!(engine.ready().await.is_err(), "{given}");
    }
    assert!(
        send(&join(&server.url()).await, "phone")
            .await
            .is_err_and(|it| it == SendError::UnknownDevice)
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_check_of_a_cluster_refuses_another_number_of_partitions() {
    let cluster = RedisCluster::start();
    drop(join(&cluster.url()).await);
    for given in [1, PARTITIONS, 8] {
        match check(&Limits::default(), &options(&cluster.url(), given)).await {
            Ok(_) => assert_eq!(given, PARTITIONS),
            Err(why) => {
                assert_ne!(given, PARTITIONS, "{why}");
                assert!(why.to_string().contains("was made with 6 partitions"), "{given}: {why}");
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_behind_a_plain_url_is_refused() {
    let cluster = RedisCluster::start();
    let refused = check(&Limits::default(), &options(&cluster.nodes[0].url(), 1)).await;
    assert!(matches!(refused, Err(ConnectError::Unfit(Unfit::Cluster))), "{refused:?}");
    let accepted = check(&Limits::default(), &options(&cluster.url(), PARTITIONS)).await;
    assert!(accepted.is_ok(), "{accepted:?}");
    let single = RedisServer::start();
    let url = single.url().replace("redis:", "redis-cluster:");
    let refused = check(&Limits::default(), &options(&url, PARTITIONS)).await;
    assert!(matches!(refused, Err(ConnectError::NoCluster)), "{refused:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_half_ref_of_two_devices_at_once_is_authorised_for_one() {
    let server = RedisServer::start();
    let engine = join(&server.url()).await;
    let devices = devices();
    claim(&engine, &devices).await;
    for round in 0..20 {
        let half_ref = secret(&format!("half ref {round}"));
        let token =
            |device: &str| TokenId { digest: secret(device), home: Home::of_device(device) };
        let (one, other) = (token(&devices[0]), token(&devices[1]));
        let authorise = |token, device| Authorisation {
            token,
            device,
            half_ref: &half_ref,
            linkinjected: None,
        };
        let (first, second) = tokio::join!(
            engine.authorise(authorise(&one, &devices[0])),
            engine.authorise(authorise(&other, &devices[1])),
        );
        assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
        let winner = if first.is_ok() { &devices[0] } else { &devices[1] };
        let opened = engine.redeem(&half_ref, &connection(&format!("c{round}"))).await;
        assert_eq!(*opened.expect("opened").device, **winner);
        sleep(Duration::from_millis(110)).await;
    }
}
