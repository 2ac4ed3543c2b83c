//! The engine's operations: which partition each is for.

use std::sync::{Arc, atomic::Ordering};

use async_trait::async_trait;

use super::{
    Partitioned,
    fan_out::{next, sum},
};
use crate::{
    Acknowledgement, Authorisation, AuthoriseError, ConnectionId, DeviceState, Digest, Engine,
    EngineError, EngineFill, EngineStats, Events, Home, Message, Opened, Outgoing, RedeemError,
    ReleaseError, RequestTokenError, Requester, SendError, Sent, SocketError, TokenError, TokenId,
    redis::Pointed,
};

impl Partitioned {
    /// Points a `halfRef` to a partition, unless it is another partition's.
    async fn point(&self, half_ref: &Digest, partition: usize) -> Result<Pointed, EngineError> {
        let pointers = self.of_pointer(half_ref);
        let pointed = pointers.point(half_ref, partition, None).await?;
        let Pointed::Elsewhere { partition: other, has_settled } = pointed else {
            return Ok(pointed);
        };
        let known = match self.partitions.get(other) {
            Some(other) => !has_settled || other.redis.knows_half_ref(half_ref).await?,
            None => false,
        };
        if known {
            return Ok(pointed);
        }
        // It was forgotten there, or never got there. Another partition may be quicker.
        pointers.point(half_ref, partition, Some(other)).await
    }
}

#[async_trait]
impl Engine for Partitioned {
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        device_data: Option<&str>,
        token: &Digest,
    ) -> Result<(), RequestTokenError> {
        self.of_device(device).request_token(device, requester, device_data, token).await
    }

    async fn check_token(&self, token: &TokenId) -> Result<(), TokenError> {
        self.at(token.home).check_token(token).await
    }

    async fn revoke_token(&self, token: &TokenId) -> Result<(), EngineError> {
        self.at(token.home).revoke_token(token).await
    }

    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError> {
        let Authorisation { token, device, half_ref, .. } = authorisation;
        let count = self.partitions.len();
        let partition = Home::of_device(device).partition(count);
        if token.home.partition(count) != partition {
            // Whatever it is, it is no token of this device.
            self.check_token(token).await?;
            return Err(AuthoriseError::DeviceMismatch);
        }
        self.of_device(device).check_authorisation(authorisation).await?;
        let pointed = self.point(half_ref, partition).await?;
        let is_foreign = matches!(pointed, Pointed::Elsewhere { .. });
        let authorised = self.of_device(device).authorise_unless(is_foreign, authorisation).await;
        if let Pointed::Here { settles } = pointed
            && authorised.is_err_and(|error| error.engine().is_none())
        {
            // It settles by itself a little later where this fails.
            let _ = self.of_pointer(half_ref).settle(half_ref, partition, settles).await;
        }
        authorised
    }

    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError> {
        let pointed = self.of_pointer(half_ref).pointed(half_ref).await?;
        let partition = pointed.and_then(|partition| self.partitions.get(partition));
        match partition {
            Some(partition) => partition.redis.redeem(half_ref, connection).await,
            None => Err(RedeemError::Unknown),
        }
    }

    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), EngineError> {
        self.of_device(device).close(device, connection, code).await
    }

    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError> {
        self.of_device(message.device).send(message).await
    }

    async fn acknowledgement(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<Acknowledgement, EngineError> {
        self.of_device(device).acknowledgement(device, epoch, seq).await
    }

    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        self.of_device(device).outbox(device, connection, after, bytes).await
    }

    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError> {
        self.of_device(device).acknowledge(device, connection, seq).await
    }

    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        self.of_device(device).accept(device, connection, id, data).await
    }

    async fn device(&self, device: &str) -> Result<Option<DeviceState>, EngineError> {
        self.of_device(device).device(device).await
    }

    async fn connected(
        &self,
        linkinjected: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<DeviceState>, EngineError> {
        self.merge_connected(linkinjected, after, limit).await
    }

    async fn disconnect(&self, device: &str) -> Result<(), EngineError> {
        self.of_device(device).disconnect(device).await
    }

    async fn erase(&self, device: &str) -> Result<(), EngineError> {
        self.of_device(device).erase(device).await
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    async fn stream(&self, partition: usize) -> Result<Arc<str>, EngineError> {
        self.partitions[partition].redis.stream(partition).await
    }

    async fn events(
        &self,
        partition: usize,
        from: u64,
        limit: usize,
    ) -> Result<Events, EngineError> {
        self.partitions[partition].redis.events(partition, from, limit).await
    }

    async fn release(
        &self,
        partition: usize,
        stream: &str,
        through: u64,
    ) -> Result<(), ReleaseError> {
        self.partitions[partition].redis.release(partition, stream, through).await
    }

    /// Fails where it fails in every partition. One that failed before is not waited for: the others
    /// have their heartbeats in time.
    async fn expire(&self) -> Result<(), EngineError> {
        let is_failing: Vec<_> =
            self.partitions.iter().map(|it| it.is_failing.load(Ordering::Acquire)).collect();
        let mut expired = self.ask_all(|number, partition| {
            let is_failing = is_failing[number];
            async move {
                if is_failing {
                    tokio::spawn(async move { partition.expire().await });
                } else {
                    partition.expire().await;
                }
            }
        });
        while next(&mut expired).await.is_some() {}
        let is_failing = |it: &Arc<super::Partition>| it.is_failing.load(Ordering::Acquire);
        if self.partitions.iter().all(is_failing) { Err(EngineError::Unavailable) } else { Ok(()) }
    }

    /// Whether one of the partitions serves. A server that cannot be reached takes no gateway out of
    /// service: all have lost it, and its devices alone are refused.
    async fn ready(&self) -> Result<(), EngineError> {
        let mut answers = self.ask_all(|_, partition| async move { partition.redis.ready().await });
        while let Some(answer) = next(&mut answers).await {
            if answer.and_then(|it| it).is_ok() {
                return Ok(());
            }
        }
        Err(EngineError::Unavailable)
    }

    /// How full the engine is can be told where every partition tells it: a part of it would look like
    /// less.
    async fn stats(&self) -> EngineStats {
        let mut answers = self.ask_all(|_, partition| async move { partition.redis.stats().await });
        let (mut serves, mut fill, mut redis) = (false, Some(EngineFill::default()), Vec::new());
        while let Some(answer) = next(&mut answers).await {
            let stats = answer.unwrap_or_default();
            serves |= stats.serves;
            fill = fill.zip(stats.fill).map(|(one, other)| one + other);
            redis.extend(stats.redis);
        }
        EngineStats { serves, fill, journal: None, redis: sum(redis) }
    }

    fn failure(&self) -> Option<String> {
        let failures = self.partitions.iter().enumerate().filter_map(|(number, partition)| {
            let why = partition.redis.failure()?;
            Some((partition.redis.is_connected(), number, why))
        });
        let (_, number, why) =
            failures.min_by_key(|(is_connected, number, _)| (*is_connected, *number))?;
        Some(format!("partition {number}: {why}"))
    }

    async fn end(&self) {
        let mut ended = self.ask_all(|_, partition| async move { partition.redis.end().await });
        while next(&mut ended).await.is_some() {}
    }
}
