//! An older Redis under `appendfsync always`, where a restart keeps everything: what is not a restart
//! alone begins new epochs, so that no number is given twice.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use engine::Engine;
use tests::{Proxy, RedisServer, gateway::PATIENCE};

use crate::{
    cluster::{Cluster, Member, eventually},
    faults::{catches_up, replica_behind},
};

fn cluster_on(server: &RedisServer) -> Cluster {
    Cluster { timeout: Duration::from_secs(2), ..Cluster::on(&server.url()) }
}

/// The folder in which a server keeps what it has written, and one for a copy of it.
fn folders(server: &RedisServer) -> [PathBuf; 2] {
    ["appendonlydir", "backup"].map(|name| server.folder().join(name))
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).expect("a folder");
    for file in fs::read_dir(from).expect("files") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

fn back_up(server: &RedisServer) {
    let [data, backup] = folders(server);
    copy(&data, &backup);
}

/// Restarts a server on its backup.
fn restore(server: &mut RedisServer) {
    server.kill();
    let [data, backup] = folders(server);
    copy(&backup, &data);
    server.start_again();
}

/// Asserts that the next message has a number that was given before, in an epoch of its own.
async fn begins_a_new_epoch(member: &Member, before: &str) {
    let deadline = Instant::now() + PATIENCE;
    let sent = loop {
        match member.try_send("phone", "again").await {
            Ok(sent) => break sent,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_ne!(sent.epoch.as_ref(), before);
}

/// Waits until Redis knows that a restart of it could lose data.
async fn is_noted(cluster: &Cluster, server: &RedisServer) {
    let meta = format!("{}meta", cluster.prefix);
    let keeps_all = || server.run::<String>(&["HGET", &meta, "keeps-all"]);
    eventually("it is noted", async || keeps_all() == "0").await;
}

/// Waits until a replica has written to disk what it got from its primary at first.
async fn is_on_disk(replica: &RedisServer) {
    let done = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"];
    eventually("it finishes", async || {
        let info: String = replica.run(&["INFO", "persistence"]);
        done.iter().all(|line| info.lines().any(|it| it == *line))
    })
    .await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_restored_backup_begins_new_epochs() {
    let mut server = RedisServer::durable();
    let cluster = cluster_on(&server);
    let a = cluster.join().await;
    a.claim("phone").await;
    a.send("phone", "1").await;
    back_up(&server);
    let lost = a.send("phone", "2").await;
    a.engine.end().await;
    restore(&mut server);
    begins_a_new_epoch(&cluster.join().await, &lost.epoch).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_answered_before_it_wrote_begins_new_epochs() {
    let mut server = RedisServer::durable();
    let () = server.run(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let cluster = cluster_on(&server);
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    back_up(&server);
    let lost = b.send("phone", "1").await;
    drop(b);
    // As when the machine fails before the last second is on its disk. All that one gateway has
    // written is there.
    restore(&mut server);
    begins_a_new_epoch(&a, &lost.epoch).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_stops_writing_before_it_answers_is_noted() {
    let server = RedisServer::durable();
    let cluster = cluster_on(&server);
    let _a = cluster.join().await;
    let () = server.run(&["CONFIG", "SET", "appendfsync", "everysec"]);
    is_noted(&cluster, &server).await;
    let () = server.run(&["CONFIG", "SET", "appendfsync", "always"]);
    let _b = cluster.join().await;
    is_noted(&cluster, &server).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_that_is_started_as_a_primary_begins_new_epochs() {
    let primary = RedisServer::durable();
    let (to_primary, to_redis) = (Proxy::to(&[primary.port()]), Proxy::to(&[primary.port()]));
    let cluster = cluster_on(&primary);
    let a = cluster.join_by(&format!("redis://127.0.0.1:{}/", to_redis.port())).await;
    let b = cluster.join().await;
    a.claim("phone").await;
    let mut replica = replica_behind(&to_primary, &primary).await;
    is_noted(&cluster, &primary).await;
    a.engine.expire().await.unwrap();
    catches_up(&replica, &primary).await;
    is_on_disk(&replica).await;
    // All that one gateway has written is replicated, and a message of the other is not.
    to_primary.fall_silent();
    let lost = b.send("phone", "1").await;
    drop((b, primary));
    replica.kill();
    replica.start_again();
    to_redis.lead_to(&[replica.port()]);
    to_redis.cut();
    begins_a_new_epoch(&a, &lost.epoch).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_primary_that_was_a_replica_meanwhile_begins_new_epochs() {
    let server = RedisServer::durable();
    let to_server = Proxy::to(&[server.port()]);
    let cluster = cluster_on(&server);
    let a = cluster.join().await;
    a.claim("phone").await;
    let replica = replica_behind(&to_server, &server).await;
    to_server.fall_silent();
    let lost = a.send("phone", "1").await;
    a.engine.end().await;
    let () = replica.run(&["REPLICAOF", "NO", "ONE"]);
    let () = server.run(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
    catches_up(&server, &replica).await;
    let () = server.run(&["REPLICAOF", "NO", "ONE"]);
    begins_a_new_epoch(&cluster.join().await, &lost.epoch).await;
}
