//! The event streams of an engine's partitions as one, with numbers of its own: what a reader of all
//! partitions sees. Of one partition it is that partition's stream.

use engine::{Engine, Event, Events};

const AVAILABLE: &str = "the engine is available";

/// What was read of the partitions so far.
#[derive(Default)]
pub struct Merged {
    /// Every event, with its partition. The numbers are those of the partition.
    read: Vec<(usize, Event)>,
}

impl Merged {
    /// Reads what is new in each partition. Within a partition the order stays.
    async fn refresh(&mut self, engine: &dyn Engine) -> Vec<Events> {
        let (mut found, mut new) = (Vec::new(), Vec::new());
        for partition in 0..engine.partitions() {
            let last = self.read.iter().rev().find(|(its, _)| *its == partition);
            let from = last.map_or(1, |(_, event)| event.n + 1);
            let events = engine.events(partition, from, usize::MAX).await.expect(AVAILABLE);
            new.extend(events.events.iter().map(|event| (partition, event.clone())));
            found.push(events);
        }
        new.sort_by_key(|(_, event)| event.at);
        self.read.extend(new);
        found
    }

    /// Reads as [`Engine::events`] does.
    pub async fn events(&mut self, engine: &dyn Engine, from: u64, limit: usize) -> Events {
        if engine.partitions() == 1 {
            return engine.events(0, from, limit).await.expect(AVAILABLE);
        }
        let found = self.refresh(engine).await;
        let numbered = (1..).zip(&self.read);
        let kept: Vec<_> = numbered
            .filter(|(_, (partition, event))| event.n >= found[*partition].oldest)
            .map(|(n, (_, event))| Event { n, ..event.clone() })
            .collect();
        let next = self.read.len() as u64 + 1;
        let oldest = kept.first().map_or(next, |event| event.n);
        let events = kept.into_iter().filter(|event| event.n >= from).take(limit).collect();
        Events { oldest, next, events }
    }

    /// Releases as [`Engine::release`] does.
    pub async fn release(&mut self, engine: &dyn Engine, through: u64) {
        if engine.partitions() > 1 {
            self.refresh(engine).await;
        }
        for partition in 0..engine.partitions() {
            let stream = engine.stream(partition).await.expect(AVAILABLE);
            let through = if engine.partitions() == 1 {
                through
            } else {
                let read = (1..=through).zip(&self.read);
                let of_partition = read.filter(|(_, (its, _))| *its == partition);
                of_partition.last().map_or(0, |(_, (_, event))| event.n)
            };
            let released = engine.release(partition, &stream, through).await;
            released.expect("it is the stream");
        }
    }

    /// Reads everything before it may be dropped.
    pub async fn keep_up(&mut self, engine: &dyn Engine) {
        if engine.partitions() > 1 {
            self.refresh(engine).await;
        }
    }
}
