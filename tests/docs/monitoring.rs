//! The page on monitoring, the alerts and the dashboard name exactly the metrics that there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use regex::Regex;
use serde_json::Value;
use tests::{
    DEVICE, Gateway, Metrics, Prospect, RedisServer,
    gateway::{eventually, root},
    process::Process,
    tools::{run, succeed},
};

use crate::{commands::free_port, page};

const KEY: &str = "the-operator-key-of-these-tests-1234";
const FOLDER: &str = "docs/monitoring";

/// The lines of the table between the marks `name` of the page on monitoring, without its head.
fn rows(name: &str) -> Vec<Vec<String>> {
    let text = page("docs/monitoring.md");
    let (_, rest) = text.split_once(&format!("<!-- {name} -->\n")).expect("its first mark");
    let (table, _) = rest.split_once(&format!("<!-- /{name} -->")).expect("its last mark");
    let rows = table.lines().skip(2);
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    })
    .collect()
}

/// The metrics of the page, with their types.
fn documented() -> BTreeMap<String, String> {
    rows("metrics").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

/// The alerts: the name and the expression of each.
fn alerts() -> Vec<(String, String)> {
    let text = page(&format!("{FOLDER}/alerts.yml"));
    let alert =
        Regex::new(r"- alert: (\w+)\n +expr: (\|\n(?: {10,}.*\n)+|.*\n)").expect("a pattern");
    alert.captures_iter(&text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

/// The expressions of the dashboard, and the queries of its variables.
fn dashboard_expressions() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&page(&format!("{FOLDER}/dashboard.json"))).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions = targets.map(|target| &target["expr"]);
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let queries = variables.iter().filter(|it| it["type"] == "query").map(|it| &it["definition"]);
    expressions.chain(queries).map(|text| text.as_str().expect("text").to_owned()).collect()
}

/// The metrics of an expression that the page does not have.
fn unknown(expression: &str, known: &BTreeMap<String, String>) -> Vec<String> {
    let name = Regex::new(r"\b(connectsocket|process)_[a-z0-9_]+").expect("a pattern");
    let is_known = |found: &str| {
        let histogram = ["_bucket", "_count", "_sum"].iter().find_map(|it| found.strip_suffix(it));
        let histogram =
            histogram.is_some_and(|it| known.get(it).is_some_and(|it| it == "histogram"));
        histogram || known.get(found).is_some_and(|kind| kind != "histogram")
    };
    let names = name.find_iter(expression).map(|found| found.as_str().to_owned());
    names.filter(|found| !is_known(found)).collect()
}

#[test]
#[ignore = "needs redis-server"]
fn the_table_of_metrics_is_what_gateways_show() {
    let (server, folder) = (RedisServer::start(), tempfile::tempdir().expect("a folder"));
    let settings = [
        ("--redis-url", server.url()),
        ("--data-dir", folder.path().to_str().expect("a path").to_owned()),
    ];
    let mut shown = BTreeMap::new();
    for (flag, value) in settings {
        let gateway = Gateway::builder().operator_key(KEY).flag("--test-channel", "on");
        let gateway = gateway.flag(flag, &value).start();
        eventually("it is ready", || gateway.get("/readyz").status == 200);
        assert_eq!(gateway.get("/metrics").status, 401);
        let token = gateway.token(DEVICE);
        let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
        assert_eq!(gateway.revoke_token(&token).status, 204);
        prospect.socket.closed();
        shown.extend(Metrics::of(&gateway).families());
    }
    let documented = documented();
    let missing: Vec<_> = shown.iter().filter(|it| documented.get(it.0) != Some(it.1)).collect();
    let extra: Vec<_> = documented.iter().filter(|it| shown.get(it.0) != Some(it.1)).collect();
    assert!(missing.is_empty(), "not in docs/monitoring.md: {missing:?}");
    assert!(extra.is_empty(), "shown by no gateway: {extra:?}");
}

#[test]
fn alerts_and_dashboard_use_metrics_that_exist() {
    let (known, alerts) = (documented(), alerts());
    let all = page(&format!("{FOLDER}/alerts.yml")).matches("- alert:").count();
    assert_eq!(alerts.len(), all);
    let expressions = dashboard_expressions();
    assert!(expressions.len() > 20);
    let expressions = alerts.iter().map(|(_, expression)| expression).chain(&expressions);
    let wrong: Vec<_> = expressions.flat_map(|expression| unknown(expression, &known)).collect();
    assert!(wrong.is_empty(), "no such metrics: {wrong:?}");
}

#[test]
fn alerts_name_problems_that_exist() {
    let (_, expression) =
        alerts().into_iter().find(|(name, _)| name == "RequestsRefusedForRoom").expect("the alert");
    let types = expression.split('"').nth(1).expect("types");
    let registry =
        fs::read_to_string(root().join("api-types/src/problem.rs")).expect("the registry");
    for name in types.split('|') {
        assert!(registry.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn the_page_says_what_to_do_about_every_alert() {
    let text = page("docs/monitoring.md");
    let (_, rest) = text.split_once("\n## Alerts\n").expect("the heading");
    let table = rest.split("\n## ").next().expect("the section");
    let span = Regex::new("`([A-Z][A-Za-z]+)`").expect("a pattern");
    let named = |text: &str| -> BTreeSet<String> {
        span.captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    let alerts: BTreeSet<_> = alerts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(named(table), alerts);
    let of_metrics: BTreeSet<_> =
        rows("metrics").iter().flat_map(|row| named(&format!("`{}`", row[3]))).collect();
    assert!(of_metrics.is_subset(&alerts), "{of_metrics:?}");
}

#[test]
#[ignore = "needs promtool"]
fn alerts_are_valid_and_fire_as_tested() {
    let promtool = |arguments: &[&str], input: &str| {
        let mut command = Command::new("promtool");
        succeed(command.current_dir(root().join(FOLDER)).args(arguments), input)
    };
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts.test.yml"], "");
}

#[test]
#[ignore = "needs promtool"]
fn prometheus_reads_both_forms() {
    let gateway = Gateway::builder().operator_key(KEY).start();
    let scrape = |accept: &str| {
        let bearer = format!("Bearer {KEY}");
        let call = gateway.call("GET", "/metrics").header("authorization", &bearer);
        call.header("accept", accept).send().text()
    };
    let _ = scrape("text/plain");
    let mut check = Command::new("promtool");
    succeed(check.args(["check", "metrics"]), &scrape("text/plain;version=0.0.4"));

    let folder = tempfile::tempdir().expect("a folder");
    let blocks = folder.path().join("blocks");
    // promtool reads samples with a time, so each line gets one.
    let text = scrape("application/openmetrics-text");
    let lines = text.lines().map(|line| {
        let time = if line.starts_with('#') { "" } else { " 1800000000" };
        [line, time, "\n"].concat()
    });
    let file = folder.path().join("metrics");
    fs::write(&file, lines.collect::<String>()).expect("written");
    let mut import = Command::new("promtool");
    import.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&file).arg(&blocks);
    succeed(&mut import, "");
    assert!(blocks.read_dir().expect("blocks").next().is_some());
}

/// Prometheus with the configuration of the page and the alerts, before a gateway.
#[test]
#[ignore = "needs prometheus"]
fn prometheus_scrapes_and_every_expression_can_be_queried() {
    let gateway = Gateway::builder().operator_key(KEY).start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = page("docs/monitoring.md");
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let configuration = block
        .expect("a configuration")
        .replace("/etc/prometheus/operator.key", &path("operator.key"))
        .replace(r#""gateway-1:8080", "gateway-2:8080""#, &format!("\"{}\"", gateway.authority()));
    fs::write(path("operator.key"), KEY).expect("written");
    fs::write(path("alerts.yml"), page(&format!("{FOLDER}/alerts.yml"))).expect("written");
    // A scrape a second instead of one a minute.
    let configuration = format!("global: {{scrape_interval: 1s}}\n{configuration}");
    fs::write(path("prometheus.yml"), configuration).expect("written");
    let port = free_port();
    let arguments = [
        format!("--config.file={}", path("prometheus.yml")),
        format!("--storage.tsdb.path={}", path("data")),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--log.level=error".to_owned(),
    ];
    let _prometheus = Process::start("prometheus", &arguments);
    let url = format!("http://127.0.0.1:{port}");
    let query = |expression: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--get", "--data-urlencode", &format!("query={expression}")]);
        let answer = run(curl.arg(format!("{url}/api/v1/query")), "");
        serde_json::from_slice::<Value>(&answer.stdout).unwrap_or_default()
    };
    let value = |expression: &str| query(expression)["data"]["result"][0]["value"][1].clone();
    eventually("the gateway is scraped", || value("up") == "1");
    eventually("a metric is there", || value("connectsocket_engine_up") == "1");
    let alerts = alerts();
    let panels = dashboard_expressions().into_iter().filter(|it| !it.starts_with("label_values("));
    for expression in alerts.iter().map(|(_, expression)| expression.clone()).chain(panels) {
        let expression = expression.trim_start_matches("|\n");
        let expression = expression.replace("$__rate_interval", "1m").replace("$instance", ".*");
        let answer = query(&expression);
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
    }
    let mut rules = Command::new("curl");
    let rules = succeed(rules.args(["-s", &format!("{url}/api/v1/rules")]), "");
    for (name, _) in alerts {
        assert!(rules.contains(&format!("\"name\":\"{name}\"")), "{name}");
    }
}

/// Every event of the log at `info` or above: the level and the message.
fn logged() -> BTreeSet<(String, String)> {
    // Strings, and parentheses in parentheses, are skipped as a whole.
    let call = Regex::new(
        r#"tracing::(info|warn|error)!\(((?:"(?:[^"\\]|\\[\s\S])*"|\((?:[^()]|\([^()]*\))*\)|[^()"])*)\)"#,
    )
    .expect("a pattern");
    let literal = Regex::new(r#"(?s)"((?:[^"\\]|\\.)*)""#).expect("a pattern");
    let progress = Regex::new(r#"Progress::begin\(\s*"([^"]+)""#).expect("a pattern");
    let line_break = Regex::new(r"\\\n\s*").expect("a pattern");
    let mut found = BTreeSet::new();
    for file in sources(&root().join("server")) {
        let text = fs::read_to_string(&file).expect("a source");
        // Unit tests come last in a file.
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let is_comment = |line: &&str| line.trim_start().starts_with("//");
        let code: Vec<_> = text.lines().filter(|line| !is_comment(line)).collect();
        let code = code.join("\n");
        for event in call.captures_iter(&code) {
            let message = literal.captures_iter(&event[2]).last();
            let message = message.unwrap_or_else(|| panic!("a message: {}", &event[2]));
            let message = line_break.replace_all(&message[1], "").into_owned();
            if message != "{}" {
                found.insert((event[1].to_owned(), message));
            }
        }
        for event in progress.captures_iter(&code) {
            found.insert(("info".to_owned(), event[1].to_owned()));
        }
    }
    found
}

/// The Rust sources of the server and its engine.
fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_table_of_log_events_is_complete() {
    let rows = rows("log events");
    let listed: BTreeSet<_> = rows.iter().map(|row| (row[1].clone(), row[0].clone())).collect();
    let logged = logged();
    assert!(logged.len() > 20, "{logged:?}");
    let missing: Vec<_> = logged.difference(&listed).collect();
    let extra: Vec<_> = listed.difference(&logged).collect();
    assert!(missing.is_empty(), "not in docs/monitoring.md: {missing:#?}");
    assert!(extra.is_empty(), "logged nowhere: {extra:#?}");
}
