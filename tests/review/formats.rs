//! The other forms of the report: annotations on the changed lines, and a page of HTML.

use std::fs;

use openapi::{git, report::Format};
use serde_json::{Value, json};
use tests::gateway::root;

use crate::scratch::Scratch;

fn schema<'a>(document: &'a mut Value, name: &str) -> &'a mut Value {
    &mut document["components"]["schemas"][name]
}

fn remove(node: &mut Value, name: &str) {
    node.as_object_mut().and_then(|members| members.remove(name)).expect("a member to remove");
}

fn report(scratch: &Scratch, format: Format) -> String {
    scratch.review_as(format).unwrap_or_else(|error| panic!("{error}")).report
}

/// One annotation: its level, the line of the document that it is on, its title and its message.
#[derive(Debug)]
struct Annotation {
    level: String,
    line: String,
    title: String,
    message: String,
}

/// What GitHub reads of the report.
fn annotations(scratch: &Scratch) -> Vec<Annotation> {
    let commands = report(scratch, Format::Github);
    let annotation = |command: &str| {
        let command = command.strip_prefix("::").expect("a command");
        let (command, message) = command.split_once("::").expect("a message");
        let (level, properties) = command.split_once(' ').expect("properties");
        let property = |name: &str| {
            let mut all = properties.split(',').filter_map(|property| property.split_once('='));
            let value = all.find(|(found, _)| *found == name).expect("the property").1;
            value.replace("%3A", ":").replace("%2C", ",").replace("%0A", "\n").replace("%25", "%")
        };
        let document = fs::read_to_string(scratch.path().join(property("file"))).expect("a file");
        let number: usize = property("line").parse().expect("a number");
        Annotation {
            level: level.to_owned(),
            line: document
                .lines()
                .nth(number - 1)
                .expect("a line")
                .trim()
                .trim_end_matches(',')
                .to_owned(),
            title: property("title"),
            message: message.replace("%0A", "\n").replace("%25", "%"),
        }
    };
    commands.lines().map(annotation).collect()
}

/// The lines that an edit of a document gets annotations on, with their levels. The version is high enough.
fn annotated(name: &str, change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
    let scratch = Scratch::new();
    scratch.edit_with_version("9.0.0", |_| ());
    scratch.edit(name, change);
    let found = annotations(&scratch).into_iter();
    found.map(|annotation| (annotation.level, annotation.line)).collect()
}

