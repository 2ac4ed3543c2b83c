//! JSON pointers (RFC 6901), and the lines of what they point at.
//!
//! The committed documents are pretty-printed: one line for each member, item and closing bracket. So
//! lines follow from the values alone.

use serde_json::Value;

/// A pointer to a member or an item of what `parent` points at.
#[must_use]
pub fn join(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The pointer to what holds the target of a pointer. The whole document is its own holder.
#[must_use]
pub fn parent(pointer: &str) -> &str {
    pointer.rfind('/').map_or("", |end| &pointer[..end])
}

/// The names and indices of a pointer, without escapes.
pub fn tokens(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"))
}

/// The pointer itself where the document has its target, or else the nearest one above.
#[must_use]
pub fn nearest<'a>(document: &Value, mut pointer: &'a str) -> &'a str {
    while !pointer.is_empty() && document.pointer(pointer).is_none() {
        pointer = parent(pointer);
    }
    pointer
}

/// The line on which the target of a pointer begins in the pretty-printed document, from 1.
#[must_use]
pub fn line(document: &Value, pointer: &str) -> Option<usize> {
    let (mut node, mut line) = (document, 1);
    for token in tokens(pointer) {
        let (_, found, child) = children(node, line).find(|(name, ..)| *name == token)?;
        (line, node) = (found, child);
    }
    Some(line)
}

/// The pointer to what a line of the pretty-printed document belongs to.
#[must_use]
pub fn at_line(document: &Value, wanted: usize) -> Option<String> {
    let (mut node, mut line, mut pointer) = (document, 1, String::new());
    (1..=lines(document)).contains(&wanted).then_some(())?;
    while wanted != line {
        let inside = |(_, begin, child): &(String, usize, &Value)| {
            (*begin..begin + lines(child)).contains(&wanted)
        };
        // None for the closing bracket.
        let Some((name, begin, child)) = children(node, line).find(inside) else { break };
        pointer = join(&pointer, &name);
        (line, node) = (begin, child);
    }
    Some(pointer)
}

/// The children of a node that begins on a line: name or index, first line, value.
fn children(node: &Value, line: usize) -> impl Iterator<Item = (String, usize, &Value)> {
    let named: Vec<(String, &Value)> = match node {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), member)).collect()
        }
        _ => Vec::new(),
    };
    named.into_iter().scan(line + 1, |next, (name, child)| {
        let begin = *next;
        *next += lines(child);
        Some((name, begin, child))
    })
}

/// How many lines a value takes.
fn lines(value: &Value) -> usize {
    match value {
        Value::Array(items) if !items.is_empty() => 2 + items.iter().map(lines).sum::<usize>(),
        Value::Object(members) if !members.is_empty() => {
            2 + members.values().map(lines).sum::<usize>()
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "a": {"b/c": [1, {"d~e": "two\nlines"}, [], {}], "f": {}},
            "": null,
            "g": [[[true]]],
        })
    }

    /// Every pointer of a document.
    fn pointers(node: &Value, pointer: String, found: &mut Vec<String>) {
        for (name, _, child) in children(node, 1) {
            pointers(child, join(&pointer, &name), found);
        }
        found.push(pointer);
    }

    #[test]
    fn every_line_is_that_of_its_pointer() {
        let document = document();
        let text = format!("{document:#}");
        let mut all = Vec::new();
        pointers(&document, String::new(), &mut all);
        assert_eq!(all.len(), 14);
        for pointer in all {
            let found = line(&document, &pointer).expect("a line");
            let node = document.pointer(&pointer).expect("a node");
            let printed = format!("{node:#}");
            let first = printed.lines().next().expect("a line");
            let shown = text.lines().nth(found - 1).expect("a line");
            assert!(shown.trim_end_matches(',').ends_with(first), "{pointer}: {shown}");
            assert_eq!(at_line(&document, found), Some(pointer));
        }
    }

    #[test]
    fn a_closing_bracket_belongs_to_what_it_closes() {
        let document = document();
        let last = format!("{document:#}").lines().count();
        assert_eq!(at_line(&document, last).as_deref(), Some(""));
        assert_eq!(at_line(&document, last + 1), None);
        assert_eq!(at_line(&document, 0), None);
    }

    #[test]
    fn what_does_not_exist_has_no_line_and_a_nearest_holder() {
        let document = document();
        for (pointer, holder) in
            [("/a/x/y", "/a"), ("/a/b~1c/9", "/a/b~1c"), ("/x", ""), ("/g/0/0", "/g/0/0")]
        {
            assert_eq!(nearest(&document, pointer), holder);
            assert_eq!(line(&document, pointer).is_some(), pointer == holder, "{pointer}");
        }
    }
}
