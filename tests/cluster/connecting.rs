//! Why a Redis cannot serve a gateway, against real servers: each cause in words that say what to do.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use engine::{
    Engine, Limits,
    redis::{RedisOptions, RedisWarning, check},
};
use tests::{Proxy, RedisServer};

use crate::cluster::{Cluster, eventually};

async fn checked(url: &str) -> Result<Option<RedisWarning>, String> {
    let options = RedisOptions::new(url).expect("a URL");
    check(&Limits::default(), &options).await.map_err(|why| why.to_string())
}

/// Asserts that the Redis at this URL is refused, with each of these words in the cause.
async fn is_refused(url: &str, words: &[&str]) {
    let why = checked(url).await.expect_err("it cannot serve a gateway");
    for word in words {
        assert!(why.contains(word), "{word}: {why}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_cannot_be_reached_is_named() {
    let mut server = RedisServer::start();
    let url = server.url();
    server.kill();
    is_refused(&url, &["Connection refused", "no server listens"]).await;
    is_refused("redis://no-such-host.invalid:6379/", &["lookup"]).await;

    server.start_again();
    let proxy = Proxy::to(&[server.port()]);
    proxy.fall_silent();
    let mut options = RedisOptions::new(&format!("redis://127.0.0.1:{}/", proxy.port())).unwrap();
    options.timeout = Duration::from_millis(300);
    let why = check(&Limits::default(), &options).await.expect_err("silence").to_string();
    assert!(why.contains("does not answer in time"), "{why}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_wrong_or_missing_password_is_named() {
    let server = RedisServer::start();
    let () = server.run(&["CONFIG", "SET", "requirepass", "a-secret-password"]);
    is_refused(&server.url(), &["NOAUTH", "redis://:password@host"]).await;
    let url = |user| server.url().replace("redis://", &format!("redis://{user}@"));
    is_refused(&url(":another-password"), &["WRONGPASS", "percent-encoded"]).await;
    assert!(checked(&url(":a-secret-password")).await.is_ok());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_user_without_the_rights_is_named() {
    let server = RedisServer::start();
    let () = server.run(&["ACL", "SETUSER", "gateway", "on", ">word", "+info", "+ping"]);
    let url = server.url().replace("redis://", "redis://gateway:word@");
    is_refused(&url, &["NOPERM", "docs/redis.md"]).await;
    let () = server.run(&["ACL", "SETUSER", "gateway", "~*", "&*", "+@all", "-config"]);
    assert_eq!(checked(&url).await, Ok(Some(RedisWarning::SettingsUnknown)));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_cannot_serve_a_gateway_is_named() {
    let [primary, replica] = [(); 2].map(|()| RedisServer::start());
    let () = replica.run(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    is_refused(&replica.url(), &["replica", "has to lead to the primary"]).await;

    let node = RedisServer::with(&["--cluster-enabled", "yes"]);
    is_refused(&node.url(), &["part of a Redis Cluster", "redis-cluster://"]).await;

    let evicting = RedisServer::with(&["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"]);
    is_refused(&evicting.url(), &["noeviction"]).await;

    let full = RedisServer::with(&["--maxmemory", "1"]);
    is_refused(&full.url(), &["OOM", "raise it"]).await;

    for command in ["FUNCTION", "FCALL"] {
        let without = RedisServer::with(&["--rename-command", command, ""]);
        is_refused(&without.url(), &["no functions", "Redis 7"]).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_can_lose_data_is_warned_of() {
    let with = async |options: &[&str]| checked(&RedisServer::with(options).url()).await;
    assert_eq!(with(&[]).await, Ok(Some(RedisWarning::NoPersistence)));
    let saves = with(&["--save", "60 1"]).await;
    assert_eq!(saves, Ok(Some(RedisWarning::AnswersFirst)));
    let syncs_later = with(&["--appendonly", "yes", "--appendfsync", "everysec"]).await;
    assert_eq!(syncs_later, Ok(Some(RedisWarning::AnswersFirst)));
    assert_eq!(checked(&RedisServer::durable().url()).await, Ok(None));
}

/// The next command, as the words that it consists of.
fn command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let words: usize = line()?.strip_prefix('*')?.parse().ok()?;
    (0..words).map(|_| line().and_then(|_| line())).collect()
}

/// Answers as a server of this description does; before version 7, `INFO` takes one section.
fn play(stream: TcpStream, info: &str, older: bool) {
    let mut answers = stream.try_clone().expect("a stream");
    let mut reader = BufReader::new(stream);
    while let Some(words) = command(&mut reader) {
        let answer = match words[0].as_str() {
            "HELLO" => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
            "INFO" if older && words.len() > 2 => "-ERR syntax error\r\n".to_owned(),
            "INFO" => format!("${}\r\n{info}\r\n", info.len()),
            _ => "+OK\r\n".to_owned(),
        };
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The URL of a server that is played.
fn played(info: &'static str, older: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("redis://{}/", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || play(stream, info, older));
        }
    });
    url
}

#[tokio::test]
async fn servers_like_redis_are_named() {
    let old = played("redis_version:6.2.14\r\nrole:master\r\n", true);
    is_refused(&old, &["Redis 6.2.14", "use version 7"]).await;
    let keydb = "redis_version:6.3.4\r\nexecutable:/usr/bin/keydb-server\r\nrole:master\r\n";
    is_refused(&played(keydb, true), &["KeyDB", "Redis 7", "Valkey"]).await;
    let dragonfly = "redis_version:7.4.0\r\ndragonfly_version:df-v1.35.1\r\nrole:master\r\n";
    is_refused(&played(dragonfly, false), &["Dragonfly", "Redis 7", "Valkey"]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn data_in_another_format_is_refused() {
    let server = RedisServer::start();
    let cluster = Cluster::on(&server.url());
    drop(cluster.join().await);
    let meta = format!("{}meta", cluster.prefix);
    let () = server.run(&["HDEL", &meta, "format"]);
    let member = cluster.start(RedisOptions::new(&server.url()).expect("a URL"));
    eventually("the format is named", async || {
        member.engine.failure().is_some_and(|why| why.contains("has format 1"))
    })
    .await;
    let () = server.run(&["HSET", &meta, "format", "2"]);
    eventually("it connects", async || member.engine.ready().await.is_ok()).await;
}
