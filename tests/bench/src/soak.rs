//! Mixed traffic at a low rate for a long time. Afterwards nothing is left in the gateway, its memory
//! is what it was, and its metrics are what the client has counted.

use std::{
    cell::{Cell, RefCell},
    fmt::Write,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    books::Books,
    client::{Http, ready, request},
    event_stream::EventStream,
    process::{Held, OPERATOR_KEY, Server},
    prospect::{Ledger, Prospect},
    redis::RedisServer,
    run_local,
    subject::{GATEWAY_FLAGS, Programs},
};

/// Where the gateway keeps its state.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateIn {
    Memory,
    Journal,
    Redis,
}

/// How long, and how much.
#[derive(Clone, Copy)]
pub struct Soak {
    pub time: Duration,
    /// Prospects that live at the same time; each is followed by another.
    pub prospects: usize,
    /// What each waits between two acts.
    pub pause: Duration,
}

/// How long the gateway has to settle what has ended.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// Spent secrets are remembered for so long here, so that nothing of them is left at the end.
const HALF_REF_MEMORY: &str = "5s";

/// How often the memory is looked at, on the whole.
const SAMPLES: u32 = 6;

/// The events that the operator reads before it releases them.
const RELEASED_AT_ONCE: usize = 100;

/// What must be 0 at the end.
const GAUGES: [&str; 9] = [
    "sockets",
    "devices",
    "devices_connected",
    "outbox_messages",
    "events",
    "event_bytes",
    "event_reserved_bytes",
    "event_streams",
    "acknowledgement_waits",
];

/// Runs the traffic and returns what the gateway held meanwhile. Fails where anything is left, or
/// counted wrongly.
pub fn table(programs: &Programs, state: StateIn, soak: Soak) -> io::Result<String> {
    let redis = (state == StateIn::Redis).then(RedisServer::start).transpose()?;
    let mut flags = GATEWAY_FLAGS.map(str::to_owned).to_vec();
    flags.extend(["--half-ref-memory", HALF_REF_MEMORY].map(str::to_owned));
    match &redis {
        Some(redis) => flags.extend(["--redis-url".to_owned(), redis.url()]),
        None if state == StateIn::Journal => {
            flags.extend(["--data-dir", "%/journal"].map(str::to_owned));
        }
        None => {}
    }
    let server = Server::start(&programs.gateway, &flags, programs.cores)?;
    let port = server.port;
    let soaked = Soaked { server, redis, soak, ledger: Ledger::default() };
    run_local(async {
        ready(port, SETTLES_WITHIN).await?;
        soaked.run().await
    })
}

/// A gateway, and what is known of it.
struct Soaked {
    server: Server,
    redis: Option<RedisServer>,
    soak: Soak,
    ledger: Ledger,
}

