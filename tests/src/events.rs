//! A reader of the event stream: Server-Sent Events over a bare connection.

use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use crate::{Answer, Connection, Gateway, connection::request, gateway::PATIENCE, raw_data};

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id; empty where it has none.
    pub id: String,
    /// Its kind, such as `connected`.
    pub kind: String,
    /// Its data: the text of one JSON object.
    pub data: String,
}

/// The members that nearly every event has.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head {
    device_tag: String,
    connection_id: String,
}

impl Event {
    /// Its data as JSON.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its `deviceTag`; empty where it has none.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn device(&self) -> String {
        self.head().device_tag
    }

    /// Its `connectionId`; empty where it has none.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn connection(&self) -> String {
        self.head().connection_id
    }

    fn head(&self) -> Head {
        serde_json::from_str(&self.data).expect("JSON")
    }

    /// The `data` of a `message` event, byte for byte.
    ///
    /// # Panics
    /// When the event has no data.
    #[must_use]
    pub fn message_data(&self) -> String {
        raw_data(&self.data)
    }

    /// The stream that its id belongs to.
    ///
    /// # Panics
    /// When the event has no id.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.id.rsplit_once('-').expect("an id").0
    }

    /// The number in the id.
    ///
    /// # Panics
    /// When the event has none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.id.rsplit_once('-').and_then(|(_, n)| n.parse().ok()).expect("a number")
    }

    pub(crate) fn read(block: &str) -> Option<Self> {
        let mut event = Self { id: String::new(), kind: String::new(), data: String::new() };
        let mut data = Vec::new();
        // CR LF, LF and CR each end a line (WHATWG HTML, section 9.2.6).
        let lines = block.replace("\r\n", "\n").replace('\r', "\n");
        for line in lines.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => {}
                "id" => event.id = value,
                "event" => event.kind = value,
                "data" => data.push(value),
                other => panic!("no field of an event: {other:?}"),
            }
        }
        event.data = data.join("\n");
        (!data.is_empty()).then_some(event)
    }
}

/// An open event stream.
pub struct EventStream {
    connection: Connection,
    /// Received bytes that are not parsed yet.
    arrived: Vec<u8>,
}

impl EventStream {
    /// Opens the stream after an event, or from now on.
    ///
    /// # Errors
    /// The answer, when it does not open.
    ///
    /// # Panics
    /// When there is no answer.
    #[expect(clippy::result_large_err, reason = "an answer is what the test looks at next")]
    pub fn try_open(gateway: &Gateway, last: Option<&str>) -> Result<Self, Answer> {
        Self::try_open_with(gateway, "", last)
    }

    /// The same with this query.
    ///
    /// # Errors
    /// The answer, when it does not open.
    ///
    /// # Panics
    /// When there is no answer.
    #[expect(clippy::result_large_err, reason = "an answer is what the test looks at next")]
    pub fn try_open_with(
        gateway: &Gateway,
        query: &str,
        last: Option<&str>,
    ) -> Result<Self, Answer> {
        let key = format!("Bearer {}", gateway.operator_key);
        let mut headers = vec![("authorization", key.as_str())];
        headers.extend(last.map(|last| ("last-event-id", last)));
        let mut connection = Connection::open(gateway);
        connection.send(request(&format!("GET /operator/events{query}"), &headers, ""));
        let answer = connection.answer();
        if answer.status != 200 {
            return Err(answer);
        }
        assert_eq!(answer.header("content-type"), "text/event-stream");
        Ok(Self { connection, arrived: Vec::new() })
    }

    /// The next event; `None` when the gateway ends the stream.
    ///
    /// # Panics
    /// When neither comes.
    pub fn next_event(&mut self) -> Option<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let end = self.arrived.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let block: Vec<u8> = self.arrived.drain(..end + 2).collect();
                let block = std::str::from_utf8(&block).expect("UTF-8");
                if let Some(event) = Event::read(block.trim_end_matches('\n')) {
                    return Some(event);
                }
                continue;
            }
            assert!(Instant::now() < deadline, "no event came");
            let Some(chunk) = self.connection.chunk() else {
                assert!(self.arrived.is_empty(), "the stream ends with an event");
                return None;
            };
            self.arrived.extend(chunk);
        }
    }

    /// The next event.
    ///
    /// # Panics
    /// When none comes.
    pub fn event(&mut self) -> Event {
        self.next_event().expect("an event")
    }

    /// The next events, as many as these.
    ///
    /// # Panics
    /// When they do not come.
    pub fn events(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    /// The events up to the first for which this holds, that one included.
    ///
    /// # Panics
    /// When it does not come.
    pub fn until(&mut self, holds: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = vec![self.event()];
        while !events.last().is_some_and(&holds) {
            events.push(self.event());
        }
        events
    }
}
