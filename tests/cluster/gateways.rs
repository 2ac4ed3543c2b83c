//! Real gateways, each a process of its own, on one Redis.

use std::{
    fs,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tests::{
    Answer, DEVICE, Gateway, GatewayBuilder, Operator, Prospect, RedisServer, Socket,
    gateway::{eventually, root},
    half_ref,
    socket::handshake,
};

/// The operator key of every gateway here.
pub const KEY: &str = "an-operator-key-with-forty-characters-in";

/// How long a gateway that is not heard of is not taken for gone.
const LEASE: &str = "4s";

/// How long an answer may take that says that Redis is away: the gateway waits for a link, then for
/// an answer. The rest is for a machine that has much to do.
const BOUND: Duration = Duration::from_secs(10);

/// A gateway on this Redis, with patience for tests.
pub fn builder(url: &str) -> GatewayBuilder {
    with_lease(url, LEASE)
}

fn with_lease(url: &str, lease: &str) -> GatewayBuilder {
    Gateway::builder()
        .variable("CONNECTSOCKET_REDIS_URL", url)
        .variable("CONNECTSOCKET_OPERATOR_KEY", KEY)
        .flag("--redis-lease", lease)
        .flag("--test-channel", "on")
        .flag("--frames-per-second", "1000")
        .flag("--authorisations-per-second", "1000")
        .flag("--sockets-per-address", "1000")
        .flag("--open-authorisations", "1000")
}

/// Starts a gateway and waits until it can be used.
pub fn start(builder: GatewayBuilder) -> Gateway {
    let mut gateway = builder.start();
    KEY.clone_into(&mut gateway.operator_key);
    eventually("the gateway is ready", || gateway.get("/readyz").status == 200);
    gateway
}

fn on(server: &RedisServer) -> Gateway {
    start(builder(&server.url()))
}

/// The code that a socket is closed with, after the `bye` that says the same.
fn closed(prospect: &mut Prospect) -> u16 {
    let (code, bye) = prospect.socket.closed();
    assert_eq!(bye.expect("a bye")["code"], code);
    code
}

/// The codes of the ends of this device's sockets, as the operator reads them; none where there is
/// none.
fn ends(operator: Operator<'_>, device: &str) -> Vec<Option<u64>> {
    let mut events = operator.history_of(device);
    events.retain(|event| event.kind == "disconnected");
    events.iter().map(|event| event.json()["code"].as_u64()).collect()
}

// Together.

#[test]
#[ignore = "needs redis-server"]
fn each_step_of_a_conversation_may_be_taken_on_another_gateway() {
    let server = RedisServer::start();
    let [claimed, asked, opened, written_to, read] = [(); 5].map(|()| on(&server));
    let token = claimed.claim(DEVICE);
    let half_ref = half_ref();
    asked.connect_socket(&token, DEVICE, &half_ref).succeeds();
    let mut events = Operator::of(&read).events();
    let mut prospect = Prospect::redeem(&opened, &half_ref);
    assert_eq!(events.event().kind, "connected");

    let sent = Operator::of(&written_to).send(DEVICE, r#"{ "a" : 1.0 }"#).json();
    assert_eq!((&sent["seq"], &sent["connected"]), (&json!(1), &json!(true)));
    let received = prospect.message();
    assert_eq!((received.seq, received.data.as_str()), (1, r#"{ "a" : 1.0 }"#));
    assert_eq!(sent["epoch"], received.epoch.as_str());

    prospect.tell("id", "[ 2 ]");
    let event = events.event();
    assert_eq!((event.kind.as_str(), event.said().as_str()), ("message", "[ 2 ]"));
    prospect.ack(1);
    eventually("it is acknowledged", || Operator::of(&claimed).unacknowledged(DEVICE) == 0);
    assert_eq!(Operator::of(&asked).release(&format!("?through={}", event.id)).status, 204);
    let listed = Operator::of(&written_to).prospects("").ok();
    assert_eq!(listed["items"][0]["deviceTag"], DEVICE);
}

#[test]
#[ignore = "needs redis-server"]
fn a_sender_that_waits_on_one_is_answered_when_the_prospect_acknowledges_on_another() {
    let server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| on(&server));
    let mut prospect = Prospect::open(&a, DEVICE);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let path = format!("/operator/prospects/{DEVICE}/messages?wait=ack");
            Operator::of(&b).call("POST", &path).json(&json!({"data": 1})).send()
        });
        let seq = prospect.message().seq;
        prospect.ack(seq);
        let answer = waiting.join().expect("an answer");
        assert_eq!((answer.status, &answer.json()["acknowledged"]), (200, &json!(true)));
    });
}

