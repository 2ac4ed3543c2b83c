//! A disk that hangs: what no client was given is revoked when it works again.

use std::fs;

use engine::{EngineError, RedeemError, RequestTokenError};
use tests::gateway::PATIENCE;
use tokio::{
    join,
    time::{Instant, sleep, timeout},
};

use crate::harness::{Backend, MOMENT, TestEngine};

const UNKNOWN: EngineError = EngineError::OutcomeUnknown;

/// An engine with an open authorisation of a device, under the `halfRef` "half".
async fn authorised() -> TestEngine {
    let engine = TestEngine::new(Backend::Journal).await;
    engine.issue("phone", "token").await.expect("a token");
    engine.authorise("token", "phone", "half").await.expect("authorised");
    engine
}

/// Waits until the engine serves operations, or until it does not.
async fn is_ready(engine: &TestEngine, expected: bool) {
    let deadline = Instant::now() + PATIENCE;
    while engine.inner.ready().await.is_ok() != expected {
        assert!(Instant::now() < deadline, "it is not ready: {expected}");
        sleep(MOMENT).await;
    }
}

#[tokio::test]
async fn what_a_hanging_disk_did_not_confirm_is_revoked() {
    let engine = authorised().await;
    let disk = engine.hang();
    let (opened, claimed, renewed) = join!(
        engine.redeem("half", "one"),
        engine.claim("tablet", "lost"),
        engine.renew("phone", "token", "lost too"),
    );
    assert_eq!(opened, Err(RedeemError::Engine(UNKNOWN)));
    assert_eq!(claimed, Err(RequestTokenError::Engine(UNKNOWN)));
    assert_eq!(renewed, Err(RequestTokenError::Engine(UNKNOWN)));
    drop(disk);
    is_ready(&engine, true).await;

    assert_eq!(engine.device("phone").await.expect("a record").socket, None);
    engine.events_are(&["phone connected one", "phone disconnected one"]).await;
    assert_eq!(engine.claim("tablet", "another").await, Ok(()));
    // A renewal that was lost does no harm: the token before it is good.
    assert_eq!(engine.check_token("token").await, Ok(()));
}

#[tokio::test]
async fn what_is_unconfirmed_is_revoked_also_when_the_disk_fails_afterwards() {
    let mut engine = authorised().await;
    let folder = engine.folder().to_owned();
    let elsewhere = folder.with_extension("elsewhere");
    let disk = engine.hang();
    assert_eq!(engine.redeem("half", "one").await, Err(RedeemError::Engine(UNKNOWN)));
    drop(disk);
    is_ready(&engine, true).await;
    // The commit that revokes the socket, before it sends, fails.
    fs::rename(&folder, &elsewhere).expect("moved");
    assert!(engine.send("phone", "1").await.is_err());
    is_ready(&engine, false).await;
    fs::rename(&elsewhere, &folder).expect("moved back");
    is_ready(&engine, true).await;

    engine.events_are(&["phone connected one", "phone disconnected one"]).await;
    engine.restart(false).await;
    assert_eq!(engine.device("phone").await.expect("a record").socket, None);
    engine.events_are(&[]).await;
}

#[tokio::test]
async fn what_its_caller_did_not_wait_for_is_revoked() {
    let engine = authorised().await;
    let disk = engine.hang();
    let given_up = async { join!(engine.redeem("half", "one"), engine.claim("tablet", "lost")) };
    assert!(timeout(MOMENT, given_up).await.is_err());
    drop(disk);
    engine.events_are(&["phone connected one", "phone disconnected one"]).await;
    assert_eq!(engine.claim("tablet", "another").await, Ok(()));
}
