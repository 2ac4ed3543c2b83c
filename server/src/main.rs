//! The gateway's binary: reads the settings and runs.

use std::process::ExitCode;

use clap::Parser;
use server::{app, config::Config};

fn main() -> ExitCode {
    let config = Config::parse();
    match Config::refuse_unknown_variables().and_then(|()| app::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::from(2)
        }
    }
}
