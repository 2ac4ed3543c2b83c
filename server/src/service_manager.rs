//! Tells the service manager that started this process, such as systemd, how it is doing
//! (`sd_notify(3)`). Without one this does nothing.

use std::{env, ffi::OsStr, io, os::unix::net::UnixDatagram, process, time::Duration};

/// How long the next step of a start, after a report of progress, may take.
const STEP: Duration = Duration::from_mins(1);

/// How long the engine may take to end after the drain.
const ENDING: Duration = Duration::from_secs(15);

/// The start is not complete, and goes on.
pub fn starting(status: &str) {
    notify(&format!("STATUS={status}\nEXTEND_TIMEOUT_USEC={}", STEP.as_micros()));
}

/// The start is complete.
pub fn ready(status: &str) {
    notify(&format!("READY=1\nSTATUS={status}"));
}

/// The process answers.
pub fn alive() {
    notify("WATCHDOG=1");
}

/// The process ends, after a drain of at most this time.
pub fn stopping(drain: Duration) {
    let time = (drain + ENDING).as_micros();
    notify(&format!("STOPPING=1\nSTATUS=Draining\nEXTEND_TIMEOUT_USEC={time}"));
}

/// The time within which the service manager expects to be told that the process is [`alive`].
pub fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    // The variables are inherited by processes that they do not mean.
    if number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(process::id())) {
        return None;
    }
    number("WATCHDOG_USEC").filter(|time| *time > 0).map(Duration::from_micros)
}

fn notify(state: &str) {
    let Some(address) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&address, state) {
        tracing::warn!(%error, "the service manager at NOTIFY_SOCKET cannot be notified");
    }
}

fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A service manager that does not read holds up nothing.
    socket.set_nonblocking(true)?;
    match address.as_encoded_bytes() {
        [b'@', name @ ..] => connect_abstract(&socket, name)?,
        _ => socket.connect(address)?,
    }
    socket.send(state.as_bytes()).map(|_| ())
}

#[cfg(target_os = "linux")]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};

    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
