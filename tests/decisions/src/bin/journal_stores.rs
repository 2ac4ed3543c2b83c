//! What a step of the gateway costs in four stores: CPU time per step and memory of the store.
//!
//! A step is what accepting a message changes: it adds an event and a remembered id, and drops the
//! oldest of each. No store calls fsync. Each measurement runs in a process of its own; the lower of two
//! runs counts.
//!
//! Run it with `cargo run --release --manifest-path tests/decisions/Cargo.toml --bin journal_stores`.

use std::{env, path::Path, process::Command};

use decisions::{cpu_time, memory};
use fjall::{Database, KeyspaceCreateOptions};
use redb::{Durability, TableDefinition};
use rusqlite::{Connection, params};

/// Steps in one measurement.
const STEPS: u64 = 100_000;

/// Steps in one commit, when steps come faster than commits.
const BATCH: u64 = 64;

/// Events and ids that are kept; each step drops the ones before them.
const KEPT: u64 = 25_600;

/// Obsolete commits that the log deletes at a time.
const OBSOLETE: u64 = 64;

/// Bytes of an event.
const EVENT: usize = 256;

/// A way to keep what steps change. `commit` keeps the steps `from..to` whole or not at all.
trait Store {
    fn commit(&mut self, from: u64, to: u64);
}

/// The id of a step's message: 16 bytes that look random.
fn id(step: u64) -> [u8; 16] {
    let half = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&half.to_be_bytes());
    id[8..].copy_from_slice(&half.rotate_left(29).to_be_bytes());
    id
}

/// `SQLite`, a row for each thing.
struct SqliteRows(Connection);

impl SqliteRows {
    fn open(folder: &Path) -> Self {
        let database = sqlite(folder);
        let tables = "CREATE TABLE events (n INTEGER PRIMARY KEY, data BLOB);
            CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID;";
        database.execute_batch(tables).expect("tables");
        Self(database)
    }
}

impl Store for SqliteRows {
    fn commit(&mut self, from: u64, to: u64) {
        let transaction = self.0.transaction().expect("a transaction");
        for step in from..to {
            let run = |sql, values: &[&dyn rusqlite::ToSql]| {
                transaction.prepare_cached(sql).expect("a statement").execute(values).expect("run");
            };
            run("INSERT INTO events VALUES (?1, ?2)", &[&step.cast_signed(), &&[b'x'; EVENT][..]]);
            run("INSERT INTO ids VALUES (?1)", &[&&id(step)[..]]);
            if let Some(old) = step.checked_sub(KEPT) {
                run("DELETE FROM events WHERE n = ?1", &[&old.cast_signed()]);
                run("DELETE FROM ids WHERE id = ?1", &[&&id(old)[..]]);
            }
        }
        transaction.commit().expect("committed");
    }
}

/// `SQLite`, one row for each commit: a log. Rows whose events have all been dropped are deleted, some
/// at a time.
struct SqliteLog(Connection);

impl SqliteLog {
    fn open(folder: &Path) -> Self {
        let database = sqlite(folder);
        database
            .execute_batch("CREATE TABLE commits (n INTEGER PRIMARY KEY, changes BLOB NOT NULL)")
            .expect("a table");
        Self(database)
    }
}

impl Store for SqliteLog {
    fn commit(&mut self, from: u64, to: u64) {
        let mut changes = Vec::new();
        for step in from..to {
            changes.extend(step.to_be_bytes());
            changes.extend([b'x'; EVENT]);
            changes.extend(id(step));
            changes.extend(step.saturating_sub(KEPT).to_be_bytes());
        }
        let transaction = self.0.transaction().expect("a transaction");
        let insert = "INSERT INTO commits VALUES (?1, ?2)";
        let mut insert = transaction.prepare_cached(insert).expect("a statement");
        insert.execute(params![from.cast_signed(), changes]).expect("inserted");
        drop(insert);
        let commit = from / (to - from);
        if let Some(old) = from.checked_sub(KEPT).filter(|_| commit.is_multiple_of(OBSOLETE)) {
            let delete = "DELETE FROM commits WHERE n < ?1";
            let mut delete = transaction.prepare_cached(delete).expect("a statement");
            delete.execute([old.cast_signed()]).expect("deleted");
        }
        transaction.commit().expect("committed");
    }
}

/// A database that writes ahead and never calls fsync.
fn sqlite(folder: &Path) -> Connection {
    let database = Connection::open(folder.join("store.sqlite")).expect("a database");
    database.pragma_update(None, "journal_mode", "WAL").expect("a log");
    database.pragma_update(None, "synchronous", "OFF").expect("no fsync");
    database
}

