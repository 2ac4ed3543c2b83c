//! The manifests of `docs/deploy/kubernetes`: by the schemas of Kubernetes, and by the gateway's own
//! rules.

use std::time::Duration;

use saphyr::{LoadableYamlNode, Yaml};
use server::config::Config;
use tests::tools::{python, succeed};

use super::{file, settings};

const MANIFESTS: [&str; 2] =
    ["docs/deploy/kubernetes/redis.yaml", "docs/deploy/kubernetes/journal.yaml"];

/// The values of secrets, by their key.
const SECRETS: [(&str, &str); 1] = [("redis-url", "redis://redis:6379")];

/// What the last answers of a gateway take after the drain, and a shell before it.
const REST: Duration = Duration::from_secs(10);

fn text<'a>(yaml: &'a Yaml<'a>) -> &'a str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}

fn list<'a>(yaml: &'a Yaml<'a>) -> &'a [Yaml<'a>] {
    yaml.as_sequence().map_or(&[], Vec::as_slice)
}

/// The member at a path of names; `None` where there is none.
fn at<'a>(yaml: &'a Yaml<'a>, path: &[&str]) -> Option<&'a Yaml<'a>> {
    path.iter().try_fold(yaml, |yaml, name| yaml.as_mapping_get(name))
}

fn number(yaml: &Yaml<'_>) -> u64 {
    yaml.as_integer().and_then(|it| it.try_into().ok()).unwrap_or_else(|| panic!("{yaml:?}"))
}

/// The pods of a manifest's gateways, and the settings of their container.
fn with_pods(check: impl Fn(&Yaml<'_>, &Yaml<'_>, Config)) {
    for path in MANIFESTS {
        let manifest = file(path);
        let documents = Yaml::load_from_str(&manifest).expect("YAML");
        let is_workload =
            |it: &&Yaml<'_>| matches!(text(&it["kind"]), "Deployment" | "StatefulSet");
        let workload = documents.iter().find(is_workload).expect("a workload");
        let pod = &workload["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let variables = list(&container["env"]).iter().map(|variable| {
            let value = if let Some(value) = at(variable, &["value"]) {
                text(value)
            } else {
                let key = text(&variable["valueFrom"]["secretKeyRef"]["key"]);
                SECRETS.iter().find(|(name, _)| *name == key).expect("a known secret").1
            };
            (text(&variable["name"]), value)
        });
        check(pod, container, settings(variables));
    }
}

#[test]
#[ignore = "needs kubernetes-validate"]
fn the_manifests_are_valid_by_the_schemas_of_kubernetes() {
    let mut validate = python(".venv/bin/kubernetes-validate");
    validate.args(["--strict", "--quiet"]);
    validate.args(MANIFESTS.map(|path| format!("../../{path}")));
    succeed(&mut validate, "");
}

#[test]
fn a_pod_has_the_time_to_drain() {
    with_pods(|pod, container, config| {
        let before = at(container, &["lifecycle", "preStop", "exec", "command"]);
        let before = before.and_then(|command| list(command).get(1));
        let before = before.map_or(0, |time| text(time).parse().expect("seconds"));
        let least = Duration::from_secs(before) + config.http.drain_timeout + REST;
        let grace = Duration::from_secs(number(&pod["terminationGracePeriodSeconds"]));
        assert!(grace >= least, "{grace:?} is less than {least:?}");
    });
}

#[test]
fn probes_ask_the_port_of_the_gateway() {
    with_pods(|_, container, config| {
        let port = &container["ports"][0];
        assert_eq!(number(&port["containerPort"]), u64::from(config.http.listen.port()));
        assert!(config.http.listen.ip().is_unspecified());
        for (probe, path) in
            [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            let get = &container[probe]["httpGet"];
            assert_eq!((text(&get["path"]), &get["port"]), (path, &port["name"]), "{probe}");
        }
    });
}

#[test]
fn a_pod_gets_no_variables_of_services() {
    with_pods(|pod, _, _| assert_eq!(pod["enableServiceLinks"].as_bool(), Some(false)));
}

#[test]
fn what_a_gateway_reads_and_writes_is_mounted() {
    with_pods(|pod, container, config| {
        let mounts: Vec<_> = list(&container["volumeMounts"])
            .iter()
            .map(|mount| (text(&mount["mountPath"]), at(mount, &["readOnly"]).is_some()))
            .collect();
        let mounted = |path: &std::path::Path, writable: bool| {
            mounts
                .iter()
                .any(|(mount, read_only)| path.starts_with(mount) && writable != *read_only)
        };
        assert!(mounted(&config.operator.operator_key_file.expect("a file"), false));
        assert!(config.journal.data_dir.is_none_or(|folder| mounted(&folder, true)));
        // The image's user, and no other user reads the key.
        assert_eq!(number(&pod["securityContext"]["runAsUser"]), 10001);
        assert_eq!(number(&pod["volumes"][0]["secret"]["defaultMode"]) & 0o007, 0);
    });
}

/// Draining a node takes one gateway at a time.
#[test]
fn a_disruption_takes_one_of_the_gateways() {
    let manifest = file(MANIFESTS[0]);
    let documents = Yaml::load_from_str(&manifest).expect("YAML");
    let of_kind = |kind| documents.iter().find(|it| text(&it["kind"]) == kind).expect("one");
    let (budget, workload) = (of_kind("PodDisruptionBudget"), of_kind("Deployment"));
    let pod = &workload["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&budget["spec"]["selector"]["matchLabels"], pod);
    assert_eq!(number(&budget["spec"]["maxUnavailable"]), 1);
    assert!(number(&workload["spec"]["replicas"]) > 1);
}