#[test]
#[ignore = "needs redis-server"]
fn of_two_sockets_that_open_with_one_half_ref_one_stays() {
    const TRIES: usize = 100;
    let server = RedisServer::start();
    let gateways = [(); 2].map(|()| on(&server));
    let token = gateways[0].claim(DEVICE);
    let start = Arc::new(Barrier::new(2));
    for number in 0..TRIES {
        let half_ref = half_ref();
        gateways[number % 2].connect_socket(&token, DEVICE, &half_ref).succeeds();
        let outcomes = thread::scope(|scope| {
            let opening = gateways.each_ref().map(|gateway| {
                let (start, half_ref) = (Arc::clone(&start), half_ref.as_str());
                scope.spawn(move || {
                    start.wait();
                    let socket = Socket::try_open(gateway, handshake(gateway, half_ref));
                    socket.map_err(|answer| answer.status).map(|mut socket| socket.frame())
                })
            });
            opening.map(|opening| opening.join().expect("an outcome").expect("an upgrade"))
        });
        let mut kinds = outcomes.map(|frame| match frame["type"].as_str() {
            Some("bye") => frame["code"].to_string(),
            other => other.unwrap_or_default().to_owned(),
        });
        kinds.sort();
        assert_eq!(kinds, ["4001", "hello"]);
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_newer_socket_on_one_gateway_ends_the_older_on_another() {
    let server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| on(&server));
    let token = a.claim(DEVICE);
    let mut older = Prospect::open_with(&a, &token, DEVICE);
    let mut newer = Prospect::open_with(&b, &token, DEVICE);
    assert_eq!(closed(&mut older), 4004);
    assert!(newer.has_read_all());
    assert_eq!(ends(Operator::of(&a), DEVICE), [Some(4004)]);
}

// A gateway fails.

#[test]
#[ignore = "needs redis-server"]
fn the_prospects_of_a_gateway_that_is_killed_are_disconnected_once_each() {
    let server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| on(&server));
    let devices: Vec<_> = (0..20).map(|number| format!("device-{number:02}")).collect();
    let sockets: Vec<_> = devices.iter().map(|device| Prospect::open(&a, device)).collect();
    let stays = Prospect::open(&b, "stays");
    let operator = Operator::of(&b);
    let mut events = operator.events();
    a.signal("KILL");
    let mut gone: Vec<_> = events.events(devices.len()).iter().map(tests::Event::device).collect();
    gone.sort();
    assert_eq!(gone, devices);
    for device in &devices {
        assert_eq!(ends(operator, device), [None]);
    }
    assert!(ends(operator, "stays").is_empty());
    drop((sockets, stays));
}

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_that_stood_still_past_its_lease_gives_its_sockets_up() {
    let server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| on(&server));
    let token = a.claim("moves");
    let mut moved = Prospect::open_with(&a, &token, "moves");
    let mut stayed = Prospect::open(&a, "stays");
    let operator = Operator::of(&b);
    let mut events = operator.events();
    a.signal("STOP");
    assert!(events.events(2).iter().all(|event| event.kind == "disconnected"));
    let mut newer = Prospect::open_with(&b, &token, "moves");
    a.signal("CONT");
    assert_eq!(closed(&mut moved), 4004);
    assert_eq!(closed(&mut stayed), 4103);
    assert!(newer.has_read_all());
    assert_eq!(ends(operator, "moves"), [None]);
    assert_eq!(ends(operator, "stays"), [None]);
    eventually("it serves again", || a.get("/readyz").status == 200);
    assert!(Prospect::open(&a, "another").has_read_all());
}

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_that_is_told_to_end_leaves_nobody_connected() {
    let server = RedisServer::start();
    let [mut a, b] = [(); 2].map(|()| on(&server));
    let mut prospect = Prospect::open(&a, DEVICE);
    a.signal("TERM");
    assert_eq!(closed(&mut prospect), 4200);
    assert!(a.ended().success());
    assert_eq!(ends(Operator::of(&b), DEVICE), [Some(4200)]);
    let gateways: Vec<String> = server.run(&["ZRANGE", "connectsocket:gateways", "0", "-1"]);
    assert_eq!(gateways.len(), 1);
}

// Redis fails.

/// A request, and what is asked by it.
type Asking<'a> = (&'a str, Box<dyn Fn() -> Answer + 'a>);

