//! The engine's operations: what each asks of Redis, and what the reply means.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::Value;
use tokio::time::timeout;

use super::{
    Redis,
    connection::{Connection, Shared},
    event,
    operation::{
        ACCEPT, ACKNOWLEDGE, ACKNOWLEDGEMENT, CHECK_TOKEN, CLOSE, CONNECTED, DEVICE, DISCONNECT,
        ERASE_EVENTS, ERASE_HALF_REFS, ERASE_RECORD, EVENTS, EXPIRE, LEAVE, OUTBOX, Operation,
        READY, REDEEM, RELEASE, REQUEST_TOKEN, REVOKE_TOKEN, SEND, STATS,
    },
    protocol::{self, Reply, link, stored_link},
};
use crate::{
    Acknowledgement, Authorisation, AuthoriseError, ConnectionId, DeviceState, Digest, EndReason,
    Engine, EngineError, EngineFill, EngineStats, Events, Message, Opened, OutboxFill, Outgoing,
    RedeemError, ReleaseError, RequestTokenError, Requester, SendError, Sent, SocketError,
    SocketState, TokenError, TokenId, millis, new_id,
};

/// Lua has doubles for numbers, which are exact up to here. No number that is given out is as large.
const LARGEST: u64 = 1 << 53;

/// How long Redis may take to tell how full it is.
const STATS_TIMEOUT: Duration = Duration::from_millis(500);

/// At most this many batches are expired before others may use Redis.
const EXPIRE_CALLS: usize = 1000;

impl Redis {
    /// The outcome of a connection's operation. A connection that is no longer the device's socket is
    /// ended here, unless it was before.
    fn socket_outcome(&self, connection: &ConnectionId, reply: &Reply) -> Result<(), SocketError> {
        match reply.word() {
            "ok" => Ok(()),
            "events-full" => Err(SocketError::EventsFull),
            "stale" => {
                let router = &self.shared.router;
                if router.local_sockets.contains(connection) {
                    let reason = reply.value(1).ok().and_then(protocol::text);
                    let reason = reason.and_then(protocol::reason);
                    router.end(connection, reason.unwrap_or(EndReason::LeaseExpired));
                }
                Err(SocketError::Stale)
            }
            _ => Err(reply.unexpected().into()),
        }
    }

    /// How full Redis is.
    async fn fill(&self, connection: &Connection) -> Result<EngineFill, EngineError> {
        let reply = connection.call(&self.shared, STATS.request()).await?;
        Ok(EngineFill {
            devices: reply.int(0)?,
            connected: reply.int(1)?,
            queued_messages: reply.int(2)?,
            events: reply.int(3)?,
            event_bytes: reply.int(4)?,
            reserved_bytes: reply.int(5)?,
            oldest_event: reply.values().get(6).and_then(protocol::int),
        })
    }
}

/// How full the outbox is in which a message was queued; `None` where it was queued before.
fn outbox_fill(reply: &Reply) -> Option<OutboxFill> {
    let [messages, bytes] = [5, 6].map(|index| reply.values().get(index).and_then(protocol::int));
    Some(OutboxFill { messages: messages?, bytes: bytes? })
}

