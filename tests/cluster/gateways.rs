//! Real gateways, each a process of its own, on one Redis.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tests::{
    Answer, DEVICE, Gateway, GatewayBuilder, Operator, Prospect, Proxy, RedisServer, Socket,
    gateway::{eventually, root},
    half_ref,
    socket::handshake,
};

/// The operator key of every gateway here.
pub const KEY: &str = "an-operator-key-with-forty-characters-in";

/// How long Redis may miss a gateway's heartbeat before the gateway counts as dead.
const LEASE: &str = "4s";

/// How long a refusal without Redis may take: the gateway waits for a connection, then for a reply.
/// The rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(10);

/// A gateway on this Redis, with a lease and limits for tests.
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

/// Starts a gateway and waits until it is ready.
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

/// The code of each `disconnected` event of the device; `None` for an event without one.
fn ends(operator: Operator<'_>, device: &str) -> Vec<Option<u64>> {
    let mut events = operator.history_of(device);
    events.retain(|event| event.kind == "disconnected");
    events.iter().map(|event| event.json()["code"].as_u64()).collect()
}

// Together.

#[test]
#[ignore = "needs redis-server"]
fn each_operation_of_a_conversation_works_on_another_gateway() {
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
    let received = prospect.receive_message();
    assert_eq!((received.seq, received.data.as_str()), (1, r#"{ "a" : 1.0 }"#));
    assert_eq!(sent["epoch"], received.epoch.as_str());

    prospect.deliver("id", "[ 2 ]");
    let event = events.event();
    assert_eq!((event.kind.as_str(), event.message_data().as_str()), ("message", "[ 2 ]"));
    prospect.ack(1);
    eventually("it is acknowledged", || Operator::of(&claimed).unacknowledged(DEVICE) == 0);
    assert_eq!(Operator::of(&asked).release(&format!("?through={}", event.id)).status, 204);
    let listed = Operator::of(&written_to).prospects("").ok();
    assert_eq!(listed["items"][0]["deviceTag"], DEVICE);
}

#[test]
#[ignore = "needs redis-server"]
fn a_waiting_sender_is_answered_by_an_acknowledgement_on_another_gateway() {
    let server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| on(&server));
    let mut prospect = Prospect::open(&a, DEVICE);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let path = format!("/operator/prospects/{DEVICE}/messages?wait=ack");
            Operator::of(&b).call("POST", &path).json(&json!({"data": 1})).send()
        });
        let seq = prospect.receive_message().seq;
        prospect.ack(seq);
        let answer = waiting.join().expect("an answer");
        assert_eq!((answer.status, &answer.json()["acknowledged"]), (200, &json!(true)));
    });
}

#[test]
#[ignore = "needs redis-server"]
fn one_of_two_sockets_with_the_same_half_ref_opens() {
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
fn a_newer_socket_supersedes_one_on_another_gateway() {
    let server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| on(&server));
    let token = a.claim(DEVICE);
    let mut older = Prospect::open_with(&a, &token, DEVICE);
    let mut newer = Prospect::open_with(&b, &token, DEVICE);
    assert_eq!(closed(&mut older), 4004);
    assert!(newer.has_received_all());
    assert_eq!(ends(Operator::of(&a), DEVICE), [Some(4004)]);
}

// A gateway fails.

