//! The gateway's binary: reads the settings and runs.

use std::process::ExitCode;

use server::{
    config::Config,
    start::{self, StartError},
};

fn main() -> ExitCode {
    let config = Config::parse();
    let checked = Config::refuse_unknown_variables().map_err(StartError::from);
    match checked.and_then(|()| start::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
