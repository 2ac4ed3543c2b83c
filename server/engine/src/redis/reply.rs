//! What a function answers: its mark, what its gateway is to hear, and its outcome.

use std::{sync::Arc, time::Duration};

use redis::Value;

use super::super::Unavailable;

/// The answer to a call.
pub struct Reply {
    /// How often this gateway changed something.
    pub mark: u64,
    /// What this gateway is to hear.
    pub told: Vec<Value>,
    outcome: Vec<Value>,
}

/// A value as text.
pub fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// A value as a number.
pub fn int(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}

impl Reply {
    /// Reads an answer; `None` where it is none of ours.
    pub fn read(value: Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [mark, Value::Array(told), Value::Array(outcome)] =
            <[Value; 3]>::try_from(parts).ok()?
        else {
            return None;
        };
        Some(Self { mark: int(&mark)?, told, outcome })
    }

    /// What came of it, in a word.
    pub fn word(&self) -> &str {
        self.outcome.first().and_then(text).unwrap_or_default()
    }

    /// All that came of it.
    pub fn values(&self) -> &[Value] {
        &self.outcome
    }

    /// A part of the outcome.
    pub fn value(&self, place: usize) -> Result<&Value, Unavailable> {
        self.outcome.get(place).ok_or_else(|| self.strange())
    }

    /// A part of the outcome, as text.
    pub fn text(&self, place: usize) -> Result<Arc<str>, Unavailable> {
        let found = text(self.value(place)?);
        found.map(Into::into).ok_or_else(|| self.strange())
    }

    /// A part of the outcome, as a number.
    pub fn int(&self, place: usize) -> Result<u64, Unavailable> {
        int(self.value(place)?).ok_or_else(|| self.strange())
    }

    /// A part of the outcome, as a time in milliseconds.
    pub fn millis(&self, place: usize) -> Result<Duration, Unavailable> {
        self.int(place).map(Duration::from_millis)
    }

    /// An outcome that no function has. It is logged without its values, which may be anything.
    pub fn strange(&self) -> Unavailable {
        tracing::error!(parts = self.outcome.len(), "Redis gave an answer that is not known");
        Unavailable
    }
}
