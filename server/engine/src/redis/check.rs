//! A look at a Redis that changes nothing there: whether a gateway could use it.

use redis::{AsyncConnectionConfig, Cmd, aio::MultiplexedConnection, cmd};

use super::{
    connect_error::ConnectError,
    connector::{Opened, open},
    function_library::FunctionLibrary,
    layout::Layout,
    made_with::refuse_other_data,
    options::RedisOptions,
    server_info::RedisWarning,
};
use crate::Limits;

/// Checks whether a Redis can serve a gateway with these limits, as far as that can be seen without
/// joining: it can be reached, takes user and password, is fit, lets the user run every kind of
/// command that a gateway needs, and has no data that was made with another number of partitions or in
/// another format. No key, function or channel is left there.
///
/// # Errors
/// Why it cannot.
pub async fn check(
    limits: &Limits,
    options: &RedisOptions,
) -> Result<Option<RedisWarning>, ConnectError> {
    // One of them shows it: all are alike.
    let layout = Layout::first_of(options.partitions, options.is_cluster());
    let prefix = layout.prefix(&options.prefix);
    let options = &options.clone().of_partition(&prefix);
    let Opened { mut redis, info, .. } = open(options, AsyncConnectionConfig::new()).await?;
    let library = FunctionLibrary::new(limits, options);
    for command in probes(&library, &prefix) {
        refuse_missing_right(&mut redis, &command).await?;
    }
    refuse_other_data(&mut redis, &layout, options).await?;
    Ok(info.warning())
}

/// Commands of the kinds that a gateway sends, which the server refuses or which change nothing: the
/// call of a function that does not exist, a library that does not compile, a subscription that ends
/// with the connection.
fn probes(library: &FunctionLibrary, prefix: &str) -> [Cmd; 3] {
    let mut load = cmd("FUNCTION");
    load.arg("LOAD").arg("#!lua name=connectsocket_check\n?");
    let mut subscribe = cmd("SSUBSCRIBE");
    subscribe.arg(format!("{prefix}gateway:check"));
    [library.call("check", prefix), load, subscribe]
}

/// Sends a command that the server may refuse for what it says, not for who sends it.
async fn refuse_missing_right(
    redis: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<(), ConnectError> {
    match redis.send_packed_command(command).await?.extract_error() {
        Err(error) if expected(error.detail().unwrap_or_default()) => Ok(()),
        other => Ok(other.map(|_| ())?),
    }
}

/// Whether the server refused a probe for its content.
fn expected(detail: &str) -> bool {
    detail.contains("Function not found") || detail.contains("Error compiling function")
}
