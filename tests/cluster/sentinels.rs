//! Gateways that find the primary through sentinels, also after it has died.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use engine::{
    Engine, Limits,
    redis::{RedisOptions, TlsFiles, check},
};
use tests::{
    Authority, DEVICE, Operator, Prospect, RedisServer, Sentinels, TlsServer, gateway,
    sentinel::SERVICE,
};
use tokio::{sync::watch, time::sleep};

use crate::{
    cluster::{Cluster, Member, connection, eventually},
    faults::{catches_up, recovers},
    gateways::{builder, start},
};

/// How long Redis may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A primary and its replica.
async fn pair() -> [RedisServer; 2] {
    let [primary, replica] = [(); 2].map(|()| {
        let sync_at_once = ["--repl-diskless-sync-delay", "0"];
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        RedisServer::with(&[sync_at_once.as_slice(), &durable].concat())
    });
    let () = replica.run(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    catches_up(&replica, &primary).await;
    [primary, replica]
}

/// Waits until a sentinel can promote the replica.
async fn knows_the_replica(sentinels: &Sentinels) {
    for index in 0..sentinels.ports().len() {
        eventually("the sentinels know the replica", async || {
            let known: Vec<BTreeMap<String, String>> = sentinels.run(index, &["REPLICAS", SERVICE]);
            known.iter().any(|replica| replica["flags"] == "slave")
        })
        .await;
    }
}

async fn checked(url: &str) -> Result<(), String> {
    let mut options = RedisOptions::new(url).expect("a URL");
    options.timeout = TIMEOUT;
    check(&Limits::default(), &options).await.map(|_| ()).map_err(|why| why.to_string())
}

/// Asserts that there is no way to Redis by this URL, with each of these words in the cause.
async fn is_refused(url: &str, words: &[&str]) {
    let why = checked(url).await.expect_err("there is no way");
    for word in words {
        assert!(why.contains(word), "{word}: {why}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_lead_to_the_primary_while_one_of_them_answers() {
    let primary = RedisServer::start();
    let mut sentinels = Sentinels::watch(&primary, 3, "");
    let url = sentinels.url();
    let cluster = Cluster { timeout: TIMEOUT, ..Cluster::on(&url) };
    cluster.join().await.claim("phone").await;
    assert!(primary.run::<u64>(&["DBSIZE"]) > 0);
    for _ in 0..2 {
        sentinels.kill(0);
        assert_eq!(checked(&url).await, Ok(()));
    }
    sentinels.kill(0);
    is_refused(&url, &["no sentinel names the primary", "127.0.0.1", "Connection refused"]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn why_sentinels_do_not_lead_to_the_primary_is_named() {
    let mut primary = RedisServer::start();
    let sentinels = Sentinels::watch(&primary, 1, "");
    let port = sentinels.ports()[0];
    let other = format!("redis+sentinel://127.0.0.1:{port}/another-service");
    is_refused(&other, &["knows no service", "another-service", "sentinel monitor"]).await;
    let redis = format!("redis+sentinel://127.0.0.1:{}/service", primary.port());
    is_refused(&redis, &["it is no sentinel", "26379"]).await;
    is_refused(&format!("redis://127.0.0.1:{port}"), &["is a sentinel", "redis+sentinel://"]).await;

    let url = sentinels.url();
    let wrong = url.replace("://", "://:a-password@");
    let () = primary.run(&["CONFIG", "SET", "requirepass", "another-password"]);
    let address = format!("127.0.0.1:{}", primary.port());
    is_refused(&wrong, &[&address, "WRONGPASS"]).await;
    is_refused(&url, &[&address, "NOAUTH"]).await;
    primary.kill();
    is_refused(&url, &[&address, "Connection refused"]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_may_have_a_password_of_their_own() {
    let primary = RedisServer::start();
    let sentinels = Sentinels::watch(&primary, 1, "requirepass the-word-of-sentinels\n");
    let with = |query: &str| format!("{}?{query}", sentinels.url());
    is_refused(&sentinels.url(), &["NOAUTH", "sentinel_password"]).await;
    is_refused(&with("sentinel_password=another"), &["WRONGPASS"]).await;
    assert_eq!(checked(&with("sentinel_password=the-word-of-sentinels")).await, Ok(()));
    let with_user = with("sentinel_user=default&sentinel_password=the-word-of-sentinels");
    assert_eq!(checked(&with_user).await, Ok(()));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_and_redis_may_speak_tls() {
    let authority = Authority::new();
    let shows = authority.issue(&["127.0.0.1"]);
    let tls = TlsServer { shows, trusts: authority.file(), asks: false };
    let primary = RedisServer::with_tls(&tls, &[]);
    let sentinels = Sentinels::watch_with_tls(&primary, 1, &tls);
    let url = format!("rediss+sentinel://{}", sentinels.hosts_and_service());
    let mut options = RedisOptions::new(&url).unwrap();
    options.tls = TlsFiles { ca: Some(authority.file()), client: None };
    let found = check(&Limits::default(), &options).await;
    assert!(found.is_ok(), "{found:?}");
    is_refused(&url, &["127.0.0.1", "issued by no authority"]).await;
    is_refused(&sentinels.url(), &["expects TLS"]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_leaves_a_primary_that_sentinels_do_not_name_any_more() {
    let [before, after] = [(); 2].map(|()| RedisServer::start());
    let sentinels = Sentinels::watch(&before, 1, "");
    let cluster = Cluster { timeout: TIMEOUT, ..Cluster::on(&sentinels.url()) };
    let member = cluster.join().await;
    let () = sentinels.run(0, &["REMOVE", SERVICE]);
    let port = after.port().to_string();
    let () = sentinels.run(0, &["MONITOR", SERVICE, "127.0.0.1", &port, "1"]);
    eventually("the gateway is on the new primary", async || after.run::<u64>(&["DBSIZE"]) > 0)
        .await;
    recovers(&member).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn of_sentinels_that_disagree_those_that_saw_the_last_failover_are_believed() {
    let [primary, replica] = pair().await;
    let sentinels = Sentinels::watch(&primary, 3, "");
    // It was cut off with a server that it takes for the primary.
    let stale = RedisServer::start();
    let cut_off = Sentinels::watch(&stale, 1, "");
    knows_the_replica(&sentinels).await;
    let () = sentinels.run(0, &["FAILOVER", SERVICE]);
    let new = replica.port().to_string();
    for index in 0..2 {
        eventually("the sentinel names the new primary", async || {
            let named: Vec<String> = sentinels.run(index, &["GET-MASTER-ADDR-BY-NAME", SERVICE]);
            named[1] == new
        })
        .await;
    }
    let [port, others] = [cut_off.ports(), sentinels.ports()];
    let url = format!(
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}/{SERVICE}",
        port[0], others[0], others[1]
    );
    let cluster = Cluster { timeout: TIMEOUT, ..Cluster::on(&url) };
    for number in 0..10 {
        cluster.join().await.claim(&format!("phone-{number}")).await;
    }
    assert_eq!(stale.run::<u64>(&["DBSIZE"]), 0);
    assert!(replica.run::<u64>(&["DBSIZE"]) > 0);
}

// The primary dies under load.

const DEVICES: usize = 4;

/// A message that was answered.
struct Answered {
    epoch: Arc<str>,
    seq: u64,
    data: String,
}

/// Sends messages to a device until it has to stop; gives those that were answered, in order.
async fn send_until(
    stop: watch::Receiver<bool>,
    member: Arc<Member>,
    device: String,
    sender: usize,
) -> Vec<Answered> {
    let mut answered = Vec::new();
    for number in 0.. {
        if *stop.borrow() {
            break;
        }
        let data = format!("{sender} {number}");
        match member.try_send(&device, &data).await {
            Ok(sent) => answered.push(Answered { epoch: sent.epoch, seq: sent.seq, data }),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
    answered
}

/// The epoch of a device, and the messages in its outbox by number.
async fn outbox(member: &Member, device: &str) -> (Arc<str>, BTreeMap<u64, String>) {
    let name = format!("the last of {device}");
    let opened = member.open(device, &name).await;
    let batch = member.engine.outbox(device, &connection(&name), 0, usize::MAX).await;
    let batch = batch.expect("it is the socket").into_iter();
    (opened.epoch, batch.map(|message| (message.seq, message.data.to_string())).collect())
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn when_the_primary_dies_under_load_gateways_go_to_the_new_one_and_no_new_message_is_lost() {
    let [mut primary, replica] = pair().await;
    let sentinels = Sentinels::watch(&primary, 3, "");
    knows_the_replica(&sentinels).await;
    let mut cluster = Cluster { timeout: TIMEOUT, ..Cluster::on(&sentinels.url()) };
    cluster.limits.outbox_messages = 1_000_000;
    cluster.limits.outbox_bytes = 1_000_000_000;
    let members = [cluster.join().await, cluster.join().await, cluster.join().await].map(Arc::new);
    let stream = members[0].engine.stream(0).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let mut senders = Vec::new();
    for device in (0..DEVICES).map(|number| format!("device-{number}")) {
        members[0].claim(&device).await;
        for (sender, member) in members.iter().enumerate() {
            let member = Arc::clone(member);
            let sending = send_until(stopped.clone(), member, device.clone(), sender);
            senders.push((device.clone(), tokio::spawn(sending)));
        }
    }
    let messages = || replica.run::<u64>(&["ZCARD", &format!("{}due:messages", cluster.prefix)]);
    eventually("the load runs", async || messages() > 1000).await;
    primary.kill();

    for member in &members {
        eventually("the gateway is on the new primary", async || {
            member.engine.stream(0).await.is_ok_and(|name| name != stream)
        })
        .await;
    }
    let kept_at_failover = messages();
    eventually("the load goes on", async || messages() > kept_at_failover + 1000).await;
    stop.send_replace(true);

    let mut numbers = BTreeSet::new();
    let (mut before, mut lost_before, mut after) = (0, 0, 0);
    let mut outboxes = BTreeMap::new();
    for number in 0..DEVICES {
        let device = format!("device-{number}");
        let outbox = outbox(&members[0], &device).await;
        outboxes.insert(device, outbox);
    }
    for (device, sender) in senders {
        let (epoch, kept) = &outboxes[&device];
        let data: BTreeSet<_> = kept.values().collect();
        let (new, old): (Vec<_>, Vec<_>) =
            sender.await.unwrap().into_iter().partition(|answered| answered.epoch == *epoch);
        for Answered { epoch, seq, .. } in new.iter().chain(&old) {
            assert!(numbers.insert((device.clone(), epoch.clone(), *seq)), "{device} {seq} twice");
        }
        for Answered { seq, data, .. } in &new {
            assert_eq!(kept.get(seq), Some(data), "{device}: what was answered since is kept");
        }
        let left = old.iter().take_while(|answered| data.contains(&answered.data)).count();
        let later = old[left..].iter().filter(|answered| data.contains(&answered.data)).count();
        assert_eq!(later, 0, "{device}: only the newest messages are lost");
        (before, lost_before, after) =
            (before + old.len(), lost_before + old.len() - left, after + new.len());
    }
    assert!(before > 500 && after > 500, "{before} {after}");
    println!("{before} answered before the failover, {lost_before} of them lost; {after} after");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn after_a_failover_the_operator_gets_a_gap_and_the_prospect_returns() {
    let [mut primary, replica] = pair().await;
    let sentinels = Sentinels::watch(&primary, 3, "");
    knows_the_replica(&sentinels).await;
    let gateways = [(); 2].map(|()| start(builder(&sentinels.url())));
    let mut prospect = Prospect::open(&gateways[0], DEVICE);
    Operator::of(&gateways[1]).queue(DEVICE, "1");
    let before = prospect.receive_message();
    let last = Operator::of(&gateways[1]).history_of(DEVICE).pop().expect("an event").id;
    catches_up(&replica, &primary).await;
    primary.kill();
    assert_eq!(prospect.socket.closed().0, 4103);
    for gateway in &gateways {
        gateway::eventually("the gateway is ready", || gateway.get("/readyz").status == 200);
    }
    let mut events = Operator::of(&gateways[0]).events_after(&last);
    assert_eq!(events.event().kind, "gap");
    let mut again = Prospect::open(&gateways[1], DEVICE);
    let after = again.receive_message();
    assert_eq!((after.data, after.epoch == before.epoch), (before.data, false));
}
