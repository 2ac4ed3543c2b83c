//! The rules of parameters: what headers and queries may hold. Their descriptions are at the operations.

use crate::{
    connect_socket::MAX_LINK_LENGTH,
    event::MAX_CURSOR_LENGTH,
    rule::{Text, WholeNumber, rule},
};

rule! {
    /// The `Idempotency-Key` of `requestToken`: it stands for an unused claim, so it must be hard to guess.
    TokenKey: &str, Text = Text::new(32..=255).of("[!-~]")
}

rule! {
    /// The `Idempotency-Key` of `sendMessage`.
    MessageKey: &str, Text = Text::new(1..=255).of("[!-~]")
}

rule! {
    /// The `id` of an event, or `0`.
    EventId: &str, Text = Text::new(0..=MAX_CURSOR_LENGTH)
}

rule! {
    /// The `linkinjected` that a list is filtered by.
    LinkFilter: &str, Text = Text::new(0..=MAX_LINK_LENGTH)
}

rule! {
    /// The number of items on a page.
    PageSize: usize, WholeNumber<usize> = WholeNumber::new(1, Some(1000), None)
}
