//! One thing that changed in the contract, and what it does to whom.

use std::collections::{BTreeMap, BTreeSet};

/// What a change does to the clients that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// They go on working, built anew or not.
    Compatible,
    /// Some of them stop working, or no longer compile.
    Breaking,
}

/// Which way what is changed travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the gateway.
    Request,
    /// From the gateway to the client.
    Response,
    /// Neither alone: the operation, its name or its credentials.
    Both,
}

/// What of a client a break reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// What runs, as it was built.
    Wire,
    /// The source that a generator makes: names change, and what uses them no longer compiles.
    Source,
}

/// Which of the documents changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surface {
    /// `openapi.json`.
    Http,
    /// `asyncapi.json`.
    Socket,
}

/// One change, wherever it is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id: oasdiff's, or one of `beside`'s.
    pub rule: String,
    /// Whether it breaks clients.
    pub effect: Effect,
    /// Which way what changed travels.
    pub whom: Direction,
    /// What of a client it reaches.
    pub reach: Reach,
    /// The document that it is in.
    pub surface: Surface,
    /// What changed, in a sentence.
    pub text: String,
    /// The lines of the document before, where they can be told.
    pub before: Option<String>,
    /// The lines of the document after, where they can be told.
    pub after: Option<String>,
    /// The operations or frames that use it, with the statuses it is met at; none where it is the
    /// whole contract's.
    pub places: BTreeMap<Place, BTreeSet<String>>,
}

/// Where a change is met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `POST /token`, or the frame and its direction.
    pub at: String,
    /// The operation's id, where it has one.
    pub id: Option<String>,
}
