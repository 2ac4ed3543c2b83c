//! What a Redis reports about itself: whether it can serve a gateway, and whether a restart can lose
//! data.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use redis::{RedisError, aio::MultiplexedConnection, cmd};
use thiserror::Error;

use super::server_clock::ServerClock;
use crate::Millis;

/// The reply to `INFO`, and the settings that decide what survives a restart.
pub struct ServerInfo {
    info: String,
    /// Empty without the right to read them.
    settings: HashMap<String, String>,
    asked: Instant,
}

/// A setting of a Redis that can lose data, though it can serve a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RedisWarning {
    /// It writes nothing to disk.
    #[error("Redis writes nothing to disk: a restart loses everything; set appendonly yes")]
    NoPersistence,
    /// It answers before it writes.
    #[error(
        "Redis answers before it writes to disk: a restart can lose the newest data; set appendonly \
         yes and appendfsync always"
    )]
    AnswersFirst,
    /// The user of the URL may not read the settings.
    #[error(
        "the user may not read the settings of Redis, so each restart counts as one that lost data; \
         grant it +config|get"
    )]
    SettingsUnknown,
}

/// Why a Redis cannot serve a gateway.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It is like Redis, without all that the gateway needs of one.
    #[error(
        "the server is {0}, which lacks what the gateway needs: use Redis 7 or newer, or Valkey"
    )]
    OtherProduct(&'static str),
    /// Functions came with version 7.
    #[error("the server is Redis {0}, which has no functions: use version 7 or newer")]
    TooOld(String),
    /// It knows where a Redis is, and is none.
    #[error("the server is a sentinel: write redis+sentinel://host:port/service")]
    Sentinel,
    /// A replica refuses writes, or loses them at the next synchronisation.
    #[error("Redis is a replica; the URL has to lead to the primary, or to the sentinels")]
    Replica,
    /// Its keys may be on other nodes.
    #[error(
        "the server is part of a Redis Cluster: write redis-cluster:// in place of redis://, and set the \
         number of partitions"
    )]
    Cluster,
    /// At its `maxmemory` it would drop keys that have to stay.
    #[error("Redis has a maxmemory-policy other than noeviction: set it, or Redis drops data")]
    Evicts,
}

/// What is like Redis and cannot serve a gateway, by a field of `INFO` and what it contains.
const OTHER_PRODUCTS: [(&str, &str, &str); 4] = [
    ("dragonfly_version", "", "Dragonfly"),
    ("executable", "keydb", "KeyDB"),
    ("garnet_version", "", "Garnet"),
    ("kvrocks_version", "", "Kvrocks"),
];

impl ServerInfo {
    /// Asks the server.
    pub async fn fetch(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        let mut info = cmd("INFO");
        info.arg(&["server", "replication", "memory", "persistence", "cluster"]);
        let asked = Instant::now();
        let info = match info.query_async(connection).await {
            // Before version 7, Redis takes one section.
            Err(error) if error.code() == Some("ERR") => {
                cmd("INFO").query_async(connection).await?
            }
            info => info?,
        };
        let mut settings = cmd("CONFIG");
        settings.arg("GET").arg(&["appendfsync", "save"]);
        let settings = settings.query_async(connection).await.unwrap_or_default();
        Ok(Self { info, settings, asked })
    }

