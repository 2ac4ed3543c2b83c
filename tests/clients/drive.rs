//! What every driver does, whatever its language, and how it is seen that it did.
//!
//! A driver gets the gateway's URL as its argument and the operator's key in `OPERATOR_KEY`. It gets
//! a token; authorises the document's example with `linkinjected` absent, null and set; opens the
//! socket; takes a message of the operator and sends one back; meets a 401, a 409, a 422 and a 429;
//! and prints what it met as one JSON object. A driver that reads events sends a message that expires,
//! reads the stream from `0` while `trouble` cuts it and writes it otherwise, releases what it read, and
//! continues after the first of it, for which there is a `gap`.

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tests::{DEVICE, Event, Gateway, Operator, gateway::root};

use crate::{book::Book, recorder::Recorder, trouble::UNKNOWN, workshop::Workshop};

/// What drivers send as `linkinjected` where they send something.
const LINK: &str = "https://example.com/friend";

/// What a driver prints.
#[derive(Deserialize)]
struct Report {
    /// The data of the operator's message.
    received: Value,
    /// The id of the message that the gateway accepted.
    accepted: String,
    /// Whether the generator's own error holds a `Problem`.
    typed: bool,
    /// The problems it met, read field by field.
    problems: Vec<Value>,
    /// The events it read.
    #[serde(default)]
    events: Vec<ReadEvent>,
    /// The `gap` that it got.
    #[serde(default)]
    gap: Value,
}

/// An event, as a generator's type writes it again.
#[derive(Deserialize)]
struct ReadEvent {
    id: String,
    data: Value,
}

/// What a driven client turned out to do.
pub struct Driven {
    /// Its errors hold a `Problem`.
    pub types_the_problem: bool,
    /// It can leave a nullable field out and can send null.
    pub tells_absent_from_null: bool,
    /// It has types for the events of the stream, which it read.
    pub reads_events: bool,
}

/// Runs a driver against a fresh gateway.
pub fn drive(workshop: &Workshop, driver: &mut Command) -> Driven {
    let gateway = Gateway::builder().flag("--authorisations-per-second", "10").start();
    let book = Arc::new(Mutex::new(Book::of(&gateway)));
    let recorder = Recorder::before(&gateway, book.clone());
    let printed =
        workshop.run(driver.arg(&recorder.url).env("OPERATOR_KEY", &gateway.operator_key));
    let report: Report = serde_json::from_str(&printed).expect("a driver's report");
    let reads_events = !report.events.is_empty();
    let last = if reads_events { "expired" } else { "disconnected" };
    let mut book = book.lock().expect("no panic");
    let happened = book.read_until(last);
    assert_messages(&report, happened, &gateway);
    if reads_events {
        assert_events(&report, happened);
        assert_eq!(recorder.streams(), 3, "one that is cut, one that continues, one with a gap");
    }
    assert_problems(&report, &gateway);
    Driven {
        types_the_problem: report.typed,
        tells_absent_from_null: sends_null(&recorder.bodies_with("halfRef")),
        reads_events,
    }
}

/// The conversation went both ways, and the prospect acknowledged its half.
fn assert_messages(report: &Report, events: &[Event], gateway: &Gateway) {
    assert_eq!(report.received, json!({"text": "Hello, prospect"}));
    assert_eq!(Operator::of(gateway).unacknowledged(DEVICE), 0);
    let of_kind = |kind: &str| {
        let event = events.iter().find(|event| event.kind == kind);
        event.unwrap_or_else(|| panic!("{kind} in {events:?}")).json()
    };
    assert_eq!(of_kind("connected")["linkinjected"], LINK);
    let message = of_kind("message");
    assert_eq!(message["id"], *report.accepted);
    assert_eq!(message["data"], json!({"text": "Hello, operator"}));
}

/// The driver read each event once and whole, and met the gap.
fn assert_events(report: &Report, happened: &[Event]) {
    // A type may write a time in another form, and may keep a member that it does not know.
    let plain = |mut data: Value| {
        let members = data.as_object_mut().expect("an object");
        assert!(members.remove("at").is_some_and(|at| at.is_string()), "{members:?}");
        members.remove(UNKNOWN);
        data
    };
    let read: Vec<_> =
        report.events.iter().map(|event| (&event.id, plain(event.data.clone()))).collect();
    let expected: Vec<_> = happened.iter().map(|event| (&event.id, plain(event.json()))).collect();
    assert_eq!(read, expected);
    let kinds: Vec<_> = happened.iter().map(|event| &*event.kind).collect();
    assert_eq!(kinds, ["connected", "message", "disconnected", "expired"]);
    assert_eq!(report.gap["event"], "gap");
    assert_eq!(report.gap["requested"], *happened[0].id);
    assert!(report.gap["oldest"].as_str().is_some_and(|oldest| !oldest.is_empty()));
}

/// Every problem was read whole: its `requestId` is one that the gateway logged.
fn assert_problems(report: &Report, gateway: &Gateway) {
    let met: Vec<_> = report
        .problems
        .iter()
        .map(|problem| {
            assert_eq!(problem["success"], false);
            for text in ["title", "detail"] {
                assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
            }
            let request = problem["requestId"].as_str().expect("an id");
            let _ = gateway.logged(request);
            (&problem["status"], &problem["type"], &problem["errors"])
        })
        .collect();
    let name = |name: &str| json!(format!("urn:connect-socket:problem:{name}"));
    let wrong = json!([{
        "pointer": "/deviceData",
        "code": "length",
        "detail": "must have a length of at most 64",
    }]);
    assert_eq!(
        met,
        [
            (&json!(401), &name("token-malformed"), &json!([])),
            (&json!(409), &name("half-ref-spent"), &json!([])),
            (&json!(422), &name("invalid-fields"), &wrong),
            (&json!(429), &name("too-many-authorisations"), &json!([])),
        ]
    );
}

/// Whether null was sent; the document's own example and a link must have been.
fn sends_null(bodies: &[Value]) -> bool {
    let example = example();
    let with = |link: Value| {
        let mut body = example.clone();
        body["linkinjected"] = link;
        bodies.contains(&body)
    };
    assert!(bodies.contains(&example), "the document's example in {bodies:?}");
    assert!(with(json!(LINK)), "a link in {bodies:?}");
    with(Value::Null)
}

fn example() -> Value {
    #[derive(Deserialize)]
    struct Document {
        request_example: String,
    }

    let text = fs::read_to_string(root().join("openapi/document.toml")).expect("the transcription");
    let document: Document = toml::from_str(&text).expect("its form");
    serde_json::from_str(&document.request_example).expect("JSON")
}
