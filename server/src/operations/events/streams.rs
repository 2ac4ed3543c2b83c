//! How many event streams are open: a gateway bounds them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many streams are open.
#[derive(Default)]
pub struct Streams(Arc<AtomicUsize>);

/// One open stream.
pub struct OpenStream(Arc<AtomicUsize>);

impl Streams {
    /// How many are open now.
    #[must_use]
    pub fn open_now(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// Opens one more, up to so many.
    #[must_use]
    pub fn open(&self, at_most: u32) -> Option<OpenStream> {
        let opened = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
            (open < at_most as usize).then_some(open + 1)
        });
        opened.ok().map(|_| OpenStream(Arc::clone(&self.0)))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
