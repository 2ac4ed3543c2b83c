//! Redis fails and recovers, with all of its data or with less; and the network fails.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use engine::{
    Acknowledgement, EndReason, Engine, EngineError, Idempotency, Outgoing, RequestTokenError,
    Requester, SendError, Sent, SocketError, redis::RedisOptions,
};
use tests::{Proxy, RedisServer, gateway::PATIENCE};
use tokio::time::sleep;

use crate::cluster::{Cluster, Member, Notification, connection, eventually, secret, token_id};

/// How long Redis may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long an operation without Redis takes at most: it waits for a connection, then for a reply.
/// The rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(8);

fn cluster_on(server: &RedisServer) -> Cluster {
    Cluster { timeout: TIMEOUT, ..Cluster::on(&server.url()) }
}

/// Waits until the gateway is ready.
pub async fn recovers(member: &Member) {
    eventually("it recovers", async || member.engine.ready().await.is_ok()).await;
}

/// Waits until the gateway is not ready.
async fn is_down(member: &Member) {
    eventually("it is down", async || member.engine.ready().await.is_err()).await;
}

async fn try_send(member: &Member, data: &str, key: Option<u64>) -> Result<Sent, SendError> {
    let named = |key| Idempotency { key: secret(&format!("key {key}")), body: secret("body") };
    let ttl = Duration::from_hours(1);
    let message = Outgoing { device: "phone", data, ttl, idempotency: key.map(named) };
    member.engine.send(message).await
}

/// The messages in the outbox of the phone.
async fn outbox(member: &Member, name: &str) -> Vec<(u64, String)> {
    let batch = member.engine.outbox("phone", &connection(name), 0, usize::MAX).await;
    let batch = batch.expect("it is the socket");
    batch.into_iter().map(|message| (message.seq, message.data.to_string())).collect()
}

/// A gateway with an open phone.
async fn open_phone(cluster: &Cluster) -> Member {
    let member = cluster.join().await;
    member.claim("phone").await;
    member.open("phone", "c").await;
    member.notifications();
    member
}

// Redis is killed.

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_killed_redis_that_writes_before_it_answers_loses_nothing() {
    let mut server = RedisServer::durable();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    let stream = a.engine.stream(0).await.unwrap();
    let mut answered = BTreeMap::new();
    let mut epochs = Vec::new();
    for round in 0..5_u64 {
        // It is killed while messages are sent, at another point each time.
        let mut sending = std::pin::pin!(async {
            for number in 0.. {
                let data = (round * 1_000_000 + number).to_string();
                let Ok(sent) = try_send(&a, &data, None).await else { return };
                answered.insert(sent.seq, data);
                epochs.push(sent.epoch);
            }
        });
        tokio::select! {
            () = &mut sending => panic!("Redis still answers"),
            () = sleep(Duration::from_millis(20 + 7 * round)) => {}
        }
        server.kill();
        sending.await;
        server.start_again();
        recovers(&a).await;
    }
    let waiting: BTreeMap<_, _> = outbox(&a, "c").await.into_iter().collect();
    assert!(answered.len() > 5);
    for (seq, data) in answered {
        assert_eq!(waiting.get(&seq), Some(&data));
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 1, "the numbering stays");
    assert_eq!(a.engine.stream(0).await, Ok(stream));
    let ends = |it: &Notification| matches!(it, Notification::End(..));
    assert!(!a.notifications().iter().any(ends), "the socket stays");
}

