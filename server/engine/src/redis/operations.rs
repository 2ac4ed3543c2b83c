//! The engine's actions: what each asks of Redis, and what the answer means.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::Value;
use tokio::time::timeout;

use super::{
    super::{
        Authorisation, AuthoriseError, ConnectionId, DeviceState, EndReason, Engine, Events,
        Message, Opened, Outgoing, RedeemError, RequestTokenError, Requester, SendError, Sent,
        SocketError, SocketState, TokenError, Unavailable, millis,
    },
    Redis, Shared, event,
    reply::{self, Reply},
};
use crate::{Digest, new_id};

/// Numbers above this are not told apart in Lua; none that is given out comes near.
const LARGEST: u64 = 1 << 53;

/// Calls that end what is due, at the most, before others have their turn.
const ROUNDS: usize = 1000;

impl Redis {
    /// What an action of a socket came to. A connection that is not the socket is told so here,
    /// unless it was told before.
    fn of_socket(&self, connection: &ConnectionId, reply: &Reply) -> Result<(), SocketError> {
        match reply.word() {
            "ok" => Ok(()),
            "events-full" => Err(SocketError::EventsFull),
            "stale" => {
                let hearing = &self.shared.hearing;
                if hearing.held.contains(connection) {
                    let reason = reply.value(1).ok().and_then(reply::text).and_then(event::reason);
                    hearing.end(connection, reason.unwrap_or(EndReason::LeaseExpired));
                }
                Err(SocketError::Stale)
            }
            _ => Err(reply.strange().into()),
        }
    }
}

