//! The suite finds what it looks for: crates of a few lines, with a circle planted in them.

use crate::{circles, sources::Sources};

/// The circles of a crate of these modules, as `a -> b` each. The crate root has no name.
fn circles(modules: &[(&str, &str)]) -> Vec<Vec<String>> {
    let sources = Sources::of_texts(modules);
    let arrows = sources.arrows();
    let circles =
        sources.folders().into_iter().flat_map(|folder| circles::inside(&arrows, &folder));
    circles.map(|circle| circle.iter().map(ToString::to_string).collect()).collect()
}

fn has_circle(modules: &[(&str, &str)]) -> bool {
    !circles(modules).is_empty()
}

const ROOT: (&str, &str) = ("", "mod a; mod b; mod c;");

#[test]
fn two_modules_that_use_each_other_are_a_circle_with_its_places() {
    let a = ("a", "//! A.\n\nuse crate::b::Thing;\npub struct Own;");
    let b = ("b", "pub struct Thing;\nfn own() -> crate::a::Own { crate::a::Own }");
    assert_eq!(
        circles(&[ROOT, a, b, ("c", "")]),
        [["a -> b   a:3 uses `crate::b::Thing`", "b -> a   b:2 uses `crate::a::Own`"]]
    );
}

#[test]
fn three_modules_in_a_row_are_no_circle_and_in_a_ring_are_one() {
    let (a, b) = (("a", "use super::b::B;"), ("b", "use crate::c; pub struct B;"));
    assert!(!has_circle(&[ROOT, a, b, ("c", "")]));
    assert!(has_circle(&[ROOT, a, b, ("c", "use crate::a;")]));
}

#[test]
fn siblings_in_a_folder_are_looked_at_too() {
    let folder = ("a", "mod one; mod two;");
    let one = ("a::one", "use super::two::Two; pub struct One;");
    let two = ("a::two", "pub struct Two; fn of() { super::one::One; }");
    assert!(has_circle(&[ROOT, folder, one, two, ("b", ""), ("c", "")]));
}

#[test]
fn a_path_inside_a_macro_counts() {
    let a = ("a", "fn run() { select! { _ = crate::b::wait() => {} } }");
    assert!(has_circle(&[ROOT, a, ("b", "use crate::a;"), ("c", "")]));
}

#[test]
fn a_reexport_is_followed_to_where_the_item_is() {
    let folder = ("a", "mod one; mod two; pub use self::{one::One, two::Two};");
    let one = ("a::one", "use super::Two; pub struct One;");
    let two = ("a::two", "use super::One; pub struct Two;");
    let circles = circles(&[ROOT, folder, one, two, ("b", ""), ("c", "")]);
    assert_eq!(circles[0][0], "a::one -> a::two   a::one:1 uses `super::Two`");
}

#[test]
fn a_folder_that_only_reexports_its_children_is_no_circle_and_one_that_uses_them_is() {
    let one = ("a::one", "pub struct One; fn of() -> super::Own {}");
    let facade = ("a", "mod one; pub use one::One; pub struct Own;");
    let user = ("a", "mod one; pub use one::One; pub struct Own(One);");
    assert!(!has_circle(&[ROOT, facade, one, ("b", ""), ("c", "")]));
    assert!(has_circle(&[ROOT, user, one, ("b", ""), ("c", "")]));
}

#[test]
fn comments_texts_and_unit_tests_do_not_count() {
    let a = (
        "a",
        "// crate::b\nconst A: &str = \"crate::b\"; #[cfg(test)] mod tests { use crate::b; }",
    );
    assert!(!has_circle(&[ROOT, a, ("b", "use crate::a::A;"), ("c", "")]));
}
