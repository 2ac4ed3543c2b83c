//! A program that plays the API of the forge, as far as the comment on a pull request needs it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use serde_json::{Value, json};

pub const REPOSITORY: &str = "owner/project";
pub const TOKEN: &str = "a-token-that-no-log-shows";
pub const BOT: &str = "github-actions[bot]";

/// How many items the API gives at once.
const PAGE: usize = 100;

/// What the forge has, and what it was asked.
#[derive(Default)]
pub struct State {
    pub pulls: Vec<Value>,
    /// The comments on each pull request.
    pub comments: BTreeMap<u64, Vec<Value>>,
    /// Each request, as `METHOD path?query`.
    pub requests: Vec<String>,
    /// Answers for requests that begin with a text, given once each and first to last.
    pub failures: Vec<(&'static str, u16, &'static str)>,
    /// Whether every page of comments is full.
    pub endless: bool,
}

impl State {
    /// The comments of a pull request by their author and text.
    pub fn comments_on(&self, pull: u64) -> Vec<(&str, &str)> {
        let comments = self.comments.get(&pull).into_iter().flatten();
        comments
            .map(|comment| {
                let text = |value: &'static str| comment.pointer(value).and_then(Value::as_str);
                (text("/user/login").expect("an author"), text("/body").expect("a text"))
            })
            .collect()
    }

    pub fn add_comment(&mut self, pull: u64, author: &str, body: &str) {
        let id = 1000 + self.comments.values().map(Vec::len).sum::<usize>();
        let comment = json!({"id": id, "user": {"login": author}, "body": body});
        self.comments.entry(pull).or_default().push(comment);
    }
}

/// The forge. Its thread ends with the process.
pub struct Forge {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Forge {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(&stream, &mut shared.lock().expect("the state"));
            }
        });
        Self { address, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }
}

fn answer(stream: &TcpStream, state: &mut State) {
    let mut reader = BufReader::new(stream);
    let (mut request, mut headers) = (String::new(), BTreeMap::new());
    reader.read_line(&mut request).expect("a request");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length =
        headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let mut words = request.split(' ');
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    state.requests.push(format!("{method} {target}"));
    let authorised = headers.get("authorization") == Some(&format!("Bearer {TOKEN}"));
    let failure = state.failures.iter().position(|(start, ..)| request.starts_with(start));
    let (status, body) = match failure {
        Some(index) => {
            let (_, status, body) = state.failures.remove(index);
            (status, body.to_owned())
        }
        None if !authorised => (401, json!({"message": "Bad credentials"}).to_string()),
        None => {
            let (status, body) = respond(state, method, target, &body);
            (status, body.to_string())
        }
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // A client that went away is a client that is tested for it.
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

fn respond(state: &mut State, method: &str, target: &str, body: &[u8]) -> (u16, Value) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some(path) = path.strip_prefix(&format!("/repos/{REPOSITORY}/")) else {
        return (404, json!({"message": "Not Found"}));
    };
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match (method, path.split('/').collect::<Vec<_>>().as_slice()) {
        ("GET", ["pulls"]) => {
            let head = query.get("head").map(String::as_str);
            let pulls = state.pulls.iter().filter(|pull| {
                pull["state"] == query["state"].as_str() && pull["head"]["label"].as_str() == head
            });
            (200, pulls.cloned().collect())
        }
        ("GET", ["issues", pull, "comments"]) => {
            let comments = &state.comments[&pull.parse().expect("a number")];
            if state.endless {
                return (200, vec![comments[0].clone(); PAGE].into());
            }
            assert_eq!(query["per_page"], PAGE.to_string());
            let page: usize = query["page"].parse().expect("a number");
            (200, comments.iter().skip((page - 1) * PAGE).take(PAGE).cloned().collect())
        }
        ("POST", ["issues", pull, "comments"]) => {
            let text = body["body"].as_str().expect("a text");
            if text.chars().count() > 65_536 {
                return (422, json!({"message": "Validation Failed"}));
            }
            state.add_comment(pull.parse().expect("a number"), BOT, text);
            (201, json!({}))
        }
        ("PATCH", ["issues", "comments", id]) => {
            let mut comments = state.comments.values_mut().flatten();
            match comments.find(|comment| comment["id"].as_u64() == id.parse().ok()) {
                Some(comment) => comment["body"] = body["body"].clone(),
                None => return (404, json!({"message": "Not Found"})),
            }
            (200, json!({}))
        }
        _ => (404, json!({"message": "Not Found"})),
    }
}

/// A value of a query without its escapes.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8(digits).expect("digits");
                u8::from_str_radix(&digits, 16).expect("two digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}
