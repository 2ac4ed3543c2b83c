//! How a worker stays fair to its open sockets while thousands of connections arrive or close at once.
//!
//! A worker runs what is ready in the order in which it became ready, so a socket that talks would wait
//! behind all of them. Instead, only a few connections begin, only a few are refused and only a few
//! sockets close in each turn of the worker's event loop. The others wait here.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Connections that begin, and sockets that close, in one turn of the event loop.
const PER_TURN: usize = 8;

/// Connections that are refused in one turn, which costs little.
const REFUSED_PER_TURN: usize = 16;

/// Connections that may wait to begin: about a twentieth of a second of work.
const WAITING: usize = 512;

/// How long a turn counts as the same while nothing waits.
const TURN: Duration = Duration::from_millis(1);

/// More connections arrive than the worker can begin.
#[derive(Debug, PartialEq, Eq)]
pub struct Rush;

/// The turns of one worker.
struct Turns {
    begin: Queue,
    refuse: Queue,
    close: Queue,
    /// Whether [`run`] hands them out.
    is_running: Cell<bool>,
}

/// The connections that wait for a turn of one kind.
struct Queue {
    per_turn: usize,
    waiting: RefCell<VecDeque<oneshot::Sender<()>>>,
    /// How many had a turn since `since`.
    taken: Cell<usize>,
    since: Cell<Instant>,
}

thread_local! {
    static TURNS: Turns = Turns {
        begin: Queue::new(PER_TURN),
        refuse: Queue::new(REFUSED_PER_TURN),
        close: Queue::new(PER_TURN),
        is_running: Cell::new(false),
    };
}

/// Waits until a new connection may begin, or be refused.
///
/// # Errors
/// Too many wait to begin.
pub async fn begin() -> Result<(), Rush> {
    if TURNS.with(|turns| turns.begin.waiting.borrow().len() >= WAITING) {
        wait(|turns| &turns.refuse).await;
        return Err(Rush);
    }
    wait(|turns| &turns.begin).await;
    Ok(())
}

/// Waits until a socket that has ended may close. Any number may wait.
pub async fn close() {
    wait(|turns| &turns.close).await;
}

async fn wait(queue: fn(&Turns) -> &Queue) {
    let turn = TURNS.with(|turns| {
        let turn = queue(turns).enter();
        if turn.is_some() && !turns.is_running.replace(true) {
            actix_web::rt::spawn(run());
        }
        turn
    });
    if let Some(turn) = turn {
        // The other end lives as long as the worker.
        let _ = turn.await;
    }
}

/// Hands out turns while any connection waits.
async fn run() {
    loop {
        // Comes back after the next look at the connections, behind what became ready there.
        tokio::task::yield_now().await;
        let is_running = TURNS.with(|turns| {
            let queues = [&turns.begin, &turns.refuse, &turns.close];
            let is_running = queues.map(Queue::hand_out).contains(&true);
            turns.is_running.set(is_running);
            is_running
        });
        if !is_running {
            return;
        }
    }
}

impl Queue {
    fn new(per_turn: usize) -> Self {
        Self {
            per_turn,
            waiting: RefCell::default(),
            taken: Cell::new(0),
            since: Cell::new(Instant::now()),
        }
    }

    /// Takes a turn, or returns what to wait for.
    fn enter(&self) -> Option<oneshot::Receiver<()>> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            let now = Instant::now();
            if now.duration_since(self.since.get()) >= TURN {
                self.begin_turn(now);
            }
            if self.taken.get() < self.per_turn {
                self.taken.set(self.taken.get() + 1);
                return None;
            }
        }
        let (sender, turn) = oneshot::channel();
        waiting.push_back(sender);
        Some(turn)
    }

    fn begin_turn(&self, now: Instant) {
        self.taken.set(0);
        self.since.set(now);
    }

    /// Begins a turn for those that wait. Returns whether there were any.
    fn hand_out(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return false;
        }
        self.begin_turn(Instant::now());
        while self.taken.get() < self.per_turn {
            let Some(turn) = waiting.pop_front() else { break };
            // A connection that was dropped while it waited takes no turn.
            if turn.send(()).is_ok() {
                self.taken.set(self.taken.get() + 1);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use actix_web::rt::{System, spawn};
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    /// Has `count` tasks wait, each of which counts its turn.
    fn tasks(
        count: usize,
        turns: &Rc<Cell<usize>>,
        wait: impl AsyncFn() + Clone + 'static,
    ) -> Vec<JoinHandle<()>> {
        let task = |_| {
            let (turns, wait) = (Rc::clone(turns), wait.clone());
            spawn(async move {
                wait().await;
                turns.set(turns.get() + 1);
            })
        };
        (0..count).map(task).collect()
    }

    /// The most that had their turn in one turn of the event loop, until these tasks have ended.
    async fn most_at_once(tasks: &[JoinHandle<()>], had: &Cell<usize>) -> usize {
        let (mut most, mut before) = (0, 0);
        while !tasks.iter().all(JoinHandle::is_finished) {
            yield_now().await;
            let now = had.get();
            most = most.max(now - before);
            before = now;
        }
        most
    }

    #[test]
    fn a_few_close_in_each_turn() {
        System::new().block_on(async {
            let had = Rc::new(Cell::new(0));
            let tasks = tasks(1000, &had, close);
            // Those that need not wait, and the first that do.
            assert!(most_at_once(&tasks, &had).await <= 16);
            assert_eq!(had.get(), 1000);
        });
    }

    #[test]
    fn a_few_begin_in_each_turn_and_a_limited_number_waits() {
        System::new().block_on(async {
            let ended = Rc::new(Cell::new(0));
            let refused = Rc::new(Cell::new(0));
            let count_refused = Rc::clone(&refused);
            let tasks = tasks(2 * WAITING, &ended, async move || {
                if begin().await.is_err() {
                    count_refused.set(count_refused.get() + 1);
                }
            });
            // Twice what begins and is refused in a turn.
            assert!(most_at_once(&tasks, &ended).await <= 48);
            assert_eq!(ended.get(), 2 * WAITING);
            assert!((1..=WAITING).contains(&refused.get()), "{refused:?}");
            assert_eq!(begin().await, Ok(()));
        });
    }

    #[test]
    fn what_was_dropped_while_it_waited_takes_no_turn() {
        System::new().block_on(async {
            let had = Rc::new(Cell::new(0));
            let dropped = tasks(500, &had, close);
            yield_now().await;
            dropped.iter().for_each(JoinHandle::abort);
            let before = had.get();
            let last = tasks(PER_TURN, &had, close);
            for task in last {
                task.await.expect("no panic");
            }
            assert_eq!(had.get(), before + PER_TURN);
        });
    }
}
