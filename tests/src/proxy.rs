//! A TCP proxy that can slow down, hold back and cut connections, as a bad network does.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A running proxy. It cuts every connection when dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    ended: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Where connections go, by turns.
    targets: Vec<SocketAddr>,
    turn: usize,
    /// How long bytes wait, and how many of them go at a time.
    delay: Duration,
    at_a_time: Option<usize>,
    /// Whether bytes are held back: those to the targets, and those from them.
    silent: [bool; 2],
    /// How many connections were made, and of how many the bytes to the targets are held back.
    made: u64,
    held: u64,
    /// How many connections have bytes that wait.
    waiting: usize,
    /// Client and server of each connection.
    open: Vec<[TcpStream; 2]>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bytes of a connection in one direction may pass; gives how many may pass at once.
    fn wait(&self, connection: u64, direction: usize) -> usize {
        let mut state = self.lock();
        let waits =
            |state: &State| state.silent[direction] || direction == 0 && connection <= state.held;
        state.waiting += 1;
        while waits(&state) && !self.ended.load(Ordering::Acquire) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        let (delay, at_a_time) = (state.delay, state.at_a_time);
        drop(state);
        thread::sleep(delay);
        at_a_time.unwrap_or(usize::MAX)
    }

    fn connect(&self) -> Option<TcpStream> {
        let targets = {
            let mut state = self.lock();
            state.turn += 1;
            let turn = state.turn;
            let mut targets = state.targets.clone();
            if !targets.is_empty() {
                let first = turn % targets.len();
                targets.rotate_left(first);
            }
            targets
        };
        // A target that refuses is skipped, as a load balancer does.
        targets.into_iter().find_map(|target| TcpStream::connect(target).ok())
    }

    fn pass(&self, connection: u64, direction: usize, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let mut rest = &bytes[..count];
            while !rest.is_empty() {
                let some = self.wait(connection, direction).min(rest.len());
                if to.write_all(&rest[..some]).is_err() {
                    break;
                }
                rest = &rest[some..];
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn serve(self: &Arc<Self>, client: TcpStream) {
        let Some(server) = self.connect() else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let clones = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
        let (Some(kept), Some((from, to))) = (clones(), clones()) else { return };
        let connection = {
            let mut state = self.lock();
            state.made += 1;
            // Those that ended need no cut.
            state.open.retain(|streams| streams.iter().any(|stream| stream.peer_addr().is_ok()));
            state.open.push([kept.0, kept.1]);
            state.made
        };
        let there = Arc::clone(self);
        thread::spawn(move || there.pass(connection, 0, from, to));
        let back = Arc::clone(self);
        thread::spawn(move || back.pass(connection, 1, server, client));
    }
}

impl Proxy {
    /// A proxy to these ports of 127.0.0.1, by turns.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn to(ports: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.ended.load(Ordering::Acquire) {
                    return;
                }
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(client));
            }
        });
        let proxy = Self { address, shared };
        proxy.lead_to(ports);
        proxy
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Directs new connections to these ports.
    pub fn lead_to(&self, ports: &[u16]) {
        let local = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        self.shared.lock().targets = ports.iter().map(local).collect();
    }

    /// Passes this many bytes at a time, each time after a delay.
    pub fn slow_down(&self, at_a_time: usize, delay: Duration) {
        let mut state = self.shared.lock();
        (state.at_a_time, state.delay) = (Some(at_a_time), delay);
    }

    /// Passes bytes as they come.
    pub fn speed_up(&self) {
        let mut state = self.shared.lock();
        (state.at_a_time, state.delay) = (None, Duration::ZERO);
        (state.silent, state.held) = ([false; 2], 0);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Holds back all bytes without closing a connection.
    pub fn fall_silent(&self) {
        self.shared.lock().silent = [true; 2];
    }

    /// Holds back the bytes from the targets without closing a connection.
    pub fn deafen(&self) {
        self.shared.lock().silent = [false, true];
    }

    /// Holds back the bytes to the targets of the connections that are open now. New ones pass. Bytes
    /// that were held back pass in the end, also after the client has closed.
    pub fn hold_back(&self) {
        let mut state = self.shared.lock();
        state.held = state.made;
    }

    /// Whether bytes are held back.
    #[must_use]
    pub fn holds_bytes(&self) -> bool {
        self.shared.lock().waiting > 0
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        for stream in self.shared.lock().open.drain(..).flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts every connection from its client alone.
    pub fn cut_clients(&self) {
        for [client, _] in &self.shared.lock().open {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.lead_to(&[]);
        self.speed_up();
        self.cut();
        // The listener notices at its next connection.
        let _ = TcpStream::connect(self.address);
    }
}
