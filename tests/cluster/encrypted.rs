//! Redis with TLS, against real servers with certificates of all kinds: what serves, and each cause
//! why a connection cannot be made, in words that say what to do.

use std::{
    fs,
    path::{Path, PathBuf},
};

use engine::{
    Engine, Limits,
    redis::{ClientCertificate, RedisOptions, TlsFiles, check},
};
use tests::{
    Authority, Certificate, Gateway, GatewayBuilder, Operator, Prospect, Proxy, RedisCluster,
    RedisServer, TlsServer, gateway,
};

use crate::{
    cluster::{Cluster, LEASE, device_of, eventually},
    faults::recovers,
    gateways::{KEY, builder, start},
};

/// A server for `localhost` and 127.0.0.1 with a certificate of this authority.
fn server_of(authority: &Authority, asks: bool) -> RedisServer {
    let shows = authority.issue(&["localhost", "127.0.0.1"]);
    server_with(authority, shows, asks)
}

fn server_with(authority: &Authority, shows: Certificate, asks: bool) -> RedisServer {
    RedisServer::with_tls(&TlsServer { shows, trusts: authority.file(), asks }, &[])
}

fn options(url: &str, ca: Option<PathBuf>, client: Option<&Certificate>) -> RedisOptions {
    let mut options = RedisOptions::new(url).expect("a URL");
    let client = client.cloned();
    let client =
        client.map(|Certificate { certificate, key }| ClientCertificate { certificate, key });
    options.tls = TlsFiles { ca, client };
    options
}

/// Asserts that the Redis is refused, with each of these words in the cause.
async fn is_refused(options: RedisOptions, words: &[&str]) {
    let found = check(&Limits::default(), &options).await;
    let why = found.expect_err("it cannot serve a gateway").to_string();
    for word in words {
        assert!(why.contains(word), "{word}: {why}");
    }
}