#[async_trait]
impl Engine for Redis {
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        device_data: Option<&str>,
        token: &Digest,
    ) -> Result<(), RequestTokenError> {
        /// The bytes of a digest; none where there is no digest.
        fn bytes(digest: Option<&Digest>) -> &[u8] {
            digest.map_or(&[], |digest| digest.bytes())
        }
        let (requester, shown, key) = match requester {
            Requester::Claim { shown, key } => ("claim", shown, key),
            Requester::Test => ("test", None, None),
            Requester::Operator => ("operator", None, None),
        };
        let mut request = REQUEST_TOKEN.request();
        request.arg(device).arg(requester).arg(bytes(shown)).arg(bytes(key));
        request.arg(token.bytes()).arg(new_id()).arg(device_data.unwrap_or_default());
        let (shared, token) = (Arc::clone(&self.shared), *token);
        let call = tokio::spawn(async move {
            let connection = shared.connection().await?;
            let reply = connection.complete(&shared, request).await;
            reply.inspect_err(|_| shared.unconfirmed.push(token))
        });
        let reply = call.await.map_err(|_| EngineError::OutcomeUnknown)??;
        match reply.word() {
            "ok" => Ok(()),
            "device-claimed" => Err(RequestTokenError::DeviceClaimed),
            "devices-full" => Err(RequestTokenError::DevicesFull),
            _ => Err(reply.unexpected().into()),
        }
    }

    async fn check_token(&self, token: &TokenId) -> Result<(), TokenError> {
        let mut request = CHECK_TOKEN.request();
        request.arg(token.digest.bytes());
        let check = |reply: &Reply| match reply.word() {
            "ok" => Ok(Ok(())),
            "unknown" => Ok(Err(TokenError::Unknown)),
            "expired" => Ok(Err(TokenError::Expired)),
            _ => Err(reply.unexpected()),
        };
        self.read(request, check).await?
    }

    async fn revoke_token(&self, token: &TokenId) -> Result<(), EngineError> {
        let mut request = REVOKE_TOKEN.request();
        request.arg(token.digest.bytes());
        self.call_detached(request).await.map(|_| ())
    }

    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError> {
        self.authorise_unless(false, authorisation).await
    }

    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError> {
        let mut request = REDEEM.request();
        request.arg(half_ref.bytes()).arg(&*connection.0);
        let shared = Arc::clone(&self.shared);
        let connection = connection.clone();
        // The caller may be dropped before the reply comes; then the guard closes the socket.
        let redeem = tokio::spawn(async move {
            let mut guard = OpenedGuard { shared, connection, device: None };
            let opened = opened(&guard.shared.call(request).await?)?;
            guard.device = Some(Arc::clone(&opened.device));
            let local_sockets = &guard.shared.router.local_sockets;
            local_sockets.insert(guard.connection.clone(), Arc::clone(&opened.device));
            Ok::<_, RedeemError>((opened, guard))
        });
        let (opened, mut guard) = redeem.await.map_err(|_| EngineError::OutcomeUnknown)??;
        guard.device = None;
        Ok(opened)
    }

    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), EngineError> {
        // If the call fails, the socket is closed after the next connect, as it is not local then.
        self.shared.router.local_sockets.remove(connection);
        let mut request = CLOSE.request();
        request.arg(code.map(|code| code.to_string()).unwrap_or_default());
        request.arg(device).arg(&*connection.0);
        self.call_detached(request).await.map(|_| ())
    }

    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError> {
        let Outgoing { device, data, ttl, idempotency } = message;
        let mut request = SEND.request();
        request.arg(device).arg(data).arg(millis(ttl).min(LARGEST));
        if let Some(repeatable) = &idempotency {
            request.arg(repeatable.key.bytes()).arg(repeatable.body.bytes());
        }
        let reply = self.call_detached(request).await?;
        Err(match reply.word() {
            "ok" => {
                return Ok(Sent {
                    epoch: reply.text(1)?,
                    seq: reply.int(2)?,
                    connected: reply.int(3)? == 1,
                    acknowledged: reply.int(4)? == 1,
                    outbox: outbox_fill(&reply),
                });
            }
            "unknown-device" => SendError::UnknownDevice,
            "events-full" => SendError::EventsFull,
            "outbox-full" => SendError::OutboxFull(reply.millis(1)?),
            "key-reused" => SendError::KeyReused,
            "keys-full" => SendError::KeysFull(reply.millis(1)?),
            _ => reply.unexpected().into(),
        })
    }

    async fn acknowledgement(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<Acknowledgement, EngineError> {
        let mut request = ACKNOWLEDGEMENT.request();
        request.arg(device).arg(epoch).arg(seq.min(LARGEST));
        let acknowledgement = |reply: &Reply| match reply.word() {
            "pending" => Ok(Acknowledgement::Pending),
            "acknowledged" => Ok(Acknowledgement::Acknowledged),
            "never" => Ok(Acknowledgement::Never),
            _ => Err(reply.unexpected()),
        };
        self.read(request, acknowledgement).await
    }

    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        let local_sockets = &self.shared.router.local_sockets;
        // A socket wakes for other reasons than messages, such as a ping.
        if local_sockets.is_empty_after(connection, after) {
            return Ok(Vec::new());
        }
        local_sockets.begin_reading(connection, after);
        let mut request = OUTBOX.request();
        request.arg(device).arg(&*connection.0).arg(after.min(LARGEST));
        request.arg((bytes as u64).min(LARGEST));
        let reply = self.call(request).await;
        let reply = reply.inspect_err(|_| local_sockets.may_have_messages(connection))?;
        let messages = (1..reply.values().len()).step_by(2);
        let message = |index| Ok(Message { seq: reply.int(index)?, data: reply.text(index + 1)? });
        let read = || messages.map(message).collect::<Result<Vec<_>, SocketError>>();
        if reply.is_partial() {
            local_sockets.may_have_messages(connection);
            return read();
        }
        self.socket_outcome(connection, &reply)?;
        let messages = read().inspect_err(|_| local_sockets.may_have_messages(connection))?;
        let last = messages.last().map_or(after, |message| message.seq);
        local_sockets.end_reading(connection, after, last);
        Ok(messages)
    }

    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError> {
        let mut request = ACKNOWLEDGE.request();
        request.arg(device).arg(&*connection.0).arg(seq.min(LARGEST));
        let reply = self.call_detached(request).await?;
        self.socket_outcome(connection, &reply)
    }

    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        let mut request = ACCEPT.request();
        let id_digest = Digest::of(id.as_bytes());
        request.arg(device).arg(&*connection.0).arg(id).arg(&id_digest.bytes()[..8]).arg(data);
        let reply = self.call_detached(request).await?;
        self.socket_outcome(connection, &reply)
    }

    async fn device(&self, device: &str) -> Result<Option<DeviceState>, EngineError> {
        let mut request = DEVICE.request();
        request.arg(device);
        let device = |reply: &Reply| {
            reply.values().first().map(|state| device_state(state, reply)).transpose()
        };
        self.read(request, device).await
    }

    async fn connected(
        &self,
        linkinjected: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<DeviceState>, EngineError> {
        let mut request = CONNECTED.request();
        request.arg(stored_link(linkinjected)).arg(after).arg((limit as u64).min(LARGEST));
        let devices =
            |reply: &Reply| reply.values().iter().map(|state| device_state(state, reply)).collect();
        self.read(request, devices).await
    }

    async fn disconnect(&self, device: &str) -> Result<(), EngineError> {
        let mut request = DISCONNECT.request();
        request.arg(device);
        self.call_detached(request).await.map(|_| ())
    }

    async fn erase(&self, device: &str) -> Result<(), EngineError> {
        let (shared, device) = (Arc::clone(&self.shared), device.to_owned());
        let call = tokio::spawn(async move { erase(&shared, &device).await });
        call.await.map_err(|_| EngineError::OutcomeUnknown)?
    }

    async fn stream(&self, _partition: usize) -> Result<Arc<str>, EngineError> {
        Ok(Arc::clone(&self.shared.connection().await?.stream))
    }

    async fn events(
        &self,
        _partition: usize,
        from: u64,
        limit: usize,
    ) -> Result<Events, EngineError> {
        let mut request = EVENTS.request();
        request.arg(from.min(LARGEST)).arg((limit as u64).min(LARGEST));
        let events = |reply: &Reply| {
            let Value::Array(entries) = reply.value(2)? else { return Err(reply.unexpected()) };
            let read = |entry| event::read(entry).ok_or_else(|| reply.unexpected());
            let events = entries.iter().map(read).collect::<Result<_, _>>()?;
            Ok(Events { oldest: reply.int(0)?, next: reply.int(1)?, events })
        };
        self.read(request, events).await
    }

    async fn release(
        &self,
        _partition: usize,
        stream: &str,
        through: u64,
    ) -> Result<(), ReleaseError> {
        let mut request = RELEASE.request();
        request.arg(stream).arg(through.min(LARGEST));
        let reply = self.shared.complete(request).await?;
        match reply.word() {
            "ok" => Ok(()),
            "other-stream" => Err(ReleaseError::OtherStream),
            _ => Err(reply.unexpected().into()),
        }
    }

    async fn expire(&self) -> Result<(), EngineError> {
        for _ in 0..EXPIRE_CALLS {
            let Ok(reply) = self.call(EXPIRE.request()).await else {
                if self.shared.lease_is_over() {
                    // Another gateway may be able to serve their prospects.
                    self.shared.router.end_all();
                }
                return Err(EngineError::Unavailable);
            };
            self.shared.measures.renewed();
            if !reply.is_partial() {
                break;
            }
        }
        Ok(())
    }

    async fn ready(&self) -> Result<(), EngineError> {
        let mut heartbeats = self.shared.router.heartbeats();
        self.read(READY.request(), |_| Ok(())).await?;
        let heartbeat = timeout(self.shared.options.timeout, heartbeats.changed()).await;
        heartbeat.map_err(|_| EngineError::Unavailable)?.map_err(|_| EngineError::Unavailable)
    }

    async fn stats(&self) -> EngineStats {
        let connection = self.shared.connected();
        let connected = connection.is_some();
        let fill = match connection {
            Some(connection) => timeout(STATS_TIMEOUT, self.fill(&connection)).await.ok(),
            None => None,
        };
        let fill = fill.and_then(Result::ok);
        let redis = self.shared.measures.stats(connected, self.shared.options.lease);
        EngineStats { serves: fill.is_some(), fill, journal: None, redis: Some(redis) }
    }

    fn failure(&self) -> Option<String> {
        Some(self.shared.failure()).filter(|why| !why.is_empty())
    }

    async fn end(&self) {
        // If the call fails, the gateway expires with its lease.
        let _ = self.call(LEAVE.request()).await;
        self.stop();
    }
}

