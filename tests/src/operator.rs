//! The operator's backend, as a client that shares no code with the server.

use serde_json::Value;

use crate::{Answer, Call, Event, EventStream, Gateway, Prospect};

/// The operator of a gateway.
#[derive(Clone, Copy)]
pub struct Operator<'a> {
    gateway: &'a Gateway,
}

impl<'a> Operator<'a> {
    /// The operator of this gateway.
    #[must_use]
    pub fn of(gateway: &'a Gateway) -> Self {
        Self { gateway }
    }

    /// A call with the operator's key.
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Call {
        let key = format!("Bearer {}", self.gateway.operator_key);
        self.gateway.call(method, path).header("authorization", &key)
    }

    /// A call that sends a message, still without a body.
    #[must_use]
    pub fn message(&self, device: &str) -> Call {
        self.call("POST", &format!("/operator/prospects/{device}/messages"))
    }

    /// Sends a message whose data is this JSON as it stands.
    #[must_use]
    pub fn send(&self, device: &str, data: &str) -> Answer {
        self.message(device).json_text(format!(r#"{{"data":{data}}}"#)).send()
    }

    /// Sends a message that is taken; gives its number.
    ///
    /// # Panics
    /// When it is refused.
    #[expect(clippy::must_use_candidate, reason = "sending is what it is called for")]
    pub fn queue(&self, device: &str, data: &str) -> u64 {
        let answer = self.send(device, data);
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["seq"].as_u64().expect("a number")
    }

    /// Sends a message that waits for so many seconds.
    ///
    /// # Panics
    /// When it is refused.
    #[expect(clippy::must_use_candidate, reason = "sending is what it is called for")]
    pub fn queue_for(&self, device: &str, data: &str, seconds: u32) -> Value {
        let body = format!(r#"{{"data":{data},"ttlSeconds":{seconds}}}"#);
        let answer = self.message(device).json_text(body).send();
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()
    }

    /// `GET /operator/prospects/{deviceTag}`.
    #[must_use]
    pub fn prospect(&self, device: &str) -> Answer {
        self.call("GET", &format!("/operator/prospects/{device}")).send()
    }

    /// How many messages a device has not acknowledged.
    ///
    /// # Panics
    /// When the device is not known.
    #[must_use]
    pub fn unacknowledged(&self, device: &str) -> u64 {
        self.prospect(device).ok()["unacknowledged"].as_u64().expect("a number")
    }

    /// `GET /operator/prospects`, with this query.
    #[must_use]
    pub fn prospects(&self, query: &str) -> Answer {
        self.call("GET", &format!("/operator/prospects{query}")).send()
    }

    /// `DELETE /operator/prospects/{deviceTag}`.
    #[must_use]
    pub fn disconnect(&self, device: &str) -> Answer {
        self.call("DELETE", &format!("/operator/prospects/{device}")).send()
    }

    /// `DELETE /operator/prospects/{deviceTag}/data`.
    #[must_use]
    pub fn erase(&self, device: &str) -> Answer {
        self.call("DELETE", &format!("/operator/prospects/{device}/data")).send()
    }

    /// `DELETE /operator/events`, with this query.
    #[must_use]
    pub fn release(&self, query: &str) -> Answer {
        self.call("DELETE", &format!("/operator/events{query}")).send()
    }

    /// Releases everything up to this event.
    ///
    /// # Panics
    /// When it is refused.
    pub fn release_through(&self, event: &Event) {
        let answer = self.release(&format!("?through={}", event.id));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// The events from now on.
    ///
    /// # Panics
    /// When the stream does not open.
    #[must_use]
    pub fn events(&self) -> EventStream {
        EventStream::try_open(self.gateway, None).expect("a stream")
    }

    /// The events after this one; `0` begins at the oldest.
    ///
    /// # Panics
    /// When the stream does not open.
    #[must_use]
    pub fn events_after(&self, id: &str) -> EventStream {
        EventStream::try_open(self.gateway, Some(id)).expect("a stream")
    }

    /// Every event that is kept up to now. What others do meanwhile may be missing.
    ///
    /// # Panics
    /// When the stream cannot be read.
    #[must_use]
    pub fn history(&self) -> Vec<Event> {
        // The stream does not end, so something is made to happen that is the last of it.
        let mut stream = self.events_after("0");
        let device = "the-last-one";
        let token = self.gateway.issue_token(&self.gateway.operator_key, device).token();
        let last = Prospect::open_with(self.gateway, &token, device);
        let connection = last.connection();
        let mut events = stream.until(|event| event.connection() == connection);
        events.pop();
        events
    }

    /// Every event of a device that is kept up to now.
    ///
    /// # Panics
    /// When the stream cannot be read.
    #[must_use]
    pub fn history_of(&self, device: &str) -> Vec<Event> {
        self.history().into_iter().filter(|event| event.device() == device).collect()
    }
}