#[async_trait]
impl Engine for Redis {
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        token: &Digest,
    ) -> Result<(), RequestTokenError> {
        let (requester, shown) = match requester {
            Requester::Claim(shown) => ("claim", shown),
            Requester::Test => ("test", None),
            Requester::Operator => ("operator", None),
        };
        let mut command = self.command("request_token");
        command.arg(device).arg(requester).arg(shown.map_or(&[][..], |shown| shown.bytes()));
        command.arg(token.bytes()).arg(new_id());
        let (shared, token) = (Arc::clone(&self.shared), *token);
        let call = tokio::spawn(async move {
            let link = shared.link().await?;
            link.call(&shared, command).await.inspect_err(|_| shared.doubt.push(token))
        });
        let reply = call.await.map_err(|_| Unavailable)??;
        match reply.word() {
            "ok" => Ok(()),
            "device-claimed" => Err(RequestTokenError::DeviceClaimed),
            "devices-full" => Err(RequestTokenError::DevicesFull),
            _ => Err(reply.strange().into()),
        }
    }

    async fn check_token(&self, token: &Digest) -> Result<(), TokenError> {
        let mut command = self.command("check_token");
        command.arg(token.bytes());
        let reply = self.call(command).await?;
        match reply.word() {
            "ok" => Ok(()),
            "unknown" => Err(TokenError::Unknown),
            "expired" => Err(TokenError::Expired),
            _ => Err(reply.strange().into()),
        }
    }

    async fn revoke_token(&self, token: &Digest) -> Result<(), Unavailable> {
        let mut command = self.command("revoke_token");
        command.arg(token.bytes());
        self.whole(command).await.map(|_| ())
    }

    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError> {
        let Authorisation { token, device, half_ref, linkinjected } = authorisation;
        let mut command = self.command("authorise");
        command
            .arg(token.bytes())
            .arg(device)
            .arg(half_ref.bytes())
            .arg(event::stored_link(linkinjected));
        let reply = self.call(command).await?;
        Err(match reply.word() {
            "ok" => return Ok(()),
            "unknown" => AuthoriseError::Token(TokenError::Unknown),
            "expired" => AuthoriseError::Token(TokenError::Expired),
            "device-mismatch" => AuthoriseError::DeviceMismatch,
            "half-ref-foreign" => AuthoriseError::HalfRefForeign,
            "half-ref-spent" => AuthoriseError::HalfRefSpent,
            "too-many" => AuthoriseError::TooMany(Duration::from_micros(reply.int(1)?)),
            "full" => AuthoriseError::Full(reply.millis(1)?),
            _ => reply.strange().into(),
        })
    }

    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError> {
        let mut command = self.command("redeem");
        command.arg(half_ref.bytes()).arg(&*connection.0);
        let shared = Arc::clone(&self.shared);
        let connection = connection.clone();
        // Who asked may be gone before the answer is there; then there is nobody for the socket.
        let redeem = tokio::spawn(async move {
            let mut unclaimed = Unclaimed { shared, connection, device: None };
            let opened = opened(&unclaimed.shared.call(command).await?)?;
            unclaimed.device = Some(Arc::clone(&opened.device));
            let held = &unclaimed.shared.hearing.held;
            held.insert(unclaimed.connection.clone(), Arc::clone(&opened.device));
            Ok::<_, RedeemError>((opened, unclaimed))
        });
        let (opened, mut unclaimed) = redeem.await.map_err(|_| RedeemError::Unavailable)??;
        unclaimed.device = None;
        Ok(opened)
    }

    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), Unavailable> {
        // Should Redis not hear of it, it is not held when the link is made anew.
        self.shared.hearing.held.remove(connection);
        let mut command = self.command("close");
        command.arg(code.map(|code| code.to_string()).unwrap_or_default());
        command.arg(device).arg(&*connection.0);
        self.whole(command).await.map(|_| ())
    }

    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError> {
        let Outgoing { device, data, ttl, idempotency } = message;
        let mut command = self.command("send");
        command.arg(device).arg(data).arg(millis(ttl).min(LARGEST));
        if let Some(request) = &idempotency {
            command.arg(request.key.bytes()).arg(request.body.bytes());
        }
        let reply = self.whole(command).await?;
        Err(match reply.word() {
            "ok" => {
                return Ok(Sent {
                    epoch: reply.text(1)?,
                    seq: reply.int(2)?,
                    connected: reply.int(3)? == 1,
                    acknowledged: reply.int(4)? == 1,
                });
            }
            "unknown-device" => SendError::UnknownDevice,
            "outbox-full" => SendError::OutboxFull(reply.millis(1)?),
            "key-reused" => SendError::KeyReused,
            "keys-full" => SendError::KeysFull(reply.millis(1)?),
            _ => reply.strange().into(),
        })
    }

    async fn is_acknowledged(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<bool, Unavailable> {
        let mut command = self.command("is_acknowledged");
        command.arg(device).arg(epoch).arg(seq.min(LARGEST));
        Ok(self.call(command).await?.int(0)? == 1)
    }

    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        let mut command = self.command("outbox");
        command.arg(device).arg(&*connection.0).arg(after.min(LARGEST));
        command.arg((bytes as u64).min(LARGEST));
        let reply = self.call(command).await?;
        self.of_socket(connection, &reply)?;
        let messages = (1..reply.values().len()).step_by(2);
        let message = |place| Ok(Message { seq: reply.int(place)?, data: reply.text(place + 1)? });
        messages.map(message).collect()
    }

    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError> {
        let mut command = self.command("acknowledge");
        command.arg(device).arg(&*connection.0).arg(seq.min(LARGEST));
        let reply = self.whole(command).await?;
        self.of_socket(connection, &reply)
    }

    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        let mut command = self.command("accept");
        command.arg(device).arg(&*connection.0).arg(id).arg(data);
        let reply = self.whole(command).await?;
        self.of_socket(connection, &reply)
    }

    async fn device(&self, device: &str) -> Result<Option<DeviceState>, Unavailable> {
        let mut command = self.command("device");
        command.arg(device);
        let reply = self.call(command).await?;
        reply.values().first().map(|state| described(state, &reply)).transpose()
    }

    async fn connected(&self, after: &str, limit: usize) -> Result<Vec<DeviceState>, Unavailable> {
        let mut command = self.command("connected");
        command.arg(after).arg((limit as u64).min(LARGEST));
        let reply = self.call(command).await?;
        reply.values().iter().map(|state| described(state, &reply)).collect()
    }

    async fn disconnect(&self, device: &str) -> Result<(), Unavailable> {
        let mut command = self.command("disconnect");
        command.arg(device);
        self.whole(command).await.map(|_| ())
    }

    async fn stream(&self) -> Result<Arc<str>, Unavailable> {
        Ok(Arc::clone(&self.shared.link().await?.stream))
    }

    async fn events(&self, from: u64, limit: usize) -> Result<Events, Unavailable> {
        let mut command = self.command("events");
        command.arg(from.min(LARGEST)).arg((limit as u64).min(LARGEST));
        let reply = self.call(command).await?;
        let Value::Array(entries) = reply.value(2)? else { return Err(reply.strange()) };
        let read = |entry| event::read(entry).ok_or_else(|| reply.strange());
        let events = entries.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Events { oldest: reply.int(0)?, next: reply.int(1)?, events })
    }

    async fn release(&self, through: u64) -> Result<(), Unavailable> {
        loop {
            let mut command = self.command("release");
            command.arg(through.min(LARGEST));
            if self.call(command).await?.int(0)? == 0 {
                return Ok(());
            }
        }
    }

    async fn expire(&self) -> Result<(), Unavailable> {
        for _ in 0..ROUNDS {
            let Ok(reply) = self.call(self.command("expire")).await else {
                if self.shared.is_out_of_touch() {
                    // Their prospects can be served elsewhere.
                    self.shared.hearing.lose_all();
                }
                return Err(Unavailable);
            };
            if reply.int(0)? == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn ready(&self) -> Result<(), Unavailable> {
        let mut signs = self.shared.hearing.signs();
        self.call(self.command("ready")).await?;
        let sign = timeout(self.shared.settings.timeout, signs.changed()).await;
        sign.map_err(|_| Unavailable)?.map_err(|_| Unavailable)
    }

    async fn end(&self) {
        // A gateway that does not say so is taken for gone when its lease runs out.
        let _ = self.call(self.command("leave")).await;
        self.stop();
    }
}

/// A socket that is closed again when it is dropped, unless it has no device.
struct Unclaimed {
    shared: Arc<Shared>,
    connection: ConnectionId,
    device: Option<Arc<str>>,
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(device) = self.device.take() else { return };
        let shared = Arc::clone(&self.shared);
        shared.hearing.held.remove(&self.connection);
        let mut command = shared.library.call("close", &shared.settings.prefix);
        command.arg("").arg(&*device).arg(&*self.connection.0);
        // Where there is no runtime any more, the gateway is gone and its lease ends the socket.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { shared.call(command).await.map(|_| ()) });
        }
    }
}

