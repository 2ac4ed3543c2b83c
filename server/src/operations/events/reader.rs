//! One reader of the event stream: it merges the streams of the engine's partitions.
//!
//! Each partition is read by itself, so that one that cannot be reached holds up no other: its place in
//! the position stays where it is, and it is read from there once it can be reached.

use std::{collections::HashSet, convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use actix_web::web::Bytes;
use api_types::event::{COMMENT_INTERVAL, GapEvent, GapKind, OperatorEvent};
use engine::{EngineError, Event};
use futures_util::{
    Stream, StreamExt,
    stream::{self, SelectAll},
};

use super::{
    position::{Known, Place, Position},
    share::Share,
    streams::OpenStream,
    written::{operator_event, server_sent},
};
use crate::state::Gateway;

/// What a stream sends where it has no event: a comment.
const COMMENT: &str = ":\n\n";

/// How long to wait before a partition that cannot be reached is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Events that are read at a time.
const BATCH: usize = 64;

/// What the stream of a partition has next.
enum Found {
    Events(Arc<str>, Vec<Event>),
    /// Events before the oldest were dropped before they were read.
    Dropped {
        name: Arc<str>,
        oldest: u64,
    },
    Nothing,
    /// The partition cannot be reached.
    Failed,
    /// Another event stream has begun: the same numbers name other events.
    OtherStream,
}

/// The stream of one partition.
struct Source {
    gateway: Arc<Gateway>,
    partition: usize,
    place: Place,
    /// What it had last.
    last: Last,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Events,
    Nothing,
    Failed,
}

impl Source {
    /// What comes next; `None` once everything is read and the gateway shuts down.
    async fn next(mut self) -> Option<((usize, Found), Self)> {
        let gateway = Arc::clone(&self.gateway);
        // Subscribe before reading, so that no event is missed in between.
        let appended = gateway.registry.events_of(self.partition);
        let mut appended = std::pin::pin!(appended);
        appended.as_mut().enable();
        if self.last == Last::Failed {
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = gateway.ending.cancelled() => return None,
            }
        }
        loop {
            let found = match self.read().await {
                Ok(found) => found,
                Err(_) => Found::Failed,
            };
            let last = match found {
                Found::Nothing => Last::Nothing,
                Found::Failed => Last::Failed,
                _ => Last::Events,
            };
            let is_news = last != Last::Nothing || self.last != Last::Nothing;
            self.last = last;
            if is_news {
                return Some(((self.partition, found), self));
            }
            tokio::select! {
                biased;
                () = appended.as_mut() => {
                    appended.set(gateway.registry.events_of(self.partition));
                    appended.as_mut().enable();
                }
                () = tokio::time::sleep(COMMENT_INTERVAL) => {}
                () = gateway.ending.cancelled() => return None,
            }
        }
    }

    async fn read(&mut self) -> Result<Found, EngineError> {
        let engine = &self.gateway.engine;
        let found = engine.events(self.partition, self.place.after + 1, BATCH).await?;
        // In another stream the same numbers name other events.
        let name = engine.stream(self.partition).await?;
        if !self.place.is_in(&name) {
            return Ok(Found::OtherStream);
        }
        if self.place.after + 1 < found.oldest {
            let was_known = self.place.is_known();
            self.place = Place::of(&name, found.oldest - 1);
            if was_known {
                return Ok(Found::Dropped { name, oldest: found.oldest });
            }
        }
        if let Some(last) = found.events.last() {
            self.place = Place::of(&name, last.n);
            return Ok(Found::Events(name, found.events));
        }
        Ok(Found::Nothing)
    }
}

/// What a partition has, with its number.
type BoxedSource = Pin<Box<dyn Stream<Item = (usize, Found)>>>;

/// One reader.
pub struct Reader {
    gateway: Arc<Gateway>,
    position: Position,
    sources: SelectAll<BoxedSource>,
    /// The partitions that cannot be reached.
    failing: HashSet<usize>,
    /// Whether anything was sent. A stream without an event to begin with sends a comment at once, so
    /// that the client and every proxy between see it begin.
    begun: bool,
    gap: Option<String>,
    _open: OpenStream,
}

