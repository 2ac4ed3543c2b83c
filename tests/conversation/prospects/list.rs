//! `GET /operator/prospects`.

use serde_json::{Value, json};
use tests::{Answer, DEVICE, Gateway, Operator, Prospect, half_ref};

use crate::unlimited;

/// The devices on a page, and the query of the next.
fn read_page(answer: &Answer) -> (Vec<String>, Option<String>) {
    let page = answer.ok();
    let tag = |item: &Value| item["deviceTag"].as_str().expect("a tag").to_owned();
    let items = page["items"].as_array().expect("items").iter().map(tag).collect();
    let next = page.get("nextCursor").map(|next| next.as_str().expect("text").to_owned());
    (items, next)
}

/// The devices on the page after this one.
fn next_page(gateway: &Gateway, limit: u32, cursor: &str) -> (Vec<String>, Option<String>) {
    read_page(&Operator::of(gateway).prospects(&format!("?limit={limit}&cursor={cursor}")))
}

fn open(gateway: &Gateway, devices: &[&str]) -> Vec<Prospect> {
    devices.iter().map(|device| Prospect::open(gateway, device)).collect()
}

#[test]
fn without_connected_devices_the_page_is_empty() {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    assert_eq!(Operator::of(&gateway).prospects("").ok(), json!({"items": []}));
}

#[test]
fn a_device_is_listed_as_it_is_shown() {
    let gateway = Gateway::trial();
    let _prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    let mut listed = operator.prospects("").ok();
    let shown = operator.prospect(DEVICE).ok();
    // A connected device is seen now.
    assert!(listed["items"][0]["lastSeen"].as_str() <= shown["lastSeen"].as_str(), "{listed}");
    listed["items"][0]["lastSeen"] = shown["lastSeen"].clone();
    assert_eq!(listed, json!({"items": [shown]}));
}

#[test]
fn only_connected_devices_are_listed() {
    let gateway = Gateway::trial();
    let _ = gateway.token("never-connected");
    drop(Prospect::open(&gateway, "left"));
    let operator = Operator::of(&gateway);
    operator.events_after("0").until(|event| event.kind == "disconnected");
    let _here = Prospect::open(&gateway, "here");
    assert_eq!(read_page(&operator.prospects("")), (vec!["here".to_owned()], None));
}

#[test]
fn devices_are_in_the_order_of_their_tags() {
    let gateway = Gateway::trial();
    let _open = open(&gateway, &["b", "a.b", "~", "B", "a", "10", "9", "ab"]);
    let listed = read_page(&Operator::of(&gateway).prospects("")).0;
    assert_eq!(listed, ["10", "9", "B", "a", "a.b", "ab", "b", "~"]);
}

#[test]
fn devices_are_listed_by_their_link() {
    let gateway = unlimited();
    let links =
        [("a", "https://x/?y=1&z=é"), ("b", "other"), ("c", "https://x/?y=1&z=é"), ("d", "")];
    let _open: Vec<_> = links
        .into_iter()
        .map(|(device, link)| {
            let half_ref = half_ref();
            let body = json!({"halfRef": half_ref, "deviceTag": device, "linkinjected": link});
            let call = gateway.call("POST", "/prospect/connectsocket");
            call.header("token", &gateway.token(device)).json(&body).send().succeeds();
            Prospect::redeem(&gateway, &half_ref)
        })
        .collect();
    let list = |query: &str| read_page(&Operator::of(&gateway).prospects(query));
    let link = "?linkinjected=https%3A%2F%2Fx%2F%3Fy%3D1%26z%3D%C3%A9";
    assert_eq!(list(link).0, ["a", "c"]);
    assert_eq!(list(&format!("{link}&limit=1")), (vec!["a".to_owned()], Some("a".to_owned())));
    assert_eq!(list(&format!("{link}&limit=1&cursor=a")), (vec!["c".to_owned()], None));
    assert_eq!(list("?linkinjected=").0, ["d"]);
    assert_eq!(list("?linkinjected=https%3A").0, Vec::<String>::new());
    let too_long = format!("?linkinjected={}", "x".repeat(2049));
    let refused = Operator::of(&gateway).prospects(&too_long);
    assert_eq!(refused.problem_name(), "invalid-parameter");
}

