//! One change of the contract and its consequence for clients.

use std::collections::{BTreeMap, BTreeSet};

/// What a change does to existing clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Every client keeps working, rebuilt or not.
    Compatible,
    /// Some clients stop working, or no longer compile.
    Breaking,
}

/// The direction in which the changed part travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the gateway.
    Request,
    /// From the gateway to the client.
    Response,
    /// No single direction: the operation, its name or its credentials.
    Both,
}

/// Which clients a breaking change affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Running clients, as they were built.
    Wire,
    /// Clients that are generated again: names change, and code that uses them no longer compiles.
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

/// One change, with all the places that it affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id: one of oasdiff, or one of [`crate::extra_rules`].
    pub rule: String,
    /// Whether it breaks clients.
    pub effect: Effect,
    /// The direction in which the changed part travels.
    pub direction: Direction,
    /// Which clients it affects.
    pub reach: Reach,
    /// The document that it is in.
    pub surface: Surface,
    /// What changed, in one sentence.
    pub text: String,
    /// The lines of the document before, where they are known.
    pub before: Option<String>,
    /// The lines of the document after, where they are known.
    pub after: Option<String>,
    /// Where the changed part is.
    pub pointers: Pointers,
    /// The operations or frames that use the changed part, each with the affected statuses. Empty
    /// for a change of the whole contract.
    pub places: BTreeMap<Place, BTreeSet<String>>,
}

/// Where a part is in the document of its surface, as JSON pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointers {
    /// In the document before; none for a part that was added.
    pub base: Option<String>,
    /// In the document after; none for a part that was removed.
    pub revision: Option<String>,
}

impl Pointers {
    /// The same pointer in both documents.
    #[must_use]
    pub fn both(pointer: String) -> Self {
        Self { base: Some(pointer.clone()), revision: Some(pointer) }
    }
}

/// An operation or frame that a change affects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `PUT /token`, or the frame with its direction.
    pub at: String,
    /// The operation's id, where it has one.
    pub id: Option<String>,
}
