//! The journal's file: a `SQLite` database with one row for each commit.
//!
//! `SQLite` is here for what is hard to get right: a commit is whole or not there at all, what a
//! crash tore off is cut off at the next start, a full disk undoes the commit and no more, and the
//! file is one process's. One row for each group of steps, rather than one for each thing that
//! changed, makes a step a few microseconds of work.

use std::{
    fmt, fs,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

use rusqlite::{
    Connection, Error, ErrorCode, OptionalExtension, TransactionBehavior, config::DbConfig, params,
};

/// The version of the format of the changes and of the tables. A gateway reads its own only.
pub const FORMAT: i32 = 2;

/// Marks the file as a journal of this program ("CSKT").
const APPLICATION: i32 = 0x4353_4b54;

/// What a commit writes beside its changes, about, in bytes.
const COMMIT_BYTES: usize = 8 * 1024;

/// The log is brought into the database when it is longer than this, in bytes.
const LOG_AT_MOST: usize = 4 * 1024 * 1024;

/// Obsolete rows that are deleted with a commit.
const DELETED_AT_A_TIME: i64 = 64;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS commits (n INTEGER PRIMARY KEY, changes BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS run (
        id INTEGER PRIMARY KEY CHECK (id = 1), durability TEXT NOT NULL, boot TEXT NOT NULL, ended INTEGER NOT NULL);
";

/// What an answered step survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however it ends.
    Process,
    /// The end of the machine's power as well, at the price of an fsync for each commit.
    Power,
}

impl Durability {
    const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Power => "power",
        }
    }
}

/// The open file.
pub struct Store {
    database: Connection,
    /// The number of the last commit, where it is found whatever became of the file's tail.
    mark: fs::File,
    /// Whether commits count: before that their number says nothing.
    marking: bool,
    /// Synced once, so that the files stay in it.
    folder: fs::File,
    last: i64,
    /// Rows before this one are not needed any more.
    obsolete_before: i64,
    /// Bytes written since the log was last brought into the database.
    log: usize,
    durability: Durability,
}

