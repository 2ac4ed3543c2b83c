//! What may wait to be opened: whose, how often, how long and how many at a time.

use std::time::Duration;

use engine::{AuthoriseError, Limits, RedeemError, TokenError};

use crate::world::{AUTHORISATION, DAY, MEMORY, MOMENT, Make, World, just_before};

const SECOND: Duration = Duration::from_secs(1);
const FOREIGN: Result<(), AuthoriseError> = Err(AuthoriseError::HalfRefForeign);

/// A claimed phone.
async fn phone(make: impl Make) -> World {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world
}

/// A claimed phone and a claimed tablet.
async fn phone_and_tablet(make: impl Make) -> World {
    let world = phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world
}

/// A phone with as many open authorisations as it may have, begun a second apart.
async fn full_phone(make: impl Make) -> World {
    let world = phone(make).await;
    for half_ref in ["one", "two", "three"] {
        world.authorise("token", "phone", half_ref).await.unwrap();
        world.pass(SECOND).await;
    }
    world
}

pub async fn an_unknown_token_authorises_nothing(make: impl Make) {
    let world = phone(make).await;
    assert_eq!(
        world.authorise("invented", "phone", "half").await,
        Err(AuthoriseError::Token(TokenError::Unknown))
    );
    assert_eq!(world.redeem("half", "c").await, Err(RedeemError::Unknown));
}

pub async fn an_expired_token_authorises_nothing(make: impl Make) {
    let world = phone(make).await;
    world.pass(DAY).await;
    assert_eq!(
        world.authorise("token", "phone", "half").await,
        Err(AuthoriseError::Token(TokenError::Expired))
    );
    assert_eq!(world.redeem("half", "c").await, Err(RedeemError::Unknown));
}

pub async fn a_token_authorises_for_its_own_device_alone(make: impl Make) {
    let world = phone_and_tablet(make).await;
    assert_eq!(
        world.authorise("other", "phone", "half").await,
        Err(AuthoriseError::DeviceMismatch)
    );
    assert_eq!(world.redeem("half", "c").await, Err(RedeemError::Unknown));
}

