//! What the embedded engine's journal keeps when the process ends, and what it makes of a journal
//! that is damaged, foreign or in use.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::Duration,
};

use engine::{Durability, Limits};
use rusqlite::Connection;

use crate::{
    conversation_model, model, promises,
    world::{DAY, World},
};

async fn phone() -> World {
    let world = World::lasting(Limits::default()).await;
    world.issue("phone", "token").await.expect("a token");
    world
}

#[tokio::test]
async fn random_lives_of_devices_go_on_after_restarts() {
    model::random_lives_of_devices_go_on_after_restarts().await;
}

#[tokio::test]
async fn random_conversations_go_on_after_restarts() {
    conversation_model::random_conversations_go_on_after_restarts().await;
}

#[test]
fn nothing_is_lost_or_doubled_over_restarts() {
    promises::nothing_is_lost_or_doubled_over_restarts();
}

#[tokio::test]
async fn the_epoch_lives_on() {
    let mut world = phone().await;
    let before = world.open("token", "phone", "one").await.epoch;
    world.restart(false).await;
    assert_eq!(world.open("token", "phone", "two").await.epoch, before);
}

#[tokio::test]
async fn the_event_stream_lives_on() {
    let mut world = phone().await;
    let before = world.engine.stream().await.expect("a stream");
    world.restart(false).await;
    assert_eq!(world.engine.stream().await.expect("a stream"), before);
}

#[tokio::test]
async fn sockets_end_with_the_process_that_held_them() {
    let mut world = phone().await;
    world.open("token", "phone", "one").await;
    world.restart(false).await;
    world.happened(&["phone connected one", "phone disconnected one"]).await;
    assert!(world.connected("", 10).await.is_empty());
}

#[tokio::test]
async fn what_a_claim_has_ended_stays_ended() {
    let mut world = World::lasting(Limits::default()).await;
    world.test("phone", "test token").await.expect("a token");
    world.send("phone", "1").await.expect("queued");
    world.claim("phone", "token").await.expect("a token");
    world.restart(false).await;
    world.open("token", "phone", "one").await;
    assert!(world.waiting("phone", "one").await.is_empty());
    assert!(world.check("test token").await.is_err());
}

/// The journal as a database, to look into it or to damage it.
fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("journal.sqlite")).expect("the journal")
}

/// A device with a message in its outbox, and the names of its epoch and of the event stream.
async fn phone_with_a_message() -> (World, String, String) {
    let world = phone().await;
    let epoch = world.send("phone", "1").await.expect("queued").epoch.to_string();
    let stream = world.engine.stream().await.expect("a stream").to_string();
    (world, epoch, stream)
}

/// Whether epoch and stream are those from before; the message is there all the same.
async fn goes_on(world: &World, (epoch, stream): (&str, &str)) -> bool {
    let opened = world.open("token", "phone", "after all").await;
    assert_eq!(world.waiting("phone", "after all").await, [1]);
    let now = world.engine.stream().await.expect("a stream");
    assert_eq!(*opened.epoch == *epoch, *now == *stream);
    *opened.epoch == *epoch
}

#[tokio::test]
async fn a_commit_that_was_torn_is_cut_off() {
    let (mut world, epoch, stream) = phone_with_a_message().await;
    let log = world.kill().await.join("journal.sqlite-wal");
    let mut log = OpenOptions::new().append(true).open(log).expect("the log");
    log.write_all(&[0x5a; 3000]).expect("a piece of a commit");
    world.begin(Durability::Process).expect("the journal is good");
    assert!(goes_on(&world, (&epoch, &stream)).await);
}

#[tokio::test]
async fn a_lost_commit_is_noticed_and_epochs_begin_anew() {
    let (mut world, epoch, stream) = phone_with_a_message().await;
    world.send("phone", "2").await.expect("queued");
    let log = world.kill().await.join("journal.sqlite-wal");
    let log = OpenOptions::new().write(true).open(log).expect("the log");
    let length = log.metadata().expect("its length").len();
    log.set_len(length - 10).expect("cut");
    world.begin(Durability::Process).expect("the journal is good");
    assert!(!goes_on(&world, (&epoch, &stream)).await);
    // From now on it is as good as any other.
    let epoch = world.send("phone", "2").await.expect("queued").epoch;
    world.restart(false).await;
    assert_eq!(world.open("token", "phone", "again").await.epoch, epoch);
}

#[tokio::test]
async fn bytes_that_changed_in_the_last_commit_are_noticed() {
    let (mut world, epoch, stream) = phone_with_a_message().await;
    world.send("phone", "2").await.expect("queued");
    let log = world.kill().await.join("journal.sqlite-wal");
    let mut bytes = fs::read(&log).expect("the log");
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    fs::write(&log, bytes).expect("written");
    world.begin(Durability::Process).expect("the journal is good");
    assert!(!goes_on(&world, (&epoch, &stream)).await);
}

/// The machine was started since the engine ran.
fn start_machine(folder: &Path) {
    let changed = database(folder).execute("UPDATE run SET boot = 'another'", []);
    assert_eq!(changed.expect("changed"), 1);
}

#[tokio::test]
async fn after_a_power_cut_epochs_begin_anew() {
    let (mut world, epoch, stream) = phone_with_a_message().await;
    start_machine(world.kill().await);
    world.begin(Durability::Process).expect("the journal is good");
    assert!(!goes_on(&world, (&epoch, &stream)).await);
}

