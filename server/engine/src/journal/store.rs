//! The journal's file: a `SQLite` database with one row per commit.
//!
//! `SQLite` does what is hard to get right: a commit is there as a whole or not at all, a torn one
//! is cut off at the next start, a full disk undoes one commit and no more, and one process owns
//! the file. A row per batch, rather than per changed thing, makes a commit cost a few microseconds.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, Error, TransactionBehavior, config::DbConfig, params};

use super::{
    error::JournalError,
    folder::{Folder, Watch},
    run::{self, CommitMark, Durability, LastRun},
    shrinking,
};
use crate::{
    Clock,
    memory::change::FORMAT,
    time::{Moment, Timeline},
};

/// Marks the file as a journal of this program ("CSKT").
const APPLICATION: i32 = 0x4353_4b54;

/// About what a commit adds to the write-ahead log beside its changes, in bytes.
const COMMIT_BYTES: usize = 8 * 1024;

/// Length of the write-ahead log from which it is moved into the database, in bytes.
const CHECKPOINT_AT: usize = 4 * 1024 * 1024;

/// A wall clock that differs from the timeline by this much more or less than before was set, in
/// milliseconds.
const CLOCK_STEP: u64 = 1000;

/// Bytes that a probe writes: as much as a batch of many entries.
const PROBE_BYTES: i64 = 256 * 1024;

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS commits (n INTEGER PRIMARY KEY, changes BLOB NOT NULL);";

/// The open file.
pub struct Store {
    database: Connection,
    mark: CommitMark,
    timeline: Timeline,
    /// When the mark was written last.
    marked: Moment,
    /// Whether commits are answered, and so must be marked.
    running: bool,
    folder: Folder,
    watch: Watch,
    /// The number of the last commit.
    last: i64,
    /// The number of the oldest commit; 0 where there is none.
    oldest: i64,
    /// Commits before this one are not needed any more.
    obsolete_before: i64,
    /// Bytes written to the write-ahead log since the last checkpoint.
    log_bytes: usize,
    /// Whether the file may be longer than its content.
    shrinks: bool,
    durability: Durability,
}