fn on(level: &str, line: &str) -> Vec<(String, String)> {
    vec![(level.to_owned(), line.to_owned())]
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_changed_or_added_part_is_annotated_on_its_line() {
    let tightened = annotated("openapi.json", |document| {
        schema(document, "ConnectSocketRequest")["properties"]["halfRef"]["maxLength"] = json!(256);
    });
    assert_eq!(tightened, on("error", "\"maxLength\": 256"));
    let closed = annotated("openapi.json", |document| {
        schema(document, "DeviceData")["additionalProperties"] = json!(false);
    });
    // It breaks who sends one; to those that receive one, in a response or an event, it is a note.
    let line = "\"additionalProperties\": false";
    assert_eq!(closed, [on("error", line), on("notice", line), on("notice", line)].concat());
    let frame = annotated("asyncapi.json", |document| {
        schema(document, "AckFrame")["properties"]["seq"]["minimum"] = json!(2);
    });
    assert_eq!(frame, on("error", "\"minimum\": 2"));
    let added = annotated("openapi.json", |document| {
        let properties = &mut schema(document, "ConnectSocketRequest")["properties"];
        properties["locale"] = json!({"type": "string"});
    });
    assert_eq!(added, on("notice", "\"locale\": {"));
    let renamed = annotated("openapi.json", |document| {
        document["paths"]["/token"]["put"]["operationId"] = json!("askForToken");
    });
    assert_eq!(renamed, on("error", "\"put\": {"));
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_removed_part_is_annotated_on_what_held_it() {
    let operation = annotated("openapi.json", |document| {
        remove(&mut document["paths"]["/token"], "delete");
    });
    assert_eq!(operation, on("error", "\"/token\": {"));
    let path = annotated("openapi.json", |document| remove(&mut document["paths"], "/livez"));
    assert_eq!(path, on("error", "\"paths\": {"));
    let problem = annotated("openapi.json", |document| {
        document["x-problem-types"].as_array_mut().expect("a list").remove(3);
    });
    assert_eq!(problem, on("error", "\"x-problem-types\": ["));
    let property = annotated("asyncapi.json", |document| {
        let hello = schema(document, "HelloFrame");
        remove(&mut hello["properties"], "heartbeat");
        hello["required"].as_array_mut().expect("a list").retain(|name| name != "heartbeat");
    });
    assert!(property.contains(&on("error", "\"properties\": {")[0]), "{property:?}");
}

#[test]
#[ignore = "needs oasdiff and git"]
fn findings_of_our_own_rules_have_their_lines_too() {
    let server = annotated("openapi.json", |document| {
        document["servers"].as_array_mut().expect("a list").push(json!({"url": "/v2"}));
    });
    assert_eq!(server, on("notice", "{"));
    let encoding = annotated("openapi.json", |document| {
        document["paths"]["/operator/prospects"]["get"]["parameters"][0]["style"] =
            json!("deepObject");
    });
    assert_eq!(encoding, on("error", "\"parameters\": ["));
    let frame = annotated("asyncapi.json", |document| {
        let messages = document["operations"]["toProspect"]["messages"].as_array_mut();
        messages.expect("a list").pop();
    });
    assert!(frame.contains(&on("error", "\"toProspect\": {")[0]), "{frame:?}");
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_version_that_is_too_low_is_annotated_on_its_line() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", |document| {
        let properties = &mut schema(document, "ConnectSocketRequest")["properties"];
        properties["locale"] = json!({"type": "string"});
    });
    let found = annotations(&scratch);
    let [too_low, change] = &found[..] else { panic!("two: {found:?}") };
    assert_eq!((&*too_low.level, &*too_low.title), ("error", "The version is too low"));
    assert_eq!(too_low.line, format!("\"version\": \"{}\"", Scratch::version()));
    assert!(too_low.message.starts_with("Clients can notice this: "), "{too_low:?}");
    assert_eq!(change.level, "notice");
    assert!(change.message.contains("\nUsed by connectSocket POST /prospect/connectsocket."));
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_waived_change_is_a_warning_with_its_reason() {
    let scratch = Scratch::new();
    scratch.edit_with_version("9.0.0", |document| {
        remove(&mut document["paths"], "/livez");
    });
    let until = humantime::format_rfc3339(
        std::time::SystemTime::now() + std::time::Duration::from_hours(48),
    );
    scratch.waive(&format!(
        "[[waiver]]\nrule = \"api-path-removed-without-deprecation\"\n\
         change = \"api path removed without deprecation\"\nwhere = \"GET /livez\"\n\
         reason = \"50 %, as agreed.\"\nuntil = {}\n",
        &until.to_string()[..10]
    ));
    let found = annotations(&scratch);
    let [waived] = &found[..] else { panic!("one: {found:?}") };
    assert_eq!((&*waived.level, &*waived.line), ("warning", "\"paths\": {"));
    assert!(waived.message.ends_with(": 50 %, as agreed."), "{waived:?}");
}

/// Adds properties to a body, with names that try to be something else than names.
fn hostile(document: &mut Value) {
    let properties = &mut schema(document, "ConnectSocketRequest")["properties"];
    for name in [
        "a\n::error file=x::injected",
        "b\r\n::set-output name=x::y, title=c",
        "100%0A::error::",
        "<script>alert(1)</script>",
        "<!-- contract-review -->",
        "`</code><img src=x onerror=alert(1)>",
        "```\n</details> @everyone",
    ] {
        properties[name] = json!({"type": "string", "description": "<b>'\"&"});
    }
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_name_cannot_become_a_command() {
    let scratch = Scratch::new();
    scratch.edit_with_version("9.0.0", hostile);
    let found = annotations(&scratch);
    assert_eq!(found.len(), 7, "{found:?}");
    assert!(found.iter().all(|annotation| annotation.level == "notice"), "{found:?}");
    assert!(found.iter().any(|annotation| annotation.title.contains("`100%0A::error::`")));
}

#[test]
#[ignore = "needs oasdiff and git"]
fn what_github_would_drop_is_counted() {
    let scratch = Scratch::new();
    scratch.edit_with_version("9.0.0", |document| {
        let properties = &mut schema(document, "ConnectSocketRequest")["properties"];
        for name in 0..23 {
            properties[format!("property-{name}")] = json!({"type": "string"});
        }
    });
    let found = annotations(&scratch);
    assert_eq!(found.len(), 10);
    assert_eq!(found[9].title, "14 more");
    assert_eq!(found[9].line, "\"version\": \"9.0.0\"");
}

#[test]
#[ignore = "needs oasdiff and git"]
fn files_are_named_from_the_root_of_the_repository() {
    let scratch = Scratch::new();
    assert_eq!(git::prefix(&scratch.path()).expect("a repository"), "");
    let below = scratch.path().join("some folder/below");
    fs::create_dir_all(&below).expect("a folder");
    assert_eq!(git::prefix(&below).expect("a repository"), "some folder/below/");
    assert_eq!(git::prefix(&root().join("openapi")).expect("a repository"), "openapi/");
}

/// The names of the tags of a page, which are all closed in their order.
fn tags(page: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for tag in page.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').expect("a closed tag");
        assert!(!text.contains('>'), "an escape is missing: {text}");
        let name = tag.split(' ').next().expect("a name");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "{page}"),
            None if ["!doctype", "meta"].contains(&name) => {}
            None => open.push(name.to_owned()),
        }
        found.push(name.to_owned());
    }
    assert!(open.is_empty(), "{open:?}");
    found
}

