//! Whose request it is: the peer's address, or the one that a trusted proxy tells.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The address that limits count for.
///
/// Behind trusted proxies it is the rightmost address of `X-Forwarded-For` that is none of theirs:
/// whatever stands further left, the client may have written itself.
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
        .collect();
    let mut address = peer.to_canonical();
    for hop in hops.into_iter().rev() {
        if !is_trusted(address) {
            break;
        }
        match parsed(hop) {
            Some(next) => address = next.to_canonical(),
            None => break,
        }
    }
    address
}

/// The address that counts for a limit: an IPv6 network of 64 bits is one customer's.
#[must_use]
pub fn limited_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

/// An address as proxies write it: bare, or with a port.
fn parsed(hop: &[u8]) -> Option<IpAddr> {
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
    fn a_stranger_is_not_believed() {
        assert_eq!(seen("192.0.2.1", "198.51.100.7"), "192.0.2.1");
    }

    #[test]
    fn a_proxy_tells_the_last_address_that_is_not_a_proxy() {
        assert_eq!(seen("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
    }

    #[test]
    fn a_port_and_brackets_are_read_past_and_a_strangers_bytes_do_not_matter() {
        assert_eq!(seen("10.0.0.1", "198.51.100.7:4711"), "198.51.100.7");
        assert_eq!(seen("10.0.0.1", "[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", "[2001:db8::1]"), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", "\u{e9}, 198.51.100.7"), "198.51.100.7");
    }

    #[test]
    fn what_is_no_address_is_not_believed() {
        assert_eq!(seen("10.0.0.1", "198.51.100.7, unknown"), "10.0.0.1");
    }

    #[test]
    fn neighbours_in_an_ipv6_network_share_a_limit() {
        let address = |text: &str| limited_address(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff"));
        assert_ne!(address("2001:db8:0:1::1"), address("2001:db8::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
