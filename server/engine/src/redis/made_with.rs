//! What is written down with the data in Redis: the number of its partitions and its format.

use redis::{RedisError, aio::MultiplexedConnection, cmd};

use super::{connect_error::ConnectError, layout::Layout, options::RedisOptions, protocol::FORMAT};

/// What the data of a partition was made with.
struct MadeWith {
    partitions: usize,
    format: u64,
}

impl MadeWith {
    /// Reads what the data of the partition with this prefix was made with; `None` where there is none.
    async fn read(
        redis: &mut MultiplexedConnection,
        prefix: &str,
    ) -> Result<Option<Self>, RedisError> {
        let mut command = cmd("HMGET");
        command.arg(format!("{prefix}meta")).arg(&["stream", "partitions", "format"]);
        let (stream, partitions, format): (Option<String>, Option<usize>, Option<u64>) =
            command.query_async(redis).await?;
        // The first format had neither.
        let made = Self { partitions: partitions.unwrap_or(1), format: format.unwrap_or(1) };
        Ok(stream.map(|_| made))
    }
}

/// Refuses data that was made with one partition where there are several, and the other way round: its
/// keys have other names.
pub async fn refuse_other_layout(
    redis: &mut MultiplexedConnection,
    layout: &Layout,
    options: &RedisOptions,
) -> Result<(), ConnectError> {
    // In a cluster they may be on another node.
    if layout.partition > 0 || options.is_cluster() {
        return Ok(());
    }
    let made = MadeWith::read(redis, &layout.other_prefix(&options.prefix)).await?;
    made.map_or(Ok(()), |made| refuse_partitions(made.partitions, layout.partitions))
}

/// Refuses data that a gateway would refuse to join, without joining.
pub async fn refuse_other_data(
    redis: &mut MultiplexedConnection,
    layout: &Layout,
    options: &RedisOptions,
) -> Result<(), ConnectError> {
    refuse_other_layout(redis, layout, options).await?;
    let Some(made) = MadeWith::read(redis, &layout.prefix(&options.prefix)).await? else {
        return Ok(());
    };
    if made.format != FORMAT {
        return Err(ConnectError::OtherFormat { stored: made.format });
    }
    refuse_partitions(made.partitions, layout.partitions)
}

fn refuse_partitions(stored: usize, given: usize) -> Result<(), ConnectError> {
    if stored == given { Ok(()) } else { Err(ConnectError::OtherPartitions { stored, given }) }
}