#[test]
#[ignore = "needs oasdiff and git"]
fn the_page_has_every_finding_and_needs_nothing_else() {
    let scratch = Scratch::new();
    scratch.edit_with_version("9.0.0", |document| {
        schema(document, "ConnectSocketRequest")["properties"]["halfRef"]["maxLength"] = json!(256);
        schema(document, "ConnectSocketRequest")["properties"]["locale"] =
            json!({"type": "string"});
    });
    let page = report(&scratch, Format::Html);
    let tags = tags(&page);
    assert_eq!(tags.iter().filter(|tag| *tag == "article").count(), 2, "{page}");
    for text in [
        "<h1>The contract: 1 breaking change, 1 compatible change</h1>",
        "<p class=\"bad\">This change is refused.</p>",
        "The <code>halfRef</code> request property&#39;s maxLength was decreased to <code>256</code>",
        "Breaks clients <strong>on the wire</strong>, in the request",
        "<span class=\"new\">+ &quot;maxLength&quot;: 256</span>",
        "<summary>If this is intended</summary>",
        "prefers-color-scheme:dark",
        "default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;",
    ] {
        let text =
            if text.starts_with("default-src") { text.replace("&#39;", "'") } else { text.into() };
        assert!(page.contains(&text), "{text} is not in\n{page}");
    }
    for elsewhere in ["<script", "<link", "<img", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_name_cannot_become_a_tag() {
    let scratch = Scratch::new();
    scratch.edit_with_version("9.0.0", hostile);
    let page = report(&scratch, Format::Html);
    let tags = tags(&page);
    assert!(!tags.iter().any(|tag| ["script", "img", "b"].contains(&tag.as_str())), "{tags:?}");
    assert_eq!(tags.iter().filter(|tag| *tag == "article").count(), 7, "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
}
