//! The URL of a Redis, of the sentinels that know where it is, or of nodes of a Redis Cluster.

use std::sync::Arc;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, parse_redis_url};
use thiserror::Error;

use super::{
    cluster::{self, ClusterNodes},
    locator::{FixedAddress, Locator},
    sentinels::Sentinels,
};

/// The port of a sentinel whose port the URL does not name.
const SENTINEL_PORT: u16 = 26379;

/// Why a URL cannot be used. The message does not repeat it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidRedisUrl {
    /// It is not one of a Redis.
    #[error(
        "not a URL of a Redis: write redis://host:6379, or rediss://host:6379 for TLS, with \
         user:password@ before the host and /database after the port where they are needed"
    )]
    Malformed,
    /// It is not one of sentinels.
    #[error(
        "not a URL of sentinels: write redis+sentinel://host:26379,host:26379/service, or \
         rediss+sentinel:// for TLS, with user:password@ of Redis before the hosts, /database after \
         the service, and ?sentinel_user=…&sentinel_password=… at the end where they are needed"
    )]
    MalformedSentinels,
    /// It is not one of a Redis Cluster.
    #[error(
        "not a URL of a Redis Cluster: write redis-cluster://host:6379,host:6379, or \
         rediss-cluster:// for TLS, with user:password@ before the hosts where they are needed; it has \
         one database, so none is named"
    )]
    MalformedCluster,
    /// It asks for TLS with a server of which nothing is checked.
    #[error(
        "a URL that ends in #insecure, which would trust every server: leave that away, and give the \
         CA of the server"
    )]
    Insecure,
}

/// Finds the server of a URL; returns with it whether the connection is encrypted.
pub fn parse(url: &str) -> Result<(Arc<dyn Locator>, bool), InvalidRedisUrl> {
    if let Some((_, "insecure")) = url.split_once('#') {
        return Err(InvalidRedisUrl::Insecure);
    }
    if let Some((scheme @ ("redis" | "rediss"), rest)) = url.split_once("-cluster://") {
        let nodes = parse_cluster(scheme, rest).ok_or(InvalidRedisUrl::MalformedCluster)?;
        return Ok((cluster::locator(&Arc::new(nodes), ""), scheme == "rediss"));
    }
    let (sentinels, scheme) = match url.split_once("+sentinel://") {
        Some((scheme @ ("redis" | "rediss"), rest)) => (Some(rest), scheme),
        _ => (None, ""),
    };
    let Some(rest) = sentinels else {
        let server = url.into_connection_info().map_err(|_| InvalidRedisUrl::Malformed)?;
        let tls = is_encrypted(&server);
        return Ok((Arc::new(FixedAddress(with_resp3(server))), tls));
    };
    let sentinels = parse_sentinels(scheme, rest).ok_or(InvalidRedisUrl::MalformedSentinels)?;
    let tls = is_encrypted(&sentinels.primary);
    Ok((Arc::new(sentinels), tls))
}

/// Parses `[user:password@]host[:port],…`.
fn parse_cluster(scheme: &str, rest: &str) -> Option<ClusterNodes> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('/') {
        return None;
    }
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), rest),
    };
    let node =
        |host| format!("{scheme}://{user}{host}").into_connection_info().ok().map(with_resp3);
    ClusterNodes::new(&hosts.split(',').map(node).collect::<Option<Vec<_>>>()?)
}

