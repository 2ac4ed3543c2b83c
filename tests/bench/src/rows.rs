//! The rows of the table: the same exchange with the gateway and with its yardstick.

use std::{
    cell::{Cell, RefCell},
    io,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::task::{JoinSet, LocalSet};

use crate::{
    client::{Http, Socket, number, request, text},
    measure::{Measured, Window, cpu_between},
    process::{Cores, OPERATOR_KEY, Server},
};

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// `POST /prospect/connectsocket`.
    Post,
    PostJournaled,
    /// A message of a prospect, until it is accepted.
    Accepted,
    AcceptedJournaled,
    /// Sockets opened, and what an idle one takes.
    Opened,
    /// A message of the operator, from its schedule to the prospect's frame.
    Pushed,
}

pub const ROWS: [Row; 6] = [
    Row::Post,
    Row::PostJournaled,
    Row::Accepted,
    Row::AcceptedJournaled,
    Row::Opened,
    Row::Pushed,
];

/// How much of it.
#[derive(Clone, Copy)]
pub struct Load {
    pub warm_up: Duration,
    pub time: Duration,
    /// Connections that send requests.
    pub connections: usize,
    /// Sockets that talk.
    pub sockets: usize,
    /// Sockets that are opened, and then idle.
    pub opened: usize,
    /// The operator's messages per millisecond.
    pub pushed_per_ms: usize,
}

/// The programs.
pub struct Programs {
    pub gateway: PathBuf,
    pub bench: PathBuf,
    pub cores: Cores,
}

impl Row {
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "documented POST",
            Self::PostJournaled => "documented POST, journal",
            Self::Accepted => "message to `accepted`",
            Self::AcceptedJournaled => "message to `accepted`, journal",
            Self::Opened => "socket opened",
            Self::Pushed => "operator's POST to frame",
        }
    }

    pub fn yardstick(self) -> &'static str {
        match self {
            Self::Post | Self::PostJournaled => "actix",
            _ => "tokio",
        }
    }

    fn has_journal(self) -> bool {
        matches!(self, Self::PostJournaled | Self::AcceptedJournaled)
    }

    /// The flags of its gateway.
    pub fn gateway_flags(self) -> Vec<String> {
        let journal: &[&str] = if self.has_journal() { &["--data-dir", "%/journal"] } else { &[] };
        GATEWAY_FLAGS.iter().chain(journal).map(ToString::to_string).collect()
    }

    /// Measures the gateway, or else the yardstick.
    pub fn measure(
        self,
        programs: &Programs,
        load: Load,
        of_gateway: bool,
    ) -> io::Result<Measured> {
        let server = if of_gateway {
            Server::start(&programs.gateway, &self.gateway_flags(), programs.cores)?
        } else {
            let arguments = ["yardstick".to_owned(), self.yardstick().to_owned()];
            Server::start(&programs.bench, &arguments, programs.cores)?
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let subject = Subject { server: &server, of_gateway, load };
        LocalSet::new().block_on(&runtime, async {
            match self {
                Self::Post | Self::PostJournaled => subject.posts().await,
                Self::Accepted | Self::AcceptedJournaled => subject.messages().await,
                Self::Opened => subject.opened().await,
                Self::Pushed => subject.pushed().await,
            }
        })
    }
}

/// Everything is on but the limits that keep one client from doing all this.
const GATEWAY_FLAGS: [&str; 20] = [
    "--listen",
    "127.0.0.1:0",
    "--workers",
    "1",
    "--test-channel",
    "on",
    "--token-requests-per-second",
    "off",
    "--authorisations-per-second",
    "off",
    "--frames-per-second",
    "off",
    "--sockets-per-address",
    "100000",
    "--connections-per-address",
    "100000",
    "--authorisation-ttl",
    "5m",
    "--event-bytes",
    "1000000000000",
];

/// A server under load.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub server: &'a Server,
    pub of_gateway: bool,
    pub load: Load,
}

/// A device with its token; a yardstick knows neither.
pub struct Device {
    number: usize,
    token: String,
}