#[tokio::test]
async fn a_folder_without_its_mark_may_be_an_old_one() {
    let (mut world, epoch, stream) = phone_with_a_message().await;
    fs::remove_file(world.kill().await.join("committed")).expect("removed");
    world.begin(Durability::Process).expect("the journal is good");
    assert!(!goes_on(&world, (&epoch, &stream)).await);
}

#[tokio::test]
async fn epochs_go_on_where_every_commit_survived_the_power_cut() {
    let (mut world, ..) = phone_with_a_message().await;
    world.kill().await;
    world.begin(Durability::Power).expect("the journal is good");
    let epoch = world.send("phone", "2").await.expect("queued").epoch;
    start_machine(world.kill().await);
    world.begin(Durability::Power).expect("the journal is good");
    assert_eq!(world.open("token", "phone", "one").await.epoch, epoch);
    assert_eq!(world.waiting("phone", "one").await, [1, 2]);
}

#[tokio::test]
async fn epochs_go_on_after_an_end_in_good_order() {
    let (mut world, epoch, stream) = phone_with_a_message().await;
    world.engine.end().await;
    start_machine(world.kill().await);
    world.begin(Durability::Process).expect("the journal is good");
    assert!(goes_on(&world, (&epoch, &stream)).await);
}

#[tokio::test]
async fn nothing_is_taken_after_the_end() {
    let world = phone().await;
    world.engine.end().await;
    assert!(world.send("phone", "1").await.is_err());
}

/// Why an engine does not begin on a journal that was changed like this.
async fn refused(change: &str) -> String {
    let (mut world, ..) = phone_with_a_message().await;
    database(world.kill().await).execute_batch(change).expect("changed");
    world.begin(Durability::Process).expect_err("a refusal")
}

#[tokio::test]
async fn a_journal_of_another_format_is_refused() {
    for format in [1, 7] {
        let why = refused(&format!("PRAGMA user_version = {format}")).await;
        let expected = format!("format {format}, and this gateway knows format 2 only");
        assert!(why.contains(&expected), "{why}");
    }
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let why = refused("PRAGMA application_id = 7").await;
    assert!(why.contains("another program's database"), "{why}");
}

#[tokio::test]
async fn a_journal_that_is_damaged_in_its_middle_is_refused() {
    let why = refused("UPDATE commits SET changes = x'ff00' WHERE n = 2").await;
    assert!(why.contains("entry 2 cannot be read"), "{why}");
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_refused() {
    let (mut world, ..) = phone_with_a_message().await;
    let folder = world.kill().await;
    fs::remove_file(folder.join("journal.sqlite-wal")).expect("removed");
    fs::write(folder.join("journal.sqlite"), [0x5a; 5000]).expect("written");
    let why = world.begin(Durability::Process).expect_err("a refusal");
    assert!(why.contains("is no journal"), "{why}");
}

/// How long the journal is, in bytes.
fn length(folder: &Path) -> u32 {
    let length = "SELECT sum(length(changes)) FROM commits";
    database(folder).query_row(length, [], |row| row.get(0)).expect("its length")
}

#[tokio::test]
async fn a_journal_does_not_grow_with_every_start() {
    let mut world = phone().await;
    let mut sent = 0;
    for start in 0..40 {
        world.restart(false).await;
        let name = format!("socket {start}");
        world.open("token", "phone", &name).await;
        for _ in 0..3 {
            sent += 1;
            world.send("phone", r#""a message of some length""#).await.expect("queued");
            world.acknowledge("phone", &name, sent).await.expect("acknowledged");
        }
        world.release_all().await;
    }
    let length = length(world.kill().await);
    assert!(length < 20_000, "{length} bytes");
}

#[tokio::test]
async fn events_that_grew_too_old_stay_gone_and_leave_no_holes() {
    let minute = Duration::from_mins(1);
    let settings = Limits { event_ttl: minute, ..Limits::default() };
    let mut world = World::lasting(settings).await;
    world.issue("phone", "token").await.expect("a token");
    world.open("token", "phone", "one").await;
    for n in 0..400 {
        world.accept("phone", "one", &format!("id {n}"), "1").await.expect("accepted");
        world.pass(minute / if n % 100 < 50 { 200 } else { 20 }).await;
    }
    let before = world.events(0, 0).await;
    world.settings.event_ttl = DAY;
    world.restart(false).await;
    let after = world.events(before.oldest, usize::MAX).await;
    assert_eq!(after.oldest, before.oldest);
    let numbers: Vec<_> = after.events.iter().map(|event| event.n).collect();
    assert_eq!(numbers, (after.oldest..after.next).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_journal_is_not_much_longer_than_what_it_says() {
    let mut world = phone().await;
    world.open("token", "phone", "one").await;
    for n in 1..=2000 {
        let id = format!("id {n}");
        world.send("phone", r#""a message of some length""#).await.expect("queued");
        world.acknowledge("phone", "one", n).await.expect("acknowledged");
        world.accept("phone", "one", &id, r#""as long as the other""#).await.expect("accepted");
        world.release_all().await;
    }
    let length = length(world.kill().await);
    assert!(length < 100_000, "{length} bytes");
}