pub async fn asking_again_restarts_the_time(make: impl Make) {
    let world = phone(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.pass(just_before(AUTHORISATION)).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.pass(just_before(AUTHORISATION)).await;
    assert!(world.redeem("half", "connection").await.is_ok());
}

pub async fn asking_again_replaces_linkinjected(make: impl Make) {
    let world = phone(make).await;
    for link in ["old", "new"] {
        world.authorise_linked("token", "phone", "half", Some(link)).await.unwrap();
    }
    let opened = world.redeem("half", "connection").await.unwrap();
    assert_eq!(opened.linkinjected.as_deref(), Some("new"));
}

pub async fn asking_again_without_linkinjected_removes_it(make: impl Make) {
    let world = phone(make).await;
    for link in [Some("old"), None] {
        world.authorise_linked("token", "phone", "half", link).await.unwrap();
    }
    let opened = world.redeem("half", "connection").await.unwrap();
    assert_eq!(opened.linkinjected, None);
}

pub async fn asking_again_revives_what_has_expired(make: impl Make) {
    let world = phone(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.pass(AUTHORISATION).await;
    assert_eq!(world.redeem("half", "c").await, Err(RedeemError::Expired));
    assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
    assert!(world.redeem("half", "connection").await.is_ok());
}

pub async fn asking_again_revives_what_was_revoked(make: impl Make) {
    let world = phone(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.revoke("token").await;
    world.claim("phone", "next").await.unwrap();
    assert_eq!(world.authorise("next", "phone", "half").await, Ok(()));
    assert!(world.redeem("half", "connection").await.is_ok());
}

pub async fn another_token_of_the_device_may_ask_again(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.authorise("one", "phone", "half").await.unwrap();
    assert_eq!(world.authorise("two", "phone", "half").await, Ok(()));
    world.revoke("one").await;
    assert!(world.redeem("half", "connection").await.is_ok());
}

pub async fn another_device_may_not_use_a_half_ref_that_waits(make: impl Make) {
    let world = phone_and_tablet(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    assert_eq!(world.authorise("other", "tablet", "half").await, FOREIGN);
}

pub async fn another_device_may_not_use_a_half_ref_that_has_expired(make: impl Make) {
    let world = phone_and_tablet(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.pass(AUTHORISATION).await;
    assert_eq!(world.authorise("other", "tablet", "half").await, FOREIGN);
}

pub async fn another_device_may_not_use_a_half_ref_that_was_spent(make: impl Make) {
    let world = phone_and_tablet(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.redeem("half", "connection").await.unwrap();
    assert_eq!(world.authorise("other", "tablet", "half").await, FOREIGN);
}

pub async fn a_refused_device_changes_nothing_of_the_half_ref(make: impl Make) {
    let world = phone_and_tablet(make).await;
    world.authorise_linked("token", "phone", "half", Some("link")).await.unwrap();
    world.authorise_linked("other", "tablet", "half", Some("stolen")).await.unwrap_err();
    let opened = world.redeem("half", "connection").await.unwrap();
    assert_eq!(&*opened.device, "phone");
    assert_eq!(opened.linkinjected.as_deref(), Some("link"));
}

pub async fn a_spent_half_ref_is_refused(make: impl Make) {
    let world = phone(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.redeem("half", "connection").await.unwrap();
    assert_eq!(world.authorise("token", "phone", "half").await, Err(AuthoriseError::HalfRefSpent));
}

pub async fn a_spent_half_ref_is_usable_again_when_it_is_forgotten(make: impl Make) {
    let world = phone(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.redeem("half", "connection").await.unwrap();
    world.pass(just_before(MEMORY)).await;
    assert_eq!(world.authorise("token", "phone", "half").await, Err(AuthoriseError::HalfRefSpent));
    world.pass(MOMENT).await;
    assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
}

pub async fn a_forgotten_half_ref_belongs_to_nobody(make: impl Make) {
    let world = phone_and_tablet(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.pass(AUTHORISATION).await;
    world.pass(MEMORY).await;
    assert_eq!(world.authorise("other", "tablet", "half").await, Ok(()));
}

pub async fn a_fourth_open_authorisation_waits_for_the_first_to_end(make: impl Make) {
    let world = full_phone(make).await;
    assert_eq!(
        world.authorise("token", "phone", "four").await,
        Err(AuthoriseError::Full(27 * SECOND))
    );
    assert_eq!(world.redeem("four", "c").await, Err(RedeemError::Unknown));
}

pub async fn asking_again_needs_no_place_of_its_own(make: impl Make) {
    let world = full_phone(make).await;
    assert_eq!(world.authorise("token", "phone", "two").await, Ok(()));
}

pub async fn reviving_an_expired_one_needs_a_place(make: impl Make) {
    let world = phone(make).await;
    world.authorise("token", "phone", "old").await.unwrap();
    world.pass(AUTHORISATION).await;
    for half_ref in ["one", "two", "three"] {
        world.authorise("token", "phone", half_ref).await.unwrap();
    }
    assert_eq!(
        world.authorise("token", "phone", "old").await,
        Err(AuthoriseError::Full(AUTHORISATION))
    );
}

pub async fn asking_again_gives_up_no_place(make: impl Make) {
    let world = full_phone(make).await;
    world.authorise("token", "phone", "one").await.unwrap();
    assert_eq!(
        world.authorise("token", "phone", "four").await,
        Err(AuthoriseError::Full(28 * SECOND))
    );
}

pub async fn a_redeemed_authorisation_makes_room(make: impl Make) {
    let world = full_phone(make).await;
    world.redeem("two", "connection").await.unwrap();
    assert_eq!(world.authorise("token", "phone", "four").await, Ok(()));
}

pub async fn an_expired_authorisation_makes_room(make: impl Make) {
    let world = full_phone(make).await;
    world.pass(just_before(27 * SECOND)).await;
    assert_eq!(world.authorise("token", "phone", "four").await, Err(AuthoriseError::Full(MOMENT)));
    world.pass(MOMENT).await;
    assert_eq!(world.authorise("token", "phone", "four").await, Ok(()));
}

pub async fn each_device_has_its_own_places(make: impl Make) {
    let world = full_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    assert_eq!(world.authorise("other", "tablet", "four").await, Ok(()));
}

/// Asks ten times, which is all that a device may in an instant.
async fn ask_ten_times(world: &World) {
    for _ in 0..10 {
        assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
    }
}

pub async fn asking_too_often_is_refused_until_the_wait_is_over(make: impl Make) {
    let world = phone(make).await;
    ask_ten_times(&world).await;
    let Err(AuthoriseError::TooMany(wait)) = world.authorise("token", "phone", "half").await else {
        panic!("the eleventh is refused");
    };
    assert!(wait > Duration::ZERO && wait <= SECOND, "{wait:?}");
    world.pass(just_before(wait)).await;
    assert_eq!(
        world.authorise("token", "phone", "half").await,
        Err(AuthoriseError::TooMany(MOMENT))
    );
    world.pass(MOMENT).await;
    assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
}

pub async fn asking_steadily_at_the_rate_is_never_refused(make: impl Make) {
    let world = phone(make).await;
    for _ in 0..100 {
        assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
        world.pass(SECOND / 10).await;
    }
}

pub async fn each_device_has_its_own_rate(make: impl Make) {
    let world = phone_and_tablet(make).await;
    ask_ten_times(&world).await;
    assert_eq!(world.authorise("other", "tablet", "quarter").await, Ok(()));
}

/// A claimed phone that may ask so often.
async fn phone_at(make: impl Make, authorisations_per_second: u32) -> World {
    let settings = Limits { authorisations_per_second, ..Limits::default() };
    let world = World::with(make, settings).await;
    world.claim("phone", "token").await.unwrap();
    world
}

pub async fn a_rate_of_no_whole_milliseconds_is_kept(make: impl Make) {
    let world = phone_at(make, 3).await;
    for _ in 0..3 {
        assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
    }
    world.pass(Duration::from_millis(333)).await;
    let refused = world.authorise("token", "phone", "half").await;
    assert!(matches!(refused, Err(AuthoriseError::TooMany(_))), "{refused:?}");
    world.pass(MOMENT).await;
    assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
}

pub async fn a_rate_of_more_than_one_in_a_millisecond_is_kept(make: impl Make) {
    let world = phone_at(make, 2000).await;
    for _ in 0..2000 {
        assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
    }
    let refused = world.authorise("token", "phone", "half").await;
    assert!(matches!(refused, Err(AuthoriseError::TooMany(_))), "{refused:?}");
}
