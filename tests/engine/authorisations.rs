//! What may wait to be opened: whose, how often, how long and how many at a time.

use std::time::Duration;

use engine::{AuthoriseError, Limits, RedeemError, TokenError};

use crate::harness::{
    AUTHORISATION, Backend, DAY, MEMORY, MOMENT, SECOND, TestEngine, conformance, just_before,
};

const FOREIGN: Result<(), AuthoriseError> = Err(AuthoriseError::HalfRefForeign);

/// A claimed phone.
async fn phone(backend: Backend) -> TestEngine {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine
}

/// A claimed phone and a claimed tablet.
async fn phone_and_tablet(backend: Backend) -> TestEngine {
    let engine = phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine
}

/// A phone with as many open authorisations as it may have, begun a second apart.
async fn full_phone(backend: Backend) -> TestEngine {
    let engine = phone(backend).await;
    for half_ref in ["one", "two", "three"] {
        engine.authorise("token", "phone", half_ref).await.unwrap();
        engine.advance(SECOND).await;
    }
    engine
}

conformance!(an_unknown_token_authorises_nothing, async |backend| {
    let engine = phone(backend).await;
    assert_eq!(
        engine.authorise("invented", "phone", "half").await,
        Err(AuthoriseError::Token(TokenError::Unknown))
    );
    assert_eq!(engine.redeem("half", "c").await, Err(RedeemError::Unknown));
});

conformance!(an_expired_token_authorises_nothing, async |backend| {
    let engine = phone(backend).await;
    engine.advance(DAY).await;
    assert_eq!(
        engine.authorise("token", "phone", "half").await,
        Err(AuthoriseError::Token(TokenError::Expired))
    );
    assert_eq!(engine.redeem("half", "c").await, Err(RedeemError::Unknown));
});

conformance!(a_token_authorises_its_own_device_only, async |backend| {
    let engine = phone_and_tablet(backend).await;
    assert_eq!(
        engine.authorise("other", "phone", "half").await,
        Err(AuthoriseError::DeviceMismatch)
    );
    assert_eq!(engine.redeem("half", "c").await, Err(RedeemError::Unknown));
});

conformance!(authorising_again_restarts_the_ttl, async |backend| {
    let engine = phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance(just_before(AUTHORISATION)).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance(just_before(AUTHORISATION)).await;
    assert!(engine.redeem("half", "connection").await.is_ok());
});

conformance!(authorising_again_replaces_linkinjected, async |backend| {
    let engine = phone(backend).await;
    for link in ["old", "new"] {
        engine.authorise_with_link("token", "phone", "half", Some(link)).await.unwrap();
    }
    let opened = engine.redeem("half", "connection").await.unwrap();
    assert_eq!(opened.linkinjected.as_deref(), Some("new"));
});

conformance!(authorising_again_without_linkinjected_removes_it, async |backend| {
    let engine = phone(backend).await;
    for link in [Some("old"), None] {
        engine.authorise_with_link("token", "phone", "half", link).await.unwrap();
    }
    let opened = engine.redeem("half", "connection").await.unwrap();
    assert_eq!(opened.linkinjected, None);
});

conformance!(an_expired_half_ref_can_be_authorised_again, async |backend| {
    let engine = phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance(AUTHORISATION).await;
    assert_eq!(engine.redeem("half", "c").await, Err(RedeemError::Expired));
    assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
    assert!(engine.redeem("half", "connection").await.is_ok());
});

conformance!(a_revoked_half_ref_can_be_authorised_again, async |backend| {
    let engine = phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.revoke("token").await;
    engine.claim("phone", "next").await.unwrap();
    assert_eq!(engine.authorise("next", "phone", "half").await, Ok(()));
    assert!(engine.redeem("half", "connection").await.is_ok());
});

conformance!(another_token_of_the_device_can_authorise_again, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.authorise("one", "phone", "half").await.unwrap();
    assert_eq!(engine.authorise("two", "phone", "half").await, Ok(()));
    engine.revoke("one").await;
    assert!(engine.redeem("half", "connection").await.is_ok());
});

