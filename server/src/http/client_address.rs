//! The address of the client: the peer's, or the one that a trusted proxy forwards.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

use crate::logging::Repeated;

/// The client address of `request`, for limits and the log.
///
/// Behind trusted proxies it is the rightmost address of `X-Forwarded-For` that is not one of
/// theirs: everything further left may be the client's own invention.
#[must_use]
pub fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    if trusted.is_empty() {
        return peer.to_canonical();
    }
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let hops: Vec<&[u8]> = request
        .headers()
        .get_all("x-forwarded-for")
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        // A list may have empty elements (RFC 9110, section 5.6.1).
        .filter(|hop| !hop.trim_ascii().is_empty())
        .collect();
    let mut address = peer.to_canonical();
    for hop in hops.into_iter().rev() {
        if !is_trusted(address) {
            break;
        }
        match parse(hop) {
            Some(next) => address = next.to_canonical(),
            None => break,
        }
    }
    address
}

/// Logs that `address` is over the limit of `setting`. The operator would not learn otherwise why the
/// prospects of a company, or all behind a proxy, are refused.
pub fn log_limit(line: &Repeated, setting: &'static str, address: IpAddr) {
    if let Some(count) = line.count() {
        tracing::info!(
            count,
            setting,
            %address,
            "client address over its limit: raise the setting if many clients share the address; if \
             it is a proxy's, give --trusted-proxy"
        );
    }
}

/// An address as proxies write it: bare, or with a port.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim().trim_matches('"');
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(peer: &str, forwarded: &str) -> String {
        let request = TestRequest::default()
            .peer_addr(format!("{peer}:1000").parse().unwrap())
            .insert_header(("x-forwarded-for", forwarded))
            .to_http_request();
        client_address(&request, &["10.0.0.0/8".parse().unwrap()]).to_string()
    }

    #[test]
    fn the_header_of_an_untrusted_peer_is_ignored() {
        assert_eq!(seen("192.0.2.1", "198.51.100.7"), "192.0.2.1");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_counts() {
        assert_eq!(seen("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
    }

    #[test]
    fn ports_brackets_and_foreign_bytes_further_left_do_no_harm() {
        assert_eq!(seen("10.0.0.1", "198.51.100.7:4711"), "198.51.100.7");
        assert_eq!(seen("10.0.0.1", "[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", "[2001:db8::1]"), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", "\u{e9}, 198.51.100.7"), "198.51.100.7");
    }

    #[test]
    fn empty_elements_are_ignored() {
        assert_eq!(seen("10.0.0.1", "203.0.113.9,"), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", ", 203.0.113.9 ,, 10.0.0.2, "), "203.0.113.9");
    }

    #[test]
    fn an_element_that_is_no_address_ends_the_search() {
        assert_eq!(seen("10.0.0.1", "198.51.100.7, unknown"), "10.0.0.1");
    }
}
