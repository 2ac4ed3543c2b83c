//! The connection to Redis: made, joined under a gateway's name, and made anew whenever it is in
//! doubt.
//!
//! Whatever goes wrong with a call whose outcome is then unknown ends the link. A new link begins
//! with comparing what this gateway holds with what Redis knows, so no doubt outlives it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, RedisError, Value, aio::MultiplexedConnection, cmd,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    super::{ConnectionId, EndReason, Unavailable},
    Shared, event,
    function_library::BATCH,
    reply::{self, Reply},
    server_info::ServerInfo,
};
use crate::new_id;

/// How long to wait before another try to connect: at first, and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Calls that wait for the connection to take them. Further ones wait for a place.
const WAITING_CALLS: usize = 1024;

/// The connection to Redis, joined.
pub struct Connection {
    redis: MultiplexedConnection,
    /// The name that this gateway goes by in Redis.
    gateway: String,
    /// The name of the event stream, and of all that Redis knows.
    pub stream: Arc<str>,
    /// How often this gateway changed something, as far as it was told.
    mark: AtomicU64,
    /// Ends with the link.
    pub over: CancellationToken,
}

/// Whether there is a link.
pub enum ConnectionState {
    /// There is.
    Up(Arc<Connection>),
    /// There is none since then.
    Down(Instant),
    /// There will be none again.
    Ended,
}

/// What a gateway was before its link ended.
#[derive(Default)]
struct Before {
    gateway: String,
    stream: String,
    mark: u64,
}

/// Why there is no link.
enum ConnectError {
    Redis(RedisError),
    Unfit(&'static str),
    TooSlow,
}

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl ConnectError {
    /// Why, without the server's own words: they can repeat what it was told.
    fn sentence(&self) -> String {
        match self {
            Self::Redis(error) => error.category().to_owned(),
            Self::Unfit(sentence) => (*sentence).to_owned(),
            Self::TooSlow => "Redis does not answer in time".to_owned(),
        }
    }
}

impl Connection {
    /// Calls a function; its gateway hears what it is told before this returns.
    pub async fn call(&self, shared: &Shared, mut command: Cmd) -> Result<Reply, Unavailable> {
        let clock = shared.clock.as_ref().map(|clock| clock.now().to_string()).unwrap_or_default();
        let seen = self.mark.load(Ordering::Acquire);
        command.arg(clock).arg(&self.gateway).arg(seen);
        let answer = self.redis.clone().send_packed_command(&command).await;
        let answer = answer.and_then(Value::extract_error);
        let reply = match answer {
            Ok(value) => Reply::read(value).ok_or_else(|| {
                tracing::error!("Redis gave an answer that is none of the library's");
                self.over.cancel();
                Unavailable
            })?,
            Err(error) => {
                if !leaves_no_doubt(&error) {
                    tracing::warn!(why = error.category(), "the link to Redis is made anew");
                    self.over.cancel();
                }
                return Err(Unavailable);
            }
        };
        self.mark.fetch_max(reply.mark, Ordering::AcqRel);
        for what in &reply.told {
            if let Value::BulkString(what) = what {
                shared.hearing.hear(what);
            }
        }
        Ok(reply)
    }
}

/// Whether Redis has refused a call before anything was done, in a state that passes.
fn leaves_no_doubt(error: &RedisError) -> bool {
    matches!(error.code(), Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY"))
}

/// Keeps a link for as long as it is polled.
pub async fn keep(shared: Arc<Shared>) {
    let mut before = Before::default();
    let mut pause = PAUSES.0;
    loop {
        let patience = 4 * shared.settings.timeout;
        let made =
            timeout(patience, make(&shared, &before)).await.unwrap_or(Err(ConnectError::TooSlow));
        match made {
            Ok((link, waiting)) => {
                let link = Arc::new(link);
                shared.standing.send_replace(ConnectionState::Up(Arc::clone(&link)));
                tracing::info!(gateway = link.gateway, "joined the gateways on Redis");
                for connection in waiting {
                    shared.hearing.sockets.message_queued(&connection);
                }
                shared.hearing.sockets.notifications_missed();
                pause = PAUSES.0;
                link.over.cancelled().await;
                shared.standing.send_replace(ConnectionState::Down(Instant::now()));
                before = Before {
                    gateway: link.gateway.clone(),
                    stream: link.stream.to_string(),
                    mark: link.mark.load(Ordering::Acquire),
                };
            }
            Err(error) => {
                tracing::warn!(why = error.sentence(), "no link to Redis");
                sleep(pause).await;
                pause = (2 * pause).min(PAUSES.1);
            }
        }
    }
}

/// Makes a link; gives the connections, too, for which messages may have come unheard.
async fn make(
    shared: &Arc<Shared>,
    before: &Before,
) -> Result<(Connection, Vec<ConnectionId>), ConnectError> {
    let over = CancellationToken::new();
    let settings = &shared.settings;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.timeout))
        .set_response_timeout(Some(settings.timeout))
        .set_pipeline_buffer_size(WAITING_CALLS)
        .set_push_sender(shared.hearing.listener(over.clone()));
    let client = Client::open(settings.server.clone())?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let info = ServerInfo::of(&mut connection).await?;
    info.fit().map_err(|unfit| ConnectError::Unfit(unfit.sentence()))?;
    let keeps_all = info.keeps_all(&mut connection).await;
    let joined = join(shared, before, &mut connection, info.run(), keeps_all).await;
    let (stream, gateway, mark) = match joined {
        Err(error) if error.detail().is_some_and(|it| it.contains("Function not found")) => {
            load(shared, &mut connection).await?;
            join(shared, before, &mut connection, info.run(), keeps_all).await?
        }
        other => other?,
    };
    let mark = AtomicU64::new(mark);
    let link = Connection { redis: connection, gateway, stream: stream.into(), mark, over };
    // Whoever is woken by what follows has the usual patience for the link.
    shared.standing.send_replace(ConnectionState::Down(Instant::now()));
    // From here on nothing that others do to this gateway's sockets is missed ...
    let mut subscribe = cmd("SUBSCRIBE");
    subscribe.arg(format!("{}gateway:{}", settings.prefix, link.gateway));
    link.redis.clone().send_packed_command(&subscribe).await?.extract_error()?;
    // ... and what was missed before is made up for.
    let mut waiting = Vec::new();
    if !before.stream.is_empty() {
        if *link.stream == *before.stream {
            waiting = look_after(shared, &link).await?;
        } else {
            tracing::warn!(
                "what Redis holds may lack its newest part: new epochs and a new event stream begin"
            );
            shared.hearing.lose_all();
        }
    }
    if link.gateway == before.gateway {
        close_what_nobody_holds(shared, &link).await?;
    }
    revoke_unconfirmed(shared, &link).await?;
    Ok((link, waiting))
}