/// Erases a device: first its record, then its events and its `halfRef`s from before that.
async fn erase(shared: &Shared, device: &str) -> Result<(), EngineError> {
    let connection = shared.connection().await?;
    let request = |operation: Operation| {
        let mut request = operation.request();
        request.arg(device);
        request
    };
    let ended = connection.complete(shared, request(ERASE_RECORD)).await?;
    let [first_event, last_event, time] = [ended.int(1)?, ended.int(2)?, ended.int(3)?];
    for (operation, from, last) in
        [(ERASE_EVENTS, first_event, last_event), (ERASE_HALF_REFS, 0, time)]
    {
        let mut next = Some(from);
        while let Some(from) = next {
            let mut request = request(operation);
            request.arg(from).arg(last);
            let reply = connection.call(shared, request).await;
            let reply = reply.map_err(|_| EngineError::OutcomeUnknown)?;
            next = if reply.is_partial() { Some(reply.int(1)?) } else { None };
        }
    }
    Ok(())
}

/// Closes an opened socket when it is dropped, unless its device was taken out before.
struct OpenedGuard {
    shared: Arc<Shared>,
    connection: ConnectionId,
    device: Option<Arc<str>>,
}

impl Drop for OpenedGuard {
    fn drop(&mut self) {
        let Some(device) = self.device.take() else { return };
        let shared = Arc::clone(&self.shared);
        shared.router.local_sockets.remove(&self.connection);
        let mut request = CLOSE.request();
        request.arg("").arg(&*device).arg(&*self.connection.0);
        // Without a runtime the process is about to exit, and the socket ends with the lease.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { shared.call(request).await.map(|_| ()) });
        }
    }
}

