//! The body of `connectSocket`: what is accepted keeps the rules of the contract, and nothing else is.
#![no_main]

use api_types::{
    body::{self, BodyError},
    connect_socket::ConnectSocketRequest,
    problem::FieldError,
};
use libfuzzer_sys::fuzz_target;

fn is_half_ref(text: &str) -> bool {
    (32..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_device_tag(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@~+=-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(good) && !matches!(text, "." | "..")
}

fuzz_target!(|bytes: &[u8]| {
    match body::parse::<ConnectSocketRequest>(bytes) {
        Ok(request) => {
            assert!(is_half_ref(&request.half_ref));
            assert!(is_device_tag(request.device_tag.as_str()));
            assert!(request.linkinjected.as_ref().is_none_or(|link| link.chars().count() <= 2048));
            let written = serde_json::to_vec(&request).expect("a request can be written");
            let again = body::parse::<ConnectSocketRequest>(&written);
            let again = again.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(again.half_ref, request.half_ref);
            assert_eq!(again.device_tag, request.device_tag);
            assert_eq!(again.linkinjected, request.linkinjected);
        }
        Err(BodyError::NotJson(error)) => assert!(!error.to_string().is_empty()),
        Err(BodyError::InvalidFields(errors)) => {
            assert!((1..=FieldError::MAX_LISTED).contains(&errors.len()));
        }
    }
});
