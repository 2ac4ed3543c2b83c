//! What a Redis reports about itself: whether it can serve a gateway, and whether a restart can lose
//! data.

use redis::{RedisError, aio::MultiplexedConnection, cmd};
use thiserror::Error;

/// The reply to `INFO`.
pub struct ServerInfo(String);

/// Why a Redis cannot serve a gateway.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Functions came with version 7.
    #[error("Redis is older than version 7")]
    TooOld,
    /// A replica refuses writes, or loses them at the next synchronisation.
    #[error("Redis is a replica; the URL has to lead to the primary")]
    Replica,
    /// At its `maxmemory` it would drop keys that have to stay.
    #[error("Redis has a maxmemory-policy other than noeviction")]
    Evicts,
}

impl ServerInfo {
    /// Asks the server.
    pub async fn fetch(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        let mut info = cmd("INFO");
        info.arg(&["server", "replication", "memory", "persistence"]);
        Ok(Self(info.query_async(connection).await?))
    }

    fn field(&self, name: &str) -> &str {
        let mut fields = self.0.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| *field == name).map_or("", |(_, value)| value)
    }

    /// The id of the server process's run: another one after each restart.
    pub fn run_id(&self) -> &str {
        self.field("run_id")
    }

    /// Checks whether the server can serve a gateway.
    pub fn check(&self) -> Result<(), Unfit> {
        let version = self.field("redis_version").split('.').next();
        if version.and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < 7) {
            Err(Unfit::TooOld)
        } else if self.field("role") != "master" {
            Err(Unfit::Replica)
        } else if self.field("maxmemory") != "0" && self.field("maxmemory_policy") != "noeviction" {
            Err(Unfit::Evicts)
        } else {
            Ok(())
        }
    }

    /// Whether a restart keeps everything that was answered: the server writes to disk before it
    /// answers, and its data did not come from another primary. A second replication id shows that
    /// it was a replica before.
    pub async fn keeps_all(&self, connection: &mut MultiplexedConnection) -> bool {
        let own = self.field("master_replid2").bytes().all(|digit| digit == b'0');
        if !own || self.field("aof_enabled") != "1" {
            return false;
        }
        let mut config = cmd("CONFIG");
        config.arg("GET").arg("appendfsync");
        // Without the right to read the configuration, a loss has to be assumed.
        let answer: Result<(String, String), _> = config.query_async(connection).await;
        answer.is_ok_and(|(_, value)| value == "always")
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
        ServerInfo(kept.copied().chain([changed]).collect::<Vec<_>>().join("\r\n"))
    }

    #[test]
    fn a_primary_of_version_7_that_does_not_evict_is_fit() {
        assert_eq!(info("role:master").check(), Ok(()));
        assert_eq!(info("role:slave").check(), Err(Unfit::Replica));
        assert_eq!(info("redis_version:6.2.14").check(), Err(Unfit::TooOld));
        assert_eq!(info("redis_version:8.2.0").check(), Ok(()));
        assert_eq!(info("maxmemory:100").check(), Err(Unfit::Evicts));
        assert_eq!(info("maxmemory_policy:noeviction").check(), Ok(()));
    }
}
