//! Compares documents before and after each edit, many edits at once.

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
    parts::{Part, compose, number_of, reduce},
};

/// How many edits one run of oasdiff compares. Starting it takes as long as a few edits, and its memory
/// grows with their number.
const EDITS_PER_RUN: usize = 250;

/// The result of comparing one edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No finding.
    NotReported,
    /// Clients can notice it, and none breaks.
    Compatible,
    /// It breaks generated source.
    BreaksSource,
    /// It breaks running clients.
    BreaksWire,
}

/// What one finding says of an edit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Judgement {
    pub verdict: Verdict,
    pub direction: Direction,
    pub rule: String,
}

impl Judgement {
    pub fn of(finding: &Finding) -> Self {
        Self::new(finding.effect, finding.reach, finding.direction, &finding.rule)
    }

    fn new(effect: Effect, reach: Reach, direction: Direction, rule: &str) -> Self {
        let verdict = match (effect, reach) {
            (Effect::Compatible, _) => Verdict::Compatible,
            (Effect::Breaking, Reach::Source) => Verdict::BreaksSource,
            (Effect::Breaking, Reach::Wire) => Verdict::BreaksWire,
        };
        Self { verdict, direction, rule: rule.to_owned() }
    }
}

/// The gravest verdict on what travels at a place.
pub fn verdict_at(place: Place, judgements: &BTreeSet<Judgement>) -> Verdict {
    let applies = |judgement: &&Judgement| match place {
        Place::Parameter | Place::RequestBody => judgement.direction != Direction::Response,
        Place::ResponseBody | Place::ResponseHeader => judgement.direction != Direction::Request,
        Place::Contract | Place::Unused => true,
    };
    let verdicts = judgements.iter().filter(applies).map(|judgement| judgement.verdict);
    verdicts.max().unwrap_or(Verdict::NotReported)
}

/// oasdiff and the levels of this contract.
pub struct Comparer {
    pub oasdiff: Oasdiff,
    pub levels: Levels,
}

impl Comparer {
    fn judge(&self, change: &Change) -> Judgement {
        let (effect, reach) = (diff::effect(change), self.levels.reach(&change.id));
        Judgement::new(effect, reach, self.oasdiff.direction(&change.id), &change.id)
    }

    /// The judgements on many edits of the OpenAPI document: on each edit, and on undoing it.
    pub fn http(&self, document: &Value, edits: &[Edit]) -> Vec<[BTreeSet<Judgement>; 2]> {
        let mut parts: BTreeMap<String, Value> = BTreeMap::new();
        let pairs: Vec<(Value, Value)> = edits
            .iter()
            .map(|edit| {
                let part = parts
                    .entry(format!("{:?}", edit.part))
                    .or_insert_with(|| edit.part.of(document));
                let base = prepared(part, edit);
                let edited = edited(&base, edit);
                (base, edited)
            })
            .collect();
        let mut judgements = vec![[BTreeSet::new(), BTreeSet::new()]; edits.len()];
        let (whole, parts): (Vec<usize>, Vec<usize>) =
            (0..edits.len()).partition(|index| matches!(edits[*index].part, Part::Whole));
        // Findings on the whole contract do not name a part, so each of these edits has its own run.
        let chunks: Vec<&[usize]> = whole.chunks(1).chain(parts.chunks(EDITS_PER_RUN)).collect();
        for (index, back, judgement) in self.compare_chunks(&chunks, &pairs) {
            judgements[index][usize::from(back)].insert(judgement);
        }
        for (index, (base, edited)) in pairs.iter().enumerate() {
            judgements[index][0].extend(extra_rules::http(base, edited).iter().map(Judgement::of));
            judgements[index][1].extend(extra_rules::http(edited, base).iter().map(Judgement::of));
        }
        judgements
    }

    /// The judgements on many edits of the AsyncAPI document: on each edit, and on undoing it.
    pub fn socket(&self, document: &Value, edits: &[Edit]) -> Vec<[BTreeSet<Judgement>; 2]> {
        let documents: Vec<(Value, Value)> = edits
            .iter()
            .map(|edit| {
                let base = prepared(document, edit);
                let edited = edited(&base, edit);
                (base, edited)
            })
            .collect();
        let pairs: Vec<(Value, Value)> = documents
            .iter()
            .map(|(base, edited)| (frames::as_openapi(base), frames::as_openapi(edited)))
            .collect();
        let mut judgements = vec![[BTreeSet::new(), BTreeSet::new()]; edits.len()];
        let indices: Vec<usize> = (0..edits.len()).collect();
        let chunks: Vec<&[usize]> = indices.chunks(EDITS_PER_RUN).collect();
        for (index, back, judgement) in self.compare_chunks(&chunks, &pairs) {
            judgements[index][usize::from(back)].insert(judgement);
        }
        for (index, (base, edited)) in documents.iter().enumerate() {
            judgements[index][0]
                .extend(extra_rules::socket(base, edited).iter().map(Judgement::of));
            judgements[index][1]
                .extend(extra_rules::socket(edited, base).iter().map(Judgement::of));
        }
        judgements
    }

    /// Compares chunks of pairs in parallel, forwards and backwards.
    fn compare_chunks(
        &self,
        chunks: &[&[usize]],
        pairs: &[(Value, Value)],
    ) -> Vec<(usize, bool, Judgement)> {
        in_parallel(chunks, |chunk| {
            [false, true]
                .into_iter()
                .flat_map(|back| self.compare_chunk(chunk, pairs, back))
                .collect()
        })
    }

    fn compare_chunk(
        &self,
        chunk: &[usize],
        pairs: &[(Value, Value)],
        back: bool,
    ) -> Vec<(usize, bool, Judgement)> {
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
                    reduce(base, revision)
                })
                .collect();
            let base = compose(pairs.iter().map(|(base, _)| base));
            let revision = compose(pairs.iter().map(|(_, revision)| revision));
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
                (chunk[number], back, self.judge(change))
            })
            .collect()
    }
}

/// Works off jobs on all cores.
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

/// A document with an edit's precondition applied.
pub fn prepared(document: &Value, edit: &Edit) -> Value {
    let mut document = document.clone();
    if let Some(prepare) = &edit.precondition {
        prepare(&mut document);
    }
    document
}

/// A document with an edit applied.
pub fn edited(document: &Value, edit: &Edit) -> Value {
    let mut document = document.clone();
    (edit.apply)(&mut document);
    document
}