fn opened(reply: &Reply) -> Result<Opened, RedeemError> {
    Err(match reply.word() {
        "ok" => {
            return Ok(Opened {
                device: reply.text(1)?,
                epoch: reply.text(2)?,
                linkinjected: event::link(&reply.text(3)?),
            });
        }
        "unknown" => RedeemError::Unknown,
        "spent" => RedeemError::Spent,
        "expired" => RedeemError::Expired,
        "revoked" => RedeemError::Revoked,
        "events-full" => RedeemError::EventsFull,
        _ => reply.strange().into(),
    })
}

/// Reads what is known of a device: its name, its unacknowledged messages and, if it has one, its
/// socket.
fn described(state: &Value, reply: &Reply) -> Result<DeviceState, Unavailable> {
    let Value::Array(parts) = state else { return Err(reply.strange()) };
    let text = |place: usize| parts.get(place).and_then(reply::text);
    let int = |place: usize| parts.get(place).and_then(reply::int).ok_or_else(|| reply.strange());
    let socket = match text(2) {
        None => None,
        Some(connection) => Some(SocketState {
            connection: ConnectionId(connection.into()),
            since: int(3)?,
            linkinjected: event::link(text(4).unwrap_or_default()),
        }),
    };
    let device = text(0).ok_or_else(|| reply.strange())?.into();
    let unacknowledged = usize::try_from(int(1)?).unwrap_or(usize::MAX);
    Ok(DeviceState { device, socket, unacknowledged })
}