/// Restarts a server that does not write before it answers, so that it loses what came after its
/// last save.
fn lose_data_since_the_last_save(server: &mut RedisServer) {
    server.kill();
    server.start_again();
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn after_a_loss_of_data_new_epochs_and_a_new_stream_begin() {
    let mut server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    let before = a.send("phone", "1").await;
    let stream = a.engine.stream(0).await.unwrap();
    let () = server.run(&["SAVE"]);
    assert_eq!(a.send("phone", "2").await.seq, 2);

    lose_data_since_the_last_save(&mut server);
    recovers(&a).await;

    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    assert_ne!(a.engine.stream(0).await.unwrap(), stream);
    let opened = a.open("phone", "d").await;
    assert_ne!(opened.epoch, before.epoch);
    // The number is given again, in another epoch.
    let again = a.send("phone", "3").await;
    assert_eq!((again.seq, again.epoch), (2, opened.epoch));
    assert_eq!(outbox(&a, "d").await, [(1, "1".to_owned()), (2, "3".to_owned())]);
    assert_eq!(
        a.engine.acknowledgement("phone", &before.epoch, 1).await,
        Ok(Acknowledgement::Never)
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn after_a_loss_of_data_each_earlier_socket_is_disconnected_once() {
    let mut server = RedisServer::start();
    let cluster = cluster_on(&server);
    let [a, b] = [open_phone(&cluster).await, cluster.join().await];
    let () = server.run(&["SAVE"]);
    b.claim("tablet").await;
    b.open("tablet", "lost").await;
    lose_data_since_the_last_save(&mut server);
    recovers(&a).await;
    recovers(&b).await;
    b.is_notified(&Notification::End("lost".to_owned(), EndReason::LeaseExpired)).await;
    a.engine.expire().await.unwrap();
    b.engine.expire().await.unwrap();
    // As the session does when it ends.
    a.engine.close("phone", &connection("c"), Some(4103)).await.unwrap();
    assert_eq!(a.events().await, ["phone connected c", "phone disconnected c"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_empty_redis_is_set_up_again() {
    let mut server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    let stream = a.engine.stream(0).await.unwrap();
    lose_data_since_the_last_save(&mut server);
    recovers(&a).await;
    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    assert_ne!(a.engine.stream(0).await.unwrap(), stream);
    assert_eq!(try_send(&a, "1", None).await, Err(SendError::UnknownDevice));
    a.claim("phone").await;
    a.open("phone", "d").await;
    assert_eq!(a.events().await, ["phone connected d"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn operations_fail_in_time_while_redis_is_down() {
    let mut server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    server.kill();
    for _ in 0..3 {
        let asked = Instant::now();
        let sent = try_send(&a, "1", None).await;
        assert!(matches!(sent, Err(SendError::Engine(_))), "{sent:?}");
        assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    }
    assert_eq!(a.engine.ready().await, Err(EngineError::Unavailable));
    assert_eq!(a.engine.expire().await, Err(EngineError::Unavailable));
    assert!(
        !a.notifications().contains(&Notification::End("c".to_owned(), EndReason::LeaseExpired)),
        "the socket stays for a while"
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_without_a_connection_for_a_lease_ends_its_sockets() {
    let mut server = RedisServer::start();
    let mut options = RedisOptions::new(&server.url()).unwrap();
    (options.timeout, options.lease) = (TIMEOUT, 2 * TIMEOUT);
    let a = cluster_on(&server).join_with(options).await;
    a.claim("phone").await;
    a.open("phone", "c").await;
    server.kill();
    let deadline = Instant::now() + PATIENCE;
    while !a.notifications().contains(&Notification::End("c".to_owned(), EndReason::LeaseExpired)) {
        assert!(a.engine.expire().await.is_err());
        assert!(Instant::now() < deadline, "they are kept");
    }
}

// Redis is flushed.

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_flush_begins_a_new_stream() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let [a, b] = [open_phone(&cluster).await, cluster.join().await];
    let stream = a.engine.stream(0).await.unwrap();
    let () = server.run(&["FLUSHALL"]);
    assert!(a.engine.accept("phone", &connection("c"), "id", "1").await.is_err());
    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    recovers(&a).await;
    let _ = b.engine.expire().await;
    recovers(&b).await;
    assert_ne!(a.engine.stream(0).await.unwrap(), stream);
    assert_eq!(a.engine.stream(0).await, b.engine.stream(0).await);
    b.claim("phone").await;
    let opened = b.open("phone", "d").await;
    assert_eq!(a.send("phone", "1").await.epoch, opened.epoch);
    assert_eq!(b.waiting("phone", "d").await, [1]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn gateways_that_notice_a_loss_later_keep_the_new_stream() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let [a, b] = [cluster.join().await, cluster.join().await];
    let () = server.run(&["FLUSHALL"]);
    let _ = a.engine.expire().await;
    recovers(&a).await;
    let stream = a.engine.stream(0).await.unwrap();
    let _ = b.engine.expire().await;
    recovers(&b).await;
    a.engine.expire().await.unwrap();
    assert_eq!(a.engine.stream(0).await, Ok(stream.clone()));
    assert_eq!(b.engine.stream(0).await, Ok(stream));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_lacks_a_gateways_writes_is_not_written_to() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    let before = a.send("phone", "1").await;
    // As when an older copy replaces the data of the same process.
    let meta = format!("{}meta", cluster.prefix);
    let fields: BTreeMap<String, String> = server.run(&["HGETALL", &meta]);
    let (field, count) = fields.iter().find(|(name, _)| name.starts_with("gateway:")).unwrap();
    let (kept, count) = count.rsplit_once(' ').unwrap();
    let less = format!("{kept} {}", count.parse::<u64>().unwrap() - 1);
    let _: u64 = server.run(&["HSET", &meta, field, &less]);

    assert!(try_send(&a, "2", None).await.is_err());
    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    recovers(&a).await;
    let opened = a.open("phone", "d").await;
    assert_ne!(opened.epoch, before.epoch);
    assert_eq!(a.waiting("phone", "d").await, [1], "nothing was added to older data");
}

// Redis fails over.

/// A replica of the server, as far as the proxy lets it be one.
pub async fn replica_behind(proxy: &Proxy, primary: &RedisServer) -> RedisServer {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let replica =
        RedisServer::with(&[["--repl-diskless-sync-delay", "0"].as_slice(), &durable].concat());
    let () = replica.run(&["REPLICAOF", "127.0.0.1", &proxy.port().to_string()]);
    catches_up(&replica, primary).await;
    replica
}

pub async fn catches_up(replica: &RedisServer, primary: &RedisServer) {
    let offset = |server: &RedisServer, field: &str| {
        let info: String = server.run(&["INFO", "replication"]);
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| *name == field).map(|(_, value)| value.to_owned())
    };
    eventually("the replica catches up", async || {
        let up = offset(replica, "master_link_status").as_deref() == Some("up");
        let there = offset(replica, "slave_repl_offset");
        up && there == offset(primary, "master_repl_offset")
    })
    .await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_failover_begins_new_epochs_and_a_new_stream() {
    let mut primary = RedisServer::start();
    let (to_primary, to_redis) = (Proxy::to(&[primary.port()]), Proxy::to(&[primary.port()]));
    let replica = replica_behind(&to_primary, &primary).await;
    let url = format!("redis://127.0.0.1:{}/", to_redis.port());
    let cluster = Cluster { timeout: TIMEOUT, ..Cluster::on(&url) };
    let a = open_phone(&cluster).await;
    let before = a.send("phone", "1").await;
    let stream = a.engine.stream(0).await.unwrap();
    catches_up(&replica, &primary).await;
    // The next message is not replicated any more.
    to_primary.fall_silent();
    assert_eq!(a.send("phone", "2").await.seq, 2);

    primary.kill();
    is_down(&a).await;
    to_redis.lead_to(&[replica.port()]);
    to_redis.cut();
    assert_eq!(a.engine.ready().await, Err(EngineError::Unavailable), "a replica is not used");
    let () = replica.run(&["REPLICAOF", "NO", "ONE"]);
    recovers(&a).await;

    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    assert_ne!(a.engine.stream(0).await.unwrap(), stream);
    let opened = a.open("phone", "d").await;
    assert_ne!(opened.epoch, before.epoch);
    assert_eq!(a.send("phone", "3").await.seq, 2);
    assert_eq!(a.waiting("phone", "d").await, [1, 2]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_primary_that_took_over_an_older_copy_begins_new_epochs() {
    let server = RedisServer::start();
    let to_server = Proxy::to(&[server.port()]);
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    let before = a.send("phone", "1").await;
    let replica = replica_behind(&to_server, &server).await;
    to_server.fall_silent();
    a.send("phone", "2").await;
    // The same process becomes a replica of its older copy, and a primary again.
    let () = replica.run(&["REPLICAOF", "NO", "ONE"]);
    let () = server.run(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
    catches_up(&server, &replica).await;
    let () = server.run(&["REPLICAOF", "NO", "ONE"]);
    let _ = try_send(&a, "never mind", None).await;
    recovers(&a).await;
    a.is_notified(&Notification::End("c".to_owned(), EndReason::LeaseExpired)).await;
    assert_ne!(a.open("phone", "d").await.epoch, before.epoch);
    assert_eq!(a.waiting("phone", "d").await, [1]);
}

// Redis runs and does not serve.

#[tokio::test]
#[ignore = "needs redis-server"]
async fn operations_fail_in_time_while_redis_is_paused() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    let () = server.run(&["CLIENT", "PAUSE", "7000", "ALL"]);
    for error in [EngineError::OutcomeUnknown, EngineError::Unavailable, EngineError::Unavailable] {
        let asked = Instant::now();
        assert_eq!(try_send(&a, "1", None).await, Err(SendError::Engine(error)));
        assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    }
    assert_eq!(a.engine.ready().await, Err(EngineError::Unavailable));
    recovers(&a).await;
    a.send("phone", "2").await;
    let messages: Vec<_> = outbox(&a, "c").await.into_iter().map(|(_, data)| data).collect();
    assert_eq!(messages.last().map(String::as_str), Some("2"));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn operations_fail_in_time_while_the_server_is_stopped() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    server.signal("STOP");
    let asked = Instant::now();
    assert_eq!(try_send(&a, "1", None).await, Err(SendError::Engine(EngineError::OutcomeUnknown)));
    assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    is_down(&a).await;
    server.signal("CONT");
    recovers(&a).await;
    assert_eq!(a.waiting("phone", "c").await.len() as u64 + 1, a.send("phone", "2").await.seq);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn at_maxmemory_operations_that_make_room_work() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    a.send("phone", "1").await;
    let () = server.run(&["CONFIG", "SET", "maxmemory", "1"]);

    assert_eq!(a.engine.ready().await, Err(EngineError::Unavailable));
    assert_eq!(try_send(&a, "2", None).await, Err(SendError::Engine(EngineError::Unavailable)));
    let accepted = a.engine.accept("phone", &connection("c"), "id", "1").await;
    assert_eq!(accepted, Err(SocketError::Engine(EngineError::Unavailable)));
    assert_eq!(a.waiting("phone", "c").await, [1], "what is there can be read");
    let killed: u64 = server.run(&["CLIENT", "KILL", "SKIPME", "yes"]);
    assert!(killed > 0);
    let deadline = Instant::now() + PATIENCE;
    while a.engine.check_token(&token_id(secret("token of phone"))).await.is_err() {
        assert!(Instant::now() < deadline, "it cannot reconnect");
    }
    a.engine.acknowledge("phone", &connection("c"), 1).await.unwrap();
    a.release(1).await;
    a.engine.expire().await.unwrap();
    a.engine.close("phone", &connection("c"), None).await.unwrap();

    let () = server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(a.engine.ready().await, Ok(()));
    a.engine.accept("phone", &connection("c"), "id", "1").await.unwrap_err();
    a.open("phone", "d").await;
    assert_eq!(a.send("phone", "2").await.seq, 2);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_evicts_keys_is_not_used() {
    let server = RedisServer::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let cluster = cluster_on(&server);
    let a = cluster.start(RedisOptions::new(&server.url()).unwrap());
    assert_eq!(a.engine.ready().await, Err(EngineError::Unavailable));
    let () = server.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    recovers(&a).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_whose_channel_is_silent_is_not_ready() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    let () = server.run(&["ACL", "SETUSER", "default", "resetchannels"]);
    is_down(&a).await;
    let () = server.run(&["ACL", "SETUSER", "default", "allchannels"]);
    recovers(&a).await;
    assert!(a.engine.outbox("phone", &connection("c"), 0, 1).await.is_ok());
}

// The network.

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cut_connection_is_replaced_and_sockets_stay_open() {
    let server = RedisServer::start();
    let cluster = cluster_on(&server);
    let a = open_phone(&cluster).await;
    for number in 1..=10 {
        let killed: u64 = server.run(&["CLIENT", "KILL", "SKIPME", "yes"]);
        assert!(killed > 0);
        // The cut can come in the middle of this call.
        while try_send(&a, &number.to_string(), Some(number)).await.is_err() {}
    }
    assert_eq!(a.waiting("phone", "c").await, (1..=10).collect::<Vec<_>>());
    let ends = |it: &Notification| matches!(it, Notification::End(..));
    assert!(!a.notifications().iter().any(ends));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_catches_up_after_it_was_cut_off() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let cluster = cluster_on(&server);
    let a = cluster.join_by(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let b = cluster.join().await;
    for device in ["phone", "superseded", "revoked", "quiet", "closed"] {
        a.claim(device).await;
        a.open(device, &format!("socket of {device}")).await;
    }
    proxy.lead_to(&[]);
    proxy.cut();
    is_down(&a).await;
    b.send("phone", "1").await;
    b.open("superseded", "newer").await;
    b.engine.revoke_token(&token_id(secret("token of revoked"))).await.unwrap();
    let closed = connection("socket of closed");
    assert!(a.engine.close("closed", &closed, Some(1000)).await.is_err());
    a.notifications();

    proxy.lead_to(&[server.port()]);
    recovers(&a).await;
    let mut notifications = a.notifications();
    notifications.sort_by_key(|it| format!("{it:?}"));
    let expected = [
        Notification::End("socket of revoked".to_owned(), EndReason::Revoked),
        Notification::End("socket of superseded".to_owned(), EndReason::Superseded),
        Notification::MessageQueued("socket of phone".to_owned()),
        Notification::Missed,
    ];
    // The `disconnected` event of the closed one is appended, too.
    notifications.retain(|it| *it != Notification::EventsAppended);
    assert_eq!(notifications, expected);
    let events = b.events().await;
    let ends: Vec<_> = events.iter().filter(|event| event.starts_with("closed disc")).collect();
    assert_eq!(ends, ["closed disconnected socket of closed"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_slow_network_changes_no_outcome() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let cluster = Cluster::on(&format!("redis://127.0.0.1:{}/", proxy.port()));
    let a = open_phone(&cluster).await;
    proxy.slow_down(7, Duration::from_micros(200));
    for number in 1..=20 {
        assert_eq!(a.send("phone", &number.to_string()).await.seq, number);
    }
    assert_eq!(a.waiting("phone", "c").await, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn connections_cut_in_the_middle_of_calls_double_nothing() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    let cluster = Cluster { timeout: Duration::from_secs(2), ..Cluster::on(&url) };
    let a = open_phone(&cluster).await;
    proxy.slow_down(64, Duration::from_micros(300));
    let (mut refused, mut number, mut cut_at) = (0, 0, 3);
    while number < 100 {
        let (data, id) = (number.to_string(), format!("id {number}"));
        let socket = connection("c");
        let cutting = async {
            // While calls are on their way, and once for each number.
            if number == cut_at {
                cut_at += 3;
                sleep(Duration::from_millis(1)).await;
                proxy.cut();
            }
        };
        let sent = tokio::join!(
            try_send(&a, &data, Some(number)),
            a.engine.accept("phone", &socket, &id, "1"),
            cutting,
        );
        match sent {
            (Ok(sent), Ok(()), ()) => {
                assert_eq!(sent.seq, number + 1);
                number += 1;
            }
            _ => refused += 1,
        }
    }
    proxy.speed_up();
    recovers(&a).await;
    assert!(refused > 0, "nothing was cut in the middle");
    let expected: Vec<_> = (0..100).map(|number| (number + 1, number.to_string())).collect();
    assert_eq!(outbox(&a, "c").await, expected);
    let mut messages = a.events().await;
    messages.retain(|event| event.contains(" message "));
    let expected: Vec<_> = (0..100).map(|number| format!("phone message c id {number}")).collect();
    assert_eq!(messages, expected);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn operations_fail_in_time_while_the_network_is_silent() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    let cluster = Cluster { timeout: TIMEOUT, ..Cluster::on(&url) };
    let a = open_phone(&cluster).await;
    proxy.fall_silent();
    let asked = Instant::now();
    assert_eq!(try_send(&a, "1", None).await, Err(SendError::Engine(EngineError::OutcomeUnknown)));
    assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    is_down(&a).await;
    proxy.speed_up();
    recovers(&a).await;
    assert!(a.engine.outbox("phone", &connection("c"), 0, 1).await.is_ok());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_socket_whose_reply_is_lost_is_closed() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let cluster = Cluster { timeout: TIMEOUT, ..cluster_on(&server) };
    let a = cluster.join_by(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let b = cluster.join().await;
    a.claim("phone").await;
    a.authorise("phone", "half").await;
    // The call arrives, and its reply does not.
    proxy.deafen();
    let redeemed = a.engine.redeem(&secret("half"), &connection("c")).await;
    assert!(redeemed.is_err());
    let socket = b.engine.device("phone").await.unwrap().unwrap().socket;
    assert_eq!(socket.map(|socket| socket.connection), Some(connection("c")));
    proxy.speed_up();
    recovers(&a).await;
    assert_eq!(b.engine.device("phone").await.unwrap().unwrap().socket, None);
    assert_eq!(b.events().await, ["phone connected c", "phone disconnected c"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_claim_whose_reply_is_lost_is_revoked() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let cluster = cluster_on(&server);
    let a = cluster.join_by(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let b = cluster.join().await;
    proxy.deafen();
    let claim = async |member: &Member, token| {
        member
            .engine
            .request_token(
                "phone",
                Requester::Claim { shown: None, key: None },
                None,
                &secret(token),
            )
            .await
    };
    assert_eq!(
        claim(&a, "lost").await,
        Err(RequestTokenError::Engine(EngineError::OutcomeUnknown))
    );
    assert_eq!(claim(&b, "too early").await, Err(RequestTokenError::DeviceClaimed));
    proxy.speed_up();
    recovers(&a).await;
    assert_eq!(claim(&b, "again").await, Ok(()));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_renewal_whose_reply_is_lost_leaves_the_claim_as_it_was() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let cluster = cluster_on(&server);
    let a = cluster.join_by(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let b = cluster.join().await;
    b.claim("phone").await;
    let epoch = b.send("phone", "1").await.epoch;
    proxy.deafen();
    let shown = secret("token of phone");
    let renewal = async |member: &Member, token| {
        let requester = Requester::Claim { shown: Some(&shown), key: None };
        member.engine.request_token("phone", requester, None, &secret(token)).await
    };
    assert_eq!(
        renewal(&a, "lost").await,
        Err(RequestTokenError::Engine(EngineError::OutcomeUnknown))
    );
    proxy.speed_up();
    recovers(&a).await;
    assert_eq!(renewal(&a, "again").await, Ok(()));
    assert_eq!(b.send("phone", "2").await.epoch, epoch);
}
