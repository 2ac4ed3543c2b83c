//! What every engine does, written once and run on each of them.
//!
//! A test makes its engine, its clock and its sockets through [`world::World`] and knows nothing
//! of what is behind the trait.

mod authorisations;
mod claims;
mod conversation;
mod conversation_model;
mod events;
mod idempotency;
mod lasting;
mod model;
mod phones;
mod promises;
mod prospects;
mod races;
mod random;
mod records;
mod redeeming;
mod redis;
mod sockets;
mod tokens;
mod world;

/// Every test for one engine. A test that is not listed here is an unused function, which the
/// compiler reports.
macro_rules! engine_tests {
    ($engine:ident, $make:path) => {
        engine_tests! { #[cfg(all())] $engine, $make }
    };
    (#[$attribute:meta] $engine:ident, $make:path) => {
        engine_tests! { #[$attribute] $engine, $make,
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
            claims::issuing_twice_keeps_the_devices_own_token
            claims::issuing_twice_drops_the_first_that_was_not_used
            claims::after_two_issues_the_devices_own_token_gets_the_next_one
            claims::after_two_issues_the_first_use_ends_the_devices_own_token
            claims::an_issue_after_a_lost_renewal_keeps_the_devices_own_token
            claims::an_issue_after_a_use_keeps_the_token_that_was_used
            claims::asking_too_often_uses_the_token
            claims::asking_with_a_spent_half_ref_uses_the_token
            claims::asking_for_a_fourth_authorisation_uses_the_token
            claims::asking_for_another_device_does_not_use_the_token
            claims::asking_with_an_expired_token_does_not_use_it
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
            authorisations::a_rate_of_no_whole_milliseconds_is_kept
            authorisations::a_rate_of_more_than_one_in_a_millisecond_is_kept
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
            records::a_queued_message_puts_off_the_end_of_the_record
            conversation::a_device_without_a_record_is_sent_nothing
            conversation::messages_are_numbered_from_one
            conversation::each_device_has_its_own_numbers
            conversation::a_message_has_the_epoch_that_the_socket_is_told
            conversation::a_new_record_numbers_from_one_in_a_new_epoch
            conversation::a_renewal_keeps_numbers_and_what_waits
            conversation::sending_tells_that_a_device_is_connected
            conversation::sending_tells_that_a_device_was_never_connected
            conversation::sending_tells_that_a_device_is_gone
            conversation::the_socket_is_told_of_a_message
            conversation::the_newer_socket_is_told_of_a_message
            conversation::no_socket_is_told_of_another_devices_message
            conversation::no_socket_is_told_of_a_refused_message
            conversation::an_empty_outbox_gives_nothing
            conversation::messages_wait_in_their_order_byte_for_byte
            conversation::a_device_gets_its_own_messages_alone
            conversation::what_was_sent_before_the_socket_opened_waits
            conversation::what_was_read_still_waits
            conversation::a_newer_socket_gets_all_that_is_unacknowledged
            conversation::only_what_comes_after_a_number_is_read
            conversation::a_batch_has_at_most_its_bytes
            conversation::a_batch_has_one_message_however_large
            conversation::a_batch_does_not_pass_over_a_large_message
            conversation::acknowledging_takes_out_all_up_to_the_number
            conversation::acknowledging_less_than_before_changes_nothing
            conversation::what_was_never_sent_is_not_acknowledged_ahead
            conversation::acknowledging_leaves_other_devices_alone
            conversation::the_sender_is_told_of_an_acknowledgement
            conversation::a_message_is_acknowledged_up_to_the_number
            conversation::a_message_of_another_epoch_is_not_acknowledged
            conversation::a_message_to_a_device_that_was_forgotten_is_not_acknowledged
            conversation::acknowledgement_outlives_the_socket
            conversation::an_outbox_full_of_messages_refuses_until_the_first_ends
            conversation::an_outbox_full_of_bytes_refuses_until_the_first_ends
            conversation::an_outbox_takes_messages_up_to_its_last_byte
            conversation::a_refused_message_takes_no_number
            conversation::acknowledging_makes_room_for_messages
            conversation::acknowledging_makes_room_for_bytes
            conversation::each_device_has_its_own_outbox
            conversation::a_message_waits_until_its_time_is_over
            conversation::a_message_in_the_middle_expires_by_itself
            conversation::messages_expire_in_the_order_of_their_deadlines
            conversation::a_message_expires_once
            conversation::a_message_expires_without_a_socket
            conversation::a_message_that_was_read_expires_as_well
            conversation::an_acknowledged_message_does_not_expire
            conversation::a_message_that_expires_in_the_middle_makes_room
            conversation::an_expired_number_is_not_given_again
            conversation::a_message_of_a_record_that_ended_leaves_the_next_alone
            conversation::what_was_acknowledged_in_a_record_that_ended_leaves_the_next_alone
            conversation::a_superseded_connection_is_stale
            conversation::a_closed_connection_is_stale
            conversation::a_revoked_connection_is_stale
            conversation::a_connection_of_a_forgotten_record_is_stale_in_the_next
            conversation::a_connection_whose_token_ended_is_stale
            conversation::another_devices_connection_is_stale
            conversation::a_connection_of_no_device_is_stale
            conversation::an_accepted_message_is_in_the_event_stream
            conversation::accepted_messages_keep_their_order
            conversation::an_id_is_accepted_once
            conversation::an_id_is_accepted_once_over_a_reconnect
            conversation::an_id_is_accepted_once_after_its_event_was_released
            conversation::each_device_has_its_own_ids
            conversation::a_new_record_knows_no_ids
            conversation::the_last_256_ids_are_remembered
            conversation::the_257th_last_id_is_forgotten
            conversation::an_id_that_comes_again_is_not_remembered_longer
            conversation::what_the_prospect_says_leaves_its_outbox_alone
            idempotency::a_repeated_request_gets_the_first_answer
            idempotency::a_repeated_request_sends_nothing
            idempotency::a_request_without_a_key_is_never_repeated
            idempotency::a_repeated_request_is_told_what_was_so_at_first_of_the_socket
            idempotency::a_repeated_request_is_told_of_the_acknowledgement
            idempotency::another_body_under_a_used_key_is_refused
            idempotency::a_refused_body_leaves_the_key_to_the_first
            idempotency::each_device_has_its_own_keys
            idempotency::a_key_is_remembered_for_a_day
            idempotency::a_repeated_request_is_not_remembered_longer
            idempotency::a_new_record_knows_no_keys
            idempotency::a_new_key_waits_for_the_first_to_be_forgotten
            idempotency::a_request_that_finds_no_room_for_its_key_sends_nothing
            idempotency::a_repeated_request_needs_no_room_for_its_key
            idempotency::a_request_without_a_key_needs_no_room_for_one
            idempotency::a_repeated_request_needs_no_room_in_the_outbox
            idempotency::a_request_that_found_the_outbox_full_may_come_again
            events::a_connected_event_says_who_and_when
            events::a_connected_event_hands_over_linkinjected
            events::a_message_event_has_its_data_byte_for_byte
            events::a_message_event_has_data_that_is_null
            events::a_disconnected_event_has_the_code
            events::a_disconnected_event_has_no_code_where_there_was_none
            events::an_expired_event_has_epoch_and_number
            events::a_newer_socket_comes_after_the_end_of_the_older
            events::a_close_is_written_once
            events::the_close_of_a_superseded_connection_is_not_written_again
            events::a_close_under_another_devices_name_is_not_written
            events::a_revoked_token_disconnects_as_revoked
            events::a_revoked_test_token_disconnects_as_revoked
            events::a_claim_over_a_test_token_disconnects_as_revoked
            events::the_end_of_the_token_disconnects_as_expired
            events::a_renewal_is_not_written
            events::a_record_that_ends_expires_what_is_undelivered
            events::a_record_that_ends_by_itself_expires_what_is_undelivered
            events::what_expires_with_its_record_has_the_epoch_it_was_sent_in
            events::the_readers_are_told_of_all_that_happens
            events::a_stream_keeps_its_name
            events::two_streams_have_two_names
            events::the_first_event_to_come_is_number_one
            events::events_are_numbered_by_one_over_all_devices
            events::events_are_read_from_a_number_on
            events::events_are_read_up_to_a_limit
            events::events_that_are_still_to_come_are_not_read
            events::reading_takes_nothing_away
            events::released_events_are_gone
            events::releasing_less_than_before_is_no_error
            events::releasing_all_keeps_the_next_number
            events::what_is_still_to_come_is_not_released
            events::an_event_is_kept_for_a_day
            events::a_full_stream_accepts_no_message
            events::a_stream_is_full_at_its_last_byte
            events::a_message_that_found_the_stream_full_may_come_again
            events::a_message_that_was_accepted_is_so_in_a_full_stream
            events::a_full_stream_opens_no_socket
            events::a_half_ref_that_found_the_stream_full_is_not_spent
            events::a_socket_that_does_not_open_leaves_the_older_one
            events::a_dead_half_ref_is_told_so_in_a_full_stream
            events::what_ends_is_written_to_a_full_stream
            events::an_event_that_is_too_old_makes_room
            events::a_stream_full_of_one_device_refuses_it
            events::a_stream_full_of_one_device_serves_another
            events::releasing_a_devices_events_makes_room_for_it
            events::releasing_another_devices_events_makes_no_room
            events::a_new_record_has_the_room_of_the_device_alone
            prospects::a_device_without_a_record_is_not_known
            prospects::a_device_without_a_socket_is_known
            prospects::a_connected_device_is_known_with_its_socket
            prospects::a_device_is_known_with_its_newer_socket
            prospects::a_device_whose_socket_closed_is_known_without_it
            prospects::a_device_whose_token_ended_is_known_without_a_socket
            prospects::a_device_whose_record_ended_is_not_known
            prospects::what_was_sent_is_unacknowledged
            prospects::what_is_acknowledged_is_not_counted
            prospects::what_expired_is_not_counted
            prospects::nobody_is_connected_at_first
            prospects::connected_devices_come_in_the_order_of_their_names
            prospects::a_connected_device_is_listed_as_it_is_looked_at
            prospects::connected_devices_come_after_a_name
            prospects::connected_devices_come_after_a_name_that_is_not_there
            prospects::connected_devices_come_up_to_a_limit
            prospects::the_list_stays_right_while_devices_come_and_go
            prospects::a_device_without_a_socket_is_not_connected
            prospects::a_device_that_connects_again_is_connected_once
            prospects::a_device_stays_connected_when_its_older_socket_closes
            prospects::a_device_whose_socket_closed_is_not_connected
            prospects::a_revoked_device_is_not_connected
            prospects::a_device_whose_token_ended_is_not_connected
            prospects::forgetting_ends_the_socket
            prospects::forgetting_ends_the_tokens
            prospects::forgetting_ends_what_waits_to_be_redeemed
            prospects::forgetting_ends_the_record
            prospects::forgetting_expires_what_is_undelivered
            prospects::forgetting_frees_the_device
            prospects::forgetting_a_test_device_ends_it_as_well
            prospects::forgetting_makes_room_for_another_device
            prospects::forgetting_twice_is_no_error
            prospects::forgetting_an_unknown_device_is_no_error
            prospects::forgetting_leaves_other_devices_alone
            races::of_two_threads_that_redeem_one_half_ref_one_wins
            races::of_threads_that_claim_one_device_one_wins
            model::random_lives_of_devices_follow_the_model
            conversation_model::random_conversations_follow_the_model
            promises::nothing_is_lost_or_doubled_whatever_the_order_of_things
        }
    };
    (#[$attribute:meta] $engine:ident, $make:path, $($module:ident::$test:ident)+) => {
        mod $engine {
            $(
                #[tokio::test]
                #[$attribute]
                async fn $test() {
                    super::$module::$test($make).await;
                }
            )+
        }
    };
}

engine_tests!(embedded, crate::world::make_embedded);
engine_tests!(journaled, crate::world::make_journaled);
engine_tests!(
    #[ignore = "needs redis-server"]
    many_gateways,
    crate::redis::make_redis
);
