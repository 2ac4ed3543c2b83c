//! The embedded engine's journal: what it keeps when the process ends, and how it treats a journal
//! that is damaged or foreign.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::Duration,
};

use engine::{Durability, JournalError, Limits};
use rusqlite::Connection;
use tests::gateway::PATIENCE;
use tokio::time::{Instant, sleep};

use crate::harness::{Backend, DAY, MESSAGE, TestEngine};

async fn phone() -> TestEngine {
    let engine = TestEngine::with_limits(Backend::Journal, Limits::default()).await;
    engine.issue("phone", "token").await.expect("a token");
    engine
}

#[tokio::test]
async fn the_epoch_survives_a_restart() {
    let mut engine = phone().await;
    let before = engine.open("token", "phone", "one").await.epoch;
    engine.restart(false).await;
    assert_eq!(engine.open("token", "phone", "two").await.epoch, before);
}

#[tokio::test]
async fn the_event_stream_survives_a_restart() {
    let mut engine = phone().await;
    let before = engine.inner.stream(0).await.expect("a stream");
    engine.restart(false).await;
    assert_eq!(engine.inner.stream(0).await.expect("a stream"), before);
}

#[tokio::test]
async fn sockets_end_with_their_process() {
    let mut engine = phone().await;
    engine.open("token", "phone", "one").await;
    engine.restart(false).await;
    engine.events_are(&["phone connected one", "phone disconnected one"]).await;
    assert!(engine.connected("", 10).await.is_empty());
}

#[tokio::test]
async fn what_a_claim_ended_stays_ended_after_a_restart() {
    let mut engine = TestEngine::with_limits(Backend::Journal, Limits::default()).await;
    engine.request_test_token("phone", "test token").await.expect("a token");
    engine.send("phone", "1").await.expect("queued");
    engine.claim("phone", "token").await.expect("a token");
    engine.restart(false).await;
    engine.open("token", "phone", "one").await;
    assert!(engine.outbox_numbers("phone", "one").await.is_empty());
    assert!(engine.check_token("test token").await.is_err());
}

#[tokio::test]
async fn a_lost_claim_can_be_repeated_after_a_restart() {
    let mut engine = TestEngine::new(Backend::Journal).await;
    engine.claim_with("phone", None, Some("key"), "lost").await.expect("a token");
    engine.restart(false).await;
    assert_eq!(engine.claim_with("phone", None, Some("key"), "fresh").await, Ok(()));
    engine.authorise("fresh", "phone", "half").await.expect("authorised");
    engine.restart(false).await;
    assert!(engine.claim_with("phone", None, Some("key"), "stolen").await.is_err());
}

/// The journal as a database, to inspect or to damage it.
fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("journal.sqlite")).expect("the journal")
}

/// A device with a message in its outbox, and the names of its epoch and of the event stream.
async fn phone_with_a_message() -> (TestEngine, String, String) {
    let engine = phone().await;
    let epoch = engine.send("phone", "1").await.expect("queued").epoch.to_string();
    let stream = engine.inner.stream(0).await.expect("a stream").to_string();
    (engine, epoch, stream)
}

/// Whether epoch and stream are those from before. The message is there in any case.
async fn is_continued(engine: &TestEngine, (epoch, stream): (&str, &str)) -> bool {
    let opened = engine.open("token", "phone", "afterwards").await;
    assert_eq!(engine.outbox_numbers("phone", "afterwards").await, [1]);
    let now = engine.inner.stream(0).await.expect("a stream");
    assert_eq!(*opened.epoch == *epoch, *now == *stream);
    *opened.epoch == *epoch
}

#[tokio::test]
async fn a_torn_commit_is_cut_off() {
    let (mut engine, epoch, stream) = phone_with_a_message().await;
    let log = engine.kill().join("journal.sqlite-wal");
    let mut log = OpenOptions::new().append(true).open(log).expect("the log");
    log.write_all(&[0x5a; 3000]).expect("a piece of a commit");
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert!(is_continued(&engine, (&epoch, &stream)).await);
}

