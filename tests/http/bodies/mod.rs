//! How request bodies are read and what each invalid one is answered with.

mod fields;
mod json;
mod reading;

use serde_json::{Value, json};
use tests::{Answer, DEVICE, Gateway, half_ref};

/// A valid body of `connectSocket`.
fn valid_body() -> Value {
    json!({"halfRef": half_ref(), "deviceTag": DEVICE})
}

/// Posts a body as JSON to `connectSocket`, with a valid token.
fn post(body: impl Into<Vec<u8>>) -> Answer {
    let gateway = Gateway::trial();
    let call = gateway.call("POST", "/prospect/connectsocket");
    call.header("token", &gateway.token(DEVICE)).json_text(body).send()
}
