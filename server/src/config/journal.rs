//! Settings of the journal, which makes a gateway without Redis survive a restart.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Durability without Redis.
#[derive(Clone, Args)]
#[command(next_help_heading = "Journal")]
pub struct JournalConfig {
    /// The folder of the journal, from which the gateway recovers after a restart; without one a
    /// restart forgets everything.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// What an answered request survives, given a journal.
    #[arg(long, value_name = "WHAT", default_value = "process", requires = "data_dir")]
    pub durability: Durability,
}

/// What an answered request survives, given a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// The end of the process, however it ends.
    Process,
    /// The end of the machine's power as well, at the price of an fsync for each commit.
    Power,
}

impl From<Durability> for engine::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Process => Self::Process,
            Durability::Power => Self::Power,
        }
    }
}
