//! The committed contract as it is compared.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{error::Error, git};

/// The documents of one revision. `openapi-3.0.json` says what `openapi.json` does, and is not
/// compared again.
#[derive(Clone, Debug)]
pub struct Contract {
    /// `openapi.json`.
    pub openapi: Value,
    /// `asyncapi.json`.
    pub asyncapi: Value,
}

impl Contract {
    /// From the two texts.
    ///
    /// # Errors
    /// When one is not JSON.
    pub fn new(openapi: &str, asyncapi: &str) -> Result<Self, Error> {
        let parsed = |name: &str, text: &str| {
            serde_json::from_str(text)
                .map_err(|error| Error::Form(name.to_owned(), error.to_string()))
        };
        Ok(Self {
            openapi: parsed("openapi.json", openapi)?,
            asyncapi: parsed("asyncapi.json", asyncapi)?,
        })
    }

    /// As it lies in a folder.
    ///
    /// # Errors
    /// When a document is not there or is not JSON.
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|error| Error::File(path, error))
        };
        Self::new(&read("openapi.json")?, &read("asyncapi.json")?)
    }

    /// As it was committed.
    ///
    /// # Errors
    /// When the revision has no contract.
    pub fn at_revision(folder: &Path, revision: &str) -> Result<Self, Error> {
        let read = |name: &str| git::show(folder, revision, name);
        Self::new(&read("openapi.json")?, &read("asyncapi.json")?)
    }

    /// The version that it says it has.
    #[must_use]
    pub fn version(&self) -> &str {
        self.openapi["info"]["version"].as_str().unwrap_or_default()
    }
}
