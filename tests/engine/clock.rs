//! A wall clock that is set: times follow it, durations do not. Redis has a clock of its own.

use std::{fs, time::Duration};

use engine::{Durability, Limits, Millis};
use tests::gateway::PATIENCE;
use tokio::time::{Instant, sleep};

use crate::{
    harness::{Backend, DAY, MESSAGE, MOMENT, TestEngine, just_before},
    journal::reboot,
};

const EMBEDDED: [Backend; 2] = [Backend::Memory, Backend::Journal];

/// Three days.
const STEP: Millis = 3 * 24 * 60 * 60 * 1000;

/// An engine with everything that expires: tokens, an authorisation, a socket, a message, events and
/// an idempotency key.
async fn filled(backend: Backend) -> TestEngine {
    let limits = Limits { record_ttl: 2 * DAY, token_ttl: 2 * DAY, ..Limits::default() };
    let engine = TestEngine::with_limits(backend, limits).await;
    fill(&engine).await;
    engine
}

async fn fill(engine: &TestEngine) {
    engine.issue("phone", "token").await.expect("a token");
    engine.authorise("token", "phone", "half").await.expect("authorised");
    engine.open("token", "phone", "one").await;
    engine.send_with_key("phone", "1", "key").await.expect("queued");
}

/// Asserts that nothing of that is expired.
async fn is_all_there(engine: &TestEngine) {
    engine.sweep().await;
    assert_eq!(engine.check_token("token").await, Ok(()));
    assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 1);
    let repeated = engine.send_with_key("phone", "1", "key").await.expect("the same");
    assert_eq!(repeated.seq, 1);
    assert_eq!(engine.events(0, 0).await.oldest, 1);
    assert!(engine.redeem("half", "two").await.is_ok());
}

/// When the newest event happened, as the operator reads it.
async fn newest_event(engine: &TestEngine) -> Millis {
    engine.events(0, usize::MAX).await.events.last().expect("an event").at
}

#[tokio::test]
async fn times_follow_the_wall_clock() {
    for backend in EMBEDDED {
        let engine = TestEngine::new(backend).await;
        engine.issue("phone", "token").await.expect("a token");
        let start = engine.now();
        for (name, wall) in [("ahead", start + STEP), ("behind", start - STEP), ("right", start)] {
            engine.set_wall_clock(wall);
            engine.open("token", "phone", name).await;
            assert_eq!(newest_event(&engine).await, wall, "{name}");
            let socket = engine.device("phone").await.expect("a record").socket;
            assert_eq!(socket.expect("a socket").since, wall, "{name}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_expires_nothing() {
    for backend in EMBEDDED {
        for set in [STEP, STEP.wrapping_neg()] {
            let engine = filled(backend).await;
            engine.set_wall_clock(engine.now().wrapping_add(set));
            is_all_there(&engine).await;
        }
    }
}

#[tokio::test]
async fn what_begins_while_the_clock_is_behind_does_not_expire() {
    for backend in EMBEDDED {
        let engine = TestEngine::new(backend).await;
        engine.set_wall_clock(engine.now() - STEP);
        fill(&engine).await;
        is_all_there(&engine).await;
        engine.set_wall_clock(engine.now());
        engine.sweep().await;
        assert_eq!(engine.events(0, 0).await.oldest, 1);
    }
}

#[tokio::test]
async fn a_clock_that_steps_back_and_forth_expires_nothing() {
    for backend in EMBEDDED {
        let engine = filled(backend).await;
        for n in 1..100 {
            let right = engine.now();
            engine.set_wall_clock(if n % 2 == 0 { right + n * STEP } else { right - n * STEP });
            engine.sweep().await;
        }
        is_all_there(&engine).await;
    }
}

#[tokio::test]
async fn time_passes_although_the_clock_is_set_back() {
    for backend in EMBEDDED {
        let engine = filled(backend).await;
        engine.set_wall_clock(engine.now() - STEP);
        engine.advance(just_before(MESSAGE)).await;
        assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 1);
        engine.advance(MOMENT).await;
        assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 0);
    }
}

#[tokio::test]
async fn a_start_with_a_clock_ahead_expires_nothing_when_it_is_corrected() {
    let mut engine = TestEngine::new(Backend::Journal).await;
    let right = engine.now();
    engine.set_wall_clock(right + STEP);
    engine.restart(false).await;
    fill(&engine).await;
    engine.set_wall_clock(right);
    engine.sweep().await;
    engine.restart(true).await;
    is_all_there(&engine).await;
    assert_eq!(newest_event(&engine).await, right);
}

#[tokio::test]
async fn a_clock_that_is_set_between_two_runs_expires_nothing() {
    for set in [STEP, STEP.wrapping_neg()] {
        for clean in [false, true] {
            let mut engine = filled(Backend::Journal).await;
            if clean {
                engine.inner.end().await;
            }
            engine.kill();
            engine.set_wall_clock(engine.now().wrapping_add(set));
            engine.reopen(Durability::Process).expect("the journal can be recovered");
            is_all_there(&engine).await;
        }
    }
}

#[tokio::test]
async fn time_between_two_runs_passes_whatever_the_clock_is_set_to() {
    let mut engine = filled(Backend::Journal).await;
    engine.kill();
    engine.advance_unswept(MESSAGE);
    engine.set_wall_clock(engine.now() - STEP);
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 0);
}

/// Restarts the machine, which takes this time by its wall clock.
async fn restart_machine(engine: &mut TestEngine, takes: Duration) {
    engine.inner.end().await;
    reboot(engine.kill());
    engine.advance_unswept(takes);
    engine.restart_clock();
    engine.reopen(Durability::Process).expect("the journal can be recovered");
}

#[tokio::test]
async fn the_wall_clock_tells_how_long_a_machine_was_down() {
    let mut engine = filled(Backend::Journal).await;
    engine.advance(MESSAGE / 2).await;
    restart_machine(&mut engine, just_before(MESSAGE / 2)).await;
    assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 1);
    engine.advance(MOMENT).await;
    assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 0);
}

#[tokio::test]
async fn a_machine_that_starts_with_its_clock_behind_expires_nothing() {
    let mut engine = filled(Backend::Journal).await;
    engine.set_wall_clock(0);
    restart_machine(&mut engine, Duration::ZERO).await;
    is_all_there(&engine).await;
}

#[tokio::test]
async fn a_step_before_the_machine_restarts_expires_nothing() {
    let mut engine = filled(Backend::Journal).await;
    let mark = engine.folder().join("committed");
    let before = fs::read(&mark).expect("the mark");
    engine.set_wall_clock(engine.now() + STEP);
    // The journal notices it without a commit.
    let deadline = Instant::now() + PATIENCE;
    while fs::read(&mark).expect("the mark") == before {
        assert!(Instant::now() < deadline, "the step is noticed");
        sleep(Duration::from_millis(10)).await;
    }
    reboot(engine.kill());
    engine.restart_clock();
    engine.reopen(Durability::Process).expect("the journal can be recovered");
    assert_eq!(engine.device("phone").await.expect("a record").unacknowledged, 1);
    assert_eq!(engine.check_token("token").await, Ok(()));
}
