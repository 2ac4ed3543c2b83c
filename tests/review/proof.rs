//! Makes every single edit, compares, and gathers what is said of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use openapi::{
    diff, extra_rules,
    finding::{Direction, Effect, Finding, Reach},
    frames,
    levels::Levels,
    oasdiff::{Change, Oasdiff},
};
use serde_json::Value;

use crate::{
    edits::{Edit, Place},
    slices::{Part, composed, differing, number_of},
};

/// So many edits are compared in one run of oasdiff: starting it costs as much as a few of them,
/// and what it holds in memory grows with them.
const AT_ONCE: usize = 250;

/// What the comparison says of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing.
    Silent,
    /// That clients can notice it.
    Noticed,
    /// That it breaks generated source.
    BreaksSource,
    /// That it breaks clients as they run.
    BreaksWire,
}

/// One thing that was said: how it weighs, whom it is about, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    pub verdict: Verdict,
    pub whom: Direction,
    pub rule: String,
}

impl Said {
    pub fn by(finding: &Finding) -> Self {
        Self::new(finding.effect, finding.reach, finding.whom, &finding.rule)
    }

    fn new(effect: Effect, reach: Reach, whom: Direction, rule: &str) -> Self {
        let verdict = match (effect, reach) {
            (Effect::Compatible, _) => Verdict::Noticed,
            (Effect::Breaking, Reach::Source) => Verdict::BreaksSource,
            (Effect::Breaking, Reach::Wire) => Verdict::BreaksWire,
        };
        Self { verdict, whom, rule: rule.to_owned() }
    }
}

/// The gravest that is said of what travels at a place.
pub fn verdict_at(place: Place, said: &BTreeSet<Said>) -> Verdict {
    let about = |said: &&Said| match place {
        Place::Parameter | Place::RequestBody => said.whom != Direction::Response,
        Place::ResponseBody | Place::ResponseHeader => said.whom != Direction::Request,
        Place::Contract | Place::Unused => true,
    };
    said.iter().filter(about).map(|said| said.verdict).max().unwrap_or(Verdict::Silent)
}

/// Compares, with the levels of this contract.
pub struct Comparer {
    pub oasdiff: Oasdiff,
    pub levels: Levels,
}

impl Comparer {
    fn said(&self, change: &Change) -> Said {
        let (effect, reach) = (diff::effect(change), self.levels.reach(&change.id));
        Said::new(effect, reach, self.oasdiff.whom(&change.id), &change.id)
    }

    /// What is said of many edits of the OpenAPI document, each there and back.
    pub fn http(&self, document: &Value, edits: &[Edit]) -> Vec<[BTreeSet<Said>; 2]> {
        let mut parts: BTreeMap<String, Value> = BTreeMap::new();
        let pairs: Vec<(Value, Value)> = edits
            .iter()
            .map(|edit| {
                let part = parts
                    .entry(format!("{:?}", edit.part))
                    .or_insert_with(|| edit.part.of(document));
                let base = given(part, edit);
                let edited = edited(&base, edit);
                (base, edited)
            })
            .collect();
        let mut said = vec![[BTreeSet::new(), BTreeSet::new()]; edits.len()];
        let (whole, parts): (Vec<usize>, Vec<usize>) =
            (0..edits.len()).partition(|index| matches!(edits[*index].part, Part::Whole));
        // What is of no operation cannot be told apart among many: one run for each.
        let chunks: Vec<&[usize]> = whole.chunks(1).chain(parts.chunks(AT_ONCE)).collect();
        for (index, back, found) in self.chunks(&chunks, &pairs) {
            said[index][usize::from(back)].insert(found);
        }
        for (index, (base, edited)) in pairs.iter().enumerate() {
            said[index][0].extend(extra_rules::http(base, edited).iter().map(Said::by));
            said[index][1].extend(extra_rules::http(edited, base).iter().map(Said::by));
        }
        said
    }

    /// What is said of many edits of the AsyncAPI document, each there and back.
    pub fn socket(&self, document: &Value, edits: &[Edit]) -> Vec<[BTreeSet<Said>; 2]> {
        let documents: Vec<(Value, Value)> = edits
            .iter()
            .map(|edit| {
                let base = given(document, edit);
                let edited = edited(&base, edit);
                (base, edited)
            })
            .collect();
        let pairs: Vec<(Value, Value)> = documents
            .iter()
            .map(|(base, edited)| (frames::projected(base), frames::projected(edited)))
            .collect();
        let mut said = vec![[BTreeSet::new(), BTreeSet::new()]; edits.len()];
        let indices: Vec<usize> = (0..edits.len()).collect();
        let chunks: Vec<&[usize]> = indices.chunks(AT_ONCE).collect();
        for (index, back, found) in self.chunks(&chunks, &pairs) {
            said[index][usize::from(back)].insert(found);
        }
        for (index, (base, edited)) in documents.iter().enumerate() {
            said[index][0].extend(extra_rules::socket(base, edited).iter().map(Said::by));
            said[index][1].extend(extra_rules::socket(edited, base).iter().map(Said::by));
        }
        said
    }

    /// Compares chunks of pairs, there and back.
    fn chunks(&self, chunks: &[&[usize]], pairs: &[(Value, Value)]) -> Vec<(usize, bool, Said)> {
        in_parallel(chunks, |chunk| {
            [false, true].into_iter().flat_map(|back| self.chunk(chunk, pairs, back)).collect()
        })
    }

    fn chunk(
        &self,
        chunk: &[usize],
        pairs: &[(Value, Value)],
        back: bool,
    ) -> Vec<(usize, bool, Said)> {
        let sides = |index: usize| {
            let (base, edited) = &pairs[index];
            if back { (edited, base) } else { (base, edited) }
        };
        let compared = if let [only] = chunk {
            let (base, revision) = sides(*only);
            self.oasdiff.changes(base, revision)
        } else {
            let pairs: Vec<(Value, Value)> = chunk
                .iter()
                .map(|index| {
                    let (base, revision) = sides(*index);
                    differing(base, revision)
                })
                .collect();
            let base = composed(pairs.iter().map(|(base, _)| base));
            let revision = composed(pairs.iter().map(|(_, revision)| revision));
            self.oasdiff.changes(&base, &revision)
        };
        let changes = compared.unwrap_or_else(|error| panic!("{error}"));
        changes
            .iter()
            .map(|change| {
                let number = match chunk {
                    [_] => 0,
                    _ => number_of(change.path.as_deref(), &change.text),
                };
                (chunk[number], back, self.said(change))
            })
            .collect()
    }
}

/// Does jobs on every core.
pub fn in_parallel<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> Vec<R> + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let worker = || {
        let mut done = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.extend(work(job));
        }
        done
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let done = workers.into_iter().map(|worker| worker.join().expect("no job panics"));
        done.flatten().collect()
    })
}

/// A document as an edit finds it.
pub fn given(document: &Value, edit: &Edit) -> Value {
    let mut document = document.clone();
    if let Some(given) = &edit.given {
        given(&mut document);
    }
    document
}

/// A document with an edit made in it.
pub fn edited(document: &Value, edit: &Edit) -> Value {
    let mut document = document.clone();
    (edit.apply)(&mut document);
    document
}
