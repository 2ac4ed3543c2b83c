//! The device that most tests of the conversation use, in the states that they start from.

use engine::Limits;

use super::{Backend, TestEngine};

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

/// A claimed phone with an open socket, `connection`, whose events are read already.
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
