//! The head of a handshake: an accepted one is valid by RFC 6455 and offers one `halfRef`, however its
//! offers are spread over headers.
#![no_main]

use actix_http::{
    RequestHead,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use libfuzzer_sys::fuzz_target;
use server::websocket::handshake::{checked_handshake, offered_half_ref};

/// Which header a line is, by its first byte. What it leaves out is well formed.
fn name(kind: u8) -> Option<HeaderName> {
    Some(match kind {
        b'P' => header::SEC_WEBSOCKET_PROTOCOL,
        b'K' => header::SEC_WEBSOCKET_KEY,
        b'V' => header::SEC_WEBSOCKET_VERSION,
        b'U' => header::UPGRADE,
        b'C' => header::CONNECTION,
        _ => return None,
    })
}

fn head_of(data: &[u8]) -> RequestHead {
    let mut head = RequestHead::default();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((kind, value)) = line.split_first() else { continue };
        if let (Some(name), Ok(value)) = (name(*kind), HeaderValue::from_bytes(value)) {
            head.headers.append(name, value);
        }
    }
    let well_formed = [
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "upgrade"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ];
    for (name, value) in well_formed {
        if !head.headers.contains_key(&name) {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
    }
    head
}

/// The offers one by one, each in a header of its own; `None` where some cannot be read.
fn one_by_one(headers: &HeaderMap) -> Option<HeaderMap> {
    let mut spread = HeaderMap::new();
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        for offer in value.to_str().ok()?.split(',') {
            spread.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(offer).ok()?);
        }
    }
    Some(spread)
}

/// Whether this is unpadded base64url whose last character has no surplus bits.
fn is_base64url(text: &str) -> bool {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let values = text.bytes().map(|byte| alphabet.iter().position(|known| *known == byte));
    let Some(values) = values.collect::<Option<Vec<_>>>() else { return false };
    let last = values.last().copied().unwrap_or_default();
    match values.len() % 4 {
        0 => true,
        2 => last % 16 == 0,
        3 => last % 4 == 0,
        _ => false,
    }
}

/// Whether these offers are valid: an implementation that shares nothing with the gateway's.
fn is_valid_offer(spread: &HeaderMap) -> bool {
    let offers = spread.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offers: Vec<_> = offers.filter_map(|offer| offer.to_str().ok()).map(str::trim).collect();
    let half_refs: Vec<_> =
        offers.iter().filter_map(|offer| offer.strip_prefix("halfref.")).collect();
    let [half_ref] = half_refs[..] else { return false };
    offers.contains(&"prospect.v1") && half_ref.len() <= 683 && is_base64url(half_ref)
}

fuzz_target!(|data: &[u8]| {
    let head = head_of(data);
    if let Ok(accept) = checked_handshake(&head) {
        assert_eq!(accept.len(), 28, "the SHA-1 of a key in base64");
        let key = head.headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::len);
        assert_eq!(key, Some(24), "sixteen bytes in base64");
    }
    let half_ref = offered_half_ref(&head.headers);
    if let Some(spread) = one_by_one(&head.headers) {
        assert_eq!(half_ref.is_ok(), is_valid_offer(&spread));
        assert_eq!(offered_half_ref(&spread).ok(), half_ref.ok());
    }
});
