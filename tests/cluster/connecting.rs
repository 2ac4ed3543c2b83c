//! Why a Redis cannot serve a gateway, against real servers: each cause in words that say what to do.

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use engine::{
    Limits,
    redis::{InvalidRedisUrl, RedisOptions, RedisWarning, check},
};
use tempfile::TempDir;
use tests::{Proxy, RedisServer};

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

/// A certificate and its key for `localhost`, in files of this folder.
fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test]
#[ignore = "needs redis-server and openssl"]
async fn a_port_with_tls_is_named() {
    let folder = TempDir::new().unwrap();
    make_certificate(folder.path());
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let server = RedisServer::start();
    let () = server.run(&[
        "CONFIG",
        "SET",
        "tls-cert-file",
        &file("cert.pem"),
        "tls-key-file",
        &file("key.pem"),
        "tls-ca-cert-file",
        &file("cert.pem"),
        "tls-port",
        &port.to_string(),
    ]);
    is_refused(&format!("redis://127.0.0.1:{port}/"), &["expects TLS"]).await;
}

#[test]
fn a_url_with_tls_is_refused() {
    let refused = RedisOptions::new("rediss://host:6379").unwrap_err();
    assert_eq!(refused, InvalidRedisUrl::Tls);
    assert_eq!(RedisOptions::new("http://host").unwrap_err(), InvalidRedisUrl::Malformed);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_cannot_serve_a_gateway_is_named() {
    let [primary, replica] = [(); 2].map(|()| RedisServer::start());
    let () = replica.run(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    is_refused(&replica.url(), &["replica", "has to lead to the primary"]).await;

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
