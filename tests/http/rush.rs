//! Thousands of connections that arrive at once: the excess is refused at once, probes are not.

use tests::{Connection, Gateway, GatewayBuilder};

/// More than may wait, and begin meanwhile.
const CONNECTIONS: usize = 1500;

/// As many connections to a worker as arrive while it sleeps. Each has sent `request`.
fn rush(gateway: &Gateway, request: &str) -> Vec<Connection> {
    gateway.signal("STOP");
    let connect = |_| {
        let mut connection = Connection::open(gateway);
        connection.send(request);
        connection
    };
    let connections = (0..CONNECTIONS).map(connect).collect();
    gateway.signal("CONT");
    connections
}

fn gateway() -> GatewayBuilder {
    // This process has one end of each.
    rlimit::increase_nofile_limit(8192).expect("descriptors");
    Gateway::builder().flag("--workers", "1").flag("--connections-per-address", "4000")
}

#[test]
fn the_excess_of_a_rush_is_refused_and_told_when_to_come_back() {
    let gateway = gateway().start();
    let connections = rush(&gateway, "DELETE /token HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut refused = 0;
    for mut connection in connections {
        let answer = connection.answer();
        if answer.status == 401 {
            continue;
        }
        assert_eq!(answer.problem_name(), "out-of-descriptors");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        assert!(answer.json()["detail"].to_string().contains("at once"), "{:?}", answer.json());
        refused += 1;
    }
    assert!((1..CONNECTIONS - 512).contains(&refused), "{refused} refused");
    assert_eq!(gateway.get("/livez").status, 200);
    assert_eq!(gateway.log().matches("too many arrive at once").count(), 1);
}

#[test]
fn probes_are_answered_in_a_rush() {
    let gateway = gateway().start();
    for mut connection in rush(&gateway, "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n") {
        assert_eq!(connection.answer().status, 200);
    }
}
