//! Whether the end of a journal may be missing: what each run of the engine records about itself.
//!
//! The table `run` says how the last run committed, in which boot of the machine, and whether it
//! shut down. The file `committed` holds the number of the last commit, and survives a torn end of
//! the database.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
};

use rusqlite::{Connection, Error, OptionalExtension, params};

/// What an answered operation survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however it ends.
    Process,
    /// A power cut as well, at the price of one `fsync` per commit.
    Power,
}

impl Durability {
    /// The value of `SQLite`'s `synchronous` setting for commits.
    pub(super) const fn synchronous(self) -> &'static str {
        match self {
            Self::Process => "normal",
            Self::Power => "full",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Power => "power",
        }
    }
}

pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS run (
    id INTEGER PRIMARY KEY CHECK (id = 1), durability TEXT NOT NULL, boot TEXT NOT NULL, ended INTEGER NOT NULL);";

/// Records durably that a run began, or that it ended with all its commits synced.
pub fn record(database: &Connection, durability: Durability, ended: bool) -> Result<(), Error> {
    database.pragma_update(None, "synchronous", "full")?;
    database.execute(
        "INSERT OR REPLACE INTO run VALUES (1, ?1, ?2, ?3)",
        params![durability.name(), boot_id().unwrap_or_default(), ended],
    )?;
    Ok(())
}

/// Records durably that the tail may be missing, until [`record`] replaces it.
pub fn record_lost_tail(database: &Connection) -> Result<(), Error> {
    database.pragma_update(None, "synchronous", "full")?;
    let process = Durability::Process.name();
    database.execute("UPDATE run SET durability = ?1, boot = '', ended = 0", [process])?;
    Ok(())
}

/// Whether an answered commit may be missing from a journal that ends with commit `last`: because
/// the machine went down while commits were not synced, because the file `committed` has a higher
/// number, or because it has none.
pub fn may_have_lost_tail(
    database: &Connection,
    mark: &CommitMark,
    last: i64,
) -> Result<bool, Error> {
    let run = database
        .query_row("SELECT durability, boot, ended FROM run", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
        })
        .optional()?;
    let Some((durability, boot, ended)) = run else { return Ok(false) };
    let unsynced = !ended && durability == Durability::Process.name();
    let same_boot = boot_id().is_some_and(|id| id == boot);
    let complete = mark.read().is_ok_and(|marked| marked <= last);
    Ok((unsynced && !same_boot) || !complete)
}

/// The file `committed`: 8 bytes, the number of the last commit.
pub struct CommitMark(pub File);

impl CommitMark {
    fn read(&self) -> io::Result<i64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok(i64::from_le_bytes(bytes))
    }

    /// Writes the number, unsynced. A write that fails leaves an older number, which says less and
    /// nothing wrong.
    pub fn write(&self, last: i64) {
        let _ = self.0.write_all_at(&last.to_le_bytes(), 0);
    }
}

/// Names the time since the machine started; `None` where the system does not have it.
fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}
