//! What prospects that talk notice of others: of thousands that come back at once, and of clients
//! that flood or never read.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::Write,
    fs, io, mem,
    process::{Command, Stdio},
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet, spawn_local},
    time::sleep,
};

use crate::{
    client::{Http, Refused, Socket, request},
    event_stream::EventStream,
    measure::{Measured, Used, Window, median},
    process::{OPERATOR_KEY, Server},
    protocol::Protocol,
    run_local,
    subject::{
        ACCEPTED, Device, HELLO, Load, Programs, Subject, flags_without, message_from, message_to,
        write_count,
    },
};

/// How much.
#[derive(Clone, Copy)]
pub struct Stress {
    /// Prospects that lose their sockets at once: nearly as many as a process has descriptors.
    pub lost: usize,
    /// Prospects that talk all the while.
    pub talking: usize,
    /// How long each trouble is looked at.
    pub time: Duration,
    pub rounds: usize,
}

/// What each of the others waits between two messages: half of the rate that it may send at.
const PAUSE: Duration = Duration::from_millis(100);

/// All must be back by then.
const BACK_WITHIN: Duration = Duration::from_mins(2);

/// The rule of a client whose connection broke: its first wait, and its longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The time of the operator between two messages to a prospect that never reads.
const UNREAD_PAUSE: Duration = Duration::from_millis(20);

/// What goes wrong beside those that talk.
#[derive(Clone, Copy)]
enum Trouble {
    Flood,
    UnreadSocket,
    UnreadEvents,
}

const TROUBLES: [(Trouble, &str); 3] = [
    (Trouble::Flood, "one prospect floods"),
    (Trouble::UnreadSocket, "one prospect never reads"),
    (Trouble::UnreadEvents, "one operator never reads"),
];

/// Both tables.
pub fn tables(programs: &Programs, load: Load, stress: Stress) -> io::Result<String> {
    // What a prospect may send is limited here.
    let flags = flags_without("--frames-per-second");
    let server = Server::start(&programs.gateway, &flags, programs.cores)?;
    let subject = Subject::new(&server, Protocol::Gateway, load);
    let mut table = run_local(troubles(subject, stress))?;
    drop(server);
    let server = Server::start(&programs.gateway, &flags, programs.cores)?;
    let subject = Subject::new(&server, Protocol::Gateway, load);
    table += "\n";
    table += &run_local(storm(subject, stress))?;
    Ok(table)
}

/// Prospects that talk at an even rate, on a thread of their own: what they wait for is the server, not
/// the thousands that this client has beside them. It ends with the server.
struct Talkers {
    window: Arc<Mutex<Window>>,
    thread: thread::JoinHandle<io::Result<()>>,
}

impl Talkers {
    async fn start(subject: &Subject<'_>, count: usize) -> io::Result<Self> {
        let devices = subject.devices(count).await?;
        let handshakes = subject.handshakes(&devices).await?;
        let window = Arc::new(Mutex::new(Window::new(Instant::now(), Duration::ZERO)));
        let (port, of_thread) = (subject.server.port, Arc::clone(&window));
        let (opened, all_open) = oneshot::channel();
        let thread = thread::spawn(move || {
            run_local(async move {
                let mut tasks = JoinSet::new();
                for (n, handshake) in handshakes.iter().enumerate() {
                    let socket = handshake.open(port).await?;
                    tasks.spawn_local(talk(socket, n, Arc::clone(&of_thread)));
                }
                let _ = opened.send(());
                while let Some(ended) = tasks.join_next().await {
                    ended.map_err(io::Error::other)??;
                }
                Ok(())
            })
        });
        all_open.await.map_err(io::Error::other)?;
        Ok(Self { window, thread })
    }

    /// Begins a window, and returns the one before.
    fn replace(&self, window: Window) -> Window {
        mem::replace(&mut *self.window.lock().unwrap_or_else(PoisonError::into_inner), window)
    }

    /// What they notice meanwhile.
    async fn watch<T>(
        &self,
        meanwhile: impl Future<Output = io::Result<T>>,
    ) -> io::Result<(Measured, T)> {
        let begin = Instant::now();
        self.replace(Window::new(begin, Duration::from_hours(1)));
        let outcome = meanwhile.await?;
        let window = self.replace(Window::new(begin, Duration::ZERO));
        if self.thread.is_finished() {
            return Err(io::Error::other("a prospect that talks was disconnected"));
        }
        Ok((window.measured(Used::default()), outcome))
    }
}