async fn is_fine(options: RedisOptions) {
    let found = check(&Limits::default(), &options).await;
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_of_a_given_authority_serves() {
    let authority = Authority::new();
    let server = server_of(&authority, false);
    let cluster = Cluster::on(&server.tls_url("localhost"));
    let member = |host: &str| {
        let mut options = options(&server.tls_url(host), Some(authority.file()), None);
        options.lease = LEASE;
        cluster.join_with(options)
    };
    let [a, b] = [member("localhost").await, member("127.0.0.1").await];
    a.claim("phone").await;
    b.open("phone", "c").await;
    a.send("phone", "1").await;
    assert_eq!(b.waiting("phone", "c").await, [1]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_asks_gets_the_certificate_of_the_gateway_and_its_user() {
    let authority = Authority::new();
    let server = server_of(&authority, true);
    let rights = ["~*", "&*", "+@all"];
    let user = [["ACL", "SETUSER", "gateway", "on", ">a word"].as_slice(), &rights].concat();
    let () = server.run(&user);
    let () = server.run(&["ACL", "SETUSER", "default", "off"]);
    let url = server.tls_url("localhost").replace("rediss://", "rediss://gateway:a%20word@");
    let mine = authority.issue(&["gateway"]);
    is_fine(options(&url, Some(authority.file()), Some(&mine))).await;
    let anonymous = server.tls_url("localhost");
    is_refused(options(&anonymous, Some(authority.file()), Some(&mine)), &["NOAUTH"]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_certificate_that_cannot_be_trusted_is_named() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let ca = || Some(authority.file());
    let server = server_of(&authority, false);
    let url = server.tls_url("localhost");
    let unknown = ["issued by no authority", "--redis-ca"];
    is_refused(options(&url, Some(other.file()), None), &unknown).await;
    is_refused(options(&url, None, None), &unknown).await;

    let expired = server_with(&authority, authority.issue_until(&["localhost"], 2020), false);
    is_refused(options(&expired.tls_url("localhost"), ca(), None), &["has expired", "renew"]).await;

    let elsewhere = server_with(&authority, authority.issue(&["redis.example"]), false);
    let words = ["is for", "redis.example", "not for localhost"];
    is_refused(options(&elsewhere.tls_url("localhost"), ca(), None), &words).await;
    let words = ["redis.example", "not for 127.0.0.1"];
    is_refused(options(&elsewhere.tls_url("127.0.0.1"), ca(), None), &words).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_missing_or_refused_client_certificate_is_named() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let server = server_of(&authority, true);
    let with = |client| options(&server.tls_url("localhost"), Some(authority.file()), client);
    is_refused(with(None), &["client certificate"]).await;
    let of_other = other.issue(&["gateway"]);
    is_refused(with(Some(&of_other)), &["certificate"]).await;
    let expired = authority.issue_until(&["gateway"], 2020);
    is_refused(with(Some(&expired)), &["certificate"]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_port_of_the_other_kind_is_named() {
    let authority = Authority::new();
    let server = server_of(&authority, false);
    let to_plain = server.url().replace("redis://", "rediss://");
    is_refused(options(&to_plain, Some(authority.file()), None), &["TLS"]).await;
    let to_tls = format!("redis://127.0.0.1:{}/", server.tls_port());
    is_refused(options(&to_tls, None, None), &["expects TLS", "rediss"]).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let authority = Authority::new();
    let [mine, other] = ["mine", "other"].map(|name| authority.issue(&[name]));
    let url = "rediss://127.0.0.1:1/";
    let missing = authority.folder().join("missing.pem");
    is_refused(options(url, Some(missing), None), &["missing.pem", "cannot be read"]).await;
    let no_certificate = mine.key.clone();
    let words = ["mine until", "key.pem", "no certificate"];
    is_refused(options(url, Some(no_certificate), None), &words).await;
    let no_key = Certificate { key: mine.certificate.clone(), ..mine.clone() };
    is_refused(options(url, None, Some(&no_key)), &["cert.pem", "no private key"]).await;
    let another = Certificate { key: other.key, ..mine };
    is_refused(options(url, None, Some(&another)), &["is not the key of the certificate"]).await;
}

/// Has the server show a new certificate of this authority, and accept clients of it alone.
fn show(server: &RedisServer, authority: &Authority) {
    let shows = authority.issue(&["localhost"]);
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let () = server.run(&[
        "CONFIG",
        "SET",
        "tls-cert-file",
        &path(&shows.certificate),
        "tls-key-file",
        &path(&shows.key),
        "tls-ca-cert-file",
        &path(&authority.file()),
    ]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn renewed_files_are_used_at_the_next_connection() {
    let [before, after] = [Authority::new(), Authority::new()];
    let server = server_of(&before, true);
    let proxy = Proxy::to(&[server.tls_port()]);
    let url = format!("rediss://localhost:{}/", proxy.port());
    let ca = before.folder().join("trusted.pem");
    fs::copy(before.file(), &ca).unwrap();
    let mine = before.issue(&["gateway"]);
    let cluster = Cluster::on(&url);
    let mut options = options(&url, Some(ca.clone()), Some(&mine));
    options.lease = LEASE;
    let member = cluster.join_with(options).await;

    show(&server, &after);
    proxy.cut();
    eventually("there is no connection", async || member.engine.ready().await.is_err()).await;
    fs::copy(after.file(), &ca).unwrap();
    after.issue(&["gateway"]).replace(&mine);
    recovers(&member).await;
}

// The settings.

/// A gateway with these flags.
fn run_check(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> (i32, String) {
    let mut gateway = Gateway::builder().operator_key(KEY);
    for (name, value) in flags {
        gateway = gateway.flag(name, value);
    }
    for (name, value) in variables {
        gateway = gateway.variable(name, value);
    }
    let output = gateway.run("check");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8(printed).expect("UTF-8");
    (output.status.code().expect("an exit code"), printed)
}

#[test]
#[ignore = "needs redis-server"]
fn without_a_given_authority_those_of_the_system_are_trusted() {
    let authority = Authority::new();
    let server = server_of(&authority, false);
    let url = server.tls_url("localhost");
    let file = authority.file();
    let system = [("SSL_CERT_FILE", file.to_str().expect("UTF-8"))];
    let (code, printed) = run_check(&[("--redis-url", &url)], &system);
    assert_eq!(code, 0, "{printed}");
    let (code, printed) = run_check(&[("--redis-url", &url)], &[]);
    assert!(code == 1 && printed.contains("--redis-ca"), "{printed}");
}

/// With the certificate of the authority, and one of its own.
fn with_files(builder: GatewayBuilder, authority: &Authority, own: &Certificate) -> GatewayBuilder {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    builder
        .flag("--redis-ca", &path(&authority.file()))
        .flag("--redis-cert", &path(&own.certificate))
        .flag("--redis-key", &path(&own.key))
}

#[test]
#[ignore = "needs redis-server"]
fn a_gateway_serves_over_tls_with_its_own_certificate() {
    let authority = Authority::new();
    let server = server_of(&authority, true);
    let mine = authority.issue(&["gateway"]);
    let gateway = start(with_files(builder(&server.tls_url("localhost")), &authority, &mine));
    assert_eq!(Operator::of(&gateway).prospects("").status, 200);
}

#[test]
#[ignore = "needs redis-server"]
fn a_cluster_with_tls_serves_also_after_a_failover() {
    const PARTITIONS: usize = 6;
    let authority = Authority::new();
    let (shows, trusts) = (authority.issue(&["127.0.0.1"]), authority.file());
    let mut cluster = RedisCluster::start_with_tls(&TlsServer { shows, trusts, asks: true });
    let builder = builder(&cluster.url()).flag("--redis-partitions", &PARTITIONS.to_string());
    let gateway = start(with_files(builder, &authority, &authority.issue(&["gateway"])));
    let operator = Operator::of(&gateway);
    // A list has all partitions.
    gateway::eventually("all serve", || operator.prospects("").status == 200);
    for partition in 0..PARTITIONS {
        let device = device_of(partition, PARTITIONS);
        let mut prospect = Prospect::open(&gateway, &device);
        operator.queue(&device, "1");
        assert_eq!(prospect.receive_message().data, "1");
    }
    cluster.nodes[0].kill();
    for partition in 0..PARTITIONS {
        let device = device_of(partition, PARTITIONS);
        gateway::eventually("it serves again", || operator.send(&device, "2").status == 202);
    }
}

#[test]
fn files_that_do_not_fit_the_url_or_each_other_are_refused() {
    let authority = Authority::new();
    let mine = authority.issue(&["gateway"]);
    let [ca, certificate, key] = [&authority.file(), &mine.certificate, &mine.key]
        .map(|file| file.to_string_lossy().into_owned());
    let plain = ("--redis-url", "redis://127.0.0.1:1/");
    let encrypted = ("--redis-url", "rediss://127.0.0.1:1/");
    for (flags, code, text) in [
        ([plain, ("--redis-ca", &*ca)].as_slice(), 1, "begins with rediss://"),
        (&[encrypted, ("--redis-ca", &key)], 1, "has no certificate"),
        (&[encrypted, ("--redis-cert", &certificate)], 2, "--redis-key"),
        (&[encrypted, ("--redis-key", &key)], 2, "--redis-cert"),
        (&[("--redis-ca", &ca)], 2, "--redis-url"),
    ] {
        let (found, printed) = run_check(flags, &[]);
        assert!(found == code && printed.contains(text), "{flags:?}: {found}: {printed}");
    }
}
