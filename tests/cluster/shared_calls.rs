//! Operations that share a call: each has an outcome of its own.

use std::{sync::Arc, time::Duration};

use engine::{Authorisation, Engine, EngineError};
use redis::{Value, cmd};
use tests::{Proxy, RedisServer};
use tokio::{
    task::{JoinHandle, spawn, yield_now},
    time::sleep,
};

use crate::cluster::{Cluster, Member, Notification, connection, secret, token_id};

/// At most so many operations share a call.
const SHARED: usize = 32;

/// A gateway whose calls can be held back.
struct Gateway {
    server: RedisServer,
    proxy: Proxy,
    prefix: String,
    member: Arc<Member>,
}

impl Gateway {
    async fn new() -> Self {
        let server = RedisServer::start();
        let proxy = Proxy::to(&[server.port()]);
        let cluster = Cluster::on(&server.url());
        let member = cluster.join_by(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
        Self { server, proxy, prefix: cluster.prefix, member: Arc::new(member) }
    }

    /// Begins an operation.
    fn begin<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        operation: impl FnOnce(Arc<Member>) -> F,
    ) -> JoinHandle<T> {
        spawn(operation(Arc::clone(&self.member)))
    }

    /// Begins to send messages.
    fn begin_to_send(&self, count: usize, data: &str) -> Vec<JoinHandle<u64>> {
        let send = |_| {
            let data = data.to_owned();
            self.begin(|member| async move { member.send("phone", &data).await.seq })
        };
        (0..count).map(send).collect()
    }

    /// Holds back calls while operations begin; returns what came of them, and how many calls performed them.
    async fn share<T>(&self, begin: impl FnOnce(&Self) -> Vec<JoinHandle<T>>) -> (Vec<T>, u64) {
        let before = self.calls();
        self.proxy.hold_back();
        // As many calls as can be under way.
        let first = self.begin(|member| async move { member.send("other", "0").await });
        while !self.proxy.holds_bytes() {
            sleep(Duration::from_millis(1)).await;
        }
        let second = self.begin(|member| async move { member.engine.device("other").await });
        settle().await;
        let all = begin(self);
        settle().await;
        self.proxy.speed_up();
        first.await.expect("sent");
        second.await.expect("no panic").expect("a state");
        let mut performed = Vec::new();
        for operation in all {
            performed.push(operation.await.expect("no panic"));
        }
        (performed, self.calls() - before - 2)
    }

