//! What a `halfRef` opens, once, and how long it is remembered after that.

use engine::{Limits, Opened, RedeemError};

use crate::harness::{
    AUTHORISATION, Backend, DAY, MEMORY, MOMENT, TestEngine, conformance, just_before,
};

const UNKNOWN: Result<Opened, RedeemError> = Err(RedeemError::Unknown);
const SPENT: Result<Opened, RedeemError> = Err(RedeemError::Spent);
const EXPIRED: Result<Opened, RedeemError> = Err(RedeemError::Expired);
const REVOKED: Result<Opened, RedeemError> = Err(RedeemError::Revoked);

/// A claimed phone whose socket waits for `half`.
async fn waiting(backend: Backend) -> TestEngine {
    waiting_with(backend, Limits::default()).await
}

async fn waiting_with(backend: Backend, limits: Limits) -> TestEngine {
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    engine.authorise("token", "phone", "half").await.unwrap();
    engine
}

conformance!(a_half_ref_opens_its_devices_socket, async |backend| {
    let engine = waiting(backend).await;
    let opened = engine.redeem("half", "connection").await.unwrap();
    assert_eq!(&*opened.device, "phone");
    assert_eq!(opened.linkinjected, None);
});

conformance!(redeeming_returns_linkinjected, async |backend| {
    let engine = waiting(backend).await;
    engine.authorise_with_link("token", "phone", "linked", Some("link")).await.unwrap();
    let opened = engine.redeem("linked", "connection").await.unwrap();
    assert_eq!(opened.linkinjected.as_deref(), Some("link"));
});

conformance!(a_half_ref_opens_once, async |backend| {
    let engine = waiting(backend).await;
    engine.redeem("half", "connection").await.unwrap();
    assert_eq!(engine.redeem("half", "replay").await, SPENT);
    engine.ended_are(&[]);
});

conformance!(an_unknown_half_ref_opens_nothing, async |backend| {
    let engine = waiting(backend).await;
    assert_eq!(engine.redeem("invented", "connection").await, UNKNOWN);
});

conformance!(an_expired_half_ref_opens_nothing, async |backend| {
    let engine = waiting(backend).await;
    engine.advance(AUTHORISATION).await;
    assert_eq!(engine.redeem("half", "connection").await, EXPIRED);
});

conformance!(a_half_ref_opens_until_its_ttl_ends, async |backend| {
    let engine = waiting(backend).await;
    engine.advance(just_before(AUTHORISATION)).await;
    assert!(engine.redeem("half", "connection").await.is_ok());
});

conformance!(a_revoked_half_ref_opens_nothing, async |backend| {
    let engine = waiting(backend).await;
    engine.revoke("token").await;
    assert_eq!(engine.redeem("half", "connection").await, REVOKED);
});

conformance!(a_half_ref_of_an_expired_token_is_expired, async |backend| {
    let engine = waiting(backend).await;
    engine.advance(DAY.saturating_sub(AUTHORISATION / 2)).await;
    engine.authorise("token", "phone", "late").await.unwrap();
    engine.advance(AUTHORISATION / 2).await;
    assert_eq!(engine.redeem("late", "connection").await, EXPIRED);
});

conformance!(a_renewal_keeps_open_authorisations, async |backend| {
    let engine = waiting(backend).await;
    engine.advance(DAY.saturating_sub(AUTHORISATION / 2)).await;
    engine.authorise("token", "phone", "late").await.unwrap();
    engine.renew("phone", "token", "next").await.unwrap();
    engine.advance(AUTHORISATION / 2).await;
    assert!(engine.redeem("late", "connection").await.is_ok());
});

conformance!(a_spent_half_ref_is_remembered_for_ten_minutes, async |backend| {
    let engine = waiting(backend).await;
    engine.redeem("half", "connection").await.unwrap();
    engine.advance(just_before(MEMORY)).await;
    assert_eq!(engine.redeem("half", "replay").await, SPENT);
    engine.advance(MOMENT).await;
    assert_eq!(engine.redeem("half", "replay").await, UNKNOWN);
});

conformance!(an_expired_half_ref_is_remembered_for_ten_minutes, async |backend| {
    let engine = waiting(backend).await;
    engine.advance(AUTHORISATION).await;
    engine.advance(just_before(MEMORY)).await;
    assert_eq!(engine.redeem("half", "replay").await, EXPIRED);
    engine.advance(MOMENT).await;
    assert_eq!(engine.redeem("half", "replay").await, UNKNOWN);
});

conformance!(a_revoked_half_ref_is_remembered_for_ten_minutes, async |backend| {
    let engine = waiting(backend).await;
    engine.revoke("token").await;
    engine.advance(just_before(MEMORY)).await;
    assert_eq!(engine.redeem("half", "replay").await, REVOKED);
    engine.advance(MOMENT).await;
    assert_eq!(engine.redeem("half", "replay").await, UNKNOWN);
});

/// Remembers two.
fn forgetful() -> Limits {
    Limits { remembered_half_refs: 2, ..Limits::default() }
}

conformance!(the_oldest_remembered_half_ref_makes_room, async |backend| {
    let engine = waiting_with(backend, forgetful()).await;
    engine.redeem("half", "first").await.unwrap();
    for name in ["second", "third"] {
        engine.advance(MOMENT).await;
        engine.open("token", "phone", name).await;
    }
    assert_eq!(engine.redeem("half", "replay").await, UNKNOWN);
    assert_eq!(engine.redeem("half ref of second", "replay").await, SPENT);
    assert_eq!(engine.redeem("half ref of third", "replay").await, SPENT);
});

conformance!(an_open_half_ref_is_not_forgotten_for_lack_of_memory, async |backend| {
    let engine = waiting_with(backend, forgetful()).await;
    for name in ["first", "second", "third"] {
        engine.advance(MOMENT).await;
        engine.open("token", "phone", name).await;
    }
    assert!(engine.redeem("half", "connection").await.is_ok());
});
