//! A text from a prospect: what is read as a frame is one, and goes through as it was written.
#![no_main]

use std::collections::BTreeMap;

use api_types::{
    frame::{ClientFrame, FrameError},
    problem::FieldError,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::RawValue};

/// The members of an object, each as it is written: not every JSON has a value, as 1e400.
fn members(object: &[u8]) -> Option<BTreeMap<String, Box<RawValue>>> {
    serde_json::from_slice(object).ok()
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("a text or a whole number")
}

/// Whether both are the same JSON. A whole number may be sent with a fraction or an exponent, as 1.0
/// or 1e0, which is written without.
fn is_same(sent: &RawValue, written: &RawValue) -> bool {
    if sent.get() == written.get() {
        return true;
    }
    let (sent, written) = (value(sent), value(written));
    sent == written || (sent.is_f64() && sent.as_f64() == written.as_f64())
}

fn is_message_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fuzz_target!(|text: &[u8]| {
    match ClientFrame::parse(text) {
        Ok(frame) => {
            let written = serde_json::to_vec(&frame).expect("a frame can be written");
            let sent = members(text).expect("a frame is an object");
            let again = members(&written).expect("what is written is an object");
            assert!(again.keys().eq(sent.keys()), "nothing is lost");
            for (name, raw) in &sent {
                assert!(is_same(raw, &again[name]), "{name}");
            }
            if let ClientFrame::Message(message) = &frame {
                assert!(is_message_id(&message.id));
                assert_eq!(message.data.get(), sent["data"].get(), "byte for byte");
            }
            assert!(ClientFrame::parse(&written).is_ok());
        }
        Err(FrameError::NotAFrame) => {}
        Err(FrameError::InvalidFields { id, errors }) => {
            assert!(members(text).is_some(), "what is refused is an object");
            assert!((1..=FieldError::MAX_LISTED).contains(&errors.len()));
            assert!(id.is_none_or(|id| is_message_id(&id)));
        }
    }
});
