//! The device that most tests of the conversation are about, in the states that they begin with.

use engine::Limits;

use crate::world::{Make, World};

/// A claimed phone without a socket.
pub async fn phone(make: impl Make) -> World {
    phone_with(make, Limits::default()).await
}

/// The same, with limits of its own.
pub async fn phone_with(make: impl Make, settings: Limits) -> World {
    let world = World::with(make, settings).await;
    world.claim("phone", "token").await.unwrap();
    world
}

/// A claimed phone with an open socket, `connection`, and nothing to tell of it.
pub async fn open_phone(make: impl Make) -> World {
    open_phone_with(make, Limits::default()).await
}

/// The same, with limits of its own.
pub async fn open_phone_with(make: impl Make, settings: Limits) -> World {
    let world = phone_with(make, settings).await;
    world.open("token", "phone", "connection").await;
    world.news().await;
    world
}
