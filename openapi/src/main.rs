//! The program for the committed documents: it writes, checks and compares them.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use clap::{Parser, Subcommand};
use openapi::{documents, review};

/// The committed documents of the contract.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The folder of the documents.
    #[arg(
        long,
        global = true,
        default_value = env!("CARGO_MANIFEST_DIR"),
        hide_default_value = true
    )]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the documents that the code makes.
    Generate,
    /// Fails, with the difference, where a document is not the one that the code makes.
    Check,
    /// Reviews the committed contract against the one that it began from, in Markdown.
    ///
    /// Exit codes: 0 nothing breaks; 1 something breaks that no waiver excuses, or the version is
    /// too low for the change; 2 the contracts could not be compared.
    Diff {
        /// A branch, tag or commit: compared with the commit at which HEAD left it.
        revision: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Generate => documents::generate(&cli.folder),
        Command::Check => documents::check(&cli.folder),
        Command::Diff { revision } => return reviewed(&cli.folder, revision),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn reviewed(folder: &Path, revision: &str) -> ExitCode {
    match review::review(folder, revision, SystemTime::now()) {
        Ok(review) => {
            print!("{}", review.report);
            ExitCode::from(u8::from(review.refused))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
