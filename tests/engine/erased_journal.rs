//! What an erased device said leaves every file of the journal's folder, once a compaction has ended.

use std::{fs, time::Duration};

use engine::{Durability, JournalStats, Limits, RedeemError, Requester};
use tests::gateway::PATIENCE;
use tokio::time::{Instant, sleep};

use crate::harness::{Backend, TestEngine};

/// In everything that the device says, and in its name.
const MARK: &str = "erase-me-7d1c";

const TABLET_SAYS: usize = 300;

/// A tablet that has said so much that no compaction begins by itself any more.
async fn busy_tablet() -> TestEngine {
    let engine = TestEngine::with_limits(Backend::Journal, Limits::default()).await;
    engine.issue("tablet", "other").await.expect("a token");
    engine.open("other", "tablet", "another").await;
    let long = format!("\"{}\"", "x".repeat(4000));
    for n in 0..TABLET_SAYS {
        engine.accept("tablet", "another", &n.to_string(), &long).await.expect("accepted");
    }
    // With a compaction, after which the journal is as long as the state.
    engine.erase("laptop").await;
    housekeeping(&engine).await;
    engine
}

async fn housekeeping(engine: &TestEngine) {
    for _ in 0..100 {
        engine.sweep().await;
    }
}

/// The same, and a device that has said and got everything there is.
async fn talkative() -> TestEngine {
    let engine = busy_tablet().await;
    say_everything(&engine).await;
    engine
}

async fn say_everything(engine: &TestEngine) {
    let data = format!(r#"{{"name":"{MARK}"}}"#);
    let claim = Requester::Claim { shown: None, key: None };
    engine.request_token(MARK, claim, Some(&data), "token").await.expect("a token");
    engine.authorise_with_link("token", MARK, "half", Some(MARK)).await.expect("authorised");
    engine.redeem("half", "connection").await.expect("opened");
    let long = format!("\"{}\"", MARK.repeat(500));
    for n in 0..30 {
        let id = format!("{MARK} {n}");
        let said = if n % 3 == 0 { &long } else { &data };
        engine.accept(MARK, "connection", &id, said).await.expect("accepted");
        engine.send_with_key(MARK, said, &id).await.expect("queued");
    }
    engine.acknowledge(MARK, "connection", 10).await.expect("acknowledged");
}

/// In how many files of the folder the mark is. The log is read before the database, to which it moves
/// meanwhile.
fn found(engine: &TestEngine) -> usize {
    let files = fs::read_dir(engine.folder()).expect("a folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort_by(|one, other| other.cmp(one));
    let files = files.into_iter().map(|file| fs::read(file).expect("its content"));
    files.filter(|file| file.windows(MARK.len()).any(|at| at == MARK.as_bytes())).count()
}

/// Has the engine do its housekeeping until the mark is in no file.
async fn leaves_every_file(engine: &TestEngine) {
    let deadline = Instant::now() + PATIENCE;
    while found(engine) > 0 {
        assert!(Instant::now() < deadline, "the mark is in {} files", found(engine));
        engine.sweep().await;
        sleep(Duration::from_millis(5)).await;
    }
}

async fn journal_stats(engine: &TestEngine) -> JournalStats {
    engine.inner.stats().await.journal.expect("a journal")
}

#[tokio::test]
async fn without_an_erasure_everything_stays() {
    let engine = talkative().await;
    let before = journal_stats(&engine).await.compactions;
    engine.disconnect(MARK).await;
    housekeeping(&engine).await;
    assert!(found(&engine) > 0);
    assert_eq!(journal_stats(&engine).await.compactions, before);
}

#[tokio::test]
async fn what_an_erased_device_said_leaves_every_file() {
    let mut engine = talkative().await;
    assert!(found(&engine) > 0);
    engine.erase(MARK).await;
    leaves_every_file(&engine).await;
    let before = engine.events(0, usize::MAX).await;
    assert_eq!(before.events.len(), 1 + TABLET_SAYS);
    engine.restart(false).await;
    let after = engine.events(0, 1 + TABLET_SAYS).await;
    assert_eq!((after.oldest, after.events), (before.oldest, before.events));
    assert_eq!(engine.device(MARK).await, None);
}

#[tokio::test]
async fn events_that_were_released_before_leave_every_file() {
    let engine = talkative().await;
    engine.disconnect(MARK).await;
    engine.release_all().await;
    engine.erase(MARK).await;
    leaves_every_file(&engine).await;
}

#[tokio::test]
async fn what_was_erased_during_a_compaction_leaves_every_file() {
    let engine = busy_tablet().await;
    // Also of a device that is not known, for the journal may know it.
    engine.erase("laptop").await;
    say_everything(&engine).await;
    assert!(journal_stats(&engine).await.compaction.is_some(), "under way");
    engine.erase(MARK).await;
    leaves_every_file(&engine).await;
}

#[tokio::test]
async fn a_recovery_compacts_after_an_erasure_that_was_cut_short() {
    for clean in [false, true] {
        let mut engine = talkative().await;
        engine.erase(MARK).await;
        engine.restart(clean).await;
        assert_eq!(engine.events(0, usize::MAX).await.events.len(), 2 + TABLET_SAYS);
        leaves_every_file(&engine).await;
    }
}

#[tokio::test]
async fn a_recovery_after_the_compaction_does_not_compact_again() {
    let mut engine = talkative().await;
    engine.erase(MARK).await;
    leaves_every_file(&engine).await;
    engine.kill();
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    housekeeping(&engine).await;
    assert_eq!(journal_stats(&engine).await.compactions, 0);
}

#[tokio::test]
async fn a_half_ref_of_another_device_is_remembered_after_a_recovery() {
    let mut engine = talkative().await;
    engine.erase(MARK).await;
    engine.restart(false).await;
    engine.claim(MARK, "next").await.expect("a token");
    engine.open("next", MARK, "newer").await;
    engine.erase(MARK).await;
    for (half_ref, refused) in
        [("half ref of another", RedeemError::Spent), ("half ref of newer", RedeemError::Unknown)]
    {
        assert_eq!(engine.redeem(half_ref, "replayed").await, Err(refused), "{half_ref}");
    }
}
