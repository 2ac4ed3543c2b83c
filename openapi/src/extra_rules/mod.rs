//! Rules for what clients can notice and oasdiff ignores. They compare a few members by name and never
//! repeat what oasdiff reports.

mod lists;
mod operations;
mod rule;

use serde_json::Value;

use crate::{
    finding::{Finding, Surface},
    frames,
};

/// The changes of the OpenAPI document that oasdiff ignores.
#[must_use]
pub fn http(base: &Value, revision: &Value) -> Vec<Finding> {
    let mut findings = lists::servers(Surface::Http, base, revision);
    findings.extend(operations::compare(Surface::Http, base, revision));
    findings.extend(lists::problem_types(base, revision));
    findings
}

/// The changes of the AsyncAPI document that its translation for oasdiff does not show.
#[must_use]
pub fn socket(base: &Value, revision: &Value) -> Vec<Finding> {
    let (base_frames, frames) = (frames::as_openapi(base), frames::as_openapi(revision));
    let mut findings = lists::servers(Surface::Socket, &base_frames, &frames);
    findings.extend(operations::compare(Surface::Socket, &base_frames, &frames));
    findings.extend(lists::close_codes(base, revision));
    findings.extend(lists::client_rules(base, revision));
    findings
}
