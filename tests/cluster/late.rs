//! Calls that wait in the network until after their gateway has given them up: they do nothing.

use std::time::{Duration, Instant};

use engine::{Engine, EngineError, ReleaseError, RequestTokenError, Requester, TokenError};
use tests::{Proxy, RedisServer, gateway::PATIENCE};
use tokio::time::sleep;

use crate::{
    cluster::{Cluster, Member, Notification, connection, eventually, secret, token_id},
    faults::recovers,
};

/// How long Redis may take to answer, where that is waited for.
const TIMEOUT: Duration = Duration::from_secs(1);

/// When the held call reaches Redis.
#[derive(Clone, Copy)]
enum Arrives {
    /// After its deadline. The gateway has no connection yet.
    AfterItsDeadline,
    /// Before its deadline, but the gateway has lost the connection and made another one.
    AfterTheNextConnection,
}

const BOTH: [Arrives; 2] = [Arrives::AfterItsDeadline, Arrives::AfterTheNextConnection];

/// Two gateways. The calls of one wait in a proxy.
struct Late {
    server: RedisServer,
    proxy: Proxy,
    a: Member,
    b: Member,
}

impl Late {
    async fn new(arrives: Arrives) -> Self {
        let server = RedisServer::start();
        let proxy = Proxy::to(&[server.port()]);
        let timeout = match arrives {
            Arrives::AfterItsDeadline => TIMEOUT,
            Arrives::AfterTheNextConnection => PATIENCE,
        };
        let cluster = Cluster { timeout, ..Cluster::on(&server.url()) };
        let a = cluster.join_by(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
        let b = cluster.join().await;
        Self { server, proxy, a, b }
    }

    /// Calls of functions that Redis has run, refused ones included.
    fn calls(&self) -> u64 {
        let info: String = self.server.run(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_fcall:calls="));
        line.and_then(|line| line.split(',').next()?.parse().ok()).expect("a number")
    }

    /// Makes a call that does not reach Redis in time. What `meanwhile` does comes before it arrives.
    async fn call<T>(
        &self,
        arrives: Arrives,
        call: impl Future<Output = T>,
        meanwhile: impl Future<Output = ()>,
    ) -> T {
        self.proxy.hold_back();
        let outcome = match arrives {
            Arrives::AfterItsDeadline => {
                self.proxy.lead_to(&[]);
                call.await
            }
            Arrives::AfterTheNextConnection => {
                let cut = async {
                    while !self.proxy.holds_bytes() {
                        sleep(Duration::from_millis(1)).await;
                    }
                    self.proxy.cut_clients();
                };
                let (outcome, ()) = tokio::join!(call, cut);
                recovers(&self.a).await;
                outcome
            }
        };
        meanwhile.await;
        let before = self.calls();
        self.proxy.speed_up();
        eventually("the call arrives", async || self.calls() != before).await;
        self.proxy.lead_to(&[self.server.port()]);
        recovers(&self.a).await;
        outcome
    }

    /// The connection of the device's socket.
    async fn socket(&self, device: &str) -> Option<String> {
        let state = self.b.engine.device(device).await.expect("a state").expect("a record");
        state.socket.map(|socket| socket.connection.0.to_string())
    }
}

const UNKNOWN: EngineError = EngineError::OutcomeUnknown;

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_late_redeem_ends_no_newer_socket() {
    for arrives in BOTH {
        let late = Late::new(arrives).await;
        late.b.claim("phone").await;
        late.b.authorise("phone", "half").await;
        let (half, name) = (secret("half"), connection("late"));
        let redeemed = late.call(arrives, late.a.engine.redeem(&half, &name), async {
            late.b.open("phone", "newer").await;
        });
        assert!(redeemed.await.is_err());
        assert_eq!(late.socket("phone").await.as_deref(), Some("newer"));
        assert!(!late.b.notifications().iter().any(|it| matches!(it, Notification::End(..))));
    }
}

fn claim<'a>(key: Option<&'a engine::Digest>, shown: Option<&'a engine::Digest>) -> Requester<'a> {
    Requester::Claim { shown, key }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_late_claim_locks_no_device_out() {
    for arrives in BOTH {
        let late = Late::new(arrives).await;
        let token = secret("late");
        let claimed = late.a.engine.request_token("phone", claim(None, None), None, &token);
        let claimed = late.call(arrives, claimed, async {}).await;
        assert_eq!(claimed, Err(RequestTokenError::Engine(UNKNOWN)));
        let token = secret("newer");
        let again = late.b.engine.request_token("phone", claim(None, None), None, &token).await;
        assert_eq!(again, Ok(()));
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_late_renewal_kills_no_token_that_was_answered() {
    for arrives in BOTH {
        let late = Late::new(arrives).await;
        late.b.claim("phone").await;
        let (shown, key) = (secret("token of phone"), secret("key"));
        let requester = claim(Some(&key), Some(&shown));
        let (first, second) = (secret("late"), secret("answered"));
        let renewed = late.a.engine.request_token("phone", requester, None, &first);
        let renewed = late.call(arrives, renewed, async {
            let repeated = late.b.engine.request_token("phone", requester, None, &second).await;
            assert_eq!(repeated, Ok(()));
        });
        assert_eq!(renewed.await, Err(RequestTokenError::Engine(UNKNOWN)));
        assert_eq!(late.b.engine.check_token(&token_id(second)).await, Ok(()));
        assert_eq!(late.b.engine.check_token(&token_id(first)).await, Err(TokenError::Unknown));
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_late_disconnect_removes_no_new_claim() {
    for arrives in BOTH {
        let late = Late::new(arrives).await;
        late.b.claim("phone").await;
        let disconnected = late.call(arrives, late.a.engine.disconnect("phone"), async {
            late.b.engine.disconnect("phone").await.unwrap();
            late.b.claim("phone").await;
        });
        assert_eq!(disconnected.await, Err(UNKNOWN));
        assert_eq!(late.b.engine.check_token(&token_id(secret("token of phone"))).await, Ok(()));
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_late_message_is_not_queued() {
    for arrives in BOTH {
        let late = Late::new(arrives).await;
        late.b.claim("phone").await;
        let sending = late.a.try_send("phone", "1");
        let sent = late.call(arrives, sending, async {
            late.b.send("phone", "2").await;
        });
        assert_eq!(sent.await, Err(UNKNOWN.into()));
        late.b.open("phone", "c").await;
        assert_eq!(late.b.waiting("phone", "c").await, [1]);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_call_that_comes_before_its_deadline_is_answered() {
    let late = Late::new(Arrives::AfterItsDeadline).await;
    late.b.claim("phone").await;
    late.proxy.hold_back();
    let sending = late.a.try_send("phone", "1");
    let pass = async {
        sleep(TIMEOUT / 4).await;
        late.proxy.speed_up();
    };
    let (sent, ()) = tokio::join!(sending, pass);
    assert_eq!(sent.unwrap().seq, 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn events_of_the_next_stream_are_not_released() {
    let server = RedisServer::start();
    let cluster = Cluster::on(&server.url());
    let a = cluster.join().await;
    a.claim("phone").await;
    let stream = a.engine.stream(0).await.unwrap();
    let () = server.run(&["FLUSHALL"]);
    let deadline = Instant::now() + PATIENCE;
    while a.engine.stream(0).await.unwrap() == stream {
        let _ = a.engine.expire().await;
        assert!(Instant::now() < deadline, "no new stream begins");
    }
    a.claim("phone").await;
    a.open("phone", "c").await;
    assert_eq!(a.engine.release(0, &stream, 1).await, Err(ReleaseError::OtherStream));
    assert_eq!(a.events().await, ["phone connected c"]);
}
