//! Why a journal cannot be used.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

/// Why a journal cannot be used. The messages complete "the folder cannot be used: …".
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the journal open.
    #[error("another gateway is using it")]
    Busy,
    /// The file is no `SQLite` database.
    #[error("its journal.sqlite is no journal")]
    NotAJournal,
    /// The file is a database of another program.
    #[error("its journal.sqlite is another program's database")]
    Foreign,
    /// The journal has a format that this version does not read.
    #[error("its journal has format {found}, and this gateway knows format {known} only")]
    Format {
        /// The format of the file.
        found: i32,
        /// The only format that this version reads and writes.
        known: i32,
    },
    /// An entry in the journal's middle is missing or cannot be decoded.
    #[error("its journal is damaged: entry {entry} cannot be read")]
    Damaged {
        /// The number of the entry.
        entry: i64,
    },
    /// A file of the folder is a link, a folder or a device.
    #[error("its {name} is not a regular file")]
    NotAFile {
        /// The name of the file.
        name: &'static str,
    },
    /// A file was removed or replaced while the journal is open.
    #[error("{} was removed or replaced", path.display())]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// `SQLite` refused.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::NotADatabase) => Self::NotAJournal,
            _ => Self::Sqlite(error),
        }
    }
}
