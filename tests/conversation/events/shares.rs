//! Shares of the event stream where there is one partition. `cluster::readers` has several.

use tests::{DEVICE, EventStream, Gateway, Prospect};

/// The problem that the stream is refused with.
fn problem_of(gateway: &Gateway, share: &str) -> (u16, String) {
    let query = format!("?share={share}");
    let answer = EventStream::try_open_with(gateway, &query, None).err().expect("a refusal");
    (answer.status, answer.problem_name())
}

#[test]
fn the_only_share_is_the_whole_stream() {
    let gateway = Gateway::trial();
    let _prospect = Prospect::open(&gateway, DEVICE);
    let mut stream =
        EventStream::try_open_with(&gateway, "?share=1/1", Some("0")).expect("it opens");
    assert_eq!(stream.event().device(), DEVICE);
}

#[test]
fn one_partition_has_one_share() {
    let gateway = Gateway::trial();
    for share in ["1/2", "2/2", "1/999"] {
        assert_eq!(problem_of(&gateway, share), (422, "too-many-shares".to_owned()), "{share}");
    }
}

#[test]
fn what_is_no_share_is_refused() {
    let gateway = Gateway::trial();
    for share in ["", "1", "0/1", "2/1", "1/1000", "1/1/1"] {
        assert_eq!(problem_of(&gateway, share), (422, "invalid-parameter".to_owned()), "{share}");
    }
}