impl Device {
    fn name(&self) -> String {
        format!("device-{}", self.number)
    }

    /// The documented request, and where in it the `halfRef` has its 16 last digits.
    pub fn authorisation(&self) -> (Vec<u8>, usize) {
        let body = format!(
            r#"{{"halfRef":"{}","deviceTag":"{}","linkinjected":"https://www.example.com/?from=bench"}}"#,
            self.half_ref(0),
            self.name()
        );
        let token = format!("token: {}\r\n", self.token);
        let request = request("POST /prospect/connectsocket", &token, &body);
        let body_at = request.len() - body.len();
        (request, body_at + r#"{"halfRef":""#.len() + 32)
    }

    /// 48 characters, of which the last 16 are a count.
    fn half_ref(&self, count: usize) -> String {
        format!("half-ref-of-bench-device{:08}{count:016}", self.number)
    }

    /// The head of the handshake that redeems `half_ref`.
    fn handshake(&self, half_ref: &str) -> Vec<u8> {
        let half_ref = BASE64_URL_SAFE_NO_PAD.encode(half_ref);
        // The gateway does not look at the last header; the yardstick finds the device in it.
        format!(
            "GET /prospect/socket HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: prospect.v1, halfref.{half_ref}\r\nx-device: {}\r\n\r\n",
            self.name()
        )
        .into_bytes()
    }
}

/// Writes `count` over 16 digits.
pub fn write_count(request: &mut [u8], at: usize, mut count: usize) {
    for digit in request[at..at + 16].iter_mut().rev() {
        *digit = b'0' + u8::try_from(count % 10).unwrap_or(0);
        count /= 10;
    }
}

impl Subject<'_> {
    fn window(&self) -> Window {
        Window::new(Instant::now() + self.load.warm_up, self.load.time)
    }

    /// Waits for the end of the window and the tasks that count in it.
    async fn finish(
        &self,
        window: Rc<RefCell<Window>>,
        mut tasks: JoinSet<io::Result<()>>,
    ) -> io::Result<Measured> {
        let (begin, end) = (window.borrow().begin, window.borrow().end);
        let cpu = cpu_between(self.server, begin, end).await;
        while let Some(task) = tasks.join_next().await {
            task.map_err(io::Error::other)??;
        }
        let window = Rc::into_inner(window).ok_or_else(|| io::Error::other("still counting"))?;
        Ok(window.into_inner().measured(cpu))
    }

