//! An HTTP client that shares no code with the server.

use std::time::Duration;

use serde_json::Value;
use ureq::{
    Agent,
    http::{HeaderMap, Request},
};

/// One call, as it will be sent.
pub struct Call {
    request: ureq::http::request::Builder,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(method: &str, url: &str) -> Self {
        Self { request: Request::builder().method(method).uri(url), body: Vec::new() }
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With this body and no word of what it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this JSON as it stands.
    #[must_use]
    pub fn json_text(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// With this JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// Sends it.
    ///
    /// # Panics
    /// When there is no HTTP answer.
    #[must_use]
    pub fn send(self) -> Answer {
        self.try_send().expect("an answer")
    }

    /// Sends it.
    ///
    /// # Errors
    /// Why there is no HTTP answer.
    ///
    /// # Panics
    /// When it is no request.
    pub fn try_send(self) -> Result<Answer, ureq::Error> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let request = self.request.body(self.body).expect("a request");
        let mut answer = agent.run(request)?;
        let body = answer.body_mut().read_to_vec()?;
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header, as text; empty where it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a 200.
    ///
    /// # Panics
    /// When it is something else.
    #[must_use]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Holds that it is a 200.
    ///
    /// # Panics
    /// When it is something else.
    pub fn succeeds(&self) {
        let _ = self.ok();
    }

    /// The token of a 200.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn token(&self) -> String {
        self.ok()["token"].as_str().expect("a token").to_owned()
    }

    /// The problem, after everything that holds for every problem was checked.
    ///
    /// # Panics
    /// When the answer is no problem.
    #[must_use]
    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["success"], false);
        assert_eq!(problem["requestId"], self.header("x-request-id"));
        let waits = matches!(self.status, 429 | 503);
        assert_eq!(!self.header("retry-after").is_empty(), waits, "{self:?}");
        problem
    }

    /// The name of the problem's type.
    ///
    /// # Panics
    /// When the answer is no problem.
    #[must_use]
    pub fn problem_name(&self) -> String {
        let problem = self.problem();
        let uri = problem["type"].as_str().expect("a type");
        uri.strip_prefix("urn:connect-socket:problem:").expect("one of ours").to_owned()
    }

    /// `pointer code` of each field that is wrong.
    ///
    /// # Panics
    /// When the answer is no problem with fields.
    #[must_use]
    pub fn field_errors(&self) -> Vec<String> {
        assert_eq!(self.problem_name(), "invalid-fields");
        let errors = self.json()["errors"].as_array().cloned().expect("errors");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        errors
            .iter()
            .map(|error| format!("{} {}", text(&error["pointer"]), text(&error["code"])))
            .collect()
    }
}
