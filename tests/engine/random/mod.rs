//! Random operations on an engine, compared with a model and with what was promised whatever the
//! model says.
//!
//! proptest is the one source of chance. It makes the same operations in every run, because its
//! generator has a fixed seed, and shrinks a run that fails to the few operations that it takes:
//! see [`operation`] for how an operation keeps its meaning while others are taken out.

mod client;
mod invariants;
mod model;
mod operation;
mod run;

use std::{
    collections::BTreeSet,
    panic,
    sync::{Mutex, Once},
    thread,
    time::Duration,
};

use engine::Limits;
use proptest::{
    collection::vec,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

use self::{client::UNACCEPTED, operation::operation, run::Run};
use crate::harness::{Backend, TestEngine, conformance};

const RUNS: u32 = 96;

/// At most so many pieces of at most so many operations make a run: shorter ones reach little.
const PIECES: usize = 40;
const PIECE: usize = 40;

/// So tight that runs reach every limit and outlive everything.
fn limits() -> Limits {
    Limits {
        token_ttl: Duration::from_secs(100),
        authorisation_ttl: Duration::from_secs(30),
        half_ref_memory: Duration::from_mins(1),
        record_ttl: Duration::from_secs(50),
        devices: 3,
        open_authorisations: 2,
        authorisations_per_second: 1000,
        test_tokens: 2,
        unused_tokens: 2,
        outbox_messages: 6,
        outbox_bytes: 60,
        remembered_ids: UNACCEPTED + 1,
        idempotency_memory: Duration::from_mins(1),
        idempotency_keys: 4,
        event_ttl: Duration::from_mins(2),
        event_bytes: 4000,
        event_bytes_per_device: 1400,
        ..Limits::default()
    }
}

/// What the runs must have met, or they would show too little.
const MET: [&str; 62] = [
    "accept EventsFull",
    "accept Ok",
    "accept Stale",
    "acknowledge Ok",
    "acknowledge Stale",
    "authorise DeviceMismatch",
    "authorise HalfRefForeign",
    "authorise HalfRefSpent",
    "authorise Ok",
    "authorise Token(Expired)",
    "authorise Token(Unknown)",
    "authorise replaced",
    "check Expired",
    "check Ok",
    "check Unknown",
    "claim DeviceClaimed",
    "claim DevicesFull",
    "claim Ok",
    "claim with key DeviceClaimed",
    "claim with key Ok",
    "claim with key repeated",
    "end Revoked",
    "end Superseded",
    "end TokenExpired",
    "erased events",
    "erased half refs",
    "event connected",
    "event disconnected",
    "event expired",
    "event message",
    "issue Ok",
    "outbox Ok",
    "outbox Stale",
    "redeem EventsFull",
    "redeem Expired",
    "redeem Ok",
    "redeem Revoked",
    "redeem Spent",
    "redeem Unknown",
    "renew DeviceClaimed",
    "renew Ok",
    "repeat Ok",
    "send EventsFull",
    "send KeyReused",
    "send KeysFull",
    "send Ok",
    "send OutboxFull",
    "send UnknownDevice",
    "send repeated",
    "stream full of all devices",
    "stream full of one device",
    "test DeviceClaimed",
    "test Ok",
    "unswept accept Ok",
    "unswept acknowledge Ok",
    "unswept authorise Ok",
    "unswept check Expired",
    "unswept outbox Ok",
    "unswept redeem Expired",
    "unswept redeem Ok",
    "unswept send Ok",
    "unswept send OutboxFull",
];

conformance!(random_operations_follow_the_model, 3, async |backend| {
    only_the_smallest_failure_is_printed();
    // A runtime does not run inside another, hence a thread.
    let runs = thread::Builder::new().name(RUNS_THREAD.to_owned());
    let runs = runs.spawn(move || run_all(backend)).expect("a thread");
    let result = runs.join().expect("proptest catches the panics of a run");
    let met = result.unwrap_or_else(|failure| panic!("{failure}"));
    let expected = MET.iter().filter(|name| !is_beyond(backend, name));
    let missed: Vec<_> = expected.filter(|name| !met.contains(**name)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
});

/// What the devices of a run cannot reach where they are spread over partitions: the limits of all, and
/// the gaps of an erasure, which the merged stream of the tests does not have.
fn is_beyond(backend: Backend, name: &str) -> bool {
    matches!(backend, Backend::Partitions(_))
        && matches!(
            name,
            "claim DevicesFull"
                | "stream full of all devices"
                | "erased events"
                | "erased half refs"
        )
}

/// Runs random operations, and returns what was met; or the smallest run that fails.
fn run_all(backend: Backend) -> Result<BTreeSet<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let met = Mutex::new(BTreeSet::new());
    let config = Config {
        cases: RUNS,
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    // In pieces, so that shrinking takes out whole ones first.
    let operations = vec(vec(operation(), 1..PIECE), 1..PIECES);
    let result = TestRunner::new_with_rng(config, rng).run(&operations, |pieces| {
        runtime.block_on(async {
            let mut run = Run::new(TestEngine::with_limits(backend, limits()).await);
            for operation in pieces.iter().flatten() {
                run.take(operation).await;
            }
            run.come_to_rest().await;
            met.lock().expect("no panic while it is held").append(&mut run.met);
        });
        Ok(())
    });
    match result {
        Ok(()) => Ok(met.into_inner().expect("no panic while it was held")),
        Err(TestError::Fail(why, pieces)) => {
            let operations: Vec<_> = pieces.iter().flatten().collect();
            Err(format!("{why}\nafter {} operations: {operations:#?}", operations.len()))
        }
        Err(TestError::Abort(why)) => Err(why.to_string()),
    }
}

const RUNS_THREAD: &str = "random runs";

/// proptest reports the panic of the smallest run that fails; those of all the others, while it
/// shrinks, would bury it.
fn only_the_smallest_failure_is_printed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(RUNS_THREAD) {
                print(panic);
            }
        }));
    });
}