    fn find(&self, name: &str) -> Option<&str> {
        let mut fields = self.info.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn field(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Names the data of this server process: another name after each restart, and after it was a
    /// replica.
    pub fn run(&self) -> String {
        format!("{} {}", self.field("run_id"), self.field("master_replid"))
    }

    /// Its clock.
    pub fn clock(&self) -> ServerClock {
        let micros: Millis = self.field("server_time_usec").parse().unwrap_or(0);
        ServerClock::new(self.asked, micros / 1000)
    }

    /// Checks whether the server can serve a gateway, which takes it for a node of a Redis Cluster or not.
    pub fn check(&self, is_cluster: bool) -> Result<(), Unfit> {
        let of_product = |(field, part, _): &&(&str, &str, &str)| {
            self.find(field).is_some_and(|value| value.contains(part))
        };
        if let Some((.., product)) = OTHER_PRODUCTS.iter().find(of_product) {
            return Err(Unfit::OtherProduct(product));
        }
        if self.field("redis_mode") == "sentinel" {
            return Err(Unfit::Sentinel);
        }
        let version = self.field("redis_version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < 7) {
            Err(Unfit::TooOld(version.to_owned()))
        } else if self.field("role") != "master" {
            Err(Unfit::Replica)
        } else if !is_cluster && self.field("cluster_enabled") == "1" {
            Err(Unfit::Cluster)
        } else if self.field("maxmemory") != "0" && self.field("maxmemory_policy") != "noeviction" {
            Err(Unfit::Evicts)
        } else {
            Ok(())
        }
    }

    /// Whether it has been up since then, and was never a replica: what it held then, it holds.
    pub fn has_held_since(&self, since: Instant) -> bool {
        let uptime = self.field("uptime_in_seconds").parse().map(Duration::from_secs);
        self.is_original() && uptime.is_ok_and(|uptime| uptime > since.elapsed())
    }

    /// Whether its data never came from another primary.
    fn is_original(&self) -> bool {
        self.field("master_replid2").bytes().all(|digit| digit == b'0')
    }

    /// Whether a restart keeps everything that was answered: the server writes to disk before it
    /// answers, its data did not come from another primary, and no replica has it. A second
    /// replication id shows that it was a replica before; a replica that is started as a primary looks
    /// like a restart of its primary. Without the right to read the settings, a loss has to be assumed.
    pub fn keeps_all(&self) -> bool {
        self.is_original() && self.field("connected_slaves") == "0" && self.warning().is_none()
    }

    /// What is wrong with its persistence.
    pub fn warning(&self) -> Option<RedisWarning> {
        let setting = |name: &str| self.settings.get(name).map(String::as_str);
        match (self.field("aof_enabled"), setting("appendfsync"), setting("save")) {
            (_, None, _) => Some(RedisWarning::SettingsUnknown),
            ("1", Some("always"), _) => None,
            ("0", _, Some("")) => Some(RedisWarning::NoPersistence),
            _ => Some(RedisWarning::AnswersFirst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(changed: &str) -> ServerInfo {
        let (name, _) = changed.split_once(':').unwrap();
        let fields =
            ["redis_version:7.0.15", "role:master", "maxmemory:0", "maxmemory_policy:allkeys-lru"];
        let kept = fields.iter().filter(|field| !field.starts_with(&format!("{name}:")));
        let info = kept.copied().chain([changed]).collect::<Vec<_>>().join("\r\n");
        ServerInfo { info, settings: HashMap::new(), asked: Instant::now() }
    }

    #[test]
    fn a_primary_of_version_7_that_does_not_evict_is_fit() {
        assert_eq!(info("role:master").check(false), Ok(()));
        assert_eq!(info("role:slave").check(false), Err(Unfit::Replica));
        assert_eq!(
            info("redis_version:6.2.14").check(false),
            Err(Unfit::TooOld("6.2.14".to_owned()))
        );
        assert_eq!(info("redis_version:8.2.0").check(false), Ok(()));
        assert_eq!(info("redis_mode:standalone").check(false), Ok(()));
        assert_eq!(info("redis_mode:sentinel").check(false), Err(Unfit::Sentinel));
        assert_eq!(info("maxmemory:100").check(false), Err(Unfit::Evicts));
        assert_eq!(info("maxmemory_policy:noeviction").check(false), Ok(()));
        assert_eq!(info("cluster_enabled:1").check(false), Err(Unfit::Cluster));
        assert_eq!(info("cluster_enabled:1").check(true), Ok(()));
    }

    #[test]
    fn what_is_like_redis_is_named() {
        for (field, product) in [
            ("dragonfly_version:df-v1.35.1", "Dragonfly"),
            ("executable:/usr/bin/keydb-server", "KeyDB"),
            ("garnet_version:1.0.91", "Garnet"),
            ("kvrocks_version:2.13.0", "Kvrocks"),
        ] {
            assert_eq!(info(field).check(false), Err(Unfit::OtherProduct(product)));
        }
        assert_eq!(info("executable:/usr/bin/redis-server").check(false), Ok(()));
        assert_eq!(info("valkey_version:8.1.4").check(false), Ok(()));
    }
}
