//! `cargo contract`: generates, checks, reviews and updates the committed documents.

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use clap::{Parser, Subcommand};
use openapi::{
    documents,
    error::Error,
    report::Format,
    review::{self, Base, Review},
    update::{Plan, Update},
};
use semver::Version;

/// The tests of a change to the contract.
const TESTS: &str = "cargo test --workspace --test contract";

/// Generates, checks and reviews the committed documents of the contract.
#[derive(Parser)]
#[command(name = "cargo contract")]
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
    /// Writes the documents that the code generates.
    Generate,
    /// Fails with the difference if a document is not the one that the code generates.
    Check,
    /// Reviews the committed contract against the merge base of HEAD and a revision.
    ///
    /// Exit codes: 0 no client breaks; 1 the change breaks clients without a waiver, or its version
    /// is too low; 2 the contracts cannot be compared.
    Diff {
        /// A branch, tag or commit.
        #[arg(default_value = "main")]
        revision: String,
        /// Reviews against what is deployed or on disk instead: the URL of a gateway, or a folder or file.
        #[arg(long, value_name = "URL|PATH", conflicts_with = "revision")]
        against: Option<String>,
        /// The form of the report.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Brings everything up to date after a change of the contract, and reviews it.
    ///
    /// Prints the version that the change requires and the review. Then raises the version and writes the
    /// documents, the tables of the documentation and all lock files. Exit codes as for `diff`.
    Update {
        /// The branch, tag or commit that the change is compared with.
        #[arg(long, value_name = "REVISION", default_value = "main")]
        against: String,
        /// The new version. By default the lowest that the change allows.
        #[arg(long)]
        version: Option<Version>,
        /// Prints the review and the steps without changing a file.
        #[arg(long)]
        dry_run: bool,
    },
}

fn main() -> ExitCode {
    let Cli { command, folder } = Cli::parse();
    let now = SystemTime::now();
    match command {
        Command::Generate => finish(documents::generate(&folder, None)),
        Command::Check => finish(documents::check(&folder)),
        Command::Diff { revision, against, format } => {
            let base = against.as_deref().map_or(Base::Revision(&revision), Base::Source);
            print(review::review(&folder, &base, format, now))
        }
        Command::Update { against, version, dry_run } => {
            // `folder` is a folder of the workspace.
            let root = folder.join("..");
            let update = Update { root: &root, folder: &folder, against, version };
            match update.plan(now) {
                Ok(plan) if dry_run => show(&plan),
                Ok(plan) => perform(&plan),
                Err(error) => failed(&error),
            }
        }
    }
}

fn finish(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print(result: Result<Review, Error>) -> ExitCode {
    match result {
        Ok(review) => {
            print!("{}", review.report);
            verdict(&review)
        }
        Err(error) => failed(&error),
    }
}

fn verdict(review: &Review) -> ExitCode {
    ExitCode::from(u8::from(review.refused))
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(2)
}

/// Prints the version, which everything else depends on, and the review.
fn introduce(plan: &Plan<'_>) {
    let (current, next) = (&plan.current, &plan.next);
    if next == current {
        eprintln!("version {current} stays");
    } else {
        eprintln!("version {current} -> {next}");
    }
    println!("{}", plan.review.report);
}

/// Prints what an update would do.
fn show(plan: &Plan<'_>) -> ExitCode {
    introduce(plan);
    for step in plan.steps() {
        eprintln!("would do: {step}");
    }
    conclude(&plan.review)
}

/// The verdict, with the reason where it is a refusal: the report is far above by then.
fn conclude(review: &Review) -> ExitCode {
    if review.refused {
        eprintln!("the review refuses this change: see its report above");
    }
    verdict(review)
}

/// Updates. The review comes before the steps, so that it is there whatever becomes of them.
fn perform(plan: &Plan<'_>) -> ExitCode {
    introduce(plan);
    match plan.perform() {
        Ok(()) => {
            eprintln!("everything is up to date; read git diff, then run {TESTS}");
            conclude(&plan.review)
        }
        Err(error) => failed(&error),
    }
}
