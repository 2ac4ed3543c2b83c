//! What each run of the engine records about itself: whether the end of its journal may be missing,
//! and how much time has passed since.
//!
//! The table `run` says how the last run committed, in which boot of the machine, and whether it
//! shut down. The file `committed` holds the number and the time of the last commit, and survives a
//! torn end of the database.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

use rusqlite::{Connection, Error, OptionalExtension, params};

use crate::time::Moment;

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

/// The run before this one.
pub struct LastRun {
    durability: String,
    ended: bool,
    /// Whether the machine did not restart since.
    pub is_same_boot: bool,
}

impl LastRun {
    /// Reads it; `None` where there was none.
    pub fn read(database: &Connection) -> Result<Option<Self>, Error> {
        database
            .query_row("SELECT durability, boot, ended FROM run", [], |row| {
                let boot: String = row.get(1)?;
                let is_same_boot = boot_id().is_some_and(|id| id == boot);
                Ok(Self { durability: row.get(0)?, ended: row.get(2)?, is_same_boot })
            })
            .optional()
    }

    /// Whether an answered commit may be missing from a journal that ends with commit `last`:
    /// because the machine went down while commits were not synced, because the file `committed`
    /// has a higher number, or because it has none.
    pub fn may_have_lost_tail(&self, mark: Option<&(i64, Moment)>, last: i64) -> bool {
        let unsynced = !self.ended && self.durability == Durability::Process.name();
        let complete = mark.is_some_and(|(marked, _)| *marked <= last);
        (unsynced && !self.is_same_boot) || !complete
    }
}

/// The file `committed`: the number of the last commit, and when it was.
pub struct CommitMark(pub File);

impl CommitMark {
    /// Reads it; `None` where it was never written.
    pub fn read(&self) -> Option<(i64, Moment)> {
        let mut bytes = [0; 32];
        self.0.read_exact_at(&mut bytes, 0).ok()?;
        let (numbers, _) = bytes.as_chunks();
        let [last, engine, clock, wall] = [0, 1, 2, 3].map(|at| u64::from_le_bytes(numbers[at]));
        Some((last.cast_signed(), Moment { engine, clock, wall }))
    }

    /// Writes it, unsynced. A write that fails leaves an older one, which says less and nothing
    /// wrong.
    pub fn write(&self, last: i64, moment: &Moment) {
        let numbers = [last.cast_unsigned(), moment.engine, moment.clock, moment.wall];
        let _ = self.0.write_all_at(numbers.map(u64::to_le_bytes).as_flattened(), 0);
    }
}

/// Names the time since the machine started; `None` where the system does not have it.
fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}