#[test]
#[ignore = "needs redis-server"]
fn each_prospect_of_a_killed_gateway_is_disconnected_once() {
    let server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| on(&server));
    let devices: Vec<_> = (0..20).map(|number| format!("device-{number:02}")).collect();
    let sockets: Vec<_> = devices.iter().map(|device| Prospect::open(&a, device)).collect();
    let stays = Prospect::open(&b, "stays");
    let operator = Operator::of(&b);
    let mut events = operator.events();
    a.signal("KILL");
    let mut disconnected: Vec<_> =
        events.events(devices.len()).iter().map(tests::Event::device).collect();
    disconnected.sort();
    assert_eq!(disconnected, devices);
    for device in &devices {
        assert_eq!(ends(operator, device), [None]);
    }
    assert!(ends(operator, "stays").is_empty());
    drop((sockets, stays));
}

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_paused_past_its_lease_closes_its_sockets() {
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
    assert!(newer.has_received_all());
    assert_eq!(ends(operator, "moves"), [None]);
    assert_eq!(ends(operator, "stays"), [None]);
    eventually("it serves again", || a.get("/readyz").status == 200);
    assert!(Prospect::open(&a, "another").has_received_all());
}

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_that_shuts_down_leaves_no_device_connected() {
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

/// A request by name.
type Request<'a> = (&'a str, Box<dyn Fn() -> Answer + 'a>);

/// Every operation that needs Redis answers 503, in time.
fn refuses_everything(gateway: &Gateway, token: &str) {
    let operator = Operator::of(gateway);
    let half_ref = half_ref();
    let requests: [Request<'_>; 11] = [
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
    for (what, send) in requests {
        let asked = Instant::now();
        let answer = send();
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
fn requests_are_refused_while_redis_is_down_and_served_afterwards() {
    let mut server = RedisServer::durable();
    let gateway = start(with_lease(&server.url(), "1m"));
    let token = gateway.claim(DEVICE);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    let first = prospect.receive_message();
    prospect.deliver("one", "1");
    let last = operator.history_of(DEVICE).pop().expect("an event");

    server.kill();
    eventually("it is not ready", || gateway.get("/readyz").status == 503);
    refuses_everything(&gateway, &token);
    server.start_again();
    eventually("it is ready", || gateway.get("/readyz").status == 200);

    // The socket has stayed open, and nothing is lost.
    operator.queue(DEVICE, "2");
    let second = prospect.receive_message();
    assert_eq!((second.epoch, second.seq), (first.epoch, 2));
    prospect.deliver("two", "2");
    let mut events = operator.events_after(&last.id);
    let said = events.until(|event| event.kind == "message");
    assert_eq!(said.last().expect("an event").message_data(), "2");
    assert!(said.iter().all(|event| event.kind != "gap"));
    assert!(!gateway.log().contains(&token));
}

#[test]
#[ignore = "needs redis-server"]
fn requests_are_refused_while_redis_is_paused_and_served_afterwards() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let token = gateway.claim(DEVICE);
    // The pause is longer than the lease, so the gateway ends its sockets.
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let () = server.run(&["CLIENT", "PAUSE", "20000", "ALL"]);
    refuses_everything(&gateway, &token);
    assert_eq!(closed(&mut prospect), 4103);
    eventually("it is ready", || gateway.get("/readyz").status == 200);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    assert!(prospect.has_received_all());
    assert_eq!(ends(Operator::of(&gateway), DEVICE).len(), 1);
}

/// The reply is lost, not the request: Redis has queued the message.
#[test]
#[ignore = "needs redis-server"]
fn a_request_without_a_reply_has_an_unknown_outcome_and_takes_effect_once_when_repeated() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&[server.port()]);
    let gateway = start(with_lease(&format!("redis://127.0.0.1:{}/", proxy.port()), "1m"));
    let _ = gateway.claim(DEVICE);
    let operator = Operator::of(&gateway);
    let send = || {
        let message = operator.message(DEVICE).header("idempotency-key", "a-key");
        message.json_text(r#"{"data":1}"#).send()
    };
    proxy.deafen();
    let unknown = send();
    assert_eq!((unknown.status, &*unknown.problem_name()), (503, "outcome-unknown"));
    assert!(!unknown.header("retry-after").is_empty());
    proxy.speed_up();
    eventually("it is ready", || gateway.get("/readyz").status == 200);
    let repeated = send();
    assert_eq!((repeated.status, &repeated.json()["seq"]), (202, &json!(1)));
    assert_eq!(operator.unacknowledged(DEVICE), 1);
}

#[test]
#[ignore = "needs redis-server"]
fn a_prospect_that_sends_while_redis_is_down_is_closed_with_4103() {
    let mut server = RedisServer::durable();
    let gateway = on(&server);
    let token = gateway.claim(DEVICE);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    server.kill();
    prospect.send_message("lost", "1");
    assert_eq!(closed(&mut prospect), 4103);
    server.start_again();
    eventually("it is ready", || gateway.get("/readyz").status == 200);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    prospect.deliver("lost", "1");
    assert_eq!(ends(Operator::of(&gateway), DEVICE).len(), 1);
}

#[test]
#[ignore = "needs redis-server"]
fn a_flush_ends_sockets_and_event_streams_and_new_ones_work() {
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
        assert!(Prospect::open(gateway, &device).has_received_all());
        let gap = Operator::of(gateway).events_after(&last).event();
        assert_eq!((gap.kind.as_str(), &gap.json()["requested"]), ("gap", &json!(last)));
    }
}

#[test]
#[ignore = "needs redis-server"]
fn at_maxmemory_operations_that_add_data_are_refused() {
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
    assert!(Prospect::open(&gateway, DEVICE).has_received_all());
}

#[test]
#[ignore = "needs redis-server"]
fn no_secret_is_in_a_dump_of_redis() {
    let server = RedisServer::with(&["--rdbcompression", "no"]);
    let gateway = on(&server);
    let (token, half_ref) = (gateway.claim(DEVICE), half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    Prospect::redeem(&gateway, &half_ref).deliver("one", r#""to be found""#);
    let key = "a-key-that-repeats-a-request";
    let send = gateway.call("POST", &format!("/operator/prospects/{DEVICE}/messages"));
    let send = send.header("authorization", &format!("Bearer {KEY}"));
    assert_eq!(send.header("idempotency-key", key).json(&json!({"data": 1})).send().status, 202);

    let () = server.run(&["SAVE"]);
    let (_, folder): (String, String) = server.run(&["CONFIG", "GET", "dir"]);
    let dump = fs::read(Path::new(&folder).join("dump.rdb")).expect("a dump");
    let holds = |text: &str| dump.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("to be found"));
    for secret in [&*token, &*half_ref, key, KEY] {
        assert!(!holds(secret), "{secret}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn the_password_of_redis_is_not_logged() {
    let server = RedisServer::start();
    let () = server.run(&["CONFIG", "SET", "requirepass", "a-secret-password"]);
    let url = |password| server.url().replace("redis://", &format!("redis://:{password}@"));
    let gateway = start(builder(&url("a-secret-password")).flag("--log", "trace"));
    assert!(Prospect::open(&gateway, DEVICE).has_received_all());
    assert!(!gateway.log().contains("a-secret-password"));

    let wrong = builder(&url("a-wrong-password")).flag("--log", "trace").start();
    eventually("the log names the failure", || wrong.log().contains("no connection to Redis"));
    assert!(!wrong.log().contains("a-wrong-password"));
    assert_eq!(wrong.get("/readyz").status, 503);
}

/// Waits until the log names the failure to connect, and why; returns the gateway's log.
fn log_of_failure(url: &str, why: &str) -> String {
    let gateway = builder(url).start();
    let names_it = || {
        let log = gateway.log();
        log.lines().any(|line| line.contains("no connection to Redis") && line.contains(why))
    };
    eventually(why, names_it);
    assert_eq!(gateway.get("/readyz").status, 503);
    gateway.log()
}

#[test]
#[ignore = "needs redis-server"]
fn the_log_names_why_redis_refuses_the_gateway() {
    let server = RedisServer::start();
    let () = server.run(&["CONFIG", "SET", "requirepass", "a-secret-password"]);
    let url = |user| server.url().replace("redis://", &format!("redis://{user}@"));
    let log = log_of_failure(&server.url(), "NOAUTH");
    assert!(log.contains(&format!("127.0.0.1:{}", server.port())), "{log}");
    let log = log_of_failure(&url(":a-wrong-password"), "WRONGPASS");
    assert!(!log.contains("a-wrong-password"), "{log}");
}

#[test]
#[ignore = "needs redis-server"]
fn the_log_names_a_refused_connection_once() {
    let mut server = RedisServer::start();
    server.kill();
    let gateway = builder(&server.url()).start();
    let failures = || gateway.log().matches("no connection to Redis").count();
    eventually("the log names the failure", || gateway.log().contains("Connection refused"));
    server.start_again();
    eventually("the gateway is ready", || gateway.get("/readyz").status == 200);
    assert_eq!(failures(), 1, "{}", gateway.log());
}

#[test]
#[ignore = "needs redis-server"]
fn the_log_names_a_server_that_is_not_a_redis() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("redis://{}/", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut it| it.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    log_of_failure(&url, "does not speak the protocol of Redis");
}

#[test]
#[ignore = "needs redis-server"]
fn the_documented_rights_of_a_redis_user_suffice() {
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
    assert_eq!(prospect.receive_message().seq, 1);
    prospect.deliver("id", "1");
    let logged: Vec<String> = server.run(&["ACL", "LOG"]);
    assert!(logged.is_empty(), "{logged:?}");
}

#[test]
#[ignore = "needs redis-server"]
fn an_invalid_url_is_refused_without_being_repeated() {
    let refused = builder("http://:a-secret-password@host").refused();
    assert_eq!(refused.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("--redis-url is not a URL of a Redis"), "{stderr}");
    assert!(!stderr.contains("a-secret-password"), "{stderr}");
}

#[test]
#[ignore = "needs redis-server"]
fn a_lease_shorter_than_two_timeouts_is_refused() {
    let refused = with_lease("redis://host", "3s").refused();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--redis-lease"));
}

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_on_redis_needs_an_operator_key() {
    let refused = Gateway::builder().flag("--redis-url", "redis://host").refused();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("An operator key is needed"));
}
