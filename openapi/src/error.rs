//! Why two contracts could not be compared.

use std::{fmt, io, path::PathBuf};

use crate::oasdiff;

/// Why there is no comparison. Each is said with what to do about it.
#[derive(Debug)]
pub enum Error {
    /// oasdiff is not installed, or not in the version that this repository has pinned.
    ToolMissing {
        /// What was found instead.
        found: String,
    },
    /// oasdiff would not compare.
    Tool(String),
    /// git does not know what it was asked for.
    Git(String),
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// A file is not of its form.
    Form(String, String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToolMissing { found } => write!(
                formatter,
                "oasdiff {} is needed, and {found}.\nGet it with Go, into target/tools: \
                 openapi/install-oasdiff",
                oasdiff::VERSION.trim()
            ),
            Self::Tool(said) => write!(formatter, "oasdiff could not compare: {said}"),
            Self::Git(said) => write!(formatter, "git: {said}"),
            Self::File(path, error) => {
                write!(formatter, "{} cannot be read: {error}", path.display())
            }
            Self::Form(name, error) => write!(formatter, "{name} is not of its form: {error}"),
        }
    }
}

impl std::error::Error for Error {}