impl Soaked {
    async fn run(self) -> io::Result<String> {
        let this = Rc::new(self);
        let begin = Instant::now();
        // Two lives first: what is made once is there then.
        for n in 0..2 {
            this.life(n).await?;
        }
        this.alone().await?;
        let before = this.held()?;
        let reader = Rc::new(Reader::default());
        let reading = {
            let (this, reader) = (Rc::clone(&this), Rc::clone(&reader));
            tokio::task::spawn_local(async move { reader.read(&this).await })
        };
        this.all_read(&reader).await?;
        let mut tasks = JoinSet::new();
        let next = Rc::new(Cell::new(2));
        for _ in 0..this.soak.prospects {
            let (this, next) = (Rc::clone(&this), Rc::clone(&next));
            tasks.spawn_local(async move {
                while begin.elapsed() < this.soak.time {
                    let n = next.replace(next.get() + 1);
                    this.life(n).await?;
                }
                Ok::<_, io::Error>(())
            });
        }
        let mut memory = Vec::new();
        for n in 1..=SAMPLES {
            tokio::time::sleep_until((begin + this.soak.time * n / SAMPLES).into()).await;
            memory.push(this.server.memory());
            if reading.is_finished() {
                break;
            }
        }
        while let Some(task) = tasks.join_next().await {
            task.map_err(io::Error::other)??;
        }
        this.all_read(&reader).await?;
        reading.abort();
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let wrong = this.wrong(&reader, before).await?;
            if wrong.is_empty() {
                return Ok(this.report(&memory, next.get()));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(wrong));
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until the gateway has no connection but the one that asks.
    async fn alone(&self) -> io::Result<()> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let alone = Books::read(self.server.port).await?.check("connectsocket_connections", 1);
            if alone.is_ok() || Instant::now() > deadline {
                return alone;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn life(&self, n: usize) -> io::Result<()> {
        let tag = format!("soak-{n}");
        let prospect =
            Prospect::begin(self.server.port, &self.ledger, self.soak.pause, tag.clone()).await?;
        let lived = prospect.live(n).await;
        lived.map_err(|error| io::Error::other(format!("{tag}: {error}")))
    }

    /// What the gateway and its Redis hold.
    fn held(&self) -> io::Result<(Held, Option<usize>)> {
        let keys = self.redis.as_ref().map(RedisServer::keys).transpose()?;
        Ok((self.server.held(), keys))
    }

    /// Waits until every event is read and released.
    async fn all_read(&self, reader: &Reader) -> io::Result<()> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        // Each socket is connected and disconnected.
        let of = |metric| self.ledger.of(metric);
        let expected = 2 * of("sockets_opened_total")
            + of("messages_accepted_total")
            + of("messages_expired_total");
        while reader.read.get() != expected {
            if Instant::now() > deadline {
                let read = reader.read.get();
                let error = format!("{read} events were read, {expected} have happened");
                return Err(io::Error::other(error));
            }
            sleep(Duration::from_millis(20)).await;
        }
        reader.release(self).await
    }

    /// What is left, or not as the client has counted it.
    async fn wrong(&self, reader: &Reader, before: (Held, Option<usize>)) -> io::Result<String> {
        let mut wrong = String::new();
        let books = Books::read(self.server.port).await?;
        let mut expected = self.ledger.lines();
        for gauge in GAUGES {
            expected.insert(format!("connectsocket_{gauge}"), 0);
        }
        expected.insert("connectsocket_events_written_total".to_owned(), reader.read.get());
        expected.insert("connectsocket_events_written_bytes_total".to_owned(), reader.bytes.get());
        // The one that asks.
        expected.insert("connectsocket_connections".to_owned(), 1);
        for (metric, value) in expected {
            if let Err(error) = books.check(&metric, value) {
                let _ = writeln!(wrong, "{error}");
            }
        }
        let after = self.held()?;
        // What was before can have ended since, such as a remembered secret.
        if after.0 != before.0 || after.1 > before.1 {
            let _ = writeln!(wrong, "{after:?} is left, it was {before:?}");
        }
        Ok(wrong)
    }

    fn report(&self, memory: &[u64], lives: usize) -> String {
        let of = |metric| self.ledger.of(metric);
        let kib: Vec<String> = memory.iter().map(u64::to_string).collect();
        format!(
            "| minutes | prospects | sockets | messages, both ways | memory, KiB | left | miscounted |\n\
             |---|---|---|---|---|---|---|\n\
             | {:.1} | {lives} | {} | {} | {} | 0 | 0 |\n",
            self.soak.time.as_secs_f64() / 60.0,
            of("sockets_opened_total"),
            of("messages_accepted_total") + of("messages_queued_total"),
            kib.join(", "),
        )
    }
}

/// The operator's reader of events.
#[derive(Default)]
struct Reader {
    read: Cell<usize>,
    bytes: Cell<usize>,
    last: RefCell<String>,
}

impl Reader {
    /// Reads for ever.
    async fn read(&self, soaked: &Soaked) -> io::Result<()> {
        let headers = format!("{}last-event-id: 0\r\n", authorization());
        let stream = request("GET /operator/events", &headers, "");
        soaked.ledger.request("/operator/events", 200);
        let mut stream = EventStream::open(soaked.server.port, &stream).await?;
        loop {
            let event = stream.next().await?;
            self.read.set(self.read.get() + 1);
            self.bytes.set(self.bytes.get() + event.len());
            event.field("id").clone_into(&mut self.last.borrow_mut());
            if self.read.get().is_multiple_of(RELEASED_AT_ONCE) {
                self.release(soaked).await?;
            }
        }
    }

    async fn release(&self, soaked: &Soaked) -> io::Result<()> {
        let path = format!("DELETE /operator/events?through={}", self.last.borrow());
        soaked.ledger.request("/operator/events", 204);
        let mut http = Http::open(soaked.server.port).await?;
        http.ask(&request(&path, &authorization(), ""), 204).await
    }
}

fn authorization() -> String {
    format!("authorization: Bearer {OPERATOR_KEY}\r\n")
}
