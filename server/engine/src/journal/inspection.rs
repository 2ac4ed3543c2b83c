//! A look at a data folder that changes nothing in it: whether a gateway could use it.

use std::{
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use rustix::fs::{Access, access, statvfs};

use super::{
    error::JournalError,
    folder::{self, DATABASE, LOG},
    recovery::decode,
    store::{check_format, read},
};

/// What a data folder is like, as [`inspect`] finds it.
#[derive(Debug, Default)]
pub struct JournalInspection {
    /// Whether there is a journal. Where there is none, a gateway makes one.
    pub exists: bool,
    /// How many commits the journal has.
    pub commits: u64,
    /// Whether every user of the machine can replace its files.
    pub replaceable: bool,
    /// Its files that other users can read or write. A start makes them private.
    pub readable: Vec<&'static str>,
    /// Bytes that are free on its disk.
    pub free: u64,
}

/// Finds out whether a gateway could use `folder` for its journal, and changes nothing there. For a
/// moment it holds the lock of the journal.
///
/// # Errors
/// Why [`Embedded::open`](crate::embedded::Embedded::open) would refuse the folder.
pub fn inspect(folder: &Path) -> Result<JournalInspection, JournalError> {
    if !exists(folder)? {
        let parent = folder.ancestors().skip(1).find(|it| it.exists() || it.as_os_str().is_empty());
        let parent = parent.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Ok(JournalInspection { free: writable(parent)?, ..Default::default() });
    }
    let free = writable(folder)?;
    let exposure = folder::exposure(folder)?;
    let path = folder.join(DATABASE);
    // An empty file is what a start leaves that was killed at once.
    let exists = path.metadata().is_ok_and(|file| file.len() > 0);
    let mut commits = 0;
    if exists {
        access(&path, Access::READ_OK | Access::WRITE_OK).map_err(io::Error::from)?;
        let database = open(folder)?;
        check_format(&database)?;
        let is_new: bool = database.query_row(
            "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'commits')",
            [],
            |row| row.get(0),
        )?;
        if !is_new {
            read(&database, &mut |n, changes| {
                commits += 1;
                decode(n, changes, drop)
            })?;
        }
    }
    let folder::Exposure { replaceable, readable } = exposure;
    Ok(JournalInspection { exists, commits, replaceable, readable, free })
}

fn exists(folder: &Path) -> Result<bool, JournalError> {
    folder.try_exists().map_err(|error| match error.kind() {
        ErrorKind::NotADirectory => JournalError::NotAFolder,
        _ => error.into(),
    })
}

/// Checks that files can be made in a folder, and gives the bytes that are free there.
fn writable(folder: &Path) -> Result<u64, JournalError> {
    if !folder.is_dir() {
        return Err(JournalError::NotAFolder);
    }
    access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(io::Error::from)?;
    let disk = statvfs(folder).map_err(io::Error::from)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Opens the database without writing a byte. `SQLite` holds the index of the log in memory where it
/// has the exclusive lock, and a close that does not checkpoint leaves the log as it is.
fn open(folder: &Path) -> Result<Connection, JournalError> {
    let path = folder.join(DATABASE);
    if !folder.join(LOG).exists() {
        // Everything is in the database, and opening it in the usual way would make an empty log. A
        // gateway that runs has a log.
        let path = path.canonicalize()?;
        let uri = format!("file:{}?immutable=1", percent_encoded(&path));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        return Ok(Connection::open_with_flags(uri, flags)?);
    }
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    database.busy_timeout(Duration::ZERO)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    database.pragma_update(None, "locking_mode", "exclusive")?;
    Ok(database)
}

/// A path as it stands in a URI.
fn percent_encoded(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                char::from(*byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, sync::Arc, time::SystemTime};

    use super::*;
    use crate::{
        Durability, SystemClock,
        journal::{error::JournalError, store::Store},
    };

    type Files = BTreeMap<String, (Vec<u8>, SystemTime)>;

    fn files(folder: &Path) -> Files {
        let files = fs::read_dir(folder).expect("a folder").map(|file| {
            let file = file.expect("a file");
            let changed = file.metadata().and_then(|it| it.modified()).expect("a time");
            let name = file.file_name().to_string_lossy().into_owned();
            (name, (fs::read(file.path()).expect("its content"), changed))
        });
        files.collect()
    }

    /// A journal with three commits that no process holds.
    fn journal(folder: &Path) {
        let mut store = written(folder);
        store.begin_run().expect("begun");
    }

    fn written(folder: &Path) -> Store {
        let opened = Store::open(folder, Durability::Process, Arc::new(SystemClock));
        let (mut store, _) = opened.expect("a journal");
        for _ in 0..3 {
            store.commit(b"").expect("committed");
        }
        store
    }

    #[test]
    fn a_look_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        journal(folder.path());
        let before = files(folder.path());
        let found = inspect(folder.path()).expect("usable");
        assert_eq!((found.exists, found.commits), (true, 3));
        assert!(before.contains_key(LOG), "the commits are in the log");
        assert_eq!(files(folder.path()), before);
    }

    #[test]
    fn a_database_without_its_log_is_read_and_gets_none() {
        let folder = tempfile::tempdir().expect("a folder");
        written(folder.path()).end_run().expect("ended");
        fs::remove_file(folder.path().join(LOG)).expect("removed");
        let before = files(folder.path());
        assert_eq!(inspect(folder.path()).expect("usable").commits, 3);
        assert_eq!(files(folder.path()), before);
    }

    #[test]
    fn an_entry_that_cannot_be_decoded_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        written(folder.path()).commit(&[0xff; 9]).expect("committed");
        let found = inspect(folder.path());
        assert!(matches!(found, Err(JournalError::Damaged { entry: 4 })), "{found:?}");
    }

    #[test]
    fn a_folder_that_does_not_exist_is_not_made() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("made/for/it");
        let found = inspect(&folder).expect("usable");
        assert!(!found.exists && found.free > 0);
        assert!(files(parent.path()).is_empty());
    }
}
