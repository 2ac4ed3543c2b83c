//! The limits that texts of the contract name. A text has the name of a constant, written as rustdoc links
//! to it, and the documents show its value:
//!
//! ```text
//! at most [`MAX_DATA_BYTES`] of JSON  ->  at most 60 KiB of JSON
//! ```

use std::{sync::LazyLock, time::Duration};

use api_types::{close_code, device_data, event, frame, operator, parameter, payload};
use engine::Limits;
use serde_json::Value;

/// The limits by their names: what stands behind the last `::` of a link.
static LIMITS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let engine = Limits::default();
    vec![
        ("MAX_DATA_BYTES", bytes(operator::MAX_DATA_BYTES)),
        ("MAX_BYTES", bytes(device_data::MAX_BYTES)),
        ("MAX_MEMBERS", device_data::MAX_MEMBERS.to_string()),
        ("MAX_DEPTH", payload::MAX_DEPTH.to_string()),
        ("MAX_UNACCEPTED", frame::MAX_UNACCEPTED.to_string()),
        ("MAX_CURSOR_LENGTH", event::MAX_CURSOR_LENGTH.to_string()),
        ("DEFAULT_PAGE", parameter::DEFAULT_PAGE.to_string()),
        ("MESSAGE_TTL", time(operator::MESSAGE_TTL)),
        ("ACK_WAIT", time(operator::ACK_WAIT)),
        ("COMMENT_INTERVAL", time(event::COMMENT_INTERVAL)),
        ("RATE_TOLERANCE", time(close_code::RATE_TOLERANCE)),
        ("authorisation_ttl", time(engine.authorisation_ttl)),
        ("idempotency_memory", time(engine.idempotency_memory)),
        ("event_ttl", time(engine.event_ttl)),
    ]
});

/// A size with the largest unit that shows it whole.
fn bytes(size: usize) -> String {
    match size {
        _ if size.is_multiple_of(1024 * 1024) => format!("{} MiB", size / 1024 / 1024),
        _ if size.is_multiple_of(1024) => format!("{} KiB", size / 1024),
        _ => format!("{size} bytes"),
    }
}

/// A time with the largest unit that shows it whole.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if seconds.is_multiple_of(3600) => format!("{} hours", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        _ => format!("{seconds} seconds"),
    }
}

/// A text of the contract, with values in place of the names of limits.
///
/// # Errors
/// With the name that is no limit.
pub fn shown(text: &str) -> Result<String, String> {
    let mut parts = text.split("[`");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (link, rest) = part.split_once("`]").ok_or_else(|| part.to_owned())?;
        let name = link.rsplit("::").next().unwrap_or_default();
        let limit = LIMITS.iter().find(|(known, _)| *known == name);
        shown += &limit.ok_or_else(|| link.to_owned())?.1;
        shown += rest;
    }
    Ok(shown)
}

/// Shows the limits in every description and summary of a document.
///
/// # Panics
/// When a text names a limit that is none. The contract is built at the start of the program and in its
/// tests.
pub fn show(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(show),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" || name == "summary" => {
                        *text = shown(text).unwrap_or_else(|link| {
                            panic!("{text}: {link} is not in the list of limits")
                        });
                    }
                    _ => show(member),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_shows_the_values_of_limits() {
        let text = "At most [`MAX_DATA_BYTES`] in [`engine::Limits::event_ttl`], `data` too.";
        assert_eq!(shown(text).as_deref(), Ok("At most 60 KiB in 24 hours, `data` too."));
    }

    #[test]
    fn a_name_that_is_no_limit_is_an_error() {
        assert_eq!(shown("A [`MAX_NONSENSE`]."), Err("MAX_NONSENSE".to_owned()));
        assert_eq!(shown("A [`MAX_DEPTH."), Err("MAX_DEPTH.".to_owned()));
    }

    #[test]
    #[should_panic = "MAX_NONSENSE is not in the list of limits"]
    fn a_document_with_such_a_name_is_not_made() {
        show(&mut json!({"paths": [{"get": {"description": "At most [`MAX_NONSENSE`]."}}]}));
    }

    #[test]
    fn a_name_stands_for_one_limit() {
        let names: BTreeSet<_> = LIMITS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), LIMITS.len());
    }

    #[test]
    fn sizes_and_times_have_the_largest_unit_that_shows_them_whole() {
        assert_eq!(
            [1, 1024, 1536, 2 << 20].map(bytes),
            ["1 bytes", "1 KiB", "1536 bytes", "2 MiB"]
        );
        let times = [15, 90, 120, 7200].map(|seconds| time(Duration::from_secs(seconds)));
        assert_eq!(times, ["15 seconds", "90 seconds", "2 minutes", "2 hours"]);
    }
}