    /// Devices, each with a token of the test channel.
    pub async fn devices(&self, count: usize) -> io::Result<Vec<Device>> {
        let mut http = Http::open(self.server.port).await?;
        let mut devices = Vec::with_capacity(count);
        for number in 0..count {
            let mut token = "none".to_owned();
            if self.of_gateway {
                let body = format!(r#"{{"channel":"test","deviceTag":"device-{number}"}}"#);
                let answer = http.answer(&request("PUT /token", "", &body)).await?;
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                let found = body.split_once(r#""token":""#).and_then(|(_, it)| it.split_once('"'));
                let found = found.ok_or_else(|| io::Error::other(body.clone()))?;
                found.0.clone_into(&mut token);
            }
            devices.push(Device { number, token });
        }
        Ok(devices)
    }

    /// Authorises a socket for each device.
    pub async fn handshakes(&self, devices: &[Device]) -> io::Result<Vec<Vec<u8>>> {
        let mut http = Http::open(self.server.port).await?;
        let mut handshakes = Vec::with_capacity(devices.len());
        for device in devices {
            let half_ref = device.half_ref(0);
            if self.of_gateway {
                http.ask(&device.authorisation().0, 200).await?;
            }
            handshakes.push(device.handshake(&half_ref));
        }
        Ok(handshakes)
    }

    /// Opens a socket, up to the gateway's first frame.
    pub async fn open(&self, handshake: &[u8]) -> io::Result<Socket> {
        let mut socket = Socket::open(self.server.port, handshake).await?;
        if self.of_gateway {
            socket.next_like(br#"{"type":"hello""#).await?;
        }
        Ok(socket)
    }

    /// Fails unless a line of the gateway's metrics has this value.
    async fn check_books(&self, metric: &str, value: usize) -> io::Result<()> {
        if !self.of_gateway {
            return Ok(());
        }
        let key = format!("authorization: Bearer {OPERATOR_KEY}\r\n");
        let mut http = Http::open(self.server.port).await?;
        let answer = http.answer(&request("GET /metrics", &key, "")).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
        if answer.status == 200 && line == Some(value.to_string().as_str()) {
            return Ok(());
        }
        Err(io::Error::other(format!("{metric} is {line:?}, counted were {value}")))
    }

    async fn posts(&self) -> io::Result<Measured> {
        let devices = self.devices(self.load.connections).await?;
        let window = Rc::new(RefCell::new(self.window()));
        let end = window.borrow().end;
        let sent = Rc::new(Cell::new(0));
        let mut tasks = JoinSet::new();
        for device in devices {
            let (port, window, sent) = (self.server.port, Rc::clone(&window), Rc::clone(&sent));
            tasks.spawn_local(async move {
                let mut http = Http::open(port).await?;
                let (mut request, at) = device.authorisation();
                let mut now = Instant::now();
                let mut count = 0;
                while now < end {
                    count += 1;
                    write_count(&mut request, at, count);
                    http.ask(&request, 200).await?;
                    now = window.borrow_mut().count(now);
                }
                sent.set(sent.get() + count);
                Ok(())
            });
        }
        let measured = self.finish(window, tasks).await?;
        let metric =
            r#"connectsocket_http_requests_total{route="/prospect/connectsocket",status="200"}"#;
        self.check_books(metric, sent.get()).await?;
        Ok(measured)
    }

    async fn messages(&self) -> io::Result<Measured> {
        let devices = self.devices(self.load.sockets).await?;
        let handshakes = self.handshakes(&devices).await?;
        let window = Rc::new(RefCell::new(self.window()));
        let end = window.borrow().end;
        let mut tasks = JoinSet::new();
        let mut sockets = Vec::new();
        for handshake in handshakes {
            sockets.push(self.open(&handshake).await?);
        }
        self.check_books("connectsocket_sockets", sockets.len()).await?;
        let answer = if self.of_gateway { ACCEPTED } else { MESSAGE };
        for mut socket in sockets {
            let window = Rc::clone(&window);
            tasks.spawn_local(async move {
                let (mut frame, at) = message_from();
                let mut now = Instant::now();
                let mut count = 0;
                while now < end {
                    count += 1;
                    write_count(&mut frame, at, count);
                    socket.send(&frame).await?;
                    socket.next_like(answer).await?;
                    now = window.borrow_mut().count(now);
                }
                Ok(())
            });
        }
        self.finish(window, tasks).await
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of sockets is small")]
    async fn opened(&self) -> io::Result<Measured> {
        let before = self.server.memory();
        let devices = self.devices(self.load.opened).await?;
        let handshakes = self.handshakes(&devices).await?;
        drop(devices);
        let count = handshakes.len();
        let waiting = Rc::new(RefCell::new(handshakes));
        let begin = Instant::now();
        let window = Rc::new(RefCell::new(Window::new(begin, Duration::from_hours(1))));
        let cpu = self.server.cpu();
        let open = Rc::new(RefCell::new(Vec::with_capacity(count)));
        let mut tasks: JoinSet<io::Result<()>> = JoinSet::new();
        for _ in 0..self.load.connections {
            let (port, of_gateway) = (self.server.port, self.of_gateway);
            let (waiting, open) = (Rc::clone(&waiting), Rc::clone(&open));
            let window = Rc::clone(&window);
            tasks.spawn_local(async move {
                loop {
                    let Some(handshake) = waiting.borrow_mut().pop() else { return Ok(()) };
                    let started = Instant::now();
                    let mut socket = Socket::open(port, &handshake).await?;
                    if of_gateway {
                        socket.next_like(br#"{"type":"hello""#).await?;
                    }
                    window.borrow_mut().count(started);
                    open.borrow_mut().push(socket);
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.map_err(io::Error::other)??;
        }
        let took = begin.elapsed();
        let cpu = self.server.cpu().saturating_sub(cpu);
        self.check_books("connectsocket_sockets", count).await?;
        // What serves the handshakes is freed.
        tokio::time::sleep(self.load.warm_up).await;
        let after = self.server.memory();
        let window = Rc::into_inner(window).ok_or_else(|| io::Error::other("still counting"))?;
        let measured = window.into_inner().measured(cpu);
        Ok(Measured {
            rate: count as f64 / took.as_secs_f64(),
            memory: after.saturating_sub(before) as f64 / count as f64,
            ..measured
        })
    }

    async fn pushed(&self) -> io::Result<Measured> {
        let devices = self.devices(self.load.sockets).await?;
        let handshakes = self.handshakes(&devices).await?;
        let window = Rc::new(RefCell::new(self.window()));
        let (begin, end) = (Instant::now(), window.borrow().end);
        let per_ms = self.load.pushed_per_ms;
        // All of a millisecond are due at its end, because a timer is no finer.
        let due = move |n: usize| begin + Duration::from_millis((n / per_ms) as u64 + 1);
        let mut tasks = JoinSet::new();
        for handshake in &handshakes {
            let mut socket = self.open(handshake).await?;
            let (window, of_gateway) = (Rc::clone(&window), self.of_gateway);
            tasks.spawn_local(async move {
                loop {
                    let next = socket.next_like(if of_gateway { MESSAGE } else { b"{" });
                    // The last messages arrive after the window, the rest of them never.
                    let deadline = tokio::time::Instant::from_std(end) + Duration::from_secs(2);
                    let Ok(frame) = tokio::time::timeout_at(deadline, next).await else {
                        return Ok(());
                    };
                    let frame = frame?;
                    let after = |text: &[u8]| {
                        let at = memchr::memmem::find(&frame, text).map(|at| at + text.len());
                        at.map_or(0, |at| number(&frame[at..]))
                    };
                    window.borrow_mut().count(due(after(br#""data":"#)));
                    if of_gateway {
                        let seq = after(br#""seq":"#);
                        socket.send(&acknowledgement(seq)).await?;
                    }
                }
            });
        }
        let next = Rc::new(Cell::new(0));
        let devices = Rc::new(devices);
        for _ in 0..self.load.connections {
            let (next, devices, port) = (Rc::clone(&next), Rc::clone(&devices), self.server.port);
            tasks.spawn_local(async move {
                let mut http = Http::open(port).await?;
                loop {
                    let n = next.get();
                    next.set(n + 1);
                    if due(n) >= end {
                        return Ok(());
                    }
                    let message = message_to(&devices[n % devices.len()], n);
                    tokio::time::sleep_until(due(n).into()).await;
                    http.ask(&message, 202).await?;
                }
            });
        }
        self.finish(window, tasks).await
    }
}

pub const MESSAGE: &[u8] = br#"{"type":"message""#;
pub const ACCEPTED: &[u8] = br#"{"type":"accepted""#;

/// A prospect's message of 100 bytes, and where in it the id is.
pub fn message_from() -> (Vec<u8>, usize) {
    let start = r#"{"type":"message","id":""#;
    let frame = text(&format!(r#"{start}{:016}","data":"{}"}}"#, 0, "x".repeat(100)));
    (frame, 8 + start.len())
}

/// The operator's message to a device.
pub fn message_to(device: &Device, n: usize) -> Vec<u8> {
    let key = format!("authorization: Bearer {OPERATOR_KEY}\r\n");
    let path = format!("POST /operator/prospects/{}/messages", device.name());
    request(&path, &key, &format!(r#"{{"data":{n}}}"#))
}

pub fn acknowledgement(seq: usize) -> Vec<u8> {
    text(&format!(r#"{{"type":"ack","seq":{seq}}}"#))
}
