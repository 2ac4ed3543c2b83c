//! A gateway that is told to end, in the middle of a conversation.

use tests::{DEVICE, Event, Gateway, Operator, Prospect};

#[test]
fn a_prospect_with_messages_before_it_is_told_to_come_back() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for _ in 0..3 {
        Operator::of(&gateway).queue(DEVICE, "1");
    }
    gateway.signal("TERM");
    let (code, bye) = prospect.socket.closed();
    assert_eq!(code, 4200);
    let bye = bye.expect("a bye");
    assert_eq!(bye["code"], 4200);
    assert!(bye["retryAfterMs"].as_u64().expect("a number") > 0);
}

#[test]
fn a_stream_ends_and_so_does_the_gateway() {
    let mut gateway = Gateway::trial();
    let mut streams = [(); 2].map(|()| Operator::of(&gateway).events());
    gateway.signal("TERM");
    for stream in &mut streams {
        assert_eq!(stream.next_event(), None);
    }
    assert!(gateway.ended().success());
}

#[test]
fn a_stream_tells_of_every_socket_before_it_ends() {
    let gateway = Gateway::trial();
    let devices: Vec<_> = (0..10).map(|n| format!("device-{n}")).collect();
    let _open: Vec<_> = devices.iter().map(|device| Prospect::open(&gateway, device)).collect();
    let mut stream = Operator::of(&gateway).events();
    gateway.signal("TERM");
    let mut told: Vec<_> = stream.events(10).iter().map(Event::device).collect();
    told.sort();
    assert_eq!(told, devices);
    assert_eq!(stream.next_event(), None);
}

#[test]
fn a_gateway_ends_with_streams_that_nobody_reads() {
    let mut gateway = Gateway::trial();
    let _streams = [(); 2].map(|()| Operator::of(&gateway).events());
    gateway.signal("TERM");
    assert!(gateway.ended().success());
}
