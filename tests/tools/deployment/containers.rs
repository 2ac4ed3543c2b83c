//! `Dockerfile`, `.dockerignore` and `compose.yaml`.

use std::{fs, process::Command};

use regex::Regex;
use saphyr::{LoadableYamlNode, Yaml};
use tests::{Gateway, RedisServer, gateway::root, tools::succeed};

use super::{file, settings};

const KEY: &str = "an-operator-key-of-at-least-32-characters";

/// Whether the last rule of `.dockerignore` that matches a file keeps it out of a build.
fn is_ignored(path: &str) -> bool {
    let rules = file(".dockerignore");
    let rules = rules.lines().filter(|rule| !rule.is_empty() && !rule.starts_with('#'));
    rules.fold(false, |ignored, rule| {
        let (keeps, pattern) = rule.strip_prefix('!').map_or((false, rule), |rule| (true, rule));
        let pattern = regex::escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*");
        let matches = Regex::new(&format!("^{pattern}(/.*)?$")).expect("a pattern").is_match(path);
        if matches { !keeps } else { ignored }
    })
}

#[test]
fn keys_and_data_never_enter_a_build() {
    for path in [
        "operator.key",
        "data/journal.sqlite",
        "data/committed",
        "gateway.pem",
        ".env",
        ".git/config",
        "target/debug/connect-socket",
        "server/operator.key",
        "server/data/journal.sqlite-wal",
        "server/.env",
        "tests/python/.venv/bin/python",
        "tests/node/node_modules/x/index.js",
        "compose.override.yaml",
    ] {
        assert!(is_ignored(path), "{path}");
    }
}

#[test]
fn what_a_build_reads_enters_it() {
    let context = tempfile::tempdir().expect("a folder");
    let listed = succeed(Command::new("git").args(["ls-files"]).current_dir(root()), "");
    let files: Vec<_> = listed.lines().filter(|path| !is_ignored(path)).collect();
    for path in &files {
        let target = context.path().join(path);
        fs::create_dir_all(target.parent().expect("a folder")).expect("made");
        fs::copy(root().join(path), target).expect("copied");
    }
    assert!(
        files.contains(&"server/src/main.rs") && files.contains(&"server/web/connect-socket.js")
    );
    let mut metadata = openapi::cargo::cargo();
    metadata.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    succeed(metadata.current_dir(context.path()), "");
    // Everything of the server and of the crates that it uses.
    for folder in ["server/", "api-types/"] {
        let all = listed.lines().filter(|path| path.starts_with(folder));
        let missing: Vec<_> = all.filter(|path| !files.contains(path)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn the_image_has_a_folder_for_data_and_follows_the_setting_of_its_port() {
    let dockerfile = file("Dockerfile");
    for line in [
        "USER 10001:10001",
        "VOLUME /var/lib/connect-socket",
        r#"ENTRYPOINT ["connect-socket"]"#,
        "ENV CONNECTSOCKET_LISTEN=0.0.0.0:8080",
    ] {
        assert!(dockerfile.lines().any(|it| it == line), "{line}");
    }
    assert!(dockerfile.contains(r#"CMD ["connect-socket", "healthcheck"]"#));
    let owned =
        "install --directory --owner gateway --group gateway --mode 700 /var/lib/connect-socket";
    assert!(dockerfile.contains(owned));
    let gateway = Gateway::trial();
    let healthcheck = Gateway::builder().variable("CONNECTSOCKET_LISTEN", gateway.authority());
    // The flag that the harness adds would win over the variable.
    let healthcheck = healthcheck.flag("--listen", gateway.authority()).run("healthcheck");
    assert!(healthcheck.status.success());
}

#[test]
fn compose_starts_gateways_after_a_healthy_redis_and_the_balancer_after_them() {
    let text = file("compose.yaml");
    let compose = &Yaml::load_from_str(&text).expect("YAML")[0];
    let services = &compose["services"];
    let healthy = |service: &str, other: &str| {
        let condition = &services[service]["depends_on"][other]["condition"];
        assert_eq!(condition.as_str(), Some("service_healthy"), "{service} after {other}");
    };
    healthy("gateway-1", "redis");
    healthy("balancer", "gateway-1");
    healthy("balancer", "gateway-2");
    assert!(services["redis"]["healthcheck"]["test"].as_sequence().is_some());

    let balancer = services["balancer"]["volumes"][0].as_str().expect("a volume");
    let configuration = balancer.trim_start_matches("./").split(':').next().expect("a path");
    let configuration = file(configuration);
    for service in ["gateway-1", "gateway-2"] {
        assert!(configuration.contains(&format!(" {service}:8080")), "{service}");
    }

    let environment = services["gateway-1"]["environment"].as_mapping().expect("variables");
    let environment = environment.iter().map(|(name, value)| {
        let value = value.as_str().expect("a text");
        let value = match value.split_once(":-") {
            Some((_, default)) => default.trim_end_matches('}'),
            None if value.starts_with("${") => KEY,
            None => value,
        };
        (name.as_str().expect("a name"), value)
    });
    let config = settings(environment);
    let grace = services["gateway-1"]["stop_grace_period"].as_str().expect("a time");
    let grace = humantime::parse_duration(grace).expect("a time");
    assert!(grace >= 2 * config.http.drain_timeout);
    let subnet = compose["networks"]["default"]["ipam"]["config"][0]["subnet"].as_str();
    assert_eq!(subnet, Some(&*config.http.trusted_proxies[0].to_string()));
}

#[test]
#[ignore = "needs redis-server"]
fn the_redis_of_compose_loses_nothing() {
    let text = file("compose.yaml");
    let compose = &Yaml::load_from_str(&text).expect("YAML")[0];
    let command = compose["services"]["redis"]["command"].as_str().expect("a command");
    let options: Vec<_> = command.split(' ').skip(1).collect();
    let server = RedisServer::with(&options);
    let check =
        Gateway::builder().operator_key(KEY).flag("--redis-url", &server.url()).run("check");
    let printed = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success(), "{printed}");
    assert!(printed.contains("ok       redis: "), "{printed}");
    assert!(!printed.contains("warning  redis: "), "{printed}");
}