/// Lowers the priority of this thread as far as it goes.
fn yield_to_other_threads() -> io::Result<()> {
    let thread = fs::read_link("/proc/thread-self")?;
    let id = thread.file_name().unwrap_or_default();
    let renice = ["-n", "19", "-p"];
    let lowered = Command::new("renice").args(renice).arg(id).stdout(Stdio::null()).status()?;
    if lowered.success() { Ok(()) } else { Err(io::Error::other("renice failed")) }
}

/// Sends one message after the other, each at its time, and counts how long it waits for `accepted`.
async fn talk(mut socket: Socket, n: usize, window: Arc<Mutex<Window>>) -> io::Result<()> {
    let (mut frame, at) = message_from();
    let begin = Instant::now() + PAUSE * u32::try_from(n).unwrap_or(0) / 100;
    for count in 0.. {
        let due = begin + PAUSE * count;
        tokio::time::sleep_until(due.into()).await;
        write_count(&mut frame, at, count as usize);
        socket.send(&frame).await?;
        socket.next_like(ACCEPTED).await?;
        // From when it was due: a wait of one delays the next ones too.
        window.lock().unwrap_or_else(PoisonError::into_inner).count(due);
    }
    Ok(())
}

async fn troubles(subject: Subject<'_>, stress: Stress) -> io::Result<String> {
    let talkers = Talkers::start(&subject, stress.talking).await?;
    let wait = || async {
        sleep(stress.time).await;
        Ok(())
    };
    let mut table = "| beside | p50 without | p50 with | p99 without | p99 with | p99 |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for (n, (trouble, name)) in TROUBLES.into_iter().enumerate() {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for round in 0..stress.rounds {
            without.push(talkers.watch(wait()).await?.0);
            let first_device = stress.talking + n * stress.rounds + round;
            let of_trouble = Subject { first_device, ..subject };
            let tasks = make(trouble, &of_trouble).await?;
            with.push(talkers.watch(wait()).await?.0);
            tasks.iter().for_each(JoinHandle::abort);
        }
        let (without, with) = (median(&without), median(&with));
        let _ = writeln!(
            table,
            "| {name} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {:+.0} % |",
            without.p50 / 1000.0,
            with.p50 / 1000.0,
            without.p99 / 1000.0,
            with.p99 / 1000.0,
            100.0 * (with.p99 / without.p99 - 1.0),
        );
    }
    Ok(table)
}

/// Makes trouble until the tasks are aborted.
async fn make(trouble: Trouble, subject: &Subject<'_>) -> io::Result<Vec<JoinHandle<()>>> {
    let port = subject.server.port;
    if let Trouble::UnreadEvents = trouble {
        return Ok(vec![spawn_local(async move {
            let headers = format!("authorization: Bearer {OPERATOR_KEY}\r\nlast-event-id: 0\r\n");
            let stream = request("GET /operator/events", &headers, "");
            // The gateway ends a stream that is not read; then there is another.
            while let Ok(_stream) = EventStream::open(port, &stream).await {
                sleep(Duration::from_secs(30)).await;
            }
        })]);
    }
    let device = subject.devices(1).await?.remove(0);
    let openings = subject.handshakes(std::slice::from_ref(&device)).await?;
    let socket = openings[0].open(port).await?;
    if let Trouble::Flood = trouble {
        return Ok(vec![spawn_local(flood(port, device, socket))]);
    }
    Ok(vec![spawn_local(async move {
        let message = message_to(&device, 0);
        // Open until the task is aborted.
        let _socket = socket;
        let Ok(mut http) = Http::open(port).await else { return };
        // Until the outbox is full, and then for ever in vain.
        loop {
            let _ = http.answer(&message).await;
            sleep(UNREAD_PAUSE).await;
        }
    })])
}

/// Sends as much as the connection takes, and comes back as soon as it is closed.
async fn flood(port: u16, device: Device, mut socket: Socket) {
    let (frame, _) = message_from();
    let frames = frame.repeat(100);
    for count in 1.. {
        while socket.send(&frames).await.is_ok() {}
        let Ok(opened) = come_back(port, &device, count).await else { return };
        socket = opened;
    }
}