/// Parses `[user:password@]host[:port],…/service[/database][?sentinel_user=…&sentinel_password=…]`.
fn parse_sentinels(scheme: &str, rest: &str) -> Option<Sentinels> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/')?;
    let (service, database) = path.split_once('/').unwrap_or((path, ""));
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if service.is_empty() || !service.bytes().all(named) {
        return None;
    }
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let primary = format!("{scheme}://{user}primary/{database}").into_connection_info().ok()?;
    let (mut sentinel_user, mut sentinel_password) = (None, None);
    let pairs = parse_redis_url(&format!("redis://sentinel/?{query}"))?;
    for (name, value) in pairs.query_pairs() {
        match &*name {
            "sentinel_user" => sentinel_user = Some(value.into_owned()),
            "sentinel_password" => sentinel_password = Some(value.into_owned()),
            _ => return None,
        }
    }
    if sentinel_user.is_some() && sentinel_password.is_none() {
        return None;
    }
    let sentinel = |host: &str| {
        let has_port = host.rsplit_once(']').map_or(host, |(_, port)| port).contains(':');
        let port = if has_port { String::new() } else { format!(":{SENTINEL_PORT}") };
        let info = format!("{scheme}://{host}{port}").into_connection_info().ok()?;
        let mut settings = info.redis_settings().clone();
        if let Some(user) = &sentinel_user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &sentinel_password {
            settings = settings.set_password(password);
        }
        Some(info.set_redis_settings(settings))
    };
    Some(Sentinels {
        asked: hosts.split(',').map(sentinel).collect::<Option<_>>()?,
        service: service.to_owned(),
        primary: with_resp3(primary),
    })
}

fn is_encrypted(server: &ConnectionInfo) -> bool {
    matches!(server.addr(), ConnectionAddr::TcpTls { .. })
}

/// RESP3 carries replies and pushed messages on one connection.
fn with_resp3(server: ConnectionInfo) -> ConnectionInfo {
    let settings = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    server.set_redis_settings(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentinels(rest: &str) -> Sentinels {
        parse_sentinels("redis", rest).unwrap()
    }

    #[test]
    fn a_url_of_sentinels_has_hosts_a_service_and_who_asks() {
        let all = sentinels(
            "me:s%40crit@a:1,b,[::1],[::1]:2/the-service/3?sentinel_user=you&sentinel_password=%2B",
        );
        assert_eq!(all.to_string(), "a:1,b:26379,::1:26379,::1:2/the-service");
        let primary = all.primary.redis_settings();
        assert_eq!((primary.username(), primary.password()), (Some("me"), Some("s@crit")));
        assert_eq!(primary.db(), 3);
        let sentinel = all.asked[2].redis_settings();
        assert_eq!((sentinel.username(), sentinel.password()), (Some("you"), Some("+")));
        assert_eq!(sentinel.db(), 0);

        let least = sentinels("host/service");
        assert_eq!(least.asked[0].redis_settings().password(), None);
        assert_eq!(least.primary.redis_settings().username(), None);
    }

    #[test]
    fn what_is_no_url_of_sentinels_is_refused() {
        for rest in [
            "",
            "host",
            "host:1/",
            "/service",
            "a,,b/service",
            "host:port/service",
            "host/ser vice",
            "host/service/database",
            "host/service/0/1",
            "host/service?sentinel-password=x",
            "host/service?sentinel_user=x",
        ] {
            assert!(parse_sentinels("redis", rest).is_none(), "{rest}");
        }
    }

    #[test]
    fn a_scheme_with_two_s_is_encrypted() {
        let encrypted = |url: &str| parse(url).map(|(_, tls)| tls);
        assert_eq!(encrypted("redis://host"), Ok(false));
        assert_eq!(encrypted("rediss://host"), Ok(true));
        assert_eq!(encrypted("redis+sentinel://host/service"), Ok(false));
        assert_eq!(encrypted("rediss+sentinel://host/service"), Ok(true));
        assert_eq!(encrypted("redis-cluster://me:secret@host:1,host:2"), Ok(false));
        assert_eq!(encrypted("rediss-cluster://host"), Ok(true));
        for malformed in ["redis-cluster://host,/", "redis-cluster://host/1", "redis-cluster://"] {
            assert_eq!(encrypted(malformed), Err(InvalidRedisUrl::MalformedCluster), "{malformed}");
        }
        assert_eq!(encrypted("rediss://host#insecure"), Err(InvalidRedisUrl::Insecure));
        assert_eq!(encrypted("http+sentinel://host/service"), Err(InvalidRedisUrl::Malformed));
        assert_eq!(encrypted("http://host"), Err(InvalidRedisUrl::Malformed));
        assert_eq!(encrypted("redis+sentinel://host"), Err(InvalidRedisUrl::MalformedSentinels));
    }
}
