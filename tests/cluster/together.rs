//! What one gateway does, the others know.

use std::sync::{Arc, Barrier};

use engine::{Authorisation, AuthoriseError, EndReason, Engine, RedeemError, SocketError};
use tokio::{runtime::Handle, task::spawn_blocking};

use crate::members::{Cluster, Told, connection, secret};

/// Devices that the half refs of a race are spread over: each has a rate.
const DEVICES: usize = 20;

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_socket_is_authorised_on_one_and_opened_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.authorise("phone", "half").await;
    let opened = b.engine.redeem(&secret("half"), &connection("c")).await.unwrap();
    assert_eq!(&*opened.device, "phone");
    assert_eq!(a.engine.redeem(&secret("half"), &connection("d")).await, Err(RedeemError::Spent));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_half_ref_that_was_spent_on_one_is_refused_by_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    let authorisation = Authorisation {
        token: &secret("token of phone"),
        device: "phone",
        half_ref: &secret("half ref of c"),
        linkinjected: None,
    };
    assert_eq!(b.engine.authorise(authorisation).await, Err(AuthoriseError::HalfRefSpent));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn of_two_gateways_that_redeem_one_half_ref_one_wins() {
    const HALF_REFS: usize = 10_000;
    let cluster = Cluster::new();
    let members = [cluster.join().await, cluster.join().await];
    for device in 0..DEVICES {
        members[0].claim(&format!("phone-{device}")).await;
    }
    for number in 0..HALF_REFS {
        let device = format!("phone-{}", number % DEVICES);
        members[number % 2].authorise(&device, &format!("half {number}")).await;
    }

    let start = Arc::new(Barrier::new(2));
    let threads: [_; 2] = std::array::from_fn(|which| {
        let (start, engine) = (Arc::clone(&start), Arc::clone(&members[which].engine));
        let runtime = Handle::current();
        spawn_blocking(move || {
            let redeem = |number| {
                start.wait();
                let name = connection(&format!("connection {which} {number}"));
                runtime.block_on(engine.redeem(&secret(&format!("half {number}")), &name))
            };
            (0..HALF_REFS).map(redeem).collect::<Vec<_>>()
        })
    });
    let [one, other] = threads;
    let (one, other) = (one.await.unwrap(), other.await.unwrap());

    let wins = [&one, &other].map(|answers| answers.iter().filter(|answer| answer.is_ok()).count());
    assert!(wins.iter().all(|wins| *wins > 0), "{wins:?}: there was no race");
    for pair in one.into_iter().zip(other) {
        assert!(
            matches!(pair, (Ok(_), Err(RedeemError::Spent)) | (Err(RedeemError::Spent), Ok(_))),
            "{pair:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_newer_socket_on_one_supersedes_the_older_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "older").await;
    b.open("phone", "newer").await;
    a.is_told(&Told::End("older".to_owned(), EndReason::Superseded)).await;
    let stale = a.engine.outbox("phone", &connection("older"), 0, 1).await;
    assert_eq!(stale, Err(SocketError::Stale));
    let expected =
        ["phone connected older", "phone disconnected older Superseded", "phone connected newer"];
    assert_eq!(a.events().await, expected);
    assert!(b.engine.outbox("phone", &connection("newer"), 0, 1).await.is_ok());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_that_is_revoked_on_one_ends_the_socket_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    b.engine.revoke_token(&secret("token of phone")).await.unwrap();
    a.is_told(&Told::End("c".to_owned(), EndReason::Revoked)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_that_ends_is_told_whoever_ends_it() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    cluster.jump(cluster.limits.token_ttl);
    b.engine.expire().await.unwrap();
    a.is_told(&Told::End("c".to_owned(), EndReason::TokenExpired)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_message_that_is_sent_on_one_wakes_the_socket_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    assert!(b.send("phone", "1").await.connected);
    a.is_told(&Told::Queued("c".to_owned())).await;
    assert_eq!(a.waiting("phone", "c").await, [1]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn who_waits_on_one_for_an_acknowledgement_is_told_of_it_by_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    let sent = b.send("phone", "1").await;
    assert_eq!(b.engine.is_acknowledged("phone", &sent.epoch, sent.seq).await, Ok(false));
    a.engine.acknowledge("phone", &connection("c"), 1).await.unwrap();
    b.is_told(&Told::Acknowledged("phone".to_owned())).await;
    assert_eq!(b.engine.is_acknowledged("phone", &sent.epoch, sent.seq).await, Ok(true));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn who_reads_events_on_one_is_told_of_what_happens_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    let next = b.engine.events(0, 10).await.unwrap().next;
    assert!(b.engine.events(next, 10).await.unwrap().events.is_empty());
    a.open("phone", "c").await;
    b.is_told(&Told::Happened).await;
    assert_eq!(b.events().await, ["phone connected c"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn who_reads_no_events_is_not_woken_by_them() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    // What comes through the channel after it shows that it did not come.
    b.engine.ready().await.unwrap();
    assert_eq!(b.told(), []);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn all_have_one_stream_and_one_list_of_who_is_connected() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    assert_eq!(a.engine.stream().await, b.engine.stream().await);
    for (member, device) in [(&a, "one"), (&b, "two")] {
        member.claim(device).await;
        member.open(device, device).await;
    }
    let connected = a.engine.connected("", 10).await.unwrap();
    assert_eq!(connected.iter().map(|state| &*state.device).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(b.engine.connected("", 10).await, Ok(connected));
}
