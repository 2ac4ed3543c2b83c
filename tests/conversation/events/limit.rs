//! How many streams can be open.

use tests::{Connection, EventStream, Gateway, Operator, gateway::eventually};

fn with_one_stream() -> Gateway {
    Gateway::builder().flag("--event-streams", "1").start()
}

#[test]
fn a_stream_over_the_limit_is_refused() {
    let gateway = with_one_stream();
    let _first = Operator::of(&gateway).events();
    let answer = EventStream::try_open(&gateway, None).err().expect("a refusal");
    assert_eq!(answer.status, 429);
    assert_eq!(answer.problem_name(), "too-many-streams");
}

#[test]
fn a_closed_stream_makes_room_for_another() {
    let gateway = with_one_stream();
    drop(Operator::of(&gateway).events());
    eventually("there is room", || EventStream::try_open(&gateway, None).is_ok());
}

#[test]
fn the_default_limit_is_eight_streams() {
    let gateway = Gateway::trial();
    let _open = [(); 8].map(|()| Operator::of(&gateway).events());
    assert!(EventStream::try_open(&gateway, None).is_err());
}

#[test]
fn head_does_not_count_as_a_stream() {
    let gateway = with_one_stream();
    let key = format!("Bearer {}", gateway.operator_key);
    let mut connection = Connection::open(&gateway);
    for _ in 0..2 {
        let headers = [("authorization", key.as_str())];
        let answer = connection.ask("HEAD /operator/events", &headers, "");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/event-stream");
    }
    let _stream = Operator::of(&gateway).events();
}
