//! Stands between a driver and the gateway, passes on what comes, and keeps what the driver sent. Two
//! event streams get into trouble.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Deserializer, Value};
use tests::Gateway;

use crate::{
    book::Book,
    trouble::{cut, is_for_events, is_for_release, write_otherwise},
};

type Sent = Arc<Mutex<Vec<u8>>>;

/// A listener that leads to a gateway.
pub struct Recorder {
    /// Where it listens, without a slash at the end.
    pub url: String,
    connections: Arc<Mutex<Vec<Sent>>>,
    streams: Arc<AtomicUsize>,
}

/// One connection of a driver.
struct Recorded {
    driver: TcpStream,
    gateway: TcpStream,
    sent: Sent,
    /// The event streams of all connections so far.
    streams: Arc<AtomicUsize>,
    book: Arc<Mutex<Book>>,
    /// Whether what comes from the gateway now is the stream that is cut.
    is_cut: AtomicBool,
    /// Whether the driver gets its bytes from `write_otherwise`.
    is_written: AtomicBool,
}

impl Recorder {
    /// A recorder before this gateway, whose events the book gets before a driver releases them.
    pub fn before(gateway: &Gateway, book: Arc<Mutex<Book>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let connections = Arc::<Mutex<Vec<Sent>>>::default();
        let streams = Arc::<AtomicUsize>::default();
        let (kept, counted) = (connections.clone(), streams.clone());
        let authority = gateway.authority().to_owned();
        thread::spawn(move || {
            for driver in listener.incoming().map_while(Result::ok) {
                let Ok(gateway) = TcpStream::connect(&authority) else { continue };
                let sent = Sent::default();
                kept.lock().expect("no panic").push(sent.clone());
                let recorded = Arc::new(Recorded {
                    driver,
                    gateway,
                    sent,
                    streams: counted.clone(),
                    book: book.clone(),
                    is_cut: AtomicBool::default(),
                    is_written: AtomicBool::default(),
                });
                let back = recorded.clone();
                thread::spawn(move || recorded.pass_forth());
                thread::spawn(move || back.pass_back());
            }
        });
        Self { url, connections, streams }
    }

    /// How often the event stream was opened.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Acquire)
    }

    /// Every JSON object that was sent and has this member.
    pub fn bodies_with(&self, member: &str) -> Vec<Value> {
        let connections = self.connections.lock().expect("no panic");
        let mut bodies = Vec::new();
        for sent in connections.iter() {
            let sent = sent.lock().expect("no panic");
            let mut rest = &sent[..];
            while let Some(start) = rest.iter().position(|byte| *byte == b'{') {
                rest = &rest[start..];
                let mut values = Deserializer::from_slice(rest).into_iter::<Value>();
                let read = values.next().and_then(Result::ok);
                rest = &rest[read.as_ref().map_or(1, |_| values.byte_offset())..];
                bodies.extend(read.filter(|body| body.get(member).is_some()));
            }
        }
        bodies
    }
}

impl Recorded {
    /// Passes on what the driver sends.
    fn pass_forth(&self) {
        let mut buffer = vec![0; 16 * 1024];
        let mut pass = || -> io::Result<usize> {
            let length = (&self.driver).read(&mut buffer)?;
            let bytes = &buffer[..length];
            self.sent.lock().expect("no panic").extend(bytes);
            if is_for_events(bytes) {
                match self.streams.fetch_add(1, Ordering::AcqRel) {
                    0 => self.is_cut.store(true, Ordering::Release),
                    1 => {
                        self.is_written.store(true, Ordering::Release);
                        let gateway = TcpStream::connect(self.gateway.peer_addr()?)?;
                        write_otherwise(bytes, &self.driver, gateway)?;
                        self.driver.shutdown(Shutdown::Both)?;
                        return Ok(0);
                    }
                    _ => {}
                }
            }
            if is_for_release(bytes) {
                self.book.lock().expect("no panic").read_until("expired");
            }
            (&self.gateway).write_all(bytes)?;
            Ok(length)
        };
        while pass().is_ok_and(|length| length > 0) {}
        // The other direction may have ended both already.
        let _ = self.gateway.shutdown(Shutdown::Write);
    }

    /// Passes on what the gateway sends.
    fn pass_back(&self) {
        let (mut buffer, mut stream) = (vec![0; 16 * 1024], Vec::new());
        let mut pass = || -> io::Result<usize> {
            let length = (&self.gateway).read(&mut buffer)?;
            let bytes = &buffer[..length];
            if self.is_cut.load(Ordering::Acquire) {
                let passed = stream.len();
                stream.extend(bytes);
                if let Some(end) = cut(&stream) {
                    (&self.driver).write_all(stream.get(passed..end).unwrap_or_default())?;
                    self.driver.shutdown(Shutdown::Both)?;
                    self.gateway.shutdown(Shutdown::Both)?;
                    return Ok(0);
                }
            }
            (&self.driver).write_all(bytes)?;
            Ok(length)
        };
        while pass().is_ok_and(|length| length > 0) {}
        if !self.is_written.load(Ordering::Acquire) {
            let _ = self.driver.shutdown(Shutdown::Write);
        }
    }
}