    /// How many calls Redis has run.
    fn calls(&self) -> u64 {
        let info: String = self.server.run(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_fcall:calls="));
        line.and_then(|line| line.split(',').next()?.parse().ok()).expect("a number")
    }

    /// The name of a key.
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Calls a function as the gateway does; of each operation its name, its deadline and its arguments.
    fn call(&self, function: &str, operations: &[(&str, u64, &[&str])]) -> Vec<Value> {
        let mut redis = self.server.connection();
        let libraries: Vec<Vec<Value>> = cmd("FUNCTION").arg("LIST").query(&mut redis).unwrap();
        let Value::BulkString(library) = &libraries[0][1] else { panic!("no name") };
        let fields: Vec<String> = self.server.run(&["HGETALL", &self.key("meta")]);
        let gateway = fields.chunks_exact(2).find_map(|field| {
            let name = field[0].strip_prefix("gateway:")?;
            Some((name, field[1].split(' ').nth(1)?))
        });
        let (gateway, number) = gateway.expect("a gateway");
        let mut call = cmd("FCALL");
        call.arg(format!("{}_{function}", String::from_utf8_lossy(library))).arg(1);
        call.arg(&self.prefix).arg("").arg(gateway).arg(number).arg(0);
        for (name, deadline, arguments) in operations {
            call.arg(*name).arg(*deadline).arg(arguments.len()).arg(*arguments);
        }
        let Ok(Value::Array(reply)) = redis::ConnectionLike::req_command(&mut redis, &call) else {
            panic!("no reply")
        };
        reply.into_iter().skip(3).collect()
    }
}

/// Lets the gateway do what it can without Redis.
async fn settle() {
    for _ in 0..1000 {
        yield_now().await;
    }
}

/// A deadline that does not come.
const FAR: u64 = 1 << 50;

/// The code of an error in the place of an outcome.
fn error(outcome: &Value) -> Option<String> {
    let error = outcome.clone().extract_error().err()?;
    error.code().map(ToOwned::to_owned)
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn operations_that_wait_share_a_call_and_keep_their_order() {
    let gateway = Gateway::new().await;
    gateway.member.claim("other").await;
    gateway.member.claim("phone").await;
    let (sent, calls) = gateway.share(|it| it.begin_to_send(20, "1")).await;
    assert_eq!(calls, 1);
    assert_eq!(sent, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_operation_alone_does_not_wait() {
    let gateway = Gateway::new().await;
    gateway.member.claim("phone").await;
    let before = gateway.calls();
    for seq in 1..=10 {
        assert_eq!(gateway.member.send("phone", "1").await.seq, seq);
    }
    assert_eq!(gateway.calls() - before, 10);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_call_is_bounded() {
    let gateway = Gateway::new().await;
    gateway.member.claim("other").await;
    gateway.member.claim("phone").await;
    let (_, calls) = gateway.share(|it| it.begin_to_send(3 * SHARED + 1, "1")).await;
    assert_eq!(calls, 4);
    // Four of these are less than 256 KiB.
    let (_, calls) = gateway.share(|it| it.begin_to_send(9, &"1".repeat(60_000))).await;
    assert_eq!(calls, 3);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn operations_share_a_call_by_what_redis_lets_them_do() {
    let gateway = Gateway::new().await;
    gateway.member.claim("other").await;
    gateway.member.claim("phone").await;
    gateway.member.open("phone", "c").await;
    gateway.member.send("phone", "1").await;
    let name = connection("c");
    let (_, calls) = gateway
        .share(|it| {
            let mut begun = Vec::new();
            for _ in 0..3 {
                begun.push(it.begin(|it| async move { drop(it.send("phone", "2").await) }));
                begun.push(it.begin(|it| async move { drop(it.waiting("phone", "c").await) }));
                let name = name.clone();
                begun.push(it.begin(|it| async move {
                    it.engine.acknowledge("phone", &name, 1).await.expect("acknowledged");
                }));
            }
            begun
        })
        .await;
    assert_eq!(calls, 3);
    assert_eq!(gateway.member.waiting("phone", "c").await, [2, 3, 4]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_fails_fails_no_other() {
    let gateway = Gateway::new().await;
    for device in ["other", "one", "bad", "two"] {
        gateway.member.claim(device).await;
        gateway.member.open(device, device).await;
    }
    let before = gateway.member.events().await.len();
    let () = gateway.server.run(&["LPUSH", &gateway.key("accepted:bad"), "of another type"]);
    let accept = |device: &'static str| {
        gateway.begin(move |it| async move {
            it.engine.accept(device, &connection(device), "id", "1").await
        })
    };
    let (accepted, _) = gateway.share(|_| ["one", "bad", "two"].map(accept).into()).await;
    assert_eq!(accepted, [Ok(()), Err(EngineError::OutcomeUnknown.into()), Ok(())]);
    let events = gateway.member.events().await;
    assert_eq!(events[before..], ["one message one id", "two message two id"]);
    let accept =
        |device: &'static str| ("accept", FAR, [device, device, "other id", "12345678", "1"]);
    let operations = ["one", "bad", "two"].map(accept);
    let operations = operations.each_ref().map(|(name, deadline, it)| (*name, *deadline, &it[..]));
    let errors: Vec<_> = gateway.call("write", &operations).iter().map(error).collect();
    assert_eq!(errors, [None, Some("WRONGTYPE".to_owned()), None]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_fails_notifies_no_gateway() {
    let gateway = Gateway::new().await;
    gateway.member.claim("phone").await;
    gateway.member.open("phone", "c").await;
    let authorisation = Authorisation {
        token: &token_id(secret("token of phone")),
        device: "phone",
        half_ref: &secret("next"),
        linkinjected: Some("link"),
    };
    gateway.member.engine.authorise(authorisation).await.expect("authorised");
    gateway.member.notifications();
    // Written when the older socket has ended.
    let sha1: String = gateway.server.run(&["EVAL", "return redis.sha1hex('=link')", "0"]);
    let () = gateway.server.run(&["SET", &gateway.key(&format!("link:{sha1}")), "of another type"]);
    let redeemed = gateway.member.engine.redeem(&secret("next"), &connection("d")).await;
    assert_eq!(redeemed.err(), Some(EngineError::OutcomeUnknown.into()));
    let notified = gateway.member.notifications();
    assert!(!notified.iter().any(|it| matches!(it, Notification::End(..))), "{notified:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_that_is_late_is_refused_while_others_act() {
    let gateway = Gateway::new().await;
    gateway.member.claim("phone").await;
    let send = |deadline| ("send", deadline, ["phone", "1", "60000"]);
    let operations = [send(FAR), send(1), send(FAR)];
    let operations = operations.each_ref().map(|(name, deadline, it)| (*name, *deadline, &it[..]));
    let outcomes = gateway.call("write", &operations);
    let errors: Vec<_> = outcomes.iter().map(error).collect();
    assert_eq!(errors, [None, Some("LATE".to_owned()), None]);
    assert_eq!(gateway.member.send("phone", "1").await.seq, 3);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_function_performs_its_own_operations_alone() {
    let gateway = Gateway::new().await;
    gateway.member.claim("phone").await;
    let send: (_, _, &[&str]) = ("send", FAR, &["phone", "1", "60000"]);
    for function in ["read", "make_room"] {
        let outcomes = gateway.call(function, &[send, ("unknown", FAR, &[])]);
        assert!(outcomes.iter().all(|outcome| error(outcome).is_some()), "{function}");
    }
    assert_eq!(gateway.member.send("phone", "1").await.seq, 1);
}
