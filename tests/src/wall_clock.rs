//! A wall clock that a test sets while a program runs, by `faketime`.

use std::{fs, process::Command};

use tempfile::TempDir;

/// A wall clock of a program's own.
pub struct WallClock {
    folder: TempDir,
}

impl WallClock {
    /// `offset` is what it shows more than it should, such as `+3d`.
    ///
    /// # Panics
    /// When there is no folder.
    #[must_use]
    pub fn new(offset: &str) -> Self {
        let clock = Self { folder: TempDir::new().expect("a folder") };
        clock.set(offset);
        clock
    }

    /// Sets it.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn set(&self, offset: &str) {
        // Renamed into place, so that no process reads a part of it.
        let file = self.folder.path().join("new offset");
        fs::write(&file, offset).expect("written");
        fs::rename(file, self.folder.path().join("offset")).expect("renamed");
    }

    /// The environment variables of a program that has this clock.
    ///
    /// # Panics
    /// When there is no `faketime`.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 4] {
        let printed =
            Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let printed = String::from_utf8(printed.expect("faketime runs").stdout).expect("UTF-8");
        let offset = self.folder.path().join("offset").to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", printed.trim().to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", offset),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}