/// Why a store cannot be used.
#[derive(Debug)]
pub struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self("another gateway is using it".to_owned())
            }
            Some(ErrorCode::NotADatabase) => Self("its journal is no journal".to_owned()),
            _ => Self(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Unusable {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl Unusable {
    /// The journal cannot be understood.
    pub fn garbled(n: i64) -> Self {
        Self(format!("its journal is damaged: entry {n} cannot be read"))
    }
}

impl Store {
    /// Opens the journal in `folder`, which is made where there is none. Says as well whether the
    /// journal may have lost its tail since it was last written to.
    pub fn open(folder: &Path, durability: Durability) -> Result<(Self, bool), Unusable> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let private = |name| {
            let mut file = fs::OpenOptions::new();
            file.create(true).truncate(false).read(true).write(true).mode(0o600);
            file.open(folder.join(name))
        };
        // SQLite gives its log the mode of the database.
        drop(private("journal.sqlite")?);
        let mut database = Connection::open(folder.join("journal.sqlite"))?;
        database.busy_timeout(std::time::Duration::ZERO)?;
        database.pragma_update(None, "locking_mode", "exclusive")?;
        is_ours(&database)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "wal_autocheckpoint", 0)?;
        // What is left in the log is for the next start to read, as after a crash.
        database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // The first transaction takes the lock, and keeps it.
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
        let mark = private("committed")?;
        let (first, last) = database.query_row(
            "SELECT coalesce(min(n), 0), coalesce(max(n), 0) FROM commits",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let folder = fs::File::open(folder)?;
        let store = Self {
            database,
            mark,
            marking: false,
            folder,
            last,
            obsolete_before: first,
            log: 0,
            durability,
        };
        let doubtful = store.may_have_lost_its_tail()?;
        Ok((store, doubtful))
    }

    /// Says durably that something may be missing, until [`Store::begin`] says that all was done
    /// about it.
    pub fn doubt(&self) -> Result<(), Error> {
        self.database.pragma_update(None, "synchronous", "full")?;
        let process = Durability::Process.name();
        self.database.execute("UPDATE run SET durability = ?1, boot = '', ended = 0", [process])?;
        Ok(())
    }

    /// From now on what is committed counts: what was to be done about a lost tail is done.
    pub fn begin(&mut self) -> Result<(), Unusable> {
        self.say(false)?;
        self.marking = true;
        self.write_mark();
        self.mark.sync_all()?;
        self.folder.sync_all()?;
        let synchronous = match self.durability {
            Durability::Process => "normal",
            Durability::Power => "full",
        };
        Ok(self.database.pragma_update(None, "synchronous", synchronous)?)
    }

    /// The number of the next commit.
    pub const fn next(&self) -> i64 {
        self.last + 1
    }

    /// Whether an answered commit may be missing: the machine itself went down while commits were
    /// not synced, the file ends before the last of them, or nothing says which was the last.
    fn may_have_lost_its_tail(&self) -> Result<bool, Unusable> {
        let before = self
            .database
            .query_row("SELECT durability, boot, ended FROM run", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
            })
            .optional()?;
        let Some((durability, boot, ended)) = before else { return Ok(false) };
        let unsynced = !ended && durability == Durability::Process.name();
        let same_boot = boot_id().is_some_and(|id| id == boot);
        let mut marked = [0; 8];
        let as_marked = match self.mark.read_exact_at(&mut marked, 0) {
            Ok(()) => i64::from_le_bytes(marked) <= self.last,
            Err(_) => false,
        };
        Ok((unsynced && !same_boot) || !as_marked)
    }

    /// Says durably that a run goes on, or that it has ended with all it wrote.
    fn say(&self, ended: bool) -> Result<(), Error> {
        self.database.pragma_update(None, "synchronous", "full")?;
        self.database.execute(
            "INSERT OR REPLACE INTO run VALUES (1, ?1, ?2, ?3)",
            params![self.durability.name(), boot_id().unwrap_or_default(), ended],
        )?;
        Ok(())
    }

    /// Reads every commit, in order.
    pub fn read(
        &self,
        mut each: impl FnMut(i64, &[u8]) -> Result<(), Unusable>,
    ) -> Result<(), Unusable> {
        let mut statement =
            self.database.prepare_cached("SELECT n, changes FROM commits ORDER BY n")?;
        let mut rows = statement.query([])?;
        let mut expected = None;
        while let Some(row) = rows.next()? {
            let n = row.get(0)?;
            if expected.is_some_and(|expected| n != expected) {
                return Err(Unusable::garbled(n - 1));
            }
            each(n, row.get_ref(1)?.as_blob().map_err(Error::from)?)?;
            expected = Some(n + 1);
        }
        Ok(())
    }

    /// Commits changes; gives the number of the commit. After an error nothing is changed.
    pub fn commit(&mut self, changes: &[u8]) -> Result<i64, Error> {
        let n = self.last + 1;
        let transaction = self.database.transaction()?;
        transaction
            .prepare_cached("INSERT INTO commits VALUES (?1, ?2)")?
            .execute(params![n, changes])?;
        let oldest: i64 = transaction
            .prepare_cached("SELECT min(n) FROM commits")?
            .query_row([], |row| row.get(0))?;
        if oldest < self.obsolete_before {
            transaction
                .prepare_cached("DELETE FROM commits WHERE n < min(?1, ?2)")?
                .execute(params![self.obsolete_before, oldest + DELETED_AT_A_TIME])?;
        }
        transaction.commit()?;
        self.last = n;
        self.log += changes.len() + COMMIT_BYTES;
        if self.marking {
            self.write_mark();
        }
        Ok(n)
    }

    /// Brings a log that has grown long into the database. Takes longer than a commit, so it is for
    /// when nobody waits. One that fails leaves the log as it is.
    pub fn tidy(&mut self) {
        if self.log > LOG_AT_MOST {
            let _ = self.database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            self.log = 0;
        }
    }

    /// The commits before this one are not needed any more.
    pub fn forget_before(&mut self, n: i64) {
        self.obsolete_before = n;
    }

    /// Whether the journal takes commits: writes one that changes nothing, the size of many.
    pub fn probe(&mut self) -> Result<(), Error> {
        let transaction = self.database.transaction()?;
        transaction.execute("INSERT INTO commits VALUES (-1, zeroblob(262144))", [])?;
        transaction.execute("DELETE FROM commits WHERE n = -1", [])?;
        transaction.commit()
    }

    /// Says that nothing is missing.
    pub fn end(&self) -> Result<(), Error> {
        self.say(true)?;
        // What is in the database is synced by this.
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    fn write_mark(&self) {
        // A mark that cannot be written is behind, and says less than it could.
        let _ = self.mark.write_all_at(&self.last.to_le_bytes(), 0);
    }
}

fn is_ours(database: &Connection) -> Result<(), Unusable> {
    let number = |name| database.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match (number("application_id")?, number("user_version")?) {
        (0, 0) | (APPLICATION, FORMAT) => Ok(()),
        (APPLICATION, version) => Err(Unusable(format!(
            "its journal has format {version}, and this gateway knows format {FORMAT} only"
        ))),
        _ => Err(Unusable("its journal is another program's database".to_owned())),
    }
}

/// Names the time since the machine was started; `None` where the system does not tell.
fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &Path, durability: Durability) -> (Store, bool) {
        Store::open(folder, durability).expect("a journal")
    }

    #[test]
    fn power_alone_has_every_commit_synced() {
        // https://www.sqlite.org/pragma.html#pragma_synchronous
        for (durability, synchronous) in [(Durability::Process, 1), (Durability::Power, 2)] {
            let folder = tempfile::tempdir().expect("a folder");
            let (mut store, _) = opened(folder.path(), durability);
            store.begin().expect("begun");
            let set = store.database.pragma_query_value(None, "synchronous", |row| row.get(0));
            assert_eq!(set, Ok(synchronous));
        }
    }

    #[test]
    fn a_doubt_stays_until_all_was_done_about_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, doubtful) = opened(folder.path(), Durability::Process);
        assert!(!doubtful);
        store.begin().expect("begun");
        store.commit(b"1").expect("committed");
        store.mark.write_all_at(&99_i64.to_le_bytes(), 0).expect("a mark ahead");
        drop(store);

        let (mut store, doubtful) = opened(folder.path(), Durability::Process);
        assert!(doubtful);
        store.doubt().expect("said");
        store.commit(b"half of what is to be done").expect("committed");
        drop(store);

        let (mut store, doubtful) = opened(folder.path(), Durability::Process);
        assert!(doubtful);
        store.begin().expect("begun");
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
        assert!(store.read(|_, _| Ok(())).is_err());
    }
}
