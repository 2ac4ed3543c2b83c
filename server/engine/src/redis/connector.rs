//! Makes the connection to Redis, joins under a gateway's name, and starts over whenever the connection
//! fails.
//!
//! A call whose outcome is unknown closes the connection. The next one begins by comparing the
//! sockets of this gateway with those that Redis knows, so no unknown outcome outlives a reconnect.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{AsyncConnectionConfig, ConnectionAddr, RedisError, aio::MultiplexedConnection, cmd};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    calls::{self, Caller},
    connect_error::ConnectError,
    connection::{Connection, ConnectionState, Shared},
    function_library::{BATCH, FunctionLibrary},
    made_with::refuse_other_layout,
    operation::{CHECK_SOCKETS, CLOSE_ALL, LIST_SOCKETS, REVOKE_UNCONFIRMED, Request},
    options::RedisOptions,
    protocol::{self, Reply},
    server_clock::clock_argument,
    server_info::{RedisWarning, ServerInfo},
};
use crate::{ConnectionId, EndReason, new_id};

/// How long to wait before the second try to connect. The wait doubles with each further try.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How long to wait before another try to connect at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often to look whether a restart of Redis would keep its data.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// What `join` needs to know of the connection before; empty where there was none.
#[derive(Default)]
struct Previous {
    gateway: String,
    stream: String,
    writes: u64,
    /// How often it was tried to connect: the number of the connection.
    tries: u64,
    /// The connection before; a slot of a Redis Cluster may have moved since.
    held: Option<Held>,
    /// The last warning of its persistence.
    warning: Option<RedisWarning>,
}

