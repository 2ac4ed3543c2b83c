//! The device that most tests of the conversation use, in the states that they start from.

use engine::Limits;

use super::{Backend, SECOND, TestEngine};

/// A claimed phone without a socket.
pub async fn phone(backend: Backend) -> TestEngine {
    phone_with(backend, Limits::default()).await
}

/// The same, with limits of its own.
pub async fn phone_with(backend: Backend, limits: Limits) -> TestEngine {
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    engine
}

/// A claimed phone with an open socket, `connection`, whose events were read.
pub async fn open_phone(backend: Backend) -> TestEngine {
    open_phone_with(backend, Limits::default()).await
}

/// The same, with limits of its own.
pub async fn open_phone_with(backend: Backend, limits: Limits) -> TestEngine {
    let engine = phone_with(backend, limits).await;
    engine.open("token", "phone", "connection").await;
    engine.new_events().await;
    engine
}

/// A connected phone with two messages that fill its outbox: 1, which expires after 60 s, and 2, which
/// expires after 30 s.
pub async fn full_phone(backend: Backend) -> TestEngine {
    let limits = Limits { outbox_messages: 2, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.send_with_ttl("phone", "1", 60 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "2", 30 * SECOND).await.unwrap();
    engine
}

/// The same, with an outbox of ten bytes that the messages of four and six bytes fill.
pub async fn heavy_phone(backend: Backend) -> TestEngine {
    let limits = Limits { outbox_bytes: 10, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.send_with_ttl("phone", "1234", 60 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "123456", 30 * SECOND).await.unwrap();
    engine
}

/// Sends the phone messages that carry their own numbers.
pub async fn send_up_to(engine: &TestEngine, newest: u64) {
    for number in 1..=newest {
        let sent = engine.send("phone", &number.to_string()).await.unwrap();
        assert_eq!(sent.seq, number);
    }
}
