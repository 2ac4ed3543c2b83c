//! The crates that a crate depends on, as Cargo resolves them.

use std::collections::BTreeSet;

use tests::gateway::root;

/// Every crate that the one in this folder is built from, itself excluded.
pub fn of(folder: &str) -> BTreeSet<String> {
    let manifest = root().join(folder).join("Cargo.toml");
    let output = openapi::cargo::cargo()
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let names = tree.lines().skip(1).filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Those of `dependencies` that a pattern stands for.
pub fn matching<'a>(dependencies: &'a BTreeSet<String>, pattern: &str) -> Vec<&'a str> {
    let matches = |name: &&str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => *name == pattern,
    };
    dependencies.iter().map(String::as_str).filter(matches).collect()
}