/// Connects, and reconnects for as long as it is polled.
pub async fn maintain(shared: Arc<Shared>) {
    let (address, partition) = (shared.options.address(), shared.layout.number());
    let mut previous = Previous::default();
    shared.layout.confirmed(shared.options.timeout).await;
    let mut pause = FIRST_PAUSE;
    let (mut failures, mut last_why) = (0_u64, String::new());
    loop {
        previous.tries += 1;
        let deadline = 4 * shared.options.timeout;
        let connected = timeout(deadline, connect(&shared, &previous)).await;
        match connected.unwrap_or(Err(ConnectError::TimedOut)) {
            Ok((connection, info, waiting)) => {
                let connection = Arc::new(connection);
                shared.measures.connected();
                shared.state.send_replace(ConnectionState::Up(Arc::clone(&connection)));
                if let Some(warning) = info.warning()
                    && previous.warning != Some(warning)
                {
                    tracing::warn!(redis = address, partition, %warning, "Redis can lose data");
                }
                tracing::info!(
                    redis = %connection.address,
                    partition,
                    gateway = connection.caller.gateway,
                    failures,
                    "connected to Redis"
                );
                (failures, pause) = (0, FIRST_PAUSE);
                last_why.clear();
                for connection in waiting {
                    shared.router.message_queued(&connection);
                }
                shared.router.listener.notifications_missed(shared.layout.partition);
                watch(&shared, &connection, &info).await;
                shared.state.send_replace(ConnectionState::Down(Instant::now()));
                previous = Previous {
                    gateway: connection.caller.gateway.clone(),
                    stream: connection.stream.to_string(),
                    writes: connection.caller.writes.load(Ordering::Acquire),
                    tries: previous.tries,
                    held: shared.measures.last_renewed().map(|since| Held {
                        redis: connection.caller.redis.clone(),
                        run: info.run(),
                        since,
                    }),
                    warning: info.warning(),
                };
            }
            Err(error) => {
                failures += 1;
                let why = error.to_string();
                shared.note_failure(&why);
                // One line for each cause, however often it is tried.
                if why != last_why {
                    tracing::warn!(redis = address, partition, why, "no connection to Redis");
                    last_why = why;
                }
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The last connection that was used, to a server that may still run.
struct Held {
    redis: MultiplexedConnection,
    /// The run of the server.
    run: String,
    /// When the partition was last known to be there.
    since: std::time::Instant,
}

/// The run of the server that has moved the partition to the one with this info: it is still the primary
/// that it was, and says that another node has the partition. One that was replaced is a replica, or has
/// lost the cluster. The new server must have been up all the time; a call was refused from the first key
/// on that was moved.
async fn moved_from<'a>(shared: &Shared, previous: &'a Previous, info: &ServerInfo) -> &'a str {
    let Some(Held { redis, run, since }) = &previous.held else { return "" };
    if *run == info.run() || !info.has_held_since(*since) {
        return "";
    }
    let mut redis = redis.clone();
    let mut probe = cmd("EXISTS");
    probe.arg(format!("{}meta", shared.prefix));
    let answer = probe.query_async::<u64>(&mut redis).await;
    let has_moved = answer.is_err_and(|error| error.code() == Some("MOVED"));
    let is_unchanged = match ServerInfo::fetch(&mut redis).await {
        Ok(info) => info.run() == *run && info.check(true).is_ok(),
        Err(_) => false,
    };
    if has_moved && is_unchanged { run } else { "" }
}

/// Waits until the connection is closed. Closes it when a restart of Redis would lose data that it
/// would have kept before, or when Redis was a replica meanwhile: the next `join` writes that down.
/// Closes it also when another server has become the primary, though this one still answers.
async fn watch(shared: &Shared, connection: &Connection, joined: &ServerInfo) {
    loop {
        tokio::select! {
            () = connection.caller.closed.cancelled() => return,
            () = sleep(WATCH_INTERVAL) => {}
        }
        // Without an answer, the next call notices what is wrong.
        let Ok(info) = ServerInfo::fetch(&mut connection.caller.redis.clone()).await else {
            continue;
        };
        if info.run() != joined.run() || joined.keeps_all() && !info.keeps_all() {
            tracing::info!("reconnecting to Redis: its persistence or its role has changed");
            connection.close();
        }
        let located = shared.options.locator.locate(&shared.options.dialer()).await;
        if located.is_ok_and(|server| *server.addr() != connection.address) {
            tracing::info!("reconnecting to Redis: another server is the primary");
            connection.close();
        }
    }
}

/// Makes a connection; returns with it what Redis reports about itself, and the local sockets for
/// which messages may have been queued without a notification.
async fn connect(
    shared: &Arc<Shared>,
    previous: &Previous,
) -> Result<(Connection, ServerInfo, Vec<ConnectionId>), ConnectError> {
    let closed = CancellationToken::new();
    let options = &shared.options;
    let push_handler = shared.router.push_handler(closed.clone());
    let config = AsyncConnectionConfig::new().set_push_sender(push_handler);
    let Opened { mut redis, info, address } = open(options, config).await?;
    refuse_other_layout(&mut redis, &shared.layout, options).await?;
    let moved_from = moved_from(shared, previous, &info).await;
    let joined = join(shared, previous, &mut redis, &info, moved_from).await;
    let joined = match joined {
        Err(error) if error.detail().is_some_and(|it| it.contains("Function not found")) => {
            load(&shared.library, &mut redis).await?;
            join(shared, previous, &mut redis, &info, moved_from).await
        }
        other => other,
    };
    let joined = joined.map_err(|error| ConnectError::of_join(error, shared.layout.partitions))?;
    let caller = Arc::new(Caller {
        redis,
        library: Arc::clone(&shared.library),
        prefix: shared.prefix.clone(),
        manual_clock: shared.clock.clone(),
        router: Arc::clone(&shared.router),
        gateway: joined.gateway,
        number: previous.tries,
        clock: info.clock(),
        writes: AtomicU64::new(joined.writes),
        closed,
    });
    let waiter = calls::start(Arc::clone(&caller));
    let connection = Connection { address, stream: joined.stream.into(), caller, waiter };
    // Callers that the following wakes may wait their full timeout for the connection.
    shared.state.send_replace(ConnectionState::Down(Instant::now()));
    // From here on every notification for this gateway arrives ...
    let mut subscribe = cmd("SSUBSCRIBE");
    subscribe.arg(format!("{}gateway:{}", shared.prefix, connection.caller.gateway));
    connection.caller.redis.clone().send_packed_command(&subscribe).await?.extract_error()?;
    // ... and what was missed before is made up for.
    let mut waiting = Vec::new();
    if !previous.stream.is_empty() {
        if *connection.stream == *previous.stream {
            waiting = check_local_sockets(shared, &connection).await?;
        } else {
            tracing::warn!(
                "Redis may have lost its newest data: new epochs and a new event stream begin"
            );
            shared.router.end_all();
        }
    }
    if connection.caller.gateway == previous.gateway {
        close_unknown_sockets(shared, &connection).await?;
    }
    revoke_unconfirmed(shared, &connection).await?;
    Ok((connection, info, waiting))
}

/// A connection to a server that can serve a gateway.
pub struct Opened {
    pub redis: MultiplexedConnection,
    pub info: ServerInfo,
    /// Where the server is.
    pub address: ConnectionAddr,
}

/// Finds the server and connects to it, if it can serve a gateway.
pub async fn open(
    options: &RedisOptions,
    config: AsyncConnectionConfig,
) -> Result<Opened, ConnectError> {
    let dialer = options.dialer();
    let server = options.locator.locate(&dialer).await?;
    let address = server.addr().clone();
    let opened = async {
        let mut redis = dialer.connect(server, config).await?;
        let info = ServerInfo::fetch(&mut redis).await?;
        info.check(options.is_cluster())?;
        Ok((redis, info))
    };
    match opened.await {
        Ok((redis, info)) => Ok(Opened { redis, info, address }),
        Err(why) if address.to_string() == options.address() => Err(why),
        Err(why) => Err(ConnectError::Found { address: address.to_string(), why: Box::new(why) }),
    }
}

/// Loads the function library.
async fn load(
    library: &FunctionLibrary,
    redis: &mut MultiplexedConnection,
) -> Result<(), RedisError> {
    let loaded = redis.send_packed_command(&library.load()).await?;
    match loaded.extract_error() {
        // Another gateway has loaded it meanwhile.
        Err(error) if error.detail().is_some_and(|it| it.contains("already exists")) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Under which name the gateway has joined.
struct Joined {
    stream: String,
    gateway: String,
    writes: u64,
}

/// Joins under the name of before, or under a new one.
async fn join(
    shared: &Shared,
    previous: &Previous,
    redis: &mut MultiplexedConnection,
    info: &ServerInfo,
    moved_from: &str,
) -> Result<Joined, RedisError> {
    let mut command = shared.library.call("join", &shared.prefix);
    let deadline = info.clock().at(Instant::now().into_std() + shared.options.timeout);
    command.arg(clock_argument(shared.clock.as_ref())).arg(deadline);
    command.arg(&previous.gateway).arg(previous.tries).arg(previous.writes);
    command.arg(new_id()).arg(&previous.stream).arg(new_id());
    command.arg(info.run()).arg(u8::from(info.keeps_all()));
    command.arg(shared.layout.partitions).arg(u8::from(shared.layout.may_make()));
    command.arg(moved_from);
    let (stream, gateway, writes) = command.query_async(redis).await?;
    shared.layout.confirm();
    Ok(Joined { stream, gateway, writes })
}

/// Ends the local sockets that Redis does not know any more; returns those whose outbox is not
/// empty.
async fn check_local_sockets(
    shared: &Shared,
    connection: &Connection,
) -> Result<Vec<ConnectionId>, ConnectError> {
    let mut waiting = Vec::new();
    for sockets in shared.router.local_sockets.all().chunks(BATCH) {
        let mut request = CHECK_SOCKETS.request();
        for (socket, device) in sockets {
            request.arg(&**device).arg(&*socket.0);
        }
        let reply = setup_call(shared, connection, request).await?;
        for ((socket, _), state) in sockets.iter().zip(reply.values()) {
            match protocol::text(state).unwrap_or_default() {
                "open" => {}
                "queued" => waiting.push(socket.clone()),
                word => {
                    let reason = protocol::reason(word).unwrap_or(EndReason::LeaseExpired);
                    shared.router.end(socket, reason);
                }
            }
        }
    }
    Ok(waiting)
}

/// Closes the sockets that Redis knows as this gateway's and that are not local: they closed while
/// there was no connection, or the reply that opened them was lost.
async fn close_unknown_sockets(
    shared: &Shared,
    connection: &Connection,
) -> Result<(), ConnectError> {
    let mut cursor = "0".to_owned();
    loop {
        let mut request = LIST_SOCKETS.request();
        request.arg(&cursor);
        let reply = setup_call(shared, connection, request).await?;
        let mut close = CLOSE_ALL.request();
        close.arg("");
        let mut found = false;
        for pair in reply.values().get(1..).unwrap_or_default().chunks_exact(2) {
            let [Some(device), Some(socket)] = [&pair[0], &pair[1]].map(protocol::text) else {
                continue;
            };
            if !shared.router.local_sockets.contains(&ConnectionId(socket.into())) {
                close.arg(device).arg(socket);
                found = true;
            }
        }
        if found {
            setup_call(shared, connection, close).await?;
        }
        cursor = reply.text(0).map_err(|_| ConnectError::Failed)?.to_string();
        if cursor == "0" {
            return Ok(());
        }
    }
}

/// Revokes the tokens that no client has.
async fn revoke_unconfirmed(shared: &Shared, connection: &Connection) -> Result<(), ConnectError> {
    while let [token] = shared.unconfirmed.oldest_after(0, 1)[..] {
        let mut request = REVOKE_UNCONFIRMED.request();
        request.arg(token.bytes());
        connection.complete(shared, request).await.map_err(|_| ConnectError::Failed)?;
        shared.unconfirmed.remove_oldest(1);
    }
    Ok(())
}

/// Performs an operation on a connection that is not in use yet.
async fn setup_call(
    shared: &Shared,
    connection: &Connection,
    request: Request,
) -> Result<Reply, ConnectError> {
    connection.call(shared, request).await.map_err(|_| ConnectError::Failed)
}
