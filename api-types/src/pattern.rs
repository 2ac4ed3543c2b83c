//! The patterns of values, compiled once.
//!
//! The schemas of `halfRef` and of message ids repeat theirs as a literal, because utoipa's derive
//! takes nothing else; a test compares the two.

use std::sync::LazyLock;

use regex::Regex;

/// A secret of visible ASCII characters.
pub static HALF_REF: LazyLock<Regex> = LazyLock::new(|| compile("^[!-~]{32,512}$"));

/// A client's own name for a message.
pub static MESSAGE_ID: LazyLock<Regex> = LazyLock::new(|| compile("^[!-~]{1,64}$"));

/// Compiles one of this crate's own patterns.
pub fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this crate are valid")
}