impl Reader {
    /// A reader of a share that begins at this position, perhaps with a `gap`.
    pub fn new(
        gateway: Arc<Gateway>,
        share: Share,
        position: Position,
        gap: Option<String>,
        open: OpenStream,
    ) -> Self {
        let places = position.places().iter().enumerate();
        let places = places.filter(|(partition, _)| share.has(*partition));
        let sources = places.map(|(partition, place)| {
            let source = Source {
                gateway: Arc::clone(&gateway),
                partition,
                place: place.clone(),
                last: Last::Events,
            };
            stream::unfold(source, Source::next).boxed_local()
        });
        let sources = stream::select_all(sources);
        let failing = HashSet::new();
        Self { gateway, position, sources, failing, begun: false, gap, _open: open }
    }

    /// What the reader sends.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut reader| async {
            let chunk = reader.next().await?;
            Some((Ok(chunk.into()), reader))
        })
    }

    /// The next chunk; `None` ends the stream: the gateway shuts down, no partition can be reached, or
    /// another event stream has begun.
    async fn next(&mut self) -> Option<String> {
        let begun = std::mem::replace(&mut self.begun, true);
        if let Some(gap) = self.gap.take() {
            return Some(gap);
        }
        let heartbeat = tokio::time::sleep(COMMENT_INTERVAL);
        let mut heartbeat = std::pin::pin!(heartbeat);
        loop {
            let (partition, found) = tokio::select! {
                biased;
                found = self.sources.next() => found?,
                () = heartbeat.as_mut() => return Some(COMMENT.to_owned()),
            };
            match found {
                Found::Failed => self.failing.insert(partition),
                _ => self.failing.remove(&partition),
            };
            match found {
                Found::Events(name, events) => return Some(self.write(partition, &name, &events)),
                Found::Dropped { name, oldest } => {
                    let requested = self.position.cursor();
                    self.position.advance(partition, &name, oldest);
                    let gap = gap(&requested, &self.position);
                    self.position.advance(partition, &name, oldest - 1);
                    return Some(gap);
                }
                Found::Nothing if !begun => return Some(COMMENT.to_owned()),
                Found::Failed if self.failing.len() == self.sources.len() => return None,
                Found::Nothing | Found::Failed => {}
                Found::OtherStream => return None,
            }
        }
    }

    fn write(&mut self, partition: usize, name: &Arc<str>, events: &[Event]) -> String {
        let mut written = String::new();
        for event in events {
            self.position.advance(partition, name, event.n);
            written += &server_sent(Some(&self.position.cursor()), &operator_event(event));
        }
        self.gateway.metrics.events_written.add_all(events.len(), written.len());
        written
    }
}

/// A `gap` event: the position was requested, and what follows begins at the other one.
pub fn gap(requested: &str, oldest: &Position) -> String {
    let (requested, oldest) = (requested.to_owned(), oldest.cursor());
    server_sent(None, &OperatorEvent::Gap(GapEvent { event: GapKind::Gap, requested, oldest }))
}

/// What is known of each partition's stream; `None` where it is not `asked`, or cannot be reached.
///
/// # Errors
/// No partition can be reached.
pub async fn look(
    gateway: &Gateway,
    asked: impl Fn(usize) -> bool,
) -> Result<Vec<Option<Known>>, EngineError> {
    let engine = &gateway.engine;
    let asked = &asked;
    let look = |partition| async move {
        if !asked(partition) {
            return Ok(None);
        }
        let name = engine.stream(partition).await?;
        Ok(Some(Known { name, events: engine.events(partition, u64::MAX, 1).await? }))
    };
    let known: Vec<Result<_, EngineError>> =
        futures_util::future::join_all((0..engine.partitions()).map(look)).await;
    let error = known.iter().find_map(|it| it.as_ref().err().copied());
    let known: Vec<_> = known.into_iter().map(|it| it.ok().flatten()).collect();
    match error {
        Some(error) if known.iter().all(Option::is_none) => Err(error),
        _ => Ok(known),
    }
}
