//! A plain TCP proxy: it passes bytes on and knows nothing of them, and does to them what a bad
//! network does.

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

/// A running proxy. It cuts everything when the test lets go of it.
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
    /// Whether bytes wait until they may go on: those to the targets, and those back.
    silent: [bool; 2],
    open: Vec<TcpStream>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as the bytes of a direction have to; says how many may go at once.
    fn wait(&self, direction: usize) -> usize {
        let mut state = self.lock();
        while state.silent[direction] && !self.ended.load(Ordering::Acquire) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
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
        // Who refuses is passed over, as a balancer does.
        targets.into_iter().find_map(|target| TcpStream::connect(target).ok())
    }

    fn pass(&self, direction: usize, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let mut rest = &bytes[..count];
            while !rest.is_empty() {
                let some = self.wait(direction).min(rest.len());
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
        {
            let mut state = self.lock();
            // Those that ended need no cut.
            state.open.retain(|stream| stream.peer_addr().is_ok());
            state.open.extend([kept.0, kept.1]);
        }
        let there = Arc::clone(self);
        thread::spawn(move || there.pass(0, from, to));
        let back = Arc::clone(self);
        thread::spawn(move || back.pass(1, server, client));
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

    /// From now on new connections go to these ports.
    pub fn lead_to(&self, ports: &[u16]) {
        let local = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        self.shared.lock().targets = ports.iter().map(local).collect();
    }

    /// From now on bytes go so many at a time, and each time they wait first.
    pub fn slow_down(&self, at_a_time: usize, delay: Duration) {
        let mut state = self.shared.lock();
        (state.at_a_time, state.delay) = (Some(at_a_time), delay);
    }

    /// From now on bytes go as they come.
    pub fn speed_up(&self) {
        let mut state = self.shared.lock();
        (state.at_a_time, state.delay, state.silent) = (None, Duration::ZERO, [false; 2]);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// From now on nothing goes through, and nobody is told.
    pub fn fall_silent(&self) {
        self.shared.lock().silent = [true; 2];
    }

    /// From now on nothing comes back, and nobody is told.
    pub fn deafen(&self) {
        self.shared.lock().silent = [false, true];
    }

    /// Cuts every connection, in the middle of what is under way.
    pub fn cut(&self) {
        for stream in self.shared.lock().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.lead_to(&[]);
        self.speed_up();
        self.cut();
        // The listener hears of its end with its next client.
        let _ = TcpStream::connect(self.address);
    }
}
