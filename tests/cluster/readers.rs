//! Readers of the event streams of several partitions.

use redis::cmd;
use tests::{Gateway, Operator, Prospect, RedisServer};

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