async fn load(shared: &Shared, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let loaded = connection.send_packed_command(&shared.library.load()).await?;
    match loaded.extract_error() {
        // Another gateway has loaded it meanwhile.
        Err(error) if error.detail().is_some_and(|it| it.contains("already exists")) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Joins; gives the names of stream and gateway, and the gateway's mark.
async fn join(
    shared: &Shared,
    before: &Before,
    connection: &mut MultiplexedConnection,
    run: &str,
    keeps_all: bool,
) -> Result<(String, String, u64), RedisError> {
    let clock = shared.clock.as_ref().map(|clock| clock.now().to_string()).unwrap_or_default();
    let mut command = shared.library.call("join", &shared.settings.prefix);
    command.arg(clock).arg(&before.gateway).arg(new_id());
    command.arg(&before.stream).arg(before.mark).arg(new_id());
    command.arg(run).arg(u8::from(keeps_all));
    command.query_async(connection).await
}

/// Learns what became of the connections that this gateway holds while it could not hear of it;
/// gives those that messages wait for.
async fn look_after(shared: &Shared, link: &Connection) -> Result<Vec<ConnectionId>, ConnectError> {
    let mut waiting = Vec::new();
    for some in shared.hearing.held.all().chunks(BATCH) {
        let mut command = shared.library.call("look_after", &shared.settings.prefix);
        for (connection, device) in some {
            command.arg(&**device).arg(&*connection.0);
        }
        let reply =
            link.call(shared, command).await.map_err(|Unavailable| ConnectError::TooSlow)?;
        for ((connection, _), became) in some.iter().zip(reply.values()) {
            match reply::text(became).unwrap_or_default() {
                "open" => {}
                "queued" => waiting.push(connection.clone()),
                word => {
                    let reason = event::reason(word).unwrap_or(EndReason::LeaseExpired);
                    shared.hearing.end(connection, reason);
                }
            }
        }
    }
    Ok(waiting)
}

/// Closes the sockets that Redis takes for this gateway's and that it does not hold: they closed
/// while nobody could be told, or opened for somebody who was not told.
async fn close_what_nobody_holds(shared: &Shared, link: &Connection) -> Result<(), ConnectError> {
    let unavailable = |Unavailable| ConnectError::TooSlow;
    let mut cursor = "0".to_owned();
    loop {
        let mut command = shared.library.call("sockets", &shared.settings.prefix);
        command.arg(&cursor);
        let reply = link.call(shared, command).await.map_err(unavailable)?;
        let mut close = shared.library.call("close", &shared.settings.prefix);
        close.arg("");
        let mut found = false;
        for pair in reply.values().get(1..).unwrap_or_default().chunks_exact(2) {
            let (Some(device), Some(name)) = (reply::text(&pair[0]), reply::text(&pair[1])) else {
                continue;
            };
            if !shared.hearing.held.contains(&ConnectionId(name.into())) {
                close.arg(device).arg(name);
                found = true;
            }
        }
        if found {
            link.call(shared, close).await.map_err(unavailable)?;
        }
        cursor = reply.text(0).map_err(unavailable)?.to_string();
        if cursor == "0" {
            return Ok(());
        }
    }
}

/// Takes tokens back that nobody was given.
async fn revoke_unconfirmed(shared: &Shared, link: &Connection) -> Result<(), ConnectError> {
    while let Some(token) = shared.doubt.first() {
        let mut command = shared.library.call("revoke_unconfirmed", &shared.settings.prefix);
        command.arg(token.bytes());
        link.call(shared, command).await.map_err(|Unavailable| ConnectError::TooSlow)?;
        shared.doubt.pop();
    }
    Ok(())
}
