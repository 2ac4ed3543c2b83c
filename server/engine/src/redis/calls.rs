//! Calls functions in Redis. An operation that comes while Redis is idle is called at once; those that come
//! meanwhile gather, and the next call performs them together: what each call costs Redis is then shared.
//!
//! ```text
//!   Connection::call ──┐                        ┌── FCALL write      (send, accept, authorise …) ──▶ Redis
//!   Connection::call ──┼─▶ run: queue, then up ─┤
//!   Connection::call ──┘   to CALLS_UNDER_WAY   └── FCALL make_room  (acknowledge …) ──────────────▶ Redis
//! ```
//!
//! Operations of one function keep their order. Each has a deadline and an outcome of its own.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use redis::{ErrorKind, RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    function_library::FunctionLibrary,
    operation::Request,
    protocol::{Answer, Reply},
    push::PushRouter,
    server_clock::{ServerClock, clock_argument},
};
use crate::Clock;

/// At most this many operations wait for a call; callers of more wait for a place.
const WAITING: usize = 1024;

/// At most this many calls are under way. With two, Redis has the next one while the answer to one is on its
/// way.
const CALLS_UNDER_WAY: usize = 2;

/// At most this many operations share a call: Redis does nothing else meanwhile.
const OPERATIONS: usize = 32;

/// The arguments of operations that share a call have at most this many bytes.
const BYTES: usize = 256 * 1024;

/// Who calls: a connection under a gateway's name.
pub struct Caller {
    pub redis: MultiplexedConnection,
    pub library: Arc<FunctionLibrary>,
    /// What every key of the partition begins with.
    pub prefix: String,
    /// A clock in place of Redis's own.
    pub manual_clock: Option<Arc<dyn Clock>>,
    pub router: Arc<PushRouter>,
    /// The name of this gateway in Redis.
    pub gateway: String,
    /// The number of the connection: above those of all before. Redis refuses calls on these.
    pub number: u64,
    /// Redis's clock.
    pub clock: ServerClock,
    /// How often this gateway has written, as far as answers have said.
    pub writes: AtomicU64,
    /// Cancelled when the connection is closed.
    pub closed: CancellationToken,
}

/// Why there is no reply.
pub enum Failure {
    /// Redis was not asked.
    NotSent,
    /// Redis refused the operation, or its answer did not come or cannot be read.
    Redis(RedisError),
}

/// An operation that is to be called.
pub struct Waiting {
    request: Request,
    give_up: Instant,
    reply: oneshot::Sender<Result<Reply, Failure>>,
}

impl Waiting {
    fn end(self, reply: Result<Reply, Failure>) {
        // The caller may have given up.
        let _ = self.reply.send(reply);
    }
}

/// Where operations wait.
pub type Waiter = mpsc::Sender<Waiting>;

/// Calls what comes from the returned sender, until it or the connection is closed.
pub fn start(caller: Arc<Caller>) -> Waiter {
    let (waiter, waiting) = mpsc::channel(WAITING);
    tokio::spawn(run(caller, waiting));
    waiter
}

/// Performs an operation, which Redis refuses where it comes after `give_up`.
pub async fn perform(
    waiter: &Waiter,
    request: Request,
    give_up: Instant,
) -> Result<Reply, Failure> {
    let perform = async {
        let (reply, replied) = oneshot::channel();
        let waiting = Waiting { request, give_up, reply };
        waiter.send(waiting).await.map_err(|_| Failure::NotSent)?;
        replied.await.unwrap_or_else(|_| Err(no_answer(io::ErrorKind::ConnectionAborted)))
    };
    let performed = tokio::time::timeout_at(give_up.into(), perform).await;
    performed.unwrap_or_else(|_| Err(no_answer(io::ErrorKind::TimedOut)))
}

fn no_answer(kind: io::ErrorKind) -> Failure {
    Failure::Redis(io::Error::from(kind).into())
}

async fn run(caller: Arc<Caller>, mut waiting: mpsc::Receiver<Waiting>) {
    let (mut queue, mut calls) = (VecDeque::new(), JoinSet::new());
    let mut arrived = Vec::new();
    loop {
        tokio::select! {
            () = caller.closed.cancelled() => break,
            Some(_) = calls.join_next() => {}
            count = waiting.recv_many(&mut arrived, WAITING), if queue.len() < WAITING => {
                if count == 0 {
                    break;
                }
                queue.extend(arrived.drain(..));
            }
        }
        while calls.len() < CALLS_UNDER_WAY
            && let Some(operations) = take(&mut queue, Instant::now())
        {
            calls.spawn(call(Arc::clone(&caller), operations));
        }
    }
    // Those may be answered yet.
    calls.detach_all();
    waiting.close();
    while let Ok(operation) = waiting.try_recv() {
        queue.push_back(operation);
    }
    for operation in queue {
        operation.end(Err(Failure::NotSent));
    }
}

/// Takes the operations of the next call out of the queue: the first, and those of the same function that may
/// share a call with it. `None` where none is left.
fn take(queue: &mut VecDeque<Waiting>, now: Instant) -> Option<Vec<Waiting>> {
    let (mut taken, mut left) = (Vec::new(), VecDeque::new());
    let mut bytes = 0;
    while let Some(next) = queue.pop_front() {
        if next.give_up <= now || next.reply.is_closed() {
            next.end(Err(Failure::NotSent));
            continue;
        }
        let Some(first) = taken.first() else {
            bytes = next.request.size();
            taken.push(next);
            continue;
        };
        if !shares(first, &next) {
            left.push_back(next);
            continue;
        }
        bytes += next.request.size();
        if bytes > BYTES || taken.len() == OPERATIONS {
            left.push_back(next);
            break;
        }
        taken.push(next);
    }
    left.append(queue);
    *queue = left;
    Some(taken).filter(|taken| !taken.is_empty())
}