/// Authorises and opens a socket, on two connections as a browser may.
async fn come_back(port: u16, device: &Device, count: usize) -> io::Result<Socket> {
    let (mut request, at) = device.authorisation();
    write_count(&mut request, at, count);
    Http::open(port).await?.ask(&request, 200).await?;
    let mut socket = Socket::open(port, &device.handshake(&device.half_ref(count))).await?;
    socket.next_like(HELLO).await?;
    Ok(socket)
}

/// What happened while all came back.
#[derive(Default)]
struct Return {
    back: Cell<usize>,
    /// Refused attempts, by status; 0 for a connection that broke or was not made.
    refused: RefCell<BTreeMap<u16, usize>>,
    /// How long the attempts took that succeeded.
    admitted: RefCell<Option<Window>>,
}

async fn storm(subject: Subject<'_>, stress: Stress) -> io::Result<String> {
    let talkers = Talkers::start(&subject, stress.talking).await?;
    // Where the two threads want the core, those that talk have it.
    yield_to_other_threads()?;
    let lost = Subject { first_device: stress.talking, idle: stress.talking, ..subject };
    let devices = lost.devices(stress.lost).await?;
    let (sockets, opened) = lost.open_all(lost.handshakes(&devices).await?).await?;
    lost.check_sockets(stress.lost).await?;
    let (before, ()) = talkers
        .watch(async {
            sleep(stress.time).await;
            Ok(())
        })
        .await?;
    let seen = Rc::new(Return::default());
    let begin = Instant::now();
    seen.admitted.replace(Some(Window::new(begin, Duration::from_hours(1))));
    let port = subject.server.port;
    let (during, held) = talkers
        .watch(async {
            drop(sockets);
            let mut tasks = JoinSet::new();
            for device in devices {
                tasks.spawn_local(return_by_the_rules(port, device, Rc::clone(&seen)));
            }
            let mut open = Vec::with_capacity(stress.lost);
            while let Some(task) = tasks.join_next().await {
                open.push(task.map_err(io::Error::other)??);
            }
            Ok(open)
        })
        .await?;
    let took = begin.elapsed();
    lost.check_sockets(stress.lost).await?;
    drop(held);
    let admitted = seen.admitted.take().map(|it| it.measured(Used::default())).unwrap_or_default();
    let refused: Vec<_> = seen.refused.borrow().iter().map(|(k, n)| format!("{n} x {k}")).collect();
    Ok(format!(
        "| lost their sockets | all back after | refused attempts | p99 of an admitted one | p99 of \
         an opening without a storm | p99 of those that talk, before | during | share |\n\
         |---|---|---|---|---|---|---|---|\n\
         | {} | {:.1} s | {} | {:.1} ms | {:.1} ms | {:.2} ms | {:.2} ms | {:.1} |\n",
        stress.lost,
        took.as_secs_f64(),
        if refused.is_empty() { "none".to_owned() } else { refused.join(", ") },
        admitted.p99 / 1000.0,
        opened.p99 / 1000.0,
        before.p99 / 1000.0,
        during.p99 / 1000.0,
        during.p99 / before.p99,
    ))
}

/// Waits and tries as the contract has it, until the prospect has a socket again.
async fn return_by_the_rules(port: u16, device: Device, seen: Rc<Return>) -> io::Result<Socket> {
    let begin = Instant::now();
    let mut wait = FIRST_WAIT;
    let mut asked = Duration::ZERO;
    for count in 1.. {
        // Up to a half of it is left to chance: here to the number of the device.
        let chance = f64::from(u32::try_from(device.chance(count)).unwrap_or(0) % 1000) / 2000.0;
        sleep(asked.max(wait.mul_f64(1.0 - chance))).await;
        let started = Instant::now();
        match come_back(port, &device, count).await {
            Ok(socket) => {
                if let Some(window) = seen.admitted.borrow_mut().as_mut() {
                    window.count(started);
                }
                seen.back.set(seen.back.get() + 1);
                return Ok(socket);
            }
            Err(error) if begin.elapsed() > BACK_WITHIN => return Err(error),
            Err(error) => {
                let refused = Refused::of(&error);
                let status = refused.map_or(0, |refused| refused.status);
                *seen.refused.borrow_mut().entry(status).or_default() += 1;
                asked = refused.and_then(|refused| refused.retry_after).unwrap_or_default();
                wait = (2 * wait).min(LONGEST_WAIT);
            }
        }
    }
    Err(io::Error::other("too many attempts"))
}