/// Every operation that needs Redis answers 503, in time and with the word when to come back.
fn refuses_everything(gateway: &Gateway, token: &str) {
    let operator = Operator::of(gateway);
    let half_ref = half_ref();
    let asking: [Asking<'_>; 11] = [
        ("ready", Box::new(|| gateway.get("/readyz"))),
        ("token", Box::new(|| gateway.request_token("test", "any", None))),
        ("authorise", Box::new(|| gateway.connect_socket(token, DEVICE, &half_ref))),
        ("revoke", Box::new(|| gateway.revoke_token(token))),
        ("send", Box::new(|| operator.send(DEVICE, "1"))),
        ("look", Box::new(|| operator.prospect(DEVICE))),
        ("list", Box::new(|| operator.prospects(""))),
        ("issue", Box::new(|| gateway.issue_token(KEY, DEVICE))),
        ("disconnect", Box::new(|| operator.disconnect(DEVICE))),
        ("events", Box::new(|| operator.call("GET", "/operator/events").send())),
        ("release", Box::new(|| operator.release("?through=some-1"))),
    ];
    for (what, ask) in asking {
        let asked = Instant::now();
        let answer = ask();
        assert!(asked.elapsed() < BOUND, "{what} took {:?}", asked.elapsed());
        assert_eq!(answer.problem_name(), "engine-unavailable", "{what}");
        assert_eq!(answer.status, 503, "{what}");
    }
    let refused = Socket::try_open(gateway, handshake(gateway, &half_ref));
    assert_eq!(refused.err().expect("no socket").problem_name(), "engine-unavailable");
    assert_eq!(gateway.get("/livez").status, 200);
}

#[test]
#[ignore = "needs redis-server"]
fn while_redis_is_away_all_is_refused_in_time_and_then_it_goes_on() {
    let mut server = RedisServer::durable();
    let gateway = start(with_lease(&server.url(), "1m"));
    let token = gateway.claim(DEVICE);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    let first = prospect.message();
    prospect.tell("one", "1");
    let last = operator.history_of(DEVICE).pop().expect("an event");

    server.kill();
    eventually("it is not ready", || gateway.get("/readyz").status == 503);
    refuses_everything(&gateway, &token);
    server.start_again();
    eventually("it is ready", || gateway.get("/readyz").status == 200);

    // The socket has stayed, and so has all that was said.
    operator.queue(DEVICE, "2");
    let second = prospect.message();
    assert_eq!((second.epoch, second.seq), (first.epoch, 2));
    prospect.tell("two", "2");
    let mut events = operator.events_after(&last.id);
    let said = events.until(|event| event.kind == "message");
    assert_eq!(said.last().expect("an event").said(), "2");
    assert!(said.iter().all(|event| event.kind != "gap"));
    assert!(!gateway.log().contains(&token));
}

#[test]
#[ignore = "needs redis-server"]
fn while_redis_is_paused_all_is_refused_in_time_and_then_it_goes_on() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let token = gateway.claim(DEVICE);
    // Longer than the lease, so that the gateway lets its sockets go.
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let () = server.run(&["CLIENT", "PAUSE", "20000", "ALL"]);
    refuses_everything(&gateway, &token);
    assert_eq!(closed(&mut prospect), 4103);
    eventually("it is ready", || gateway.get("/readyz").status == 200);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    assert!(prospect.has_read_all());
    assert_eq!(ends(Operator::of(&gateway), DEVICE).len(), 1);
}

#[test]
#[ignore = "needs redis-server"]
fn a_prospect_that_speaks_while_redis_is_away_is_told_to_come_back() {
    let mut server = RedisServer::durable();
    let gateway = on(&server);
    let token = gateway.claim(DEVICE);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    server.kill();
    prospect.say("lost", "1");
    assert_eq!(closed(&mut prospect), 4103);
    server.start_again();
    eventually("it is ready", || gateway.get("/readyz").status == 200);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    prospect.tell("lost", "1");
    assert_eq!(ends(Operator::of(&gateway), DEVICE).len(), 1);
}