/// Whether two operations may share a call.
fn shares(one: &Waiting, other: &Waiting) -> bool {
    let (one, other) = (one.request.operation, other.request.operation);
    one.function == other.function && one.is_small && other.is_small
}

/// Calls a function for operations. The notifications for this gateway are routed before they are answered.
async fn call(caller: Arc<Caller>, operations: Vec<Waiting>) {
    let Some(first) = operations.first() else { return };
    let function = first.request.operation.function;
    let asked = Instant::now();
    let mut command = caller.library.call(function.name(), &caller.prefix);
    command
        .arg(clock_argument(caller.manual_clock.as_ref()))
        .arg(&caller.gateway)
        .arg(caller.number);
    command.arg(caller.writes.load(Ordering::Acquire));
    for operation in &operations {
        operation.request.add_to(&mut command, caller.clock.at(operation.give_up));
    }
    let answer = match caller.redis.clone().send_packed_command(&command).await {
        Ok(Value::ServerError(error)) => Err(error.into()),
        Ok(value) => Answer::read(value, operations.len()).ok_or_else(|| {
            tracing::error!("Redis gave a reply of an unexpected shape");
            (ErrorKind::Parse, "a reply of an unexpected shape").into()
        }),
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => {
            caller.clock.note(asked, answer.time);
            caller.writes.fetch_max(answer.writes, Ordering::AcqRel);
            caller.router.route_all(answer.notifications.as_bytes());
            for (operation, outcome) in operations.into_iter().zip(answer.outcomes) {
                operation.end(Reply::of(outcome).map_err(Failure::Redis));
            }
        }
        Err(error) => {
            for operation in operations {
                operation.end(Err(Failure::Redis(error.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::{Arg, Cmd};

    use super::*;
    use crate::redis::operation::{ACKNOWLEDGE, EXPIRE, Operation, SEND};

    /// Operations that wait, each with a number as its argument, and what gets their replies.
    struct Queue {
        waiting: VecDeque<Waiting>,
        replies: Vec<oneshot::Receiver<Result<Reply, Failure>>>,
        now: Instant,
    }

    impl Queue {
        fn of(operations: &[Operation]) -> Self {
            let mut queue =
                Self { waiting: VecDeque::new(), replies: Vec::new(), now: Instant::now() };
            for operation in operations {
                queue.push(*operation, "");
            }
            queue
        }

        fn push(&mut self, operation: Operation, argument: &str) {
            let mut request = operation.request();
            request.arg(self.replies.len()).arg(argument);
            let (reply, replied) = oneshot::channel();
            let give_up = self.now + Duration::from_secs(1);
            self.waiting.push_back(Waiting { request, give_up, reply });
            self.replies.push(replied);
        }

        /// The numbers of the operations of each call.
        fn take_all(&mut self) -> Vec<Vec<String>> {
            let mut calls = Vec::new();
            while let Some(taken) = take(&mut self.waiting, self.now) {
                let number = |it: &Waiting| {
                    let mut call = Cmd::new();
                    it.request.add_to(&mut call, 0);
                    match call.args_iter().nth(3) {
                        Some(Arg::Simple(number)) => String::from_utf8_lossy(number).into_owned(),
                        _ => String::new(),
                    }
                };
                calls.push(taken.iter().map(number).collect());
            }
            calls
        }
    }

    #[test]
    fn operations_of_a_function_share_a_call_in_their_order() {
        let mut queue = Queue::of(&[SEND, ACKNOWLEDGE, SEND, ACKNOWLEDGE, SEND]);
        assert_eq!(queue.take_all(), [vec!["0", "2", "4"], vec!["1", "3"]]);
    }

    #[test]
    fn a_large_operation_shares_no_call() {
        let mut queue = Queue::of(&[ACKNOWLEDGE, EXPIRE, ACKNOWLEDGE, EXPIRE]);
        assert_eq!(queue.take_all(), [vec!["0", "2"], vec!["1"], vec!["3"]]);
    }

    #[test]
    fn a_call_is_bounded() {
        let mut queue = Queue::of(&[SEND; 2 * OPERATIONS + 1]);
        let sizes: Vec<_> = queue.take_all().iter().map(Vec::len).collect();
        assert_eq!(sizes, [OPERATIONS, OPERATIONS, 1]);
        for _ in 0..3 {
            queue.push(SEND, &"a".repeat(BYTES / 2 - 100));
        }
        queue.push(SEND, &"a".repeat(2 * BYTES));
        let sizes: Vec<_> = queue.take_all().iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1]);
    }

    #[test]
    fn an_operation_that_was_given_up_is_not_called() {
        let mut queue = Queue::of(&[SEND, SEND, SEND]);
        queue.replies.remove(1);
        assert_eq!(queue.take_all(), [["0", "2"]]);
        let mut queue = Queue::of(&[SEND]);
        queue.now += Duration::from_secs(1);
        assert_eq!(queue.take_all(), Vec::<Vec<String>>::new());
        assert!(matches!(queue.replies[0].try_recv(), Ok(Err(Failure::NotSent))));
    }
}
