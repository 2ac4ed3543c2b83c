//! The environment variables of the settings: each is named after its flag.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use clap::{Arg, Command};

use super::ConfigError;

/// What every variable begins with.
const PREFIX: &str = "CONNECTSOCKET_";

/// Gives a flag its variable: `--token-ttl` is also `CONNECTSOCKET_TOKEN_TTL`. A variable that is
/// empty counts as not set.
pub fn with_variable(argument: Arg) -> Arg {
    let Some(name) = variable(&argument) else { return argument };
    if env::var_os(&name).is_some_and(|value| value.is_empty()) {
        return argument;
    }
    argument.env(name)
}

fn variable(argument: &Arg) -> Option<String> {
    let flag = argument.get_long()?;
    Some(format!("{PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_")))
}

/// Refuses the variables of this process that have the prefix and belong to no flag.
pub fn refuse_unknown(command: &Command) -> Result<(), ConfigError> {
    let known: Vec<OsString> =
        command.get_arguments().filter_map(variable).map(OsString::from).collect();
    let unknown: Vec<_> = env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with(PREFIX) && !known.contains(name))
        .filter(|(name, value)| !is_service_link(&name.to_string_lossy(), value))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(ConfigError::UnknownVariables(unknown)) }
}

/// Whether Kubernetes set the variable, for a Service in the same namespace whose name begins like
/// our prefix: `CONNECTSOCKET_SERVICE_HOST`, `CONNECTSOCKET_PORT_80_TCP_ADDR` and so on.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let mut parts = name.split('_').skip_while(|part| !matches!(*part, "SERVICE" | "PORT"));
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("SERVICE"), Some("HOST"), None, _) | (Some("SERVICE"), Some("PORT"), ..) => true,
        (Some("PORT"), None, ..) => value.to_string_lossy().contains("://"),
        (Some("PORT"), Some(port), Some("TCP" | "UDP" | "SCTP"), rest) => {
            port.parse::<u16>().is_ok()
                && matches!(rest, None | Some("PROTO" | "PORT" | "ADDR"))
                && parts.next().is_none()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_link(name: &str, value: &str) -> bool {
        is_service_link(name, OsStr::new(value))
    }

    #[test]
    fn the_variables_of_a_kubernetes_service_are_recognised() {
        for (name, value) in [
            ("CONNECTSOCKET_SERVICE_HOST", "10.96.0.7"),
            ("CONNECTSOCKET_SERVICE_PORT", "80"),
            ("CONNECTSOCKET_SERVICE_PORT_HTTP", "80"),
            ("CONNECTSOCKET_PORT", "tcp://10.96.0.7:80"),
            ("CONNECTSOCKET_PORT_80_TCP", "tcp://10.96.0.7:80"),
            ("CONNECTSOCKET_PORT_80_TCP_ADDR", "10.96.0.7"),
            ("CONNECTSOCKET_REDIS_PORT_6379_TCP_PROTO", "tcp"),
        ] {
            assert!(is_link(name, value), "{name}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_not_taken_for_one_of_them() {
        for (name, value) in [
            ("CONNECTSOCKET_PORT", "8080"),
            ("CONNECTSOCKET_TOKEN_TLL", "1h"),
            ("CONNECTSOCKET_PORT_NUMBER", "8080"),
            ("CONNECTSOCKET_SERVICE", "x"),
        ] {
            assert!(!is_link(name, value), "{name}");
        }
    }
}