#[tokio::test]
async fn a_lost_commit_starts_new_epochs() {
    let (mut engine, epoch, stream) = phone_with_a_message().await;
    engine.send("phone", "2").await.expect("queued");
    let log = engine.kill().join("journal.sqlite-wal");
    let log = OpenOptions::new().write(true).open(log).expect("the log");
    let length = log.metadata().expect("its length").len();
    log.set_len(length - 10).expect("cut");
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert!(!is_continued(&engine, (&epoch, &stream)).await);
    // The new epoch survives the next restart.
    let epoch = engine.send("phone", "2").await.expect("queued").epoch;
    engine.restart(false).await;
    assert_eq!(engine.open("token", "phone", "again").await.epoch, epoch);
}

#[tokio::test]
async fn changed_bytes_in_the_last_commit_start_new_epochs() {
    let (mut engine, epoch, stream) = phone_with_a_message().await;
    engine.send("phone", "2").await.expect("queued");
    let log = engine.kill().join("journal.sqlite-wal");
    let mut bytes = fs::read(&log).expect("the log");
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    fs::write(&log, bytes).expect("written");
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert!(!is_continued(&engine, (&epoch, &stream)).await);
}

/// Makes it look as if the machine was rebooted since the engine ran.
pub fn reboot(folder: &Path) {
    let changed = database(folder).execute("UPDATE run SET boot = 'another'", []);
    assert_eq!(changed.expect("changed"), 1);
}

#[tokio::test]
async fn a_power_cut_starts_new_epochs() {
    let (mut engine, epoch, stream) = phone_with_a_message().await;
    reboot(engine.kill());
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert!(!is_continued(&engine, (&epoch, &stream)).await);
}

#[tokio::test]
async fn a_folder_without_its_commit_mark_starts_new_epochs() {
    let (mut engine, epoch, stream) = phone_with_a_message().await;
    fs::remove_file(engine.kill().join("committed")).expect("removed");
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert!(!is_continued(&engine, (&epoch, &stream)).await);
}

#[tokio::test]
async fn epochs_survive_a_power_cut_with_durability_power() {
    let (mut engine, ..) = phone_with_a_message().await;
    engine.kill();
    engine.reopen(Durability::Power).expect("the journal can be recovered");
    let epoch = engine.send("phone", "2").await.expect("queued").epoch;
    reboot(engine.kill());
    engine.reopen(Durability::Power).expect("the journal can be recovered");
    assert_eq!(engine.open("token", "phone", "one").await.epoch, epoch);
    assert_eq!(engine.outbox_numbers("phone", "one").await, [1, 2]);
}

#[tokio::test]
async fn epochs_survive_a_power_cut_after_a_clean_shutdown() {
    let (mut engine, epoch, stream) = phone_with_a_message().await;
    engine.inner.end().await;
    reboot(engine.kill());
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert!(is_continued(&engine, (&epoch, &stream)).await);
}

#[tokio::test]
async fn operations_fail_after_the_shutdown() {
    let engine = phone().await;
    engine.inner.end().await;
    assert!(engine.send("phone", "1").await.is_err());
}

/// Why an engine does not start on a journal that was changed like this.
async fn refused(change: &str) -> JournalError {
    let (mut engine, ..) = phone_with_a_message().await;
    database(engine.kill()).execute_batch(change).expect("changed");
    engine.reopen(Durability::Process).expect_err("a refusal")
}

#[tokio::test]
async fn a_journal_of_another_format_is_refused() {
    for format in [2, 7] {
        let why = refused(&format!("PRAGMA user_version = {format}")).await;
        let expected = format!("format {format}, and this gateway knows format 6 only");
        assert!(why.to_string().contains(&expected), "{why}");
        assert!(matches!(why, JournalError::Format { found, known: 6 } if found == format));
    }
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let why = refused("PRAGMA application_id = 7").await;
    assert!(matches!(why, JournalError::Foreign), "{why}");
    assert!(why.to_string().contains("another program's database"), "{why}");
}

#[tokio::test]
async fn a_journal_that_is_damaged_in_its_middle_is_refused() {
    let why = refused("UPDATE commits SET changes = x'ff00' WHERE n = 2").await;
    assert!(matches!(why, JournalError::Damaged { entry: 2 }), "{why}");
    assert!(why.to_string().contains("entry 2 cannot be read"), "{why}");
}

