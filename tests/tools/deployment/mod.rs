//! The files of `docs/deploy`, `Dockerfile` and `compose.yaml`, with the programs that read them.

mod containers;
mod kubernetes;
mod proxies;
mod service_manager;

use std::fs;

use server::config::Config;
use tests::gateway::root;

/// A file of the project.
fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The settings that environment variables give.
fn settings<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Config {
    let mut arguments = vec!["connect-socket".to_owned()];
    for (name, value) in variables {
        let name = name.strip_prefix("CONNECTSOCKET_").expect("a setting");
        arguments.push(format!("--{}={value}", name.to_lowercase().replace('_', "-")));
    }
    Config::try_parse_from(&arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}")).1
}
