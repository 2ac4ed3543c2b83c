//! The log: lines on standard error, as text or JSON.

use std::io::{self, IsTerminal};

use crate::config::{ConfigError, LogConfig, LogFormat};

/// Why the log cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is malformed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The process has a log already.
    #[error(transparent)]
    Subscriber(Box<dyn std::error::Error + Send + Sync>),
}

/// Starts the log of this process.
///
/// # Errors
/// The filter is malformed, or the process has a log already.
pub fn start(config: &LogConfig) -> Result<(), LogError> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.filter()?)
        .with_writer(io::stderr)
        // They would be written to the same place that cannot be written to.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(LogError::Subscriber)
}
