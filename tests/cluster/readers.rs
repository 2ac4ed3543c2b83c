//! Readers of the event streams of several partitions.

use std::collections::BTreeSet;

use redis::cmd;
use tests::{Event, EventStream, Gateway, Operator, Prospect, RedisServer};

use crate::{
    cluster::device_of,
    gateways::{builder, start},
};

const PARTITIONS: usize = 4;

fn on(server: &RedisServer) -> Gateway {
    start(builder(&server.url()).flag("--redis-partitions", &PARTITIONS.to_string()))
}

/// How often the events of each partition are read while `act` runs.
fn reads(server: &RedisServer, act: impl FnOnce()) -> [usize; PARTITIONS] {
    const END: &str = "no more";
    let mut monitor = server.connection();
    let () = cmd("MONITOR").query(&mut monitor).expect("it monitors");
    act();
    let _: String = server.run(&["ECHO", END]);
    let mut reads = [0; PARTITIONS];
    loop {
        let line = monitor.recv_response().expect("a command");
        let line: String = redis::from_redis_value(line).expect("text");
        if line.contains(END) {
            return reads;
        }
        for (partition, reads) in reads.iter_mut().enumerate() {
            // Each read asks how many there are.
            let of_partition = format!(r#""XLEN" "connectsocket:{{p{partition}}}:events""#);
            *reads += usize::from(line.contains(&of_partition));
        }
    }
}

#[test]
#[ignore = "needs redis-server"]
fn an_event_wakes_the_readers_of_its_partition_alone() {
    const MESSAGES: usize = 20;
    let server = RedisServer::start();
    let gateway = on(&server);
    let device = device_of(0, PARTITIONS);
    let mut prospect = Prospect::open(&gateway, &device);
    let mut stream = Operator::of(&gateway).events_after("0");
    assert_eq!(stream.event().kind, "connected");
    let reads = reads(&server, || {
        for number in 0..MESSAGES {
            prospect.deliver(&number.to_string(), "1");
            stream.event();
        }
    });
    assert!(reads[0] >= MESSAGES, "{reads:?}");
    // An idle reader looks by itself from time to time.
    assert!(reads[1..].iter().all(|others| *others < MESSAGES / 2), "{reads:?}");
}

/// A device of each partition with an open socket, which has sent one message.
fn prospects(gateway: &Gateway) -> Vec<(String, Prospect)> {
    let open = |partition| {
        let device = device_of(partition, PARTITIONS);
        let mut prospect = Prospect::open(gateway, &device);
        prospect.deliver("first", "1");
        (device, prospect)
    };
    (0..PARTITIONS).map(open).collect()
}

fn share(gateway: &Gateway, share: &str, last: &str) -> EventStream {
    EventStream::try_open_with(gateway, &format!("?share={share}"), Some(last)).expect("a stream")
}

/// The devices of these events.
fn devices(events: &[Event]) -> BTreeSet<String> {
    events.iter().map(Event::device).collect()
}

#[test]
#[ignore = "needs redis-server"]
fn the_shares_have_every_device_once_and_its_events_in_order() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let mut prospects = prospects(&gateway);
    let (of_each, each) = (PARTITIONS / 2, 3);
    let mut streams = ["1/2", "2/2"].map(|it| share(&gateway, it, "0"));
    for (_, prospect) in &mut prospects {
        prospect.deliver("second", "1");
    }
    let read = streams.each_mut().map(|stream| stream.events(of_each * each));
    let [one, other] = read.each_ref().map(|events| devices(events));
    assert!(one.is_disjoint(&other) && one.len() == of_each && other.len() == of_each);
    for device in one.iter().chain(&other) {
        let its = read.iter().flatten().filter(|event| event.device() == *device);
        let said = its.map(|event| event.json()["id"].as_str().map(ToOwned::to_owned));
        let said: Vec<_> = said.map(Option::unwrap_or_default).collect();
        assert_eq!(said, ["", "first", "second"], "{device}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn releasing_a_share_releases_nothing_of_the_others() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let mut prospects = prospects(&gateway);
    let others = share(&gateway, "2/2", "0").events(PARTITIONS);
    // It begins now, behind what the others have not read.
    let mut one = share(&gateway, "1/2", "");
    for partition in [0, 2] {
        prospects[partition].1.deliver("now", "1");
    }
    Operator::of(&gateway).release_through(&one.events(2)[1]);
    assert_eq!(devices(&share(&gateway, "2/2", "0").events(PARTITIONS)), devices(&others));
    prospects[0].1.deliver("later", "1");
    assert_eq!(share(&gateway, "1/2", "0").event().json()["id"], "later");
}

#[test]
#[ignore = "needs redis-server"]
fn a_consumer_of_a_share_resumes_after_its_last_event() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let mut prospects = prospects(&gateway);
    let mut stream = share(&gateway, "2/2", "0");
    let last = stream.events(PARTITIONS).pop().expect("an event");
    drop(stream);
    for (_, prospect) in &mut prospects {
        prospect.deliver("second", "1");
    }
    let mut resumed = share(&gateway, "2/2", &last.id);
    let ids: Vec<_> =
        resumed.events(PARTITIONS / 2).iter().map(|it| it.json()["id"].clone()).collect();
    assert_eq!(ids, ["second"; PARTITIONS / 2]);
}

#[test]
#[ignore = "needs redis-server"]
fn other_shares_than_before_miss_nothing_that_was_not_released() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let operator = Operator::of(&gateway);
    let _prospects = prospects(&gateway);
    let one = share(&gateway, "1/2", "0").events(PARTITIONS);
    operator.release_through(&one[PARTITIONS - 1]);
    // What the second of two has not read is read by three.
    let last = &one[PARTITIONS - 1].id;
    let of_three = [(1, 1), (2, 1), (3, 0)].map(|(number, left)| {
        let mut stream = share(&gateway, &format!("{number}/3"), last);
        stream.events(2 * left)
    });
    assert!(devices(&of_three.concat()).is_disjoint(&devices(&one)));
    assert_eq!(devices(&of_three.concat()).len(), PARTITIONS / 2);
}

#[test]
#[ignore = "needs redis-server"]
fn a_share_needs_a_partition() {
    let server = RedisServer::start();
    let gateway = on(&server);
    let refused = EventStream::try_open_with(&gateway, "?share=1/5", None);
    let answer = refused.err().expect("a refusal");
    assert_eq!((answer.status, &*answer.problem_name()), (422, "too-many-shares"));
}
