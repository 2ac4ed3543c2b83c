//! The conversation: what the operator sends, what prospects say, and what each is told of it.

mod accepting;
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

/// A gateway on which a test may speak, connect and read as often as it likes.
fn patient() -> Gateway {
    Gateway::builder()
        .flag("--frames-per-second", "1000")
        .flag("--authorisations-per-second", "1000")
        .flag("--event-streams", "1000")
        .start()
}

/// What kinds of things happened, in order.
fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// The ids of the messages among the events, in order.
fn message_ids(events: &[Event]) -> Vec<String> {
    let messages = events.iter().filter(|event| event.kind == "message");
    messages.map(|event| event.json()["id"].as_str().expect("an id").to_owned()).collect()
}