#[test]
fn pages_follow_one_another() {
    let gateway = Gateway::trial();
    let _open = open(&gateway, &["a", "b", "c", "d", "e"]);
    let (one, cursor) = read_page(&Operator::of(&gateway).prospects("?limit=2"));
    let (two, cursor) = next_page(&gateway, 2, &cursor.expect("a cursor"));
    let (three, end) = next_page(&gateway, 2, &cursor.expect("a cursor"));
    assert_eq!([one, two, three].concat(), ["a", "b", "c", "d", "e"]);
    assert_eq!(end, None);
}

#[test]
fn a_full_page_without_a_next_one_has_no_cursor() {
    let gateway = Gateway::trial();
    let _open = open(&gateway, &["a", "b"]);
    let (_, end) = read_page(&Operator::of(&gateway).prospects("?limit=2"));
    assert_eq!(end, None);
}

#[test]
fn a_connected_device_is_listed_once_while_others_come_and_go() {
    let gateway = unlimited();
    let operator = Operator::of(&gateway);
    let mut here = open(&gateway, &["b", "d", "f", "h"]);
    let mut events = operator.events();
    let (one, cursor) = read_page(&operator.prospects("?limit=2"));
    assert_eq!(one, ["b", "d"]);
    // The device that the cursor is of goes, and others come on both sides of it.
    drop(here.remove(1));
    assert_eq!(events.event().kind, "disconnected");
    let _came = open(&gateway, &["a", "c", "e", "g"]);
    let (two, cursor) = next_page(&gateway, 2, &cursor.expect("a cursor"));
    let (three, cursor) = next_page(&gateway, 2, &cursor.expect("a cursor"));
    assert_eq!([two, three].concat(), ["e", "f", "g", "h"]);
    assert_eq!(cursor, None);
}

#[test]
fn a_cursor_at_the_end_gets_an_empty_page() {
    let gateway = unlimited();
    let operator = Operator::of(&gateway);
    let mut here = open(&gateway, &["a", "b"]);
    let mut events = operator.events();
    let (_, cursor) = read_page(&operator.prospects("?limit=1"));
    drop(here.remove(1));
    assert_eq!(events.event().kind, "disconnected");
    assert_eq!(next_page(&gateway, 1, &cursor.expect("a cursor")), (Vec::new(), None));
}

#[test]
fn a_page_can_end_with_the_longest_tag() {
    let gateway = Gateway::trial();
    let longest = "x".repeat(128);
    let _open = open(&gateway, &[&longest, "y"]);
    let (_, cursor) = read_page(&Operator::of(&gateway).prospects("?limit=1"));
    assert_eq!(next_page(&gateway, 1, &cursor.expect("a cursor")).0, ["y"]);
}

#[test]
fn the_smallest_and_the_largest_limit_are_accepted() {
    let gateway = Gateway::trial();
    for limit in [1, 1000] {
        Operator::of(&gateway).prospects(&format!("?limit={limit}")).succeeds();
    }
}

#[test]
fn an_invalid_parameter_is_refused() {
    let gateway = Gateway::trial();
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=-1",
        "?limit=1.5",
        "?limit=",
        "?limit=x",
        "?limit=1&limit=1",
        "?cursor=!",
        "?cursor=",
        "?cursor=..",
        "?cursor=a%20b",
        "?colour=red",
    ] {
        let answer = Operator::of(&gateway).prospects(query);
        assert_eq!(answer.status, 422, "{query}");
        assert_eq!(answer.problem_name(), "invalid-parameter", "{query}");
    }
}
