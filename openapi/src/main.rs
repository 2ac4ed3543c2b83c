//! Writes the committed documents of the contract, or checks that they are the code's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use server::contract::Documents;
use similar::TextDiff;

/// The committed documents of the contract.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The folder of the documents.
    #[arg(long, default_value = env!("CARGO_MANIFEST_DIR"), hide_default_value = true)]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the documents that the code makes.
    Generate,
    /// Fails, with the difference, where a document is not the one that the code makes.
    Check,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let documents = Documents::of(&server::app::contract());
    let documents = [
        ("openapi.json", documents.openapi),
        ("openapi-3.0.json", documents.openapi_30),
        ("asyncapi.json", documents.asyncapi),
    ];
    let done = match cli.command {
        Command::Generate => generate(&cli.folder, &documents),
        Command::Check => check(&cli.folder, &documents),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn generate(folder: &Path, documents: &[(&str, String)]) -> Result<(), String> {
    for (name, text) in documents {
        let path = folder.join(name);
        fs::write(&path, text)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

fn check(folder: &Path, documents: &[(&str, String)]) -> Result<(), String> {
    let stale: Vec<String> = documents
        .iter()
        .filter_map(|(name, text)| {
            // A document that is not there differs in every line.
            let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
            (committed != *text).then(|| difference(name, &committed, text))
        })
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nThe committed contract is not the one that the code makes.\n\
         Read the difference; if it is meant, run: cargo run -p openapi -- generate",
        stale.join("\n")
    ))
}

fn difference(name: &str, committed: &str, made: &str) -> String {
    TextDiff::from_lines(committed, made)
        .unified_diff()
        .context_radius(6)
        .header(
            &format!("openapi/{name} (committed)"),
            &format!("openapi/{name} (made by the code)"),
        )
        .to_string()
}
