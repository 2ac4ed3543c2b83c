//! The exchanges that are timed, each with the gateway or with its yardstick.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use memchr::memmem;
use tokio::task::JoinSet;

use crate::{
    books::Books,
    client::{Http, Socket, number},
    measure::{Measured, Used, Window, used_between},
    subject::{MESSAGE, Opening, Subject, acknowledgement, message_to, write_count},
};

/// The metric of the documented request.
const POSTED: &str =
    r#"connectsocket_http_requests_total{route="/prospect/connectsocket",status="200"}"#;

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
        let used = used_between(self.server, self.redis, begin, end).await?;
        while let Some(task) = tasks.join_next().await {
            task.map_err(io::Error::other)??;
        }
        let window = Rc::into_inner(window).ok_or_else(|| io::Error::other("still counting"))?;
        Ok(window.into_inner().measured(used))
    }

    pub async fn posts(&self) -> io::Result<Measured> {
        let devices = self.devices(self.load.connections).await?;
        let before = self.posted().await?;
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
        let posted = self.posted().await? - before;
        if self.protocol.is_gateway() && posted != sent.get() {
            let error = format!("the gateway counted {posted} requests, the client {}", sent.get());
            return Err(io::Error::other(error));
        }
        Ok(measured)
    }

    /// The documented requests that the gateway has counted.
    async fn posted(&self) -> io::Result<usize> {
        if !self.protocol.is_gateway() {
            return Ok(0);
        }
        let books = Books::read(self.server.port).await?;
        Ok(books.value(POSTED).map_or(0, |value| number(value.as_bytes())))
    }

    pub async fn messages(&self) -> io::Result<Measured> {
        let devices = self.devices(self.load.sockets).await?;
        let handshakes = self.handshakes(&devices).await?;
        let window = Rc::new(RefCell::new(self.window()));
        let end = window.borrow().end;
        let mut tasks = JoinSet::new();
        let mut sockets = Vec::new();
        for handshake in handshakes {
            sockets.push(handshake.open(self.server.port).await?);
        }
        self.check_sockets(sockets.len()).await?;
        let answer = self.protocol.accepted();
        for (mut socket, device) in sockets.into_iter().zip(devices) {
            let (window, protocol) = (Rc::clone(&window), self.protocol);
            tasks.spawn_local(async move {
                let (mut frame, at) = protocol.message(&device);
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
    pub async fn opened(&self) -> io::Result<Measured> {
        let before = self.server.memory();
        let devices = self.devices(self.load.opened).await?;
        let handshakes = self.handshakes(&devices).await?;
        drop(devices);
        let count = handshakes.len();
        let (sockets, measured) = self.open_all(handshakes).await?;
        self.check_sockets(count).await?;
        // What serves the handshakes is freed.
        tokio::time::sleep(self.load.warm_up).await;
        let memory = self.server.memory().saturating_sub(before) as f64 / count as f64;
        drop(sockets);
        Ok(Measured { memory, ..measured })
    }

    /// Opens sockets, several at a time.
    #[expect(clippy::cast_precision_loss, reason = "a count of sockets is small")]
    pub async fn open_all(&self, handshakes: Vec<Opening>) -> io::Result<(Vec<Socket>, Measured)> {
        let count = handshakes.len();
        let waiting = Rc::new(RefCell::new(handshakes));
        let begin = Instant::now();
        let window = Rc::new(RefCell::new(Window::new(begin, Duration::from_hours(1))));
        let cpu = self.server.cpu();
        let open = Rc::new(RefCell::new(Vec::with_capacity(count)));
        let mut tasks: JoinSet<io::Result<()>> = JoinSet::new();
        for _ in 0..self.load.connections {
            let port = self.server.port;
            let (waiting, open) = (Rc::clone(&waiting), Rc::clone(&open));
            let window = Rc::clone(&window);
            tasks.spawn_local(async move {
                loop {
                    let Some(handshake) = waiting.borrow_mut().pop() else { return Ok(()) };
                    let started = Instant::now();
                    let socket = handshake.open(port).await?;
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
        let window = Rc::into_inner(window).ok_or_else(|| io::Error::other("still counting"))?;
        let measured = window.into_inner().measured(Used { cpu, ..Used::default() });
        let rate = count as f64 / took.as_secs_f64();
        Ok((open.take(), Measured { rate, ..measured }))
    }

    pub async fn pushed(&self) -> io::Result<Measured> {
        let devices = self.devices(self.load.sockets).await?;
        let handshakes = self.handshakes(&devices).await?;
        let window = Rc::new(RefCell::new(self.window()));
        let (begin, end) = (Instant::now(), window.borrow().end);
        let per_ms = self.load.pushed_per_ms;
        // All of a millisecond are due at its end, because a timer is no finer.
        let due = move |n: usize| begin + Duration::from_millis((n / per_ms) as u64 + 1);
        let mut tasks = JoinSet::new();
        for handshake in &handshakes {
            let mut socket = handshake.open(self.server.port).await?;
            let (window, protocol) = (Rc::clone(&window), self.protocol);
            tasks.spawn_local(async move {
                let (start, before_number) = protocol.pushed();
                loop {
                    let next = socket.next_like(start);
                    // The last messages arrive after the window, the rest of them never.
                    let deadline = tokio::time::Instant::from_std(end) + Duration::from_secs(2);
                    let Ok(frame) = tokio::time::timeout_at(deadline, next).await else {
                        return Ok(());
                    };
                    let frame = frame?;
                    // A frame may have several messages.
                    for number in numbers_after(before_number, &frame) {
                        window.borrow_mut().count(due(number));
                    }
                    if protocol.is_gateway() {
                        let seq = numbers_after(br#""seq":"#, &frame).next().unwrap_or(0);
                        socket.send(&acknowledgement(seq)).await?;
                    }
                }
            });
        }
        let next = Rc::new(Cell::new(0));
        let devices = Rc::new(devices);
        for _ in 0..self.load.connections {
            let (next, devices) = (Rc::clone(&next), Rc::clone(&devices));
            let (port, protocol) = (self.server.port, self.protocol);
            tasks.spawn_local(async move {
                let mut http = Http::open(port).await?;
                loop {
                    let n = next.get();
                    next.set(n + 1);
                    if due(n) >= end {
                        return Ok(());
                    }
                    let (message, status) = protocol.push(&devices[n % devices.len()], n);
                    tokio::time::sleep_until(due(n).into()).await;
                    http.ask(&message, status).await?;
                }
            });
        }
        self.finish(window, tasks).await
    }

    /// Messages of the operator, each acknowledged before the next one to its device is sent.
    pub async fn conversed(&self) -> io::Result<Measured> {
        let devices = self.devices(self.load.connections).await?;
        let handshakes = self.handshakes(&devices).await?;
        let window = Rc::new(RefCell::new(self.window()));
        let end = window.borrow().end;
        let mut tasks = JoinSet::new();
        for (device, handshake) in devices.into_iter().zip(handshakes) {
            let mut socket = handshake.open(self.server.port).await?;
            let (window, port) = (Rc::clone(&window), self.server.port);
            tasks.spawn_local(async move {
                let mut http = Http::open(port).await?;
                let mut now = Instant::now();
                let mut seq = 0;
                while now < end {
                    seq += 1;
                    http.ask(&message_to(&device, seq), 202).await?;
                    socket.next_like(MESSAGE).await?;
                    socket.send(&acknowledgement(seq)).await?;
                    now = window.borrow_mut().count(now);
                }
                Ok(())
            });
        }
        self.finish(window, tasks).await
    }
}

/// The numbers that stand behind each `text` in a frame.
fn numbers_after<'a>(text: &'a [u8], frame: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    memmem::find_iter(frame, text).map(|at| number(&frame[at + text.len()..]))
}