impl Store {
    /// Opens the journal in `folder`, which is made if there is none. Returns as well whether the
    /// journal may have lost its tail.
    pub fn open(
        folder: &Path,
        durability: Durability,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, bool), JournalError> {
        let folder = Folder::open(folder)?;
        let mut database = Connection::open(folder.database()?)?;
        database.busy_timeout(Duration::ZERO)?;
        database.pragma_update(None, "locking_mode", "exclusive")?;
        check_format(&database)?;
        shrinking::prepare(&database)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "wal_autocheckpoint", 0)?;
        // A close leaves the log as it is, for the next start to read as after a crash.
        database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // The first transaction takes the lock, which is held until the close.
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute_batch(run::SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
        let mark = CommitMark(folder.mark()?);
        let (first, last) = database.query_row(
            "SELECT coalesce(min(n), 0), coalesce(max(n), 0) FROM commits",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let run = LastRun::read(&database)?;
        let marked = mark.read();
        let lost_tail =
            run.as_ref().is_some_and(|run| run.may_have_lost_tail(marked.as_ref(), last));
        let timeline = match (run, marked) {
            (Some(run), Some((_, moment))) => Timeline::resume(clock, moment, run.is_same_boot),
            _ => Timeline::new(clock),
        };
        let store = Self {
            database,
            mark,
            marked: timeline.now(),
            timeline,
            running: false,
            watch: folder.watch()?,
            folder,
            last,
            oldest: first,
            obsolete_before: first,
            log_bytes: 0,
            shrinks: true,
            durability,
        };
        Ok((store, lost_tail))
    }

    /// The time of the engine, continued from the run before.
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Records durably that the tail may be missing, until [`Store::begin_run`]: so a recovery that
    /// is interrupted starts over.
    pub fn record_lost_tail(&self) -> Result<(), Error> {
        run::record_lost_tail(&self.database)
    }

    /// Begins a run: recovery is complete, and commits are answered from now on.
    pub fn begin_run(&mut self) -> Result<(), JournalError> {
        run::record(&self.database, self.durability, false)?;
        self.running = true;
        self.write_mark();
        self.mark.0.sync_all()?;
        self.folder.sync()?;
        Ok(self.database.pragma_update(None, "synchronous", self.durability.synchronous())?)
    }

    /// Ends a run: records that nothing is missing, and syncs everything.
    pub fn end_run(&mut self) -> Result<(), Error> {
        self.write_mark();
        run::record(&self.database, self.durability, true)?;
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// The files that hold the commits.
    pub fn files(&self) -> [PathBuf; 2] {
        self.folder.files()
    }

    /// The number of the next commit.
    pub const fn next(&self) -> i64 {
        self.last + 1
    }

    /// How many commits there are.
    pub const fn commits(&self) -> u64 {
        (self.last + 1).abs_diff(self.oldest)
    }

    /// Reads the changes of every commit, in order.
    pub fn read(
        &self,
        mut each: impl FnMut(i64, &[u8]) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        read(&self.database, &mut each)
    }

    /// Checks that the journal's files were not removed or replaced.
    pub fn check(&self) -> Result<(), JournalError> {
        self.watch.check()
    }

    /// Marks the last commit, and how the clocks relate to each other now.
    fn write_mark(&mut self) {
        self.marked = self.timeline.now();
        self.mark.write(self.last, &self.marked);
    }

    /// Notices that the wall clock was set: after a restart of the machine, it tells how much time
    /// has passed. To be called while there is nothing to commit.
    pub fn follow_clock(&mut self) {
        let offset = self.timeline.now().wall_offset();
        if offset.abs_diff(self.marked.wall_offset()) > CLOCK_STEP {
            self.write_mark();
        }
    }

    /// Commits changes and returns the number of the commit. After an error nothing is changed.
    pub fn commit(&mut self, changes: &[u8]) -> Result<i64, JournalError> {
        self.check()?;
        let n = self.last + 1;
        if self.oldest < self.obsolete_before {
            let transaction = self.database.transaction()?;
            insert(&transaction, n, changes)?;
            // More than is written, so that the journal becomes shorter also while it is never idle.
            let bytes = i64::try_from(2 * changes.len() + COMMIT_BYTES).unwrap_or(i64::MAX);
            shrinking::delete_obsolete(&transaction, self.obsolete_before, bytes)?;
            let oldest = oldest_commit(&transaction)?;
            transaction.commit()?;
            self.oldest = oldest;
        } else {
            // One statement is a transaction by itself, without the cost of two more.
            insert(&self.database, n, changes)?;
            if self.oldest == 0 {
                self.oldest = n;
            }
        }
        self.last = n;
        self.log_bytes += changes.len() + COMMIT_BYTES;
        if self.running {
            self.write_mark();
        }
        Ok(n)
    }

    /// Moves a long write-ahead log into the database. That takes longer than a commit, so it is
    /// done while no operation waits. A failure leaves the log as it is.
    pub fn checkpoint(&mut self) {
        if self.log_bytes > CHECKPOINT_AT {
            let _ = self.database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            self.log_bytes = 0;
        }
    }

    /// Lets later commits, and [`Store::shrink`], delete the commits before `n`.
    pub fn mark_obsolete(&mut self, n: i64) {
        self.obsolete_before = n;
        self.shrinks = true;
    }

    /// Whether [`Store::shrink`] may have something to do.
    pub const fn shrinks(&self) -> bool {
        self.shrinks
    }

    /// One step towards a file that is no longer than its content, which delays the next commit by
    /// milliseconds. A failure leaves the file as it is, until more becomes obsolete.
    pub fn shrink(&mut self) {
        self.shrinks = self.shrink_some().unwrap_or(false);
    }

    /// Does one step; returns whether there may be another.
    fn shrink_some(&mut self) -> Result<bool, Error> {
        if self.oldest < self.obsolete_before {
            let transaction = self.database.transaction()?;
            shrinking::delete_obsolete(&transaction, self.obsolete_before, i64::MAX)?;
            let oldest = oldest_commit(&transaction)?;
            transaction.commit()?;
            self.oldest = oldest;
            self.log_bytes += COMMIT_BYTES;
            return Ok(true);
        }
        let written = shrinking::return_pages(&self.database)?;
        self.log_bytes += written;
        if written > 0 {
            self.checkpoint();
            return Ok(true);
        }
        // The last step: the database and its log become as short as they can.
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.log_bytes = 0;
        Ok(false)
    }

    /// Checks whether the journal accepts commits, by a large one that changes nothing.
    pub fn probe(&mut self) -> Result<(), JournalError> {
        self.check()?;
        let transaction = self.database.transaction()?;
        transaction.execute("INSERT INTO commits VALUES (-1, zeroblob(?1))", [PROBE_BYTES])?;
        transaction.execute("DELETE FROM commits WHERE n = -1", [])?;
        Ok(transaction.commit()?)
    }
}

/// Reads the changes of every commit, in order.
pub fn read(
    database: &Connection,
    each: &mut impl FnMut(i64, &[u8]) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let mut statement = database.prepare_cached("SELECT n, changes FROM commits ORDER BY n")?;
    let mut rows = statement.query([])?;
    let mut expected = None;
    while let Some(row) = rows.next()? {
        let n = row.get(0)?;
        if expected.is_some_and(|expected| n != expected) {
            return Err(JournalError::Damaged { entry: n - 1 });
        }
        each(n, row.get_ref(1)?.as_blob().map_err(Error::from)?)?;
        expected = Some(n + 1);
    }
    Ok(())
}

fn insert(database: &Connection, n: i64, changes: &[u8]) -> Result<(), Error> {
    database
        .prepare_cached("INSERT INTO commits VALUES (?1, ?2)")?
        .execute(params![n, changes])
        .map(|_| ())
}

/// The number of the oldest commit; 0 where there is none.
fn oldest_commit(database: &Connection) -> Result<i64, Error> {
    database
        .prepare_cached("SELECT coalesce(min(n), 0) FROM commits")?
        .query_row([], |row| row.get(0))
}

/// Checks that a database is a journal of this format, or new.
pub fn check_format(database: &Connection) -> Result<(), JournalError> {
    let number = |name| database.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match (number("application_id")?, number("user_version")?) {
        (0, 0) | (APPLICATION, FORMAT) => Ok(()),
        (APPLICATION, found) => Err(JournalError::Format { found, known: FORMAT }),
        _ => Err(JournalError::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    fn opened(folder: &Path, durability: Durability) -> (Store, bool) {
        Store::open(folder, durability, Arc::new(SystemClock)).expect("a journal")
    }

    #[test]
    fn only_power_durability_syncs_every_commit() {
        // https://www.sqlite.org/pragma.html#pragma_synchronous
        for (durability, synchronous) in [(Durability::Process, 1), (Durability::Power, 2)] {
            let folder = tempfile::tempdir().expect("a folder");
            let (mut store, _) = opened(folder.path(), durability);
            store.begin_run().expect("begun");
            let set = store.database.pragma_query_value(None, "synchronous", |row| row.get(0));
            assert_eq!(set, Ok(synchronous));
        }
    }

    #[test]
    fn a_lost_tail_is_reported_until_recovery_is_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, lost_tail) = opened(folder.path(), Durability::Process);
        assert!(!lost_tail);
        store.begin_run().expect("begun");
        store.commit(b"1").expect("committed");
        store.last = 99;
        store.write_mark();
        drop(store);

        let (mut store, lost_tail) = opened(folder.path(), Durability::Process);
        assert!(lost_tail);
        store.record_lost_tail().expect("recorded");
        store.commit(b"half of the recovery").expect("committed");
        drop(store);

        let (mut store, lost_tail) = opened(folder.path(), Durability::Process);
        assert!(lost_tail);
        store.begin_run().expect("begun");
        drop(store);
        assert!(!opened(folder.path(), Durability::Process).1);
    }

    #[test]
    fn a_commit_that_is_missing_in_the_middle_is_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, _) = opened(folder.path(), Durability::Process);
        for _ in 0..3 {
            store.commit(b"1").expect("committed");
        }
        store.database.execute("DELETE FROM commits WHERE n = 2", []).expect("deleted");
        let damaged = store.read(|_, _| Ok(()));
        assert!(matches!(damaged, Err(JournalError::Damaged { entry: 2 })), "{damaged:?}");
    }
}
