//! What a Redis says of itself, as far as it matters here.

use redis::{RedisError, aio::MultiplexedConnection, cmd};

/// What `INFO` says.
pub struct ServerInfo(String);

/// Why a Redis cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Older than version 7, which brought functions.
    TooOld,
    /// A replica: what it is told is not kept.
    Replica,
    /// Short of memory it drops what it was told to keep.
    Evicts,
}

impl Unfit {
    /// What is wrong, in a sentence.
    pub const fn sentence(&self) -> &'static str {
        match self {
            Self::TooOld => "Redis is older than version 7",
            Self::Replica => "Redis is a replica",
            Self::Evicts => "Redis has a maxmemory-policy other than noeviction",
        }
    }
}

impl ServerInfo {
    /// Asks.
    pub async fn of(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        let mut info = cmd("INFO");
        info.arg(&["server", "replication", "memory", "persistence"]);
        Ok(Self(info.query_async(connection).await?))
    }

    fn field(&self, name: &str) -> &str {
        let mut fields = self.0.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| *field == name).map_or("", |(_, value)| value)
    }

    /// Names the run of the process.
    pub fn run(&self) -> &str {
        self.field("run_id")
    }

    /// Whether it can be used.
    pub fn fit(&self) -> Result<(), Unfit> {
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

    /// Whether the data is a primary's own, written down before each answer: then a restart loses
    /// nothing that was answered. A second replication id is what a replica has that took over.
    pub async fn keeps_all(&self, connection: &mut MultiplexedConnection) -> bool {
        let own = self.field("master_replid2").bytes().all(|digit| digit == b'0');
        if !own || self.field("aof_enabled") != "1" {
            return false;
        }
        let mut config = cmd("CONFIG");
        config.arg("GET").arg("appendfsync");
        // Who may not ask does not know.
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
    fn a_redis_is_fit_that_can_keep_what_it_is_told() {
        assert_eq!(info("role:master").fit(), Ok(()));
        assert_eq!(info("role:slave").fit(), Err(Unfit::Replica));
        assert_eq!(info("redis_version:6.2.14").fit(), Err(Unfit::TooOld));
        assert_eq!(info("redis_version:8.2.0").fit(), Ok(()));
        assert_eq!(info("maxmemory:100").fit(), Err(Unfit::Evicts));
        assert_eq!(info("maxmemory_policy:noeviction").fit(), Ok(()));
    }
}
