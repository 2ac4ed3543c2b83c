//! Origins (RFC 6454), as browsers and apps send them in `Origin`.
//!
//! A page cannot change its origin, and an app may send any. What is at stake is small: the `halfRef`
//! is the credential, and no cookie opens anything.

use std::{borrow::Cow, net::Ipv6Addr};

use actix_web::http::Uri;

/// Whether this is an origin as browsers and apps send it: scheme, host and, where it is not the
/// scheme's own, port. Any scheme is allowed, such as `capacitor://localhost` or `file://`.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    match text.split_once("://") {
        Some(("http" | "https" | "ws" | "wss", _)) => is_web(text),
        Some((scheme, authority)) => {
            is_scheme(scheme) && authority.bytes().all(is_foreign_authority_byte)
        }
        None => false,
    }
}

/// Whether this is the origin of a web page.
#[must_use]
pub fn is_of_page(text: &str) -> bool {
    matches!(text.split_once("://"), Some(("http" | "https", _))) && is_web(text)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte)
        })
}

/// What may stand in the host and port of a scheme whose rules we do not know.
fn is_foreign_authority_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)
}

fn is_web(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    let port = authority.port_u16();
    let own_port =
        matches!((scheme, port), ("http" | "ws", Some(80)) | ("https" | "wss", Some(443)));
    let host = authority.host();
    let named = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_host_byte),
    };
    // Browsers write an origin in exactly one way, and it is compared as text.
    let written = match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    named && !own_port && written == text
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
}

/// The form in which origins are compared: some clients name the scheme of the websocket, `ws` or
/// `wss`, where a browser names that of the page.
#[must_use]
pub fn canonical(origin: &str) -> Cow<'_, str> {
    match origin.split_once("://") {
        Some(("ws", rest)) => Cow::Owned(format!("http://{rest}")),
        Some(("wss", rest)) => Cow::Owned(format!("https://{rest}")),
        _ => Cow::Borrowed(origin),
    }
}

/// Whether the origin has the host and the port of `Host`: apps send the address that they connect to.
#[must_use]
pub fn has_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => return false,
    };
    let explicit = |text: &'_ str| text.strip_suffix(default_port).unwrap_or(text).to_owned();
    !authority.is_empty() && explicit(authority).eq_ignore_ascii_case(&explicit(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path_no_capitals_and_no_default_port() {
        assert!(is_valid("https://www.example.com"));
        assert!(is_valid("http://localhost:3000"));
        assert!(is_valid("wss://gateway.example.com"));
        for wrong in [
            "*",
            "null",
            "https://",
            "https://a/b",
            "https://A.b",
            "https://a:443",
            "ftp://a/b",
            "Ftp://a",
            "://a",
            "https://a\"b",
            "https://[::1",
            "https://a:",
            "https://a:99999",
            "https://u@a",
        ] {
            assert!(!is_valid(wrong), "{wrong}");
        }
    }

    #[test]
    fn an_origin_of_an_app_has_a_scheme_of_its_own() {
        for app in [
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "file://",
        ] {
            assert!(is_valid(app) && !is_of_page(app), "{app}");
        }
    }

    #[test]
    fn an_origin_has_the_host_whatever_the_case_and_the_default_port() {
        for (origin, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("wss://gateway.example.com", "Gateway.example.com"),
            ("https://gateway.example.com", "gateway.example.com:443"),
            ("ws://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(has_host(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn another_host_port_or_scheme_is_not_the_hosts() {
        for (origin, host) in [
            ("http://evil.example", "gateway.example.com"),
            ("http://gateway.example.com:8080", "gateway.example.com"),
            ("http://gateway.example.com", "gateway.example.com:443"),
            ("capacitor://gateway.example.com", "gateway.example.com"),
            ("http://", ""),
            ("null", "null"),
        ] {
            assert!(!has_host(origin, host), "{origin} {host}");
        }
    }
}