#[test]
#[ignore = "needs redis-server"]
fn a_flush_ends_sockets_and_streams_and_everyone_begins_anew() {
    let server = RedisServer::start();
    let gateways = [(); 2].map(|()| on(&server));
    let mut prospects = gateways
        .each_ref()
        .map(|gateway| Prospect::open(gateway, &format!("device-{}", gateway.pid())));
    let mut streams = gateways.each_ref().map(|gateway| Operator::of(gateway).events_after("0"));
    let last = streams.each_mut().map(|stream| stream.events(2).pop().expect("an event").id);
    let () = server.run(&["FLUSHALL"]);
    for prospect in &mut prospects {
        assert_eq!(closed(prospect), 4103);
    }
    for stream in &mut streams {
        while stream.next_event().is_some() {}
    }
    for (gateway, last) in gateways.iter().zip(last) {
        eventually("it is ready", || gateway.get("/readyz").status == 200);
        let device = format!("device-{}", gateway.pid());
        assert!(Prospect::open(gateway, &device).has_read_all());
        let gap = Operator::of(gateway).events_after(&last).event();
        assert_eq!((gap.kind.as_str(), &gap.json()["requested"]), ("gap", &json!(last)));
    }
}

#[test]
#[ignore = "needs redis-server"]
fn short_of_memory_all_that_would_add_is_refused() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let token = gateway.claim(DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    let () = server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(gateway.get("/readyz").problem_name(), "engine-unavailable");
    assert_eq!(operator.send(DEVICE, "2").problem_name(), "engine-unavailable");
    let refused = gateway.connect_socket(&token, DEVICE, &half_ref());
    assert_eq!(refused.problem_name(), "engine-unavailable");
    assert_eq!(operator.unacknowledged(DEVICE), 1);
    let () = server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(gateway.get("/readyz").status, 200);
    assert_eq!(operator.queue(DEVICE, "2"), 2);
}

// Settings.

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_starts_before_its_redis_does() {
    let mut server = RedisServer::start();
    server.kill();
    let mut gateway = builder(&server.url()).start();
    KEY.clone_into(&mut gateway.operator_key);
    assert_eq!(gateway.get("/readyz").status, 503);
    server.start_again();
    eventually("it is ready", || gateway.get("/readyz").status == 200);
    assert!(Prospect::open(&gateway, DEVICE).has_read_all());
}

#[test]
#[ignore = "needs redis-server"]
fn the_password_of_redis_is_neither_logged_nor_shown() {
    let server = RedisServer::start();
    let () = server.run(&["CONFIG", "SET", "requirepass", "a-secret-password"]);
    let url = |password| server.url().replace("redis://", &format!("redis://:{password}@"));
    let gateway = start(builder(&url("a-secret-password")).flag("--log", "trace"));
    assert!(Prospect::open(&gateway, DEVICE).has_read_all());
    assert!(!gateway.log().contains("a-secret-password"));

    let wrong = builder(&url("a-wrong-password")).flag("--log", "trace").start();
    eventually("it says that it has no link", || wrong.log().contains("no link to Redis"));
    assert!(!wrong.log().contains("a-wrong-password"));
    assert_eq!(wrong.get("/readyz").status, 503);
}

#[test]
#[ignore = "needs redis-server"]
fn a_user_with_the_rights_that_the_documentation_names_will_do() {
    let server = RedisServer::durable();
    let documentation = fs::read_to_string(root().join("docs/redis.md")).expect("documentation");
    let row = documentation.lines().find(|line| line.starts_with("| a user of its own |"));
    let rights = row.expect("the rights").split('`').skip(1).step_by(2);
    let rights: Vec<_> =
        rights.flat_map(str::split_whitespace).map(|it| it.replace('\\', "")).collect();
    let mut command = vec!["ACL", "SETUSER", "gateway", "on", ">a-password"];
    command.extend(rights.iter().map(String::as_str));
    let () = server.run(&command);
    let url = server.url().replace("redis://", "redis://gateway:a-password@");
    let [a, b] = [(); 2].map(|()| start(builder(&url)));
    let mut prospect = Prospect::open(&a, DEVICE);
    Operator::of(&b).queue(DEVICE, "1");
    assert_eq!(prospect.message().seq, 1);
    prospect.tell("id", "1");
    let logged: Vec<String> = server.run(&["ACL", "LOG"]);
    assert!(logged.is_empty(), "{logged:?}");
}

#[test]
#[ignore = "needs redis-server"]
fn a_url_that_is_none_is_refused_without_being_repeated() {
    let refused = builder("http://:a-secret-password@host").refused();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("--redis-url is no URL of a Redis"), "{said}");
    assert!(!said.contains("a-secret-password"), "{said}");
}

#[test]
#[ignore = "needs redis-server"]
fn a_lease_that_is_over_before_redis_answers_is_refused() {
    let refused = with_lease("redis://host", "3s").refused();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--redis-lease"));
}

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_on_redis_is_no_trial() {
    let refused = Gateway::builder().flag("--redis-url", "redis://host").refused();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("An operator key is needed"));
}
