//! Why a journal cannot be used.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
};

use rusqlite::ErrorCode;

/// Why a journal cannot be used. The messages complete "the folder cannot be used: …".
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the journal open.
    #[error("another gateway is using it; end that one, or give each a folder of its own")]
    Busy,
    /// The file is no `SQLite` database.
    #[error("its journal.sqlite is no journal; restore it from a backup, or give an empty folder")]
    NotAJournal,
    /// The file is a database of another program.
    #[error(
        "its journal.sqlite is another program's database; give the gateway a folder of its own"
    )]
    Foreign,
    /// The journal has a format that this version does not read.
    #[error(
        "its journal has format {found}, and this gateway knows format {known} only; start the version \
         that wrote it, or give an empty folder"
    )]
    Format {
        /// The format of the file.
        found: i32,
        /// The only format that this version reads and writes.
        known: i32,
    },
    /// An entry in the journal's middle is missing or cannot be decoded.
    #[error(
        "its journal is damaged: entry {entry} cannot be read; restore a backup, or give an empty folder"
    )]
    Damaged {
        /// The number of the entry.
        entry: i64,
    },
    /// A file of the folder is a link, a folder or a device.
    #[error("its {name} is not a regular file; put the file itself there")]
    NotAFile {
        /// The name of the file.
        name: &'static str,
    },
    /// It is a file or a device, or lies below one.
    #[error("it is not a folder; give the path of a folder, which need not exist")]
    NotAFolder,
    /// A file was removed or replaced while the journal is open.
    #[error("{} was removed or replaced; put it back, or restart the gateway", path.display())]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{0}{remedy}", remedy = io_remedy(.0))]
    Io(#[from] io::Error),
    /// `SQLite` refused.
    #[error("{0}{remedy}", remedy = sqlite_remedy(.0))]
    Sqlite(rusqlite::Error),
}

/// What to do about an error of the operating system.
fn io_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "; let the gateway's user write there (chown, chmod)",
        ErrorKind::ReadOnlyFilesystem => "; give a folder on a file system that can be written",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free space there",
        _ => "",
    }
}

/// What to do about an error of `SQLite`.
fn sqlite_remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => "; restore a backup, or give an empty folder",
        Some(ErrorCode::DiskFull) => "; free space there",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "; let the gateway's user write there (chown, chmod)"
        }
        Some(ErrorCode::SystemIoFailure) => "; look for errors of the disk in the system's log",
        _ => "",
    }
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
