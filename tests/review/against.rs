//! What is deployed against what is proposed: a running gateway, or files, instead of the history.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use openapi::{report::Format, review::Base, source};
use serde_json::json;
use tests::{Gateway, gateway::root};

use crate::scratch::Scratch;

fn review(scratch: &Scratch, place: &str) -> openapi::review::Review {
    let now = std::time::SystemTime::now();
    openapi::review::review(&scratch.path(), &Base::Source(place), Format::Markdown, now)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn refused(place: &str) -> String {
    source::contract(place).expect_err(place).to_string()
}

/// A server that answers every request with the same bytes.
fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            // The client may have read enough.
            let _ = stream.write_all(&answer);
        }
    });
    format!("http://{address}")
}

#[test]
#[ignore = "needs oasdiff and git"]
fn the_contract_of_a_running_gateway_is_compared_with_the_folders() {
    let (gateway, scratch) = (Gateway::trial(), Scratch::new());
    let version = Scratch::version();
    for place in [
        gateway.url.clone(),
        format!("{}/openapi.json", gateway.url),
        format!("{}/contract/{version}/openapi.json", gateway.url),
    ] {
        let report = review(&scratch, &place).report;
        assert!(
            report.starts_with("# The contract: no change that a client can notice"),
            "{report}"
        );
        assert!(report.contains(&format!("Against `{place}`")), "{report}");
    }
    scratch.edit("asyncapi.json", |document| {
        document["components"]["schemas"]["AckFrame"]["properties"]["seq"]["minimum"] = json!(2);
    });
    let review = review(&scratch, &gateway.url);
    assert!(review.refused);
    assert!(review.report.starts_with("# The contract: 1 breaking change"), "{}", review.report);
}

#[test]
#[ignore = "needs oasdiff and git"]
fn files_are_compared_with_the_folders() {
    let (deployed, scratch) = (Scratch::new(), Scratch::new());
    deployed.edit("openapi.json", |document| {
        let schema = &mut document["components"]["schemas"]["ConnectSocketRequest"];
        schema["properties"]["halfRef"]["maxLength"] = json!(600);
    });
    let folder = deployed.path();
    for place in [folder.clone(), folder.join("openapi.json")] {
        let review = review(&scratch, place.to_str().expect("a path"));
        assert!(review.report.contains("maxLength was decreased to `512`"), "{}", review.report);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_reason() {
    let gateway = Gateway::trial();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for (place, reason) in [
        (format!("{}/nowhere", gateway.url), "the status is 404, not 200"),
        (
            format!("{}/nowhere/openapi.json", gateway.url),
            "/nowhere/openapi.json: the status is 404",
        ),
        (closed.clone(), &*format!("cannot fetch {closed}/openapi.json: ")),
        ("https://user:secret@a.example/".to_owned(), "where secrets may be"),
        (format!("{}/openapi.json?key=secret", gateway.url), "where secrets may be"),
        ("/no/such/folder".to_owned(), "cannot read /no/such/folder: "),
        (root().join("openapi/levels.toml").display().to_string(), "openapi.json is not JSON"),
    ] {
        let error = refused(&place);
        assert!(error.contains(reason), "{error}");
        assert!(!error.contains("secret@") && !error.contains("key="), "{error}");
    }
}

#[test]
fn an_answer_that_is_no_document_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let large = 9 * 1024 * 1024;
    let mut too_large = format!("{head}content-length: {large}\r\n\r\n").into_bytes();
    too_large.resize(too_large.len() + large, b' ');
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    for (answer, reason) in [
        (too_large, "cannot fetch "),
        (format!("{head}content-length: 2\r\n\r\n<>").into_bytes(), "is not JSON"),
        (format!("{head}content-length: 200\r\n\r\n{{}}").into_bytes(), "cannot fetch "),
        (redirect.as_bytes().to_vec(), "the status is 302, not 200"),
        (b"SSH-2.0-x\r\n".to_vec(), "cannot fetch "),
    ] {
        let error = refused(&server(answer));
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

/// A document of a file is bounded like one of a gateway.
#[test]
fn a_file_that_is_too_large_is_an_error() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = fs::File::create(folder.path().join("openapi.json")).expect("a file");
    file.set_len(9 * 1024 * 1024).expect("a sparse file");
    let error = refused(folder.path().to_str().expect("a path"));
    assert!(error.contains("more than 8 MiB"), "{error}");
}
