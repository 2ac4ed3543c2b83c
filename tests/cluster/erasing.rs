//! Erasing on real gateways whose devices are spread over partitions.

use std::collections::BTreeSet;

use engine::Home;
use tests::{Event, EventStream, Gateway, Operator, Prospect, RedisServer, half_ref};

use crate::gateways::{builder, start};

const PARTITIONS: usize = 4;

/// A device of each partition, whose name begins with this.
fn devices(name: &str) -> Vec<String> {
    let in_partition = |partition| {
        let mut names = (0..).map(|number| format!("{name}-{number}"));
        names.find(|name| Home::of_device(name).partition(PARTITIONS) == partition)
    };
    (0..PARTITIONS).map(|partition| in_partition(partition).expect("one of many")).collect()
}

/// The events until each of these devices has one of this kind. The order of different partitions is
/// not certain.
fn until(mut stream: EventStream, kind: &str, devices: &[String]) -> Vec<Event> {
    let mut missing: BTreeSet<_> = devices.iter().cloned().collect();
    let mut events = Vec::new();
    while !missing.is_empty() {
        let event = stream.event();
        if event.kind == kind {
            missing.remove(&event.device());
        }
        events.push(event);
    }
    events
}

/// A device that has said something under this `halfRef`, and for which a message waits.
fn talkative(gateway: &Gateway, device: &str, half_ref: &str) -> Prospect {
    let token = gateway.claim(device);
    gateway.connect_socket(&token, device, half_ref).succeeds();
    let mut prospect = Prospect::redeem(gateway, half_ref);
    prospect.deliver("id", &format!("\"{device}\""));
    Operator::of(gateway).queue(device, &format!("\"to {device}\""));
    prospect
}

#[test]
#[ignore = "needs redis-server"]
fn devices_of_every_partition_are_erased_and_the_others_stay() {
    let server = RedisServer::start();
    let partitions = PARTITIONS.to_string();
    let [first, second] = [(); 2].map(|()| {
        let gateway = builder(&server.url()).flag("--redis-partitions", &partitions);
        start(gateway)
    });
    let operator = Operator::of(&first);
    let (erased, kept, later) = (devices("erased"), devices("kept"), devices("later"));
    let half_refs: Vec<_> = erased.iter().map(|_| half_ref()).collect();
    let mut sockets: Vec<_> = erased
        .iter()
        .zip(&half_refs)
        .map(|(device, half_ref)| talkative(&first, device, half_ref))
        .collect();
    let _others: Vec<_> =
        kept.iter().map(|device| talkative(&second, device, &half_ref())).collect();
    let everyone = [erased.clone(), kept.clone()].concat();
    let read = until(operator.events_after("0"), "message", &everyone);
    let cursor = &read.last().expect("events").id;

    for device in &erased {
        assert_eq!(Operator::of(&second).erase(device).status, 204);
    }
    for socket in &mut sockets {
        let _ = socket.receive_message();
        assert_eq!(socket.socket.closed().0, 4003);
    }
    let _later: Vec<_> =
        later.iter().map(|device| talkative(&first, device, &half_ref())).collect();

    let is_of = |devices: &[String], event: &Event| devices.contains(&event.device());
    let next = until(operator.events_after(cursor), "message", &later);
    assert!(next.iter().all(|event| is_of(&later, event)), "no gap and nothing else: {next:?}");
    let all = until(operator.events_after("0"), "message", &later);
    assert!(!all.iter().any(|event| is_of(&erased, event)), "{all:?}");
    assert_eq!(all.iter().filter(|event| is_of(&kept, event)).count(), 2 * PARTITIONS);
    for device in &erased {
        assert_eq!(operator.prospect(device).status, 404, "{device}");
    }
    for device in &kept {
        assert_eq!(operator.unacknowledged(device), 1, "{device}");
    }
    // A `halfRef` that is remembered belongs to its device.
    for (half_ref, device) in half_refs.iter().zip(&later) {
        let token = operator.call("POST", &format!("/operator/prospects/{device}/token"));
        first.connect_socket(&token.send().token(), device, half_ref).succeeds();
    }
    let keys = |pattern| server.run::<Vec<String>>(&["KEYS", pattern]);
    assert_eq!(keys("*erased-*"), Vec::<String>::new());
    assert!(keys("*kept-*").len() >= PARTITIONS);
}
