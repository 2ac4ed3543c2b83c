//! Steps that are taken at the same instant.

use std::sync::{Arc, Barrier};

use engine::{Limits, RedeemError, RequestTokenError, Requester};
use tokio::{runtime::Handle, task::spawn_blocking};

use crate::harness::{TestEngine, conformance, connection, secret};

const HALF_REFS: usize = 10_000;
const THREADS: usize = 2;

/// What each of two threads is answered, try by try; every try begins at the same instant in both.
async fn at_once<T, F>(tries: usize, attempt: impl Fn(usize, usize) -> F) -> [Vec<T>; THREADS]
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(THREADS));
    let threads: [_; THREADS] = std::array::from_fn(|thread| {
        let start = Arc::clone(&start);
        let attempts: Vec<_> = (0..tries).map(|number| attempt(thread, number)).collect();
        let runtime = Handle::current();
        spawn_blocking(move || {
            let answered = attempts.into_iter().map(|attempt| {
                start.wait();
                runtime.block_on(attempt)
            });
            answered.collect()
        })
    });
    let [one, other] = threads;
    [one.await.unwrap(), other.await.unwrap()]
}

conformance!(of_two_threads_that_redeem_one_half_ref_one_wins, async |backend| {
    let limits = Limits {
        open_authorisations: HALF_REFS,
        authorisations_per_second: 1000,
        ..Limits::default()
    };
    let engine = TestEngine::with_limits(backend, limits).await;
    // Each device asks as often as it may in an instant.
    let devices: Vec<_> = (0..HALF_REFS / 500).map(|n| format!("phone {n}")).collect();
    for device in &devices {
        engine.claim(device, &format!("token of {device}")).await.unwrap();
    }
    for number in 0..HALF_REFS {
        let device = &devices[number / 500];
        engine
            .authorise(&format!("token of {device}"), device, &format!("half {number}"))
            .await
            .unwrap();
    }

    let engine = Arc::clone(&engine.inner);
    let [one, other] = at_once(HALF_REFS, |thread, number| {
        let engine = Arc::clone(&engine);
        async move {
            let half_ref = secret(&format!("half {number}"));
            let name = connection(&format!("connection {thread} {number}"));
            engine.redeem(&half_ref, &name).await
        }
    })
    .await;

    for pair in one.into_iter().zip(other) {
        assert!(
            matches!(pair, (Ok(_), Err(RedeemError::Spent)) | (Err(RedeemError::Spent), Ok(_))),
            "{pair:?}"
        );
    }
});

conformance!(of_threads_that_claim_one_device_one_wins, async |backend| {
    let engine = TestEngine::new(backend).await;
    let engine = Arc::clone(&engine.inner);
    let [one, other] = at_once(1000, |thread, number| {
        let engine = Arc::clone(&engine);
        async move {
            let token = secret(&format!("token {thread} {number}"));
            engine
                .request_token(
                    &format!("phone {number}"),
                    Requester::Claim { shown: None, key: None },
                    None,
                    &token,
                )
                .await
        }
    })
    .await;

    for pair in one.into_iter().zip(other) {
        assert!(
            matches!(
                pair,
                (Ok(()), Err(RequestTokenError::DeviceClaimed))
                    | (Err(RequestTokenError::DeviceClaimed), Ok(()))
            ),
            "{pair:?}"
        );
    }
});