/// redb, a key for each thing. Its one level below an fsync leaves a commit in memory.
struct Redb(redb::Database);

const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");
const IDS: TableDefinition<&[u8], ()> = TableDefinition::new("ids");

impl Store for Redb {
    fn commit(&mut self, from: u64, to: u64) {
        let mut transaction = self.0.begin_write().expect("a transaction");
        transaction.set_durability(Durability::None).expect("no fsync");
        {
            let mut events = transaction.open_table(EVENTS).expect("a table");
            let mut ids = transaction.open_table(IDS).expect("a table");
            for step in from..to {
                events.insert(step, &[b'x'; EVENT][..]).expect("inserted");
                ids.insert(&id(step)[..], ()).expect("inserted");
                if let Some(old) = step.checked_sub(KEPT) {
                    events.remove(old).expect("removed");
                    ids.remove(&id(old)[..]).expect("removed");
                }
            }
        }
        transaction.commit().expect("committed");
    }
}

/// fjall, a key for each thing.
struct Fjall {
    database: Database,
    events: fjall::Keyspace,
    ids: fjall::Keyspace,
}

impl Fjall {
    fn open(folder: &Path) -> Self {
        let database = Database::builder(folder).open().expect("a database");
        let events = database.keyspace("events", KeyspaceCreateOptions::default).expect("events");
        let ids = database.keyspace("ids", KeyspaceCreateOptions::default).expect("ids");
        Self { database, events, ids }
    }
}

impl Store for Fjall {
    fn commit(&mut self, from: u64, to: u64) {
        let mut batch = self.database.batch();
        for step in from..to {
            batch.insert(&self.events, step.to_be_bytes(), [b'x'; EVENT]);
            batch.insert(&self.ids, id(step), []);
            if let Some(old) = step.checked_sub(KEPT) {
                batch.remove(&self.events, old.to_be_bytes());
                batch.remove(&self.ids, id(old));
            }
        }
        batch.commit().expect("committed");
    }
}

/// The stores, with what the table calls them.
const STORES: [(&str, &str); 4] = [
    ("sqlite-rows", "SQLite, a row for each thing"),
    ("redb", "redb, a key for each thing"),
    ("fjall", "fjall, a key for each thing"),
    ("sqlite-log", "SQLite, one row for each commit"),
];

fn open(name: &str, folder: &Path) -> Box<dyn Store> {
    match name {
        "sqlite-rows" => Box::new(SqliteRows::open(folder)),
        "redb" => Box::new(Redb(redb::Database::create(folder.join("store")).expect("a database"))),
        "fjall" => Box::new(Fjall::open(folder)),
        _ => Box::new(SqliteLog::open(folder)),
    }
}

/// Runs one store and prints nanoseconds of CPU per step and bytes of memory.
fn measure(name: &str, batch: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let before = memory(std::process::id(), "RssAnon:");
    let mut store = open(name, folder.path());
    let started = cpu_time();
    let mut step = 0;
    while step < STEPS {
        let next = (step + batch).min(STEPS);
        store.commit(step, next);
        step = next;
    }
    let nanos = cpu_time().saturating_sub(started).as_nanos() / u128::from(STEPS);
    println!("{nanos} {}", memory(std::process::id(), "RssAnon:") - before);
}

/// The lower of two runs, each in a process of its own: nanoseconds per step, bytes.
fn lower_of_two(name: &str, batch: u64) -> (u64, u64) {
    let run = || {
        let program = env::current_exe().expect("this program");
        let child = Command::new(program).args([name, &batch.to_string()]).output().expect("a run");
        let text = String::from_utf8(child.stdout).expect("text");
        let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
        (numbers.next().expect("time"), numbers.next().expect("memory"))
    };
    let (first, second): ((u64, u64), (u64, u64)) = (run(), run());
    (first.0.min(second.0), first.1.min(second.1))
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [name, batch] = &arguments[..] {
        return measure(name, batch.parse().expect("a number"));
    }
    println!("| store | CPU per step, {BATCH} in a commit | one in a commit | memory |");
    println!("|---|---|---|---|");
    for (name, title) in STORES {
        let (batched, memory) = lower_of_two(name, BATCH);
        let (single, _) = lower_of_two(name, 1);
        let tenths = |nanos: u64| format!("{}.{} µs", nanos / 1000, nanos % 1000 / 100);
        println!(
            "| {title} | {} | {} | {} MB |",
            tenths(batched),
            tenths(single),
            memory.div_ceil(1_000_000)
        );
    }
}