#[tokio::test]
async fn a_file_that_is_not_a_journal_is_refused() {
    let (mut engine, ..) = phone_with_a_message().await;
    let folder = engine.kill();
    fs::remove_file(folder.join("journal.sqlite-wal")).expect("removed");
    fs::write(folder.join("journal.sqlite"), [0x5a; 5000]).expect("written");
    let why = engine.reopen(Durability::Process).expect_err("a refusal");
    assert!(matches!(why, JournalError::NotAJournal), "{why}");
    assert!(why.to_string().contains("is no journal"), "{why}");
}

/// How long the journal is, in bytes.
fn length(folder: &Path) -> u32 {
    let length = "SELECT sum(length(changes)) FROM commits";
    database(folder).query_row(length, [], |row| row.get(0)).expect("its length")
}

#[tokio::test]
async fn a_journal_does_not_grow_with_every_restart() {
    let mut engine = phone().await;
    let mut sent = 0;
    for start in 0..40 {
        engine.restart(false).await;
        let name = format!("socket {start}");
        engine.open("token", "phone", &name).await;
        for _ in 0..3 {
            sent += 1;
            engine.send("phone", r#""a message of some length""#).await.expect("queued");
            engine.acknowledge("phone", &name, sent).await.expect("acknowledged");
        }
        engine.release_all().await;
    }
    let length = length(engine.kill());
    assert!(length < 20_000, "{length} bytes");
}

#[tokio::test]
async fn expired_events_stay_dropped_and_leave_no_gaps() {
    let minute = Duration::from_mins(1);
    let limits = Limits { event_ttl: minute, ..Limits::default() };
    let mut engine = TestEngine::with_limits(Backend::Journal, limits).await;
    engine.issue("phone", "token").await.expect("a token");
    engine.open("token", "phone", "one").await;
    for n in 0..400 {
        engine.accept("phone", "one", &format!("id {n}"), "1").await.expect("accepted");
        engine.advance(minute / if n % 100 < 50 { 200 } else { 20 }).await;
    }
    let before = engine.events(0, 0).await;
    engine.limits.event_ttl = DAY;
    engine.restart(false).await;
    let after = engine.events(before.oldest, usize::MAX).await;
    assert_eq!(after.oldest, before.oldest);
    let numbers: Vec<_> = after.events.iter().map(|event| event.n).collect();
    assert_eq!(numbers, (after.oldest..after.next).collect::<Vec<_>>());
}

#[tokio::test]
async fn compaction_bounds_the_journal_by_its_content() {
    let mut engine = phone().await;
    engine.open("token", "phone", "one").await;
    for n in 1..=2000 {
        let id = format!("id {n}");
        engine.send("phone", r#""a message of some length""#).await.expect("queued");
        engine.acknowledge("phone", "one", n).await.expect("acknowledged");
        engine.accept("phone", "one", &id, r#""as long as the other""#).await.expect("accepted");
        engine.release_all().await;
    }
    let length = length(engine.kill());
    assert!(length < 100_000, "{length} bytes");
}

/// The length of the longest commit of the journal, in bytes.
fn longest_commit(folder: &Path) -> u32 {
    let longest = "SELECT max(length(changes)) FROM commits";
    database(folder).query_row(longest, [], |row| row.get(0)).expect("a length")
}

/// An engine in which the events of one device may take all the room.
async fn roomy() -> TestEngine {
    let event_bytes_per_device = Limits::default().event_bytes;
    let limits = Limits { event_bytes_per_device, ..Limits::default() };
    TestEngine::with_limits(Backend::Journal, limits).await
}

#[tokio::test]
async fn what_is_due_at_once_is_committed_in_bounded_parts() {
    const MESSAGES: u64 = 1000;
    let mut engine = roomy().await;
    // Each event has the name of its device, so that these are 10 MB.
    let device = "x".repeat(10_000);
    engine.issue(&device, "other").await.expect("a token");
    for _ in 0..MESSAGES {
        engine.send(&device, "1").await.expect("queued");
    }
    engine.new_events().await;
    engine.advance(MESSAGE).await;
    assert_eq!(engine.new_events().await.len() as u64, MESSAGES);
    let longest = longest_commit(engine.kill());
    assert!(longest < 9 * 1024 * 1024, "{longest} bytes");
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert_eq!(engine.device(&device).await.expect("a record").unacknowledged, 0);
}

#[tokio::test]
async fn what_fell_due_while_the_gateway_was_down_is_committed_in_bounded_parts() {
    const MESSAGES: u64 = 1000;
    let mut engine = roomy().await;
    let device = "x".repeat(10_000);
    engine.issue(&device, "other").await.expect("a token");
    for _ in 0..MESSAGES {
        engine.send(&device, "1").await.expect("queued");
    }
    engine.new_events().await;
    engine.kill();
    engine.advance(MESSAGE).await;
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert_eq!(engine.new_events().await.len() as u64, MESSAGES);
    let longest = longest_commit(engine.kill());
    assert!(longest < 9 * 1024 * 1024, "{longest} bytes");
}

/// The bytes of the journal's files.
fn size(folder: &Path) -> u64 {
    let files = ["journal.sqlite", "journal.sqlite-wal"].map(|name| folder.join(name));
    files.iter().map(|file| fs::metadata(file).map_or(0, |file| file.len())).sum()
}

/// Room for a state with little in it, and for what the file keeps for the next commits.
const SMALL: u64 = 512 * 1024;

/// Fills the journal with some 8 MB, and empties the state again.
async fn fill_and_empty(engine: &TestEngine) {
    let data = format!("\"{}\"", "x".repeat(4000));
    engine.open("token", "phone", "one").await;
    for n in 1..=1000 {
        let id = format!("id {n}");
        engine.send("phone", &data).await.expect("queued");
        engine.accept("phone", "one", &id, &data).await.expect("accepted");
    }
    assert!(size(engine.folder()) > 8_000_000);
    engine.acknowledge("phone", "one", 1000).await.expect("acknowledged");
    engine.release_all().await;
}

/// Has the engine do its housekeeping until the journal is small.
async fn shrinks(engine: &TestEngine) {
    let deadline = Instant::now() + PATIENCE;
    while size(engine.folder()) > SMALL {
        assert!(Instant::now() < deadline, "{} bytes", size(engine.folder()));
        engine.sweep().await;
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_file_shrinks_when_its_content_does() {
    let limits = Limits { outbox_bytes: 10_000_000, ..Limits::default() };
    let mut engine = TestEngine::with_limits(Backend::Journal, limits).await;
    engine.issue("phone", "token").await.expect("a token");
    fill_and_empty(&engine).await;
    shrinks(&engine).await;
    let epoch = engine.send("phone", "1").await.expect("queued").epoch;
    engine.restart(false).await;
    assert_eq!(engine.open("token", "phone", "two").await.epoch, epoch);
    assert_eq!(engine.outbox_numbers("phone", "two").await, [1001]);
}

#[tokio::test]
async fn a_file_that_was_long_shrinks_after_a_restart() {
    for clean in [false, true] {
        let limits = Limits { outbox_bytes: 10_000_000, ..Limits::default() };
        let mut engine = TestEngine::with_limits(Backend::Journal, limits).await;
        engine.issue("phone", "token").await.expect("a token");
        fill_and_empty(&engine).await;
        engine.restart(clean).await;
        shrinks(&engine).await;
        engine.restart(clean).await;
        assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 0);
    }
}

#[tokio::test]
async fn a_file_shrinks_under_load() {
    let limits = Limits { outbox_bytes: 10_000_000, ..Limits::default() };
    let engine = TestEngine::with_limits(Backend::Journal, limits).await;
    engine.issue("phone", "token").await.expect("a token");
    fill_and_empty(&engine).await;
    let deadline = Instant::now() + PATIENCE;
    let mut n = 1000;
    // The log is reused as it is.
    let database = engine.folder().join("journal.sqlite");
    while fs::metadata(&database).expect("the database").len() > SMALL {
        assert!(Instant::now() < deadline, "the file shrinks");
        n += 1;
        engine.send("phone", "1").await.expect("queued");
        engine.acknowledge("phone", "one", n).await.expect("acknowledged");
        if n % 50 == 0 {
            engine.sweep().await;
        }
    }
}