fn opened(reply: &Reply) -> Result<Opened, RedeemError> {
    Err(match reply.word() {
        "ok" => {
            return Ok(Opened {
                device: reply.text(1)?,
                epoch: reply.text(2)?,
                linkinjected: link(&reply.text(3)?),
            });
        }
        "unknown" => RedeemError::Unknown,
        "spent" => RedeemError::Spent,
        "expired" => RedeemError::Expired,
        "revoked" => RedeemError::Revoked,
        "events-full" => RedeemError::EventsFull,
        _ => reply.unexpected().into(),
    })
}

/// Reads the state of a device: its name, its number of unacknowledged messages, its device data, when
/// it was last seen and, if there is one, its socket.
fn device_state(state: &Value, reply: &Reply) -> Result<DeviceState, EngineError> {
    let Value::Array(parts) = state else { return Err(reply.unexpected()) };
    let text = |index: usize| parts.get(index).and_then(protocol::text);
    let int =
        |index: usize| parts.get(index).and_then(protocol::int).ok_or_else(|| reply.unexpected());
    let socket = match text(4) {
        None => None,
        Some(connection) => Some(SocketState {
            connection: ConnectionId(connection.into()),
            since: int(5)?,
            linkinjected: link(text(6).unwrap_or_default()),
        }),
    };
    let device = text(0).ok_or_else(|| reply.unexpected())?.into();
    let unacknowledged = usize::try_from(int(1)?).unwrap_or(usize::MAX);
    let device_data = text(2).filter(|data| !data.is_empty()).map(Into::into);
    let last_seen = parts.get(3).and_then(protocol::int);
    Ok(DeviceState { device, socket, unacknowledged, device_data, last_seen })
}
