//! The contract of one revision, as it is compared.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{error::Error, git};

/// The documents of one revision. The other versions of OpenAPI are left out, because they have the
/// content of `openapi.json` in other dialects.
#[derive(Clone, Debug)]
pub struct Contract {
    /// `openapi.json`.
    pub openapi: Value,
    /// `asyncapi.json`.
    pub asyncapi: Value,
}

impl Contract {
    /// Parses the two documents.
    ///
    /// # Errors
    /// [`Error::Json`] when one is not JSON.
    pub fn new(openapi: &str, asyncapi: &str) -> Result<Self, Error> {
        let parse = |name: &'static str, text: &str| {
            serde_json::from_str(text).map_err(|source| Error::Json { name, source })
        };
        Ok(Self {
            openapi: parse("openapi.json", openapi)?,
            asyncapi: parse("asyncapi.json", asyncapi)?,
        })
    }

    /// Reads the contract in a folder.
    ///
    /// # Errors
    /// When a document is missing or is not JSON.
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|source| Error::Read { path, source })
        };
        Self::new(&read("openapi.json")?, &read("asyncapi.json")?)
    }

    /// Reads the contract that a folder had in a commit.
    ///
    /// # Errors
    /// When the commit has no contract there.
    pub fn at_commit(folder: &Path, commit: &str) -> Result<Self, Error> {
        let read = |name: &str| git::show(folder, commit, name);
        Self::new(&read("openapi.json")?, &read("asyncapi.json")?)
    }

    /// `info.version`; empty where there is none.
    #[must_use]
    pub fn version(&self) -> &str {
        self.openapi["info"]["version"].as_str().unwrap_or_default()
    }
}
