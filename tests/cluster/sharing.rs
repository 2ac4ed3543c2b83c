//! What one gateway does takes effect on the others.

use std::sync::{Arc, Barrier};

use engine::{
    Acknowledgement, Authorisation, AuthoriseError, EndReason, Engine, RedeemError, SocketError,
};
use tokio::{runtime::Handle, task::spawn_blocking};

use crate::cluster::{Cluster, Notification, connection, secret, token_id};

/// The half refs of a race are spread over this many devices: each device has a rate.
const DEVICES: usize = 20;

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_socket_authorised_on_one_gateway_opens_on_another() {
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
async fn a_half_ref_spent_on_one_gateway_is_refused_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    let authorisation = Authorisation {
        token: &token_id(secret("token of phone")),
        device: "phone",
        half_ref: &secret("half ref of c"),
        linkinjected: None,
    };
    assert_eq!(b.engine.authorise(authorisation).await, Err(AuthoriseError::HalfRefSpent));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_of_two_gateways_redeems_a_half_ref() {
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
async fn a_newer_socket_on_one_gateway_supersedes_the_older_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "older").await;
    b.open("phone", "newer").await;
    a.is_notified(&Notification::End("older".to_owned(), EndReason::Superseded)).await;
    let stale = a.engine.outbox("phone", &connection("older"), 0, 1).await;
    assert_eq!(stale, Err(SocketError::Stale));
    let expected =
        ["phone connected older", "phone disconnected older Superseded", "phone connected newer"];
    assert_eq!(a.events().await, expected);
    assert!(b.engine.outbox("phone", &connection("newer"), 0, 1).await.is_ok());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_revoked_on_one_gateway_ends_the_socket_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    b.engine.revoke_token(&token_id(secret("token of phone"))).await.unwrap();
    a.is_notified(&Notification::End("c".to_owned(), EndReason::Revoked)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_expired_by_one_gateway_ends_the_socket_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    cluster.jump(cluster.limits.token_ttl);
    b.engine.expire().await.unwrap();
    a.is_notified(&Notification::End("c".to_owned(), EndReason::TokenExpired)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_message_sent_on_one_gateway_notifies_the_socket_on_another() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    assert!(b.send("phone", "1").await.connected);
    a.is_notified(&Notification::MessageQueued("c".to_owned())).await;
    assert_eq!(a.waiting("phone", "c").await, [1]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_waits_for_an_acknowledgement_is_notified() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    let sent = b.send("phone", "1").await;
    assert_eq!(
        b.engine.acknowledgement("phone", &sent.epoch, sent.seq).await,
        Ok(Acknowledgement::Pending)
    );
    a.engine.acknowledge("phone", &connection("c"), 1).await.unwrap();
    b.is_notified(&Notification::MessagesSettled("phone".to_owned())).await;
    assert_eq!(
        b.engine.acknowledgement("phone", &sent.epoch, sent.seq).await,
        Ok(Acknowledgement::Acknowledged)
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_waits_for_an_acknowledgement_is_notified_that_none_comes() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    let sent = b.send("phone", "1").await;
    assert_eq!(
        b.engine.acknowledgement("phone", &sent.epoch, sent.seq).await,
        Ok(Acknowledgement::Pending)
    );
    a.engine.disconnect("phone").await.unwrap();
    b.is_notified(&Notification::MessagesSettled("phone".to_owned())).await;
    assert_eq!(
        b.engine.acknowledgement("phone", &sent.epoch, sent.seq).await,
        Ok(Acknowledgement::Never)
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_reads_events_is_notified_of_new_ones() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    let next = b.engine.events(0, 0, 10).await.unwrap().next;
    assert!(b.engine.events(0, next, 10).await.unwrap().events.is_empty());
    a.open("phone", "c").await;
    b.is_notified(&Notification::EventsAppended).await;
    assert_eq!(b.events().await, ["phone connected c"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_gateway_that_reads_no_events_is_not_notified_of_them() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    a.claim("phone").await;
    a.open("phone", "c").await;
    // A later message through the channel shows that no notification came before it.
    b.engine.ready().await.unwrap();
    assert_eq!(b.notifications(), []);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn all_gateways_have_one_stream_and_one_list_of_connected_devices() {
    let cluster = Cluster::new();
    let [a, b] = [cluster.join().await, cluster.join().await];
    assert_eq!(a.engine.stream(0).await, b.engine.stream(0).await);
    for (member, device) in [(&a, "one"), (&b, "two")] {
        member.claim(device).await;
        member.open(device, device).await;
    }
    let connected = a.engine.connected(None, "", 10).await.unwrap();
    assert_eq!(connected.iter().map(|state| &*state.device).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(b.engine.connected(None, "", 10).await, Ok(connected));
}
