//! The rules of parameters: what headers and queries may hold. Their descriptions are at the operations.

use crate::{
    event::MAX_CURSOR_LENGTH,
    rule::{Text, WholeNumber, rule},
};

/// The most items on a page.
pub const MAX_PAGE: usize = 1000;

/// The items on a page where a request does not say how many.
pub const DEFAULT_PAGE: usize = 100;

/// The longest `Idempotency-Key`, in characters.
const MAX_KEY_LENGTH: usize = 255;

rule! {
    /// The `Idempotency-Key` of `requestToken`: it stands for an unused claim, so it must be hard to guess.
    TokenKey: &str, Text = Text::new(32..=MAX_KEY_LENGTH).of("[!-~]")
}

rule! {
    /// The `Idempotency-Key` of `sendMessage`.
    MessageKey: &str, Text = Text::new(1..=MAX_KEY_LENGTH).of("[!-~]")
}

rule! {
    /// The `id` of an event, or `0`.
    EventId: &str, Text = Text::new(0..=MAX_CURSOR_LENGTH)
}

rule! {
    /// One of several shares of the event stream, such as `2/4`.
    EventShare: &str, Text = Text::new(3..=7).matching("[1-9][0-9]{0,2}/[1-9][0-9]{0,2}")
}

rule! {
    /// The number of items on a page.
    PageSize: usize, WholeNumber<usize> = WholeNumber::new(1, Some(MAX_PAGE), None)
}
