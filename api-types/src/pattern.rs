//! The patterns that values keep, compiled once. The schema of each field repeats its pattern as a
//! literal, because utoipa takes nothing else; a test holds the two together.

use std::sync::LazyLock;

use regex::Regex;

/// A secret of visible ASCII characters.
pub static HALF_REF: LazyLock<Regex> = LazyLock::new(|| compile("^[!-~]{32,512}$"));

/// Characters that need no escaping in a path segment; `.` and `..` are out, because a path with
/// them means another path (RFC 3986, section 3.3). Written without look-ahead, which several
/// languages' engines lack.
pub static DEVICE_TAG: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(\.*[A-Za-z0-9_:@~+=-][A-Za-z0-9._:@~+=-]*|\.{3,})$"));

/// A client's own name for a message.
pub static MESSAGE_ID: LazyLock<Regex> = LazyLock::new(|| compile("^[!-~]{1,64}$"));

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this module are valid")
}