conformance!(an_open_half_ref_is_refused_to_another_device, async |backend| {
    let engine = phone_and_tablet(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    assert_eq!(engine.authorise("other", "tablet", "half").await, FOREIGN);
});

conformance!(an_expired_half_ref_is_refused_to_another_device, async |backend| {
    let engine = phone_and_tablet(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance(AUTHORISATION).await;
    assert_eq!(engine.authorise("other", "tablet", "half").await, FOREIGN);
});

conformance!(a_spent_half_ref_is_refused_to_another_device, async |backend| {
    let engine = phone_and_tablet(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.redeem("half", "connection").await.unwrap();
    assert_eq!(engine.authorise("other", "tablet", "half").await, FOREIGN);
});

conformance!(a_refused_device_does_not_change_the_half_ref, async |backend| {
    let engine = phone_and_tablet(backend).await;
    engine.authorise_with_link("token", "phone", "half", Some("link")).await.unwrap();
    engine.authorise_with_link("other", "tablet", "half", Some("stolen")).await.unwrap_err();
    let opened = engine.redeem("half", "connection").await.unwrap();
    assert_eq!(&*opened.device, "phone");
    assert_eq!(opened.linkinjected.as_deref(), Some("link"));
});

conformance!(a_spent_half_ref_is_refused, async |backend| {
    let engine = phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.redeem("half", "connection").await.unwrap();
    assert_eq!(engine.authorise("token", "phone", "half").await, Err(AuthoriseError::HalfRefSpent));
});

conformance!(a_forgotten_spent_half_ref_can_be_authorised_again, async |backend| {
    let engine = phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.redeem("half", "connection").await.unwrap();
    engine.advance(just_before(MEMORY)).await;
    assert_eq!(engine.authorise("token", "phone", "half").await, Err(AuthoriseError::HalfRefSpent));
    engine.advance(MOMENT).await;
    assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
});

conformance!(a_forgotten_half_ref_is_free_for_another_device, async |backend| {
    let engine = phone_and_tablet(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance(AUTHORISATION).await;
    engine.advance(MEMORY).await;
    assert_eq!(engine.authorise("other", "tablet", "half").await, Ok(()));
});

conformance!(a_fourth_open_authorisation_replaces_the_oldest, async |backend| {
    let engine = full_phone(backend).await;
    assert_eq!(engine.authorise("token", "phone", "four").await, Ok(()));
    assert_eq!(engine.redeem("one", "c").await, Err(RedeemError::Expired));
    for half_ref in ["two", "three", "four"] {
        assert!(engine.redeem(half_ref, half_ref).await.is_ok(), "{half_ref}");
    }
});

conformance!(a_replaced_authorisation_can_be_made_again, async |backend| {
    let engine = full_phone(backend).await;
    engine.authorise("token", "phone", "four").await.unwrap();
    assert_eq!(engine.authorise("token", "phone", "one").await, Ok(()));
    assert_eq!(engine.redeem("two", "c").await, Err(RedeemError::Expired));
    assert!(engine.redeem("one", "connection").await.is_ok());
});

conformance!(authorising_again_replaces_no_other, async |backend| {
    let engine = full_phone(backend).await;
    assert_eq!(engine.authorise("token", "phone", "two").await, Ok(()));
    for half_ref in ["one", "two", "three"] {
        assert!(engine.redeem(half_ref, half_ref).await.is_ok(), "{half_ref}");
    }
});

conformance!(authorising_again_makes_an_authorisation_the_newest, async |backend| {
    let engine = full_phone(backend).await;
    engine.authorise("token", "phone", "one").await.unwrap();
    engine.authorise("token", "phone", "four").await.unwrap();
    assert_eq!(engine.redeem("two", "c").await, Err(RedeemError::Expired));
    assert!(engine.redeem("one", "connection").await.is_ok());
});

conformance!(of_authorisations_of_one_instant_the_first_is_the_oldest, async |backend| {
    let engine = phone(backend).await;
    for half_ref in ["b", "a", "c", "d"] {
        engine.authorise("token", "phone", half_ref).await.unwrap();
    }
    assert_eq!(engine.redeem("b", "connection").await, Err(RedeemError::Expired));
    assert!(engine.redeem("a", "connection").await.is_ok());
});

conformance!(a_redeemed_authorisation_makes_room, async |backend| {
    let engine = full_phone(backend).await;
    engine.redeem("two", "connection").await.unwrap();
    engine.authorise("token", "phone", "four").await.unwrap();
    assert!(engine.redeem("one", "newer").await.is_ok());
});

conformance!(an_expired_authorisation_makes_room, async |backend| {
    let engine = full_phone(backend).await;
    engine.advance(27 * SECOND).await;
    engine.authorise("token", "phone", "four").await.unwrap();
    assert!(engine.redeem("two", "connection").await.is_ok());
});

conformance!(each_device_has_its_own_authorisation_limit, async |backend| {
    let engine = full_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    assert_eq!(engine.authorise("other", "tablet", "four").await, Ok(()));
});

/// Asks ten times, which is all that a device may in an instant.
async fn ask_ten_times(engine: &TestEngine) {
    for _ in 0..10 {
        assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
    }
}

conformance!(authorising_too_often_is_refused_until_the_wait_is_over, async |backend| {
    let engine = phone(backend).await;
    ask_ten_times(&engine).await;
    let Err(AuthoriseError::TooMany(wait)) = engine.authorise("token", "phone", "half").await
    else {
        panic!("the eleventh is refused");
    };
    assert!(wait > Duration::ZERO && wait <= SECOND, "{wait:?}");
    engine.advance(just_before(wait)).await;
    assert_eq!(
        engine.authorise("token", "phone", "half").await,
        Err(AuthoriseError::TooMany(MOMENT))
    );
    engine.advance(MOMENT).await;
    assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
});

conformance!(authorising_steadily_at_the_rate_is_never_refused, async |backend| {
    let engine = phone(backend).await;
    for _ in 0..100 {
        assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
        engine.advance(SECOND / 10).await;
    }
});

conformance!(each_device_has_its_own_rate, async |backend| {
    let engine = phone_and_tablet(backend).await;
    ask_ten_times(&engine).await;
    assert_eq!(engine.authorise("other", "tablet", "quarter").await, Ok(()));
});

/// A claimed phone that may ask so often.
async fn phone_at(backend: Backend, authorisations_per_second: u32) -> TestEngine {
    let limits = Limits { authorisations_per_second, ..Limits::default() };
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    engine
}

conformance!(a_rate_with_a_fractional_interval_is_exact, async |backend| {
    let engine = phone_at(backend, 3).await;
    for _ in 0..3 {
        assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
    }
    engine.advance(Duration::from_millis(333)).await;
    let refused = engine.authorise("token", "phone", "half").await;
    assert!(matches!(refused, Err(AuthoriseError::TooMany(_))), "{refused:?}");
    engine.advance(MOMENT).await;
    assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
});

conformance!(a_rate_above_one_per_millisecond_is_exact, async |backend| {
    let engine = phone_at(backend, 2000).await;
    for _ in 0..2000 {
        assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
    }
    let refused = engine.authorise("token", "phone", "half").await;
    assert!(matches!(refused, Err(AuthoriseError::TooMany(_))), "{refused:?}");
});
