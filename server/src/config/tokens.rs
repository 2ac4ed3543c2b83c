//! Settings of tokens and of the authorisations that are asked for with them.

use std::time::Duration;

use clap::{Args, ValueEnum};
use engine::Limits;

use super::value::{self, time_text};

/// Tokens and authorisations.
#[derive(Clone, Args)]
#[command(next_help_heading = "Tokens and authorisations")]
pub struct TokenConfig {
    /// Who gets tokens: every prospect that asks, or the operator's backend alone.
    #[arg(long, value_name = "WHO", default_value = "open")]
    pub token_issuer: TokenIssuer,

    /// Whether the channel `test` gives tokens; on in a trial, else off.
    #[arg(long, value_name = "SWITCH")]
    pub test_channel: Option<Switch>,

    /// Lifetime of a token.
    #[arg(
        long,
        value_name = "TIME",
        default_value = time_text(Limits::default().token_ttl),
        value_parser = value::time
    )]
    pub token_ttl: Duration,

    /// Token requests per second and address; `off` for no limit.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value::rate)]
    pub token_requests_per_second: u32,

    /// How long an authorisation waits for its socket.
    #[arg(
        long,
        value_name = "TIME",
        default_value = time_text(Limits::default().authorisation_ttl),
        value_parser = value::time
    )]
    pub authorisation_ttl: Duration,

    /// How long a spent, expired or revoked halfRef is remembered.
    #[arg(
        long,
        value_name = "TIME",
        default_value = time_text(Limits::default().half_ref_memory),
        value_parser = value::time
    )]
    pub half_ref_memory: Duration,

    /// Open authorisations per device; the newest replaces the oldest.
    #[arg(
        long,
        value_name = "N",
        default_value = Limits::default().open_authorisations.to_string(),
        value_parser = value::count
    )]
    pub open_authorisations: u32,

    /// Authorisations per second and device; `off` for no limit.
    #[arg(
        long,
        value_name = "N",
        default_value_t = Limits::default().authorisations_per_second,
        value_parser = value::rate
    )]
    pub authorisations_per_second: u32,
}

/// Who gets tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenIssuer {
    /// Every prospect that asks, by the rules of channel and claim.
    Open,
    /// The operator's backend alone.
    Operator,
}

/// A setting with two values, whose default depends on other settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// The feature is available.
    On,
    /// The feature is refused.
    Off,
}
