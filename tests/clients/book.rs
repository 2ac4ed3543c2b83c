//! What the operator's event stream of a driver's gateway said, read apart from the driver.

use tests::{Event, EventStream, Gateway, Operator};

/// A reader of the event stream from its beginning, and what it read.
pub struct Book {
    stream: EventStream,
    happened: Vec<Event>,
}

impl Book {
    /// A reader of this gateway's events.
    pub fn of(gateway: &Gateway) -> Self {
        Self { stream: Operator::of(gateway).events_after("0"), happened: Vec::new() }
    }

    /// The events up to the first of this kind.
    pub fn read_until(&mut self, kind: &str) -> &[Event] {
        while !self.happened.iter().any(|event| event.kind == kind) {
            self.happened.push(self.stream.event());
        }
        &self.happened
    }
}
