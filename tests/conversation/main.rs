//! Messages in both directions: outbox, event stream, limits, and the operator's view of prospects.

mod accepting;
mod books;
mod delivering;
mod draining;
mod events;
mod expiring;
mod full_events;
mod full_outbox;
mod idempotency;
mod pace;
mod prospects;
mod reconnecting;
mod sending;
mod verbatim;
mod waiting;

use tests::{Event, Gateway};

/// A gateway whose rates a test does not reach.
fn unlimited() -> Gateway {
    Gateway::builder()
        .flag("--frames-per-second", "1000")
        .flag("--authorisations-per-second", "1000")
        .flag("--event-streams", "1000")
        .start()
}

/// The kinds of events, in order.
fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// The ids of the messages among the events, in order.
fn message_ids(events: &[Event]) -> Vec<String> {
    let messages = events.iter().filter(|event| event.kind == "message");
    messages.map(|event| event.json()["id"].as_str().expect("an id").to_owned()).collect()
}
