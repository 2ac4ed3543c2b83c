//! An edit, and the editor that collects the edits of one part of a document.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::parts::Part;

/// Where an edit takes effect. It decides which direction counts for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Parameter,
    RequestBody,
    ResponseBody,
    ResponseHeader,
    /// A part with both directions, or with none.
    Contract,
    /// A component that no operation uses: the frames and events, which have a document of their own.
    Unused,
}

/// One edit of a document. Undoing it is an edit too, of the kind `back`.
pub struct Edit {
    pub kind: &'static str,
    pub back: &'static str,
    pub places: Vec<Place>,
    /// The JSON pointer of the edited node, for the message of a failed test.
    pub at: String,
    pub part: Part,
    /// Prepares the document for the edit, where it needs that.
    pub precondition: Option<Change>,
    pub apply: Change,
}

/// A change of a document.
pub type Change = Box<dyn Fn(&mut Value) + Send + Sync>;

/// Collects the edits of one part of a document.
pub struct Editor<'a> {
    pub edits: &'a mut Vec<Edit>,
    pub part: Part,
    pub places: Vec<Place>,
    /// Whether every value here travels as text, whatever its type in the schema.
    pub textual: bool,
}

impl Editor<'_> {
    /// Adds an edit of the node at a pointer.
    pub fn edit(
        &mut self,
        (kind, back): (&'static str, &'static str),
        at: &str,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) {
        let pointer = at.to_owned();
        self.edits.push(Edit {
            kind,
            back,
            places: self.places.clone(),
            at: at.to_owned(),
            part: self.part.clone(),
            precondition: None,
            apply: Box::new(move |document| {
                let node = document.pointer_mut(&pointer);
                change(node.unwrap_or_else(|| panic!("nothing at {pointer}")));
            }),
        });
    }

    /// Repeats the last edit on a node that is deprecated.
    pub fn repeat_deprecated(&mut self, kinds: (&'static str, &'static str), at: &str) {
        let last = self.edits.pop().expect("an edit");
        let pointer = at.to_owned();
        let apply: Arc<dyn Fn(&mut Value) + Send + Sync> = last.apply.into();
        let again = Arc::clone(&apply);
        self.edits.push(Edit { apply: Box::new(move |document| apply(document)), ..last });
        self.edits.push(Edit {
            kind: kinds.0,
            back: kinds.1,
            places: self.places.clone(),
            at: at.to_owned(),
            part: self.part.clone(),
            precondition: Some(Box::new(move |document| {
                document.pointer_mut(&pointer).expect("a node")["deprecated"] = json!(true);
            })),
            apply: Box::new(move |document| again(document)),
        });
    }

    /// Adds an edit whose undoing is of the same kind.
    pub fn symmetric_edit(
        &mut self,
        kind: &'static str,
        at: &str,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) {
        self.edit((kind, kind), at, change);
    }

    /// Adds an edit that sets a member of an object.
    pub fn set(&mut self, kind: &'static str, at: &str, name: &'static str, value: Value) {
        self.symmetric_edit(kind, at, move |node| node[name] = value.clone());
    }

    /// Adds an edit that removes a member, or sets it where the object has none.
    pub fn toggle(
        &mut self,
        (removed, set): (&'static str, &'static str),
        (at, node): (&str, &Value),
        name: &'static str,
        value: Value,
    ) {
        if node.get(name).is_some() {
            self.edit((removed, set), at, move |node| {
                node.as_object_mut().expect("an object").shift_remove(name);
            });
        } else {
            self.edit((set, removed), at, move |node| node[name] = value.clone());
        }
    }

    /// Adds edits of the prose of a node.
    pub fn reword(&mut self, at: &str, node: &Value) {
        for name in ["description", "summary"] {
            if node[name].is_string() {
                self.set("prose reworded", at, name, json!("Other words."));
            }
        }
    }

    /// Adds edits that remove or add the examples of a node.
    pub fn examples(&mut self, at: &str, node: &Value) {
        for name in ["example", "examples"] {
            if node.get(name).is_some() {
                self.toggle(("example removed", "example added"), (at, node), name, json!(0));
            }
        }
    }
}

/// The members of an object. Any other value has none.
pub fn entries(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flatten()
}

/// The items of an array. Any other value has none.
pub fn items(node: &Value) -> impl Iterator<Item = &Value> {
    node.as_array().into_iter().flatten()
}

/// A member's name as a token of a JSON pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Renames a member of an object in its place.
pub fn rename(object: &mut Value, old: &str, new: &str) {
    let members = object.as_object_mut().expect("an object");
    let renamed: Map<String, Value> = std::mem::take(members)
        .into_iter()
        .map(|(name, member)| (if name == old { new.to_owned() } else { name }, member))
        .collect();
    *members = renamed;
}
