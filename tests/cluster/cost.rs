//! What an operation costs Redis: the commands that it runs there, and the processor time of its main
//! thread. The commands are judged; the time is printed, because it depends on the machine.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use engine::{Authorisation, Engine, Limits, Outgoing};
use tests::RedisServer;
use tokio::task::LocalSet;

use crate::cluster::{Cluster, Member, Notification, connection, secret, token_id};

/// Devices that act at a time, and how often each does.
const DEVICES: u32 = 64;
const TIMES: u32 = 300;

/// What an operation costs.
struct Cost {
    /// How often each command runs.
    commands: BTreeMap<String, f64>,
    /// Microseconds of the main thread, and those of them in functions.
    micros: [f64; 2],
}

fn device(number: u32) -> String {
    format!("0f9619ff-8b86-d011-b42d-{number:012}")
}

/// How often each command ran, and for how many microseconds the main thread and functions did.
fn usage(server: &RedisServer) -> (BTreeMap<String, f64>, [f64; 2]) {
    let info: String = server.run(&["INFO", "commandstats", "cpu"]);
    let mut calls = BTreeMap::new();
    let mut micros = [0.0; 2];
    for (name, value) in info.lines().filter_map(|line| line.split_once(':')) {
        if let Some(command) = name.strip_prefix("cmdstat_") {
            let field = |name: &str| -> f64 {
                let field = value.split(',').find_map(|field| field.strip_prefix(name));
                field.and_then(|number| number.parse().ok()).expect("a number")
            };
            calls.insert(command.to_owned(), field("calls="));
            if command == "fcall" {
                micros[1] = field("usec=");
            }
        } else if name.ends_with("_main_thread") {
            micros[0] += 1e6 * value.parse::<f64>().expect("a number");
        }
    }
    (calls, micros)
}

/// What an operation of a device with an open socket costs.
async fn cost(operation: impl AsyncFn(&Member, &str, u32) + Copy + 'static) -> Cost {
    let server = RedisServer::start();
    let limits = Limits { authorisations_per_second: 1_000_000, ..Limits::default() };
    let cluster = Cluster { limits, ..Cluster::on(&server.url()) };
    let member = Arc::new(cluster.join().await);
    for number in 0..DEVICES {
        let device = device(number);
        member.claim(&device).await;
        member.open(&device, &device).await;
        // What a first operation makes is there.
        operation(&member, &device, 0).await;
    }
    let (calls, micros) = usage(&server);
    let all = LocalSet::new();
    for number in 0..DEVICES {
        let member = Arc::clone(&member);
        all.spawn_local(async move {
            let device = device(number);
            for time in 1..=TIMES {
                operation(&member, &device, time).await;
            }
        });
    }
    all.await;
    let (calls_after, micros_after) = usage(&server);
    let count = f64::from(DEVICES * TIMES);
    let often = |(name, after): (String, f64)| {
        let before = calls.get(&name).copied().unwrap_or_default();
        (name, (after - before) / count)
    };
    let mut commands: BTreeMap<_, _> = calls_after.into_iter().map(often).collect();
    commands.retain(|name, often| *often > 0.005 && name != "info");
    Cost { commands, micros: [0, 1].map(|it| (micros_after[it] - micros[it]) / count) }
}

/// Asserts that an operation runs at most so many commands, the calls of functions included.
fn is_at_most(what: &str, cost: &Cost, most: f64) {
    let commands: f64 = cost.commands.values().sum();
    let [micros, in_functions] = cost.micros;
    println!(
        "{what}: {micros:.1} us, {in_functions:.1} in functions; {commands:.1} commands {:.1?}",
        cost.commands
    );
    assert!(commands <= most, "{what} runs {commands} commands");
}

async fn authorise(member: &Member, device: &str, time: u32) {
    let authorisation = Authorisation {
        token: &token_id(secret(&format!("token of {device}"))),
        device,
        half_ref: &secret(&format!("{device} {time}")),
        linkinjected: None,
    };
    member.engine.authorise(authorisation).await.expect("authorised");
}

async fn accept(member: &Member, device: &str, time: u32) {
    let id = format!("{time:036}");
    let accepted = member.engine.accept(device, &connection(device), &id, "{\"a\":1}").await;
    accepted.expect("accepted");
}

async fn converse(member: &Member, device: &str, _: u32) {
    let ttl = Duration::from_hours(1);
    let message = Outgoing { device, data: "{\"a\":1}", ttl, idempotency: None };
    let sent = member.engine.send(message).await.expect("sent");
    let name = connection(device);
    let messages =
        member.engine.outbox(device, &name, sent.seq - 1, 65_536).await.expect("a batch");
    assert_eq!(messages.len(), 1);
    member.engine.acknowledge(device, &name, sent.seq).await.expect("acknowledged");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn operations_run_few_commands() {
    is_at_most("authorise", &cost(authorise).await, 12.5);
    is_at_most("accept", &cost(accept).await, 9.5);
    is_at_most("send, deliver and acknowledge", &cost(converse).await, 28.5);
}

/// A socket wakes with each ping, pong and frame, and then looks for messages.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_socket_without_messages_asks_redis_once() {
    let server = RedisServer::start();
    let cluster = Cluster::on(&server.url());
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    let calls = || usage(&server).0["fcall"];
    assert!(a.waiting("phone", "c").await.is_empty());
    let before = calls();
    for _ in 0..10 {
        assert!(a.waiting("phone", "c").await.is_empty());
    }
    assert!((calls() - before).abs() < 0.5, "it asks again");
    // A message ends that, also one through another gateway.
    b.send("phone", "1").await;
    a.is_notified(&Notification::MessageQueued("c".to_owned())).await;
    assert_eq!(a.waiting("phone", "c").await, [1]);
    assert_eq!(a.waiting("phone", "c").await, [1], "it is there until it is acknowledged");
}
