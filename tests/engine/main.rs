//! What every engine does, written once and run on each of them.
//!
//! A test makes its engine, its clock and its sockets through [`world::World`] and knows nothing
//! of what is behind the trait.

mod authorisations;
mod claims;
mod model;
mod races;
mod records;
mod redeeming;
mod sockets;
mod tokens;
mod world;

/// Every test for one engine. A test that is not listed here is an unused function, which the
/// compiler reports.
macro_rules! engine_tests {
    ($engine:ident, $make:path) => {
        engine_tests! { $engine, $make,
            claims::the_first_to_ask_claims_the_device
            claims::every_claim_is_of_one_device
            claims::a_stranger_with_no_token_gets_nothing
            claims::a_stranger_with_another_devices_token_gets_nothing
            claims::a_stranger_with_a_token_that_was_never_given_gets_nothing
            claims::a_refused_claim_changes_nothing
            claims::the_newest_token_gets_the_next_one
            claims::the_newest_token_gets_the_next_one_when_it_has_expired
            claims::the_token_before_gets_the_next_one_while_the_newer_is_unused
            claims::the_token_before_gets_the_next_one_when_it_has_expired
            claims::two_lost_replies_in_a_row_lose_nothing
            claims::the_newer_of_a_lost_reply_is_replaced
            claims::the_token_before_is_refused_once_the_newer_was_used
            claims::the_token_before_is_no_good_once_the_newer_was_used
            claims::the_token_before_authorises_while_the_newer_is_unused
            claims::looking_at_a_token_does_not_use_it
            claims::renewing_with_the_newest_ends_the_one_before_it
            claims::a_token_two_renewals_old_gets_nothing
            claims::a_claimed_device_gives_no_test_token
            claims::a_test_token_does_not_renew
            claims::a_claim_ends_the_test_tokens
            claims::a_claim_ends_what_test_tokens_had_authorised
            claims::a_claim_ends_the_socket_of_a_test_token
            claims::the_operator_claims_a_free_device
            claims::the_operators_token_is_the_newest_of_a_claim
            claims::the_operators_token_ends_the_prospects_when_it_is_used
            claims::the_operator_ends_what_the_test_channel_had
            tokens::a_token_that_was_never_given_is_unknown
            tokens::a_token_is_good_until_its_time_is_over
            tokens::an_expired_token_is_known_as_expired
            tokens::a_test_token_is_given_to_whoever_asks
            tokens::the_ninth_test_token_ends_the_first
            tokens::a_test_token_that_makes_room_ends_what_it_had
            tokens::revoking_a_claim_ends_all_its_tokens
            tokens::revoking_the_token_before_ends_the_claim_as_well
            tokens::revoking_a_claim_frees_the_device
            tokens::revoking_a_claim_starts_a_new_epoch
            tokens::revoking_an_expired_token_ends_the_claim
            tokens::revoking_one_of_several_test_tokens_leaves_the_others
            tokens::revoking_a_test_token_ends_what_it_had_authorised
            tokens::revoking_a_test_token_leaves_what_others_had_authorised
            tokens::revoking_a_test_token_ends_its_socket
            tokens::revoking_a_test_token_leaves_the_socket_of_another
            tokens::revoking_twice_is_no_error
            tokens::revoking_leaves_other_devices_alone
            authorisations::an_unknown_token_authorises_nothing
            authorisations::an_expired_token_authorises_nothing
            authorisations::a_token_authorises_for_its_own_device_alone
            authorisations::asking_again_restarts_the_time
            authorisations::asking_again_replaces_linkinjected
            authorisations::asking_again_without_linkinjected_removes_it
            authorisations::asking_again_revives_what_has_expired
            authorisations::asking_again_revives_what_was_revoked
            authorisations::another_token_of_the_device_may_ask_again
            authorisations::another_device_may_not_use_a_half_ref_that_waits
            authorisations::another_device_may_not_use_a_half_ref_that_has_expired
            authorisations::another_device_may_not_use_a_half_ref_that_was_spent
            authorisations::a_refused_device_changes_nothing_of_the_half_ref
            authorisations::a_spent_half_ref_is_refused
            authorisations::a_spent_half_ref_is_usable_again_when_it_is_forgotten
            authorisations::a_forgotten_half_ref_belongs_to_nobody
            authorisations::a_fourth_open_authorisation_waits_for_the_first_to_end
            authorisations::asking_again_needs_no_place_of_its_own
            authorisations::reviving_an_expired_one_needs_a_place
            authorisations::asking_again_gives_up_no_place
            authorisations::a_redeemed_authorisation_makes_room
            authorisations::an_expired_authorisation_makes_room
            authorisations::each_device_has_its_own_places
            authorisations::asking_too_often_is_refused_until_the_wait_is_over
            authorisations::asking_steadily_at_the_rate_is_never_refused
            authorisations::each_device_has_its_own_rate
            redeeming::a_half_ref_opens_its_devices_socket
            redeeming::a_half_ref_hands_over_its_linkinjected
            redeeming::a_half_ref_opens_once
            redeeming::an_unknown_half_ref_opens_nothing
            redeeming::an_expired_half_ref_opens_nothing
            redeeming::a_half_ref_opens_until_its_time_is_over
            redeeming::a_revoked_half_ref_opens_nothing
            redeeming::a_half_ref_of_an_expired_token_is_expired
            redeeming::a_renewed_token_keeps_what_waits
            redeeming::a_spent_half_ref_is_remembered_for_ten_minutes
            redeeming::an_expired_half_ref_is_remembered_for_ten_minutes
            redeeming::a_revoked_half_ref_is_remembered_for_ten_minutes
            redeeming::the_oldest_remembered_half_ref_makes_room
            redeeming::what_waits_is_not_forgotten_for_want_of_memory
            sockets::a_newer_socket_supersedes_the_older
            sockets::a_superseded_socket_is_ended_once
            sockets::sockets_of_two_devices_live_side_by_side
            sockets::a_closed_socket_is_not_superseded
            sockets::a_stale_close_does_not_close_the_newer
            sockets::a_close_under_another_devices_name_closes_nothing
            sockets::closing_twice_is_no_error
            sockets::a_socket_ends_with_its_token
            sockets::a_renewed_token_carries_the_socket
            sockets::the_operators_token_carries_the_socket
            sockets::the_socket_of_a_lost_reply_is_carried_as_well
            sockets::what_the_token_before_authorised_ends_with_the_newest
            sockets::a_revoked_claim_ends_its_socket
            sockets::a_socket_that_ended_is_not_ended_again
            records::one_device_keeps_one_epoch
            records::two_devices_have_two_epochs
            records::renewing_keeps_the_epoch
            records::a_record_outlives_its_last_token_by_a_day
            records::a_record_ends_a_day_after_its_last_token
            records::a_renewal_puts_off_the_end_of_the_record
            records::a_life_of_renewals_keeps_socket_and_epoch
            records::a_new_device_is_refused_when_all_places_are_taken
            records::a_known_device_is_served_when_all_places_are_taken
            records::a_revoked_claim_makes_room_for_another_device
            records::a_record_that_ended_makes_room_for_another_device
            records::an_engine_is_ready
            races::of_two_threads_that_redeem_one_half_ref_one_wins
            races::of_threads_that_claim_one_device_one_wins
            model::random_lives_of_devices_follow_the_model
        }
    };
    ($engine:ident, $make:path, $($module:ident::$test:ident)+) => {
        mod $engine {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$module::$test($make).await;
                }
            )+
        }
    };
}

engine_tests!(embedded, crate::world::make_embedded);
