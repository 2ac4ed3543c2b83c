//! Settings of the operator: its keys, and the limits of its operations.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use api_types::operator::ACK_WAIT;
use clap::Args;

use super::{
    ConfigError,
    value::{self, time_text},
};
use crate::secret::{self, MAX_OPERATOR_KEYS};

/// The operator's keys and operations.
#[derive(Clone, Args)]
#[command(next_help_heading = "Operator")]
pub struct OperatorConfig {
    /// An operator key of at least 32 characters; may be given twice, to rotate. Other users of the
    /// machine can see flags: prefer the file or the environment.
    #[arg(
        long = "operator-key",
        value_name = "KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub operator_keys: Vec<String>,

    /// A file with one or two operator keys, a line each.
    #[arg(long, value_name = "FILE")]
    pub operator_key_file: Option<PathBuf>,

    /// Wrong operator keys per second and address; `off` for no limit.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value::rate)]
    pub wrong_keys_per_second: u32,

    /// Event streams open at a time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value::count)]
    pub event_streams: u32,

    /// At most how long a message sent with `?wait=ack` waits for the prospect.
    #[arg(long, value_name = "TIME", default_value = time_text(ACK_WAIT), value_parser = value::time)]
    pub ack_wait: Duration,
}

impl OperatorConfig {
    /// The keys of flags, environment and file together; none where none is given.
    pub(super) fn keys(&self) -> Result<Vec<String>, ConfigError> {
        let given = self.operator_keys.iter().map(|key| key.trim().to_owned());
        let mut keys: Vec<String> = given.filter(|key| !key.is_empty()).collect();
        if let Some(file) = &self.operator_key_file {
            let text = fs::read_to_string(file)
                .map_err(|source| ConfigError::KeyFileUnreadable { file: file.clone(), source })?;
            // Editors on Windows put a byte order mark before the first line.
            let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
            let before = keys.len();
            keys.extend(lines.filter(|line| !line.is_empty()).map(ToOwned::to_owned));
            if keys.len() == before {
                return Err(ConfigError::KeyFileEmpty(file.clone()));
            }
        }
        if keys.len() > MAX_OPERATOR_KEYS {
            return Err(ConfigError::TooManyKeys(keys.len()));
        }
        if keys.iter().all(|key| secret::is_operator_key(key)) {
            Ok(keys)
        } else {
            Err(ConfigError::KeyMalformed)
        }
    }
}

/// Whether every user of the machine can read or replace the key file.
#[must_use]
pub fn is_exposed(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o006 != 0)
}

/// The operator keys of one start.
pub struct OperatorKeys {
    /// One or two keys.
    pub keys: Vec<String>,
    /// Whether the gateway made the key itself, for a trial.
    pub trial: bool,
}

impl OperatorKeys {
    /// A new key for a trial.
    #[must_use]
    pub fn of_trial() -> Self {
        Self { keys: vec![secret::new_operator_key()], trial: true }
    }
}
