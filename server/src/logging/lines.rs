//! The lines of the log on their way out: gathered in memory, and written together by a thread of
//! their own. So a line costs its writer a copy, and no system call or switch of threads.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes of lines that wait to be written, at most; further lines are dropped.
const MAX_WAITING: usize = 3 * 1024 * 1024;

/// How long lines are gathered before they are written together.
const GATHERING: Duration = Duration::from_millis(5);

/// How long the end waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What the buffers keep of their size, in bytes.
const KEPT: usize = 64 * 1024;

/// Takes lines, one for each call of `write`.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    dropped: u64,
    /// Whether the thread is to write what waits and end.
    ending: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let waited = self
                .changed
                .wait_while(self.lock(), |state| state.waiting.is_empty() && !state.ending);
            let state = waited.unwrap_or_else(PoisonError::into_inner);
            let gathered = self.changed.wait_timeout_while(state, GATHERING, |state| !state.ending);
            let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            if state.waiting.is_empty() {
                state.ended = true;
                self.changed.notify_all();
                return;
            }
            mem::swap(&mut state.waiting, &mut lines);
            drop(state);
            // What cannot be written has no other place.
            let _ = output.write_all(&lines);
            lines.clear();
            lines.shrink_to(KEPT);
        }
    }
}

impl Lines {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// The operating system refuses the thread.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || writing.write_to(output))?;
        Ok(Self(shared))
    }

    /// How many lines were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Has the lines that wait written, for a second at most, and ends the thread.
    pub fn end(&self) {
        let mut state = self.0.lock();
        state.ending = true;
        self.0.changed.notify_all();
        // An output that nobody reads is left to itself.
        drop(self.0.changed.wait_timeout_while(state, LAST_LINES, |state| !state.ended));
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.waiting.len() + line.len() > MAX_WAITING {
            state.dropped += 1;
        } else {
            let was_empty = state.waiting.is_empty();
            state.waiting.extend_from_slice(line);
            drop(state);
            if was_empty {
                self.0.changed.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An output that waits for a permission before each write.
    struct Held(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_the_last_ones_at_the_end() {
        let (permit, permitted) = mpsc::channel();
        drop(permit);
        let written = Arc::default();
        let mut lines = Lines::start(Held(permitted, Arc::clone(&written))).unwrap();
        let text: Vec<_> = (0..1000).map(|n| format!("line {n}\n")).collect();
        for line in &text {
            lines.write_all(line.as_bytes()).unwrap();
        }
        lines.end();
        assert_eq!(*written.lock().unwrap(), text.concat().into_bytes());
        assert_eq!(lines.dropped(), 0);
    }

    #[test]
    fn lines_beyond_the_buffer_are_dropped_and_counted_and_nothing_waits() {
        let (_permit, permitted) = mpsc::channel();
        let mut lines = Lines::start(Held(permitted, Arc::default())).unwrap();
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..10 {
            lines.write_all(&line).unwrap();
        }
        // The thread holds up to three and three more wait.
        assert!((4..=7).contains(&lines.dropped()), "{}", lines.dropped());
        lines.end();
    }
}
