//! What a device says of itself when it requests a token.

use engine::{
    DeviceState, Durability, EventData, Limits, RedeemError, RequestTokenError, Requester,
};

use crate::harness::{Backend, DAY, TestEngine, conformance, secret};

/// JSON that a parser would write in another way.
const DATA: &str = r#"{ "b" : [1.0e2, -0], "a":"\u00e9/\u0000é" }"#;

/// The device data of the phone, as the operator sees it.
async fn described(engine: &TestEngine) -> Option<String> {
    let DeviceState { device_data, .. } = engine.device("phone").await.expect("a record");
    device_data.map(|data| data.to_string())
}

/// Requests a token for the phone through a channel that claims.
async fn claim(
    engine: &TestEngine,
    shown: Option<&str>,
    data: Option<&str>,
    token: &str,
) -> Result<(), RequestTokenError> {
    let shown = shown.map(secret);
    let requester = Requester::Claim { shown: shown.as_ref(), key: None };
    engine.request_token("phone", requester, data, token).await
}

/// A claimed phone that has said something of itself.
async fn phone(backend: Backend) -> TestEngine {
    let engine = TestEngine::new(backend).await;
    claim(&engine, None, Some(DATA), "token").await.unwrap();
    engine
}

conformance!(device_data_is_kept_byte_for_byte, async |backend| {
    let engine = phone(backend).await;
    assert_eq!(described(&engine).await.as_deref(), Some(DATA));
});

conformance!(the_test_channel_keeps_device_data, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_token("phone", Requester::Test, Some(DATA), "token").await.unwrap();
    assert_eq!(described(&engine).await.as_deref(), Some(DATA));
});

conformance!(a_renewal_without_device_data_keeps_the_older_one, async |backend| {
    let engine = phone(backend).await;
    claim(&engine, Some("token"), None, "newer").await.unwrap();
    assert_eq!(described(&engine).await.as_deref(), Some(DATA));
});

conformance!(a_renewal_with_device_data_replaces_the_older_one, async |backend| {
    let engine = phone(backend).await;
    claim(&engine, Some("token"), Some("{}"), "newer").await.unwrap();
    assert_eq!(described(&engine).await.as_deref(), Some("{}"));
});

conformance!(a_token_of_the_operator_keeps_device_data, async |backend| {
    let engine = phone(backend).await;
    engine.issue("phone", "issued").await.unwrap();
    assert_eq!(described(&engine).await.as_deref(), Some(DATA));
});

conformance!(a_refused_request_changes_no_device_data, async |backend| {
    let engine = phone(backend).await;
    let refused = Err(RequestTokenError::DeviceClaimed);
    assert_eq!(claim(&engine, None, Some("{}"), "newer").await, refused);
    assert_eq!(claim(&engine, Some("invented"), Some("{}"), "newer").await, refused);
    let test = engine.request_token("phone", Requester::Test, Some("{}"), "newer").await;
    assert_eq!(test, refused);
    assert_eq!(described(&engine).await.as_deref(), Some(DATA));
});

conformance!(a_claim_ends_the_device_data_of_the_test_channel, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_token("phone", Requester::Test, Some(DATA), "test").await.unwrap();
    claim(&engine, None, None, "token").await.unwrap();
    assert_eq!(described(&engine).await, None);
});

conformance!(device_data_ends_with_its_record, async |backend| {
    let engine = phone(backend).await;
    engine.disconnect("phone").await;
    claim(&engine, None, None, "token").await.unwrap();
    assert_eq!(described(&engine).await, None);
});

conformance!(device_data_lives_as_long_as_its_record, async |backend| {
    let engine = phone(backend).await;
    for token in 1..=5 {
        engine.advance(DAY).await;
        let shown = if token == 1 { "token".to_owned() } else { format!("token {}", token - 1) };
        claim(&engine, Some(&shown), None, &format!("token {token}")).await.unwrap();
    }
    assert_eq!(described(&engine).await.as_deref(), Some(DATA));
});

conformance!(a_connected_event_has_the_device_data, async |backend| {
    let engine = phone(backend).await;
    engine.open("token", "phone", "connection").await;
    claim(&engine, Some("token"), Some("{}"), "newer").await.unwrap();
    engine.open("newer", "phone", "another").await;
    let data = engine.new_events().await.into_iter().filter_map(|event| match event.data {
        EventData::Connected { device_data, .. } => device_data.map(|data| data.to_string()),
        _ => None,
    });
    assert_eq!(data.collect::<Vec<_>>(), [DATA, "{}"]);
});

conformance!(device_data_counts_for_the_room_of_events, async |backend| {
    let limits = Limits { event_bytes: 500, event_bytes_per_device: 500, ..Limits::default() };
    let engine = TestEngine::with_limits(backend, limits).await;
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(400));
    claim(&engine, None, Some(&large), "token").await.unwrap();
    engine.authorise("token", "phone", "half").await.unwrap();
    assert_eq!(engine.redeem("half", "connection").await, Err(RedeemError::EventsFull));
    claim(&engine, Some("token"), Some("{}"), "newer").await.unwrap();
    engine.redeem("half", "connection").await.unwrap();
});

#[tokio::test]
async fn device_data_outlives_a_restart() {
    for compacted in [false, true] {
        let mut engine = phone(Backend::Journal).await;
        engine.open("token", "phone", "connection").await;
        let folder = engine.kill();
        if compacted {
            // Recovery writes the whole state again.
            std::fs::remove_file(folder.join("committed")).unwrap();
        }
        engine.reopen(Durability::Process).unwrap();
        assert_eq!(described(&engine).await.as_deref(), Some(DATA), "compacted: {compacted}");
        engine.restart(true).await;
        assert_eq!(described(&engine).await.as_deref(), Some(DATA), "compacted: {compacted}");
    }
}
