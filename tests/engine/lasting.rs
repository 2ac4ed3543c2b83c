//! What the embedded engine's journal keeps when the process ends, and what it makes of a journal
//! that is damaged, foreign or in use.

use server::engine::EngineSettings;

use crate::{conversation_model, model, world::World};

async fn phone() -> World {
    let world = World::lasting(EngineSettings::default()).await;
    world.issue("phone", "token").await.expect("a token");
    world
}

#[tokio::test]
async fn random_lives_of_devices_go_on_after_restarts() {
    model::random_lives_of_devices_go_on_after_restarts().await;
}

#[tokio::test]
async fn random_conversations_go_on_after_restarts() {
    conversation_model::random_conversations_go_on_after_restarts().await;
}

#[tokio::test]
async fn the_epoch_lives_on() {
    let mut world = phone().await;
    let before = world.open("token", "phone", "one").await.epoch;
    world.restart(false).await;
    assert_eq!(world.open("token", "phone", "two").await.epoch, before);
}

#[tokio::test]
async fn the_event_stream_lives_on() {
    let mut world = phone().await;
    let before = world.engine.stream().await.expect("a stream");
    world.restart(false).await;
    assert_eq!(world.engine.stream().await.expect("a stream"), before);
}

#[tokio::test]
async fn sockets_end_with_the_process_that_held_them() {
    let mut world = phone().await;
    world.open("token", "phone", "one").await;
    world.restart(false).await;
    world.happened(&["phone connected one", "phone disconnected one"]).await;
    assert!(world.connected("", 10).await.is_empty());
}
