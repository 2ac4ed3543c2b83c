//! `connect-socket check` with a Redis.

use std::{io::Write, net::TcpListener, thread};

use tests::{Gateway, RedisServer, gateway::eventually};

const KEY: &str = "the-operator-key-of-these-tests-1234";

/// The exit code of a check and what it says about Redis.
fn check(url: &str) -> (i32, Vec<String>) {
    check_partitions(url, 1)
}

/// The same, with so many partitions.
fn check_partitions(url: &str, partitions: usize) -> (i32, Vec<String>) {
    let output = Gateway::builder()
        .operator_key(KEY)
        .flag("--redis-url", url)
        .flag("--redis-timeout", "1s")
        .flag("--redis-partitions", &partitions.to_string())
        .run("check");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let about = printed.lines().filter(|line| line.contains("  redis: "));
    (output.status.code().expect("an exit code"), about.map(ToOwned::to_owned).collect())
}

/// The error of a check that fails.
fn error(url: &str) -> String {
    let (code, found) = check(url);
    assert_eq!(code, 1, "{found:?}");
    let [error] = &found[..] else { panic!("{found:?}") };
    assert!(error.starts_with("error"), "{error}");
    error.clone()
}

fn as_user(server: &RedisServer, user: &str) -> String {
    server.url().replace("redis://", &format!("redis://{user}@"))
}

#[test]
#[ignore = "needs redis-server"]
fn a_durable_redis_is_ok_and_gets_no_key_and_no_function() {
    let server = RedisServer::durable();
    let (code, found) = check(&server.url());
    assert_eq!(code, 0);
    assert!(matches!(&found[..], [one] if one.starts_with("ok")), "{found:?}");
    assert_eq!(server.run::<u64>(&["DBSIZE"]), 0);
    assert!(server.run::<Vec<redis::Value>>(&["FUNCTION", "LIST"]).is_empty());
    assert!(server.run::<Vec<String>>(&["PUBSUB", "CHANNELS"]).is_empty());
}

#[test]
#[ignore = "needs redis-server"]
fn a_redis_that_can_lose_data_is_warned_about() {
    for (options, text) in [
        (["--save", ""].as_slice(), "a restart loses everything"),
        (&["--appendonly", "yes"], "can lose the newest data"),
        (&["--save", "60 1"], "can lose the newest data"),
    ] {
        let (code, found) = check(&RedisServer::with(options).url());
        assert_eq!(code, 0);
        let warned = found.iter().any(|it| it.starts_with("warning") && it.contains(text));
        assert!(warned, "{options:?}: {found:?}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_redis_that_cannot_serve_is_an_error() {
    let evicting = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    assert!(error(&RedisServer::with(&evicting).url()).contains("noeviction"));

    let primary = RedisServer::start();
    let port = primary.port().to_string();
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &port]);
    assert!(error(&replica.url()).contains("replica"));
}

#[test]
#[ignore = "needs redis-server"]
fn data_of_another_number_of_partitions_is_an_error() {
    for made_with in [1, 4] {
        let server = RedisServer::start();
        let gateway = Gateway::builder()
            .operator_key(KEY)
            .flag("--redis-url", &server.url())
            .flag("--redis-partitions", &made_with.to_string())
            .start();
        eventually("the data is made", || gateway.get("/readyz").status == 200);
        for given in [1, 2, 4] {
            let (code, found) = check_partitions(&server.url(), given);
            if given == made_with {
                assert_eq!(code, 0, "{found:?}");
                continue;
            }
            assert_eq!(code, 1, "{found:?}");
            let says = |text: &str| found.iter().any(|it| it.contains(text));
            assert!(says(&format!("made with {made_with} partitions")), "{found:?}");
            assert!(says(&format!("give --redis-partitions {made_with}")), "{found:?}");
        }
    }
}

#[test]
#[ignore = "needs redis-server"]
fn data_of_another_format_is_an_error() {
    let server = RedisServer::start();
    let () = server.run(&["HSET", "connectsocket:meta", "stream", "s", "format", "1000"]);
    assert!(error(&server.url()).contains("format 1000"));
}

#[test]
#[ignore = "needs redis-server"]
fn a_refused_user_is_an_error_that_keeps_the_password() {
    let server = RedisServer::start();
    let () = server.run(&["CONFIG", "SET", "requirepass", "a-secret-password"]);
    assert!(error(&server.url()).contains("NOAUTH"));
    let error = error(&as_user(&server, ":a-wrong-password"));
    assert!(error.contains("WRONGPASS") && !error.contains("a-wrong-password"), "{error}");
}

#[test]
#[ignore = "needs redis-server"]
fn a_user_without_a_right_is_an_error() {
    let server = RedisServer::start();
    for [name, missing] in
        [["one", "-fcall"], ["two", "-function|load"], ["three", "-ssubscribe"], ["four", "-info"]]
    {
        let () =
            server.run(&["ACL", "SETUSER", name, "on", ">password", "~*", "&*", "+@all", missing]);
        assert!(
            error(&as_user(&server, &format!("{name}:password"))).contains("NOPERM"),
            "{missing}"
        );
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_redis_that_is_not_there_is_an_error() {
    let mut server = RedisServer::start();
    server.kill();
    let refused = error(&server.url());
    assert!(refused.contains("Connection refused") && refused.contains("127.0.0.1"), "{refused}");
    assert!(error("redis://no.such.host.invalid:6379").contains("no.such.host.invalid"));

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("redis://{}/", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut it| it.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    assert!(error(&url).contains("does not speak the protocol of Redis"));
}
