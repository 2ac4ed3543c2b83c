//! The erasure of a device: nothing that names it is left, and nothing else is missing.

use std::time::Duration;

use engine::{EndReason, EventData, Limits, RedeemError, SocketError, TokenError};
use tokio::task::yield_now;

use crate::harness::{
    Backend, DAY, MEMORY, MESSAGE, TestEngine, conformance, open_phone, open_phone_with, phone,
};

/// A phone and a tablet that have said three things each, by turns: the events 1 to 8.
async fn two_devices(backend: Backend) -> TestEngine {
    two_devices_with(backend, Limits::default()).await
}

async fn two_devices_with(backend: Backend, limits: Limits) -> TestEngine {
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    engine.claim("tablet", "other").await.unwrap();
    engine.open("token", "phone", "connection").await;
    engine.open("other", "tablet", "another").await;
    for id in ["a", "b", "c"] {
        engine.accept("phone", "connection", id, "1").await.unwrap();
        engine.accept("tablet", "another", id, "1").await.unwrap();
    }
    engine.new_events().await;
    engine
}

async fn numbers(engine: &TestEngine, from: u64, limit: usize) -> Vec<u64> {
    engine.events(from, limit).await.events.iter().map(|event| event.n).collect()
}

/// The first event that was not dropped and the next to come.
async fn ends(engine: &TestEngine) -> (u64, u64) {
    let events = engine.events(0, 0).await;
    (events.oldest, events.next)
}

/// The bytes of the events by the engine's count, and by adding them up.
async fn event_bytes(engine: &TestEngine) -> (u64, u64) {
    let counted = engine.inner.stats().await.fill.expect("the engine can be asked").event_bytes;
    let events = engine.events(0, usize::MAX).await.events;
    (counted, events.iter().map(|event| event.size() as u64).sum())
}

// What ends.

conformance!(an_erased_device_is_disconnected, in_one_partition, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.erase("phone").await;
    engine.ended_are(&[("connection", EndReason::Revoked)]);
    assert_eq!(engine.device("phone").await, None);
    assert_eq!(engine.check_token("token").await, Err(TokenError::Unknown));
    assert!(engine.connected("", 10).await.is_empty());
    let stale = engine.accept("phone", "connection", "a", "1").await;
    assert_eq!(stale, Err(SocketError::Stale));
});

conformance!(an_erased_device_has_no_events, in_one_partition, async |backend| {
    let engine = open_phone(backend).await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    engine.send_with_ttl("phone", "1", MESSAGE / 2).await.unwrap();
    engine.advance(MESSAGE / 2).await;
    engine.send("phone", "2").await.unwrap();
    engine.erase("phone").await;
    assert!(numbers(&engine, 0, 10).await.is_empty());
    engine.events_are(&[]).await;
});

conformance!(erasing_an_unknown_device_changes_nothing, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    engine.erase("laptop").await;
    assert_eq!(numbers(&engine, 0, 10).await, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(ends(&engine).await, (1, 9));
});

conformance!(an_erasure_is_repeatable, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    engine.erase("phone").await;
    let before = engine.events(0, 10).await;
    engine.erase("phone").await;
    assert_eq!(engine.events(0, 10).await, before);
});

conformance!(
    the_events_of_a_device_without_a_record_are_erased,
    in_one_partition,
    async |backend| {
        let engine = two_devices(backend).await;
        engine.disconnect("phone").await;
        engine.erase("phone").await;
        assert_eq!(numbers(&engine, 0, 10).await, [2, 4, 6, 8]);
    }
);

conformance!(a_spent_half_ref_of_an_erased_device_is_unknown, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    engine.authorise("token", "phone", "pending").await.unwrap();
    engine.erase("phone").await;
    for half_ref in ["half ref of connection", "pending"] {
        let refused = engine.redeem(half_ref, "newer").await;
        assert_eq!(refused, Err(RedeemError::Unknown), "{half_ref}");
    }
    let refused = engine.redeem("half ref of another", "newer").await;
    assert_eq!(refused, Err(RedeemError::Spent), "of the other device");
});

conformance!(all_half_refs_of_a_device_are_erased_among_many, in_one_partition, async |backend| {
    let engine = phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    let name = |n: u32| format!("half ref {n}");
    for n in 0..300 {
        let (token, device) = if n % 3 == 0 { ("token", "phone") } else { ("other", "tablet") };
        engine.authorise(token, device, &name(n)).await.unwrap();
        engine.advance(Duration::from_millis(200)).await;
    }
    engine.erase("phone").await;
    for n in 0..300 {
        let answer = engine.redeem(&name(n), "newer").await.map(drop);
        assert_eq!(answer == Err(RedeemError::Unknown), n % 3 == 0, "{n}: {answer:?}");
    }
});

conformance!(an_erased_device_can_come_back, in_one_partition, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send_with_key("phone", "1", "key").await.unwrap().epoch;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    engine.erase("phone").await;
    engine.claim("phone", "next").await.unwrap();
    engine.open("next", "phone", "newer").await;
    engine.accept("phone", "newer", "a", "2").await.unwrap();
    let sent = engine.send_with_key("phone", "2", "key").await.unwrap();
    assert_eq!((sent.seq, sent.epoch == epoch), (1, false));
    engine.events_are(&["phone connected newer", "phone message newer a 2"]).await;
});

// What stays.

conformance!(the_events_of_other_devices_keep_their_numbers, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    engine.erase("phone").await;
    assert_eq!(numbers(&engine, 0, 10).await, [2, 4, 6, 8]);
    assert_eq!(numbers(&engine, 3, 2).await, [4, 6]);
    assert_eq!(numbers(&engine, 5, 10).await, [6, 8]);
    engine.accept("tablet", "another", "d", "1").await.unwrap();
    // The event that the phone's socket ended is erased too.
    assert_eq!(numbers(&engine, 0, 10).await, [2, 4, 6, 8, 10]);
});

conformance!(an_erasure_drops_nothing_from_under_a_reader, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    let before = ends(&engine).await;
    engine.erase("phone").await;
    engine.erase("tablet").await;
    let (oldest, next) = ends(&engine).await;
    assert_eq!(oldest, before.0);
    assert!(next >= before.1);
    assert!(numbers(&engine, 0, 10).await.is_empty());
});

conformance!(
    a_reader_in_erased_events_continues_with_what_comes,
    in_one_partition,
    async |backend| {
        let engine = two_devices(backend).await;
        engine.erase("phone").await;
        engine.erase("tablet").await;
        engine.claim("watch", "third").await.unwrap();
        engine.open("third", "watch", "newest").await;
        for from in 0..9 {
            let page = engine.events(from, 1).await.events;
            assert!(matches!(page[0].data, EventData::Connected { .. }), "from {from}");
        }
    }
);

conformance!(events_are_released_across_erased_ones, in_one_partition, async |backend| {
    for through in 1..=9 {
        let engine = two_devices(backend).await;
        engine.erase("phone").await;
        engine.release(through).await;
        assert_eq!(ends(&engine).await, (through + 1, 10), "{through}");
        let left: Vec<_> = [2, 4, 6, 8].into_iter().filter(|n| *n > through).collect();
        assert_eq!(numbers(&engine, 0, 10).await, left, "{through}");
    }
});

conformance!(an_erasure_after_a_release_keeps_its_end, in_one_partition, async |backend| {
    for through in 1..=8 {
        let engine = two_devices(backend).await;
        engine.release(through).await;
        engine.erase("phone").await;
        assert_eq!(ends(&engine).await.0, through + 1);
        engine.release(through + 1).await;
        assert_eq!(ends(&engine).await.0, through + 2);
    }
});

conformance!(events_expire_across_erased_ones, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    engine.advance(DAY / 2).await;
    engine.accept("phone", "connection", "d", "1").await.unwrap();
    engine.accept("tablet", "another", "d", "1").await.unwrap();
    engine.erase("phone").await;
    engine.advance(DAY / 2).await;
    assert_eq!(ends(&engine).await.0, 9);
    engine.advance(DAY).await;
    let (oldest, next) = ends(&engine).await;
    assert_eq!(oldest, next);
});

conformance!(the_bytes_of_erased_events_are_not_counted, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    engine.erase("phone").await;
    let (counted, added) = event_bytes(&engine).await;
    assert_eq!(counted, added);
    engine.erase("tablet").await;
    assert_eq!(event_bytes(&engine).await, (0, 0));
    let fill = engine.inner.stats().await.fill.unwrap();
    assert_eq!((fill.devices, fill.reserved_bytes, fill.oldest_event), (0, 0, None));
});

conformance!(an_erasure_makes_room_in_a_full_stream, in_one_partition, async |backend| {
    let limits = Limits { event_bytes: 600, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.authorise("other", "tablet", "half").await.unwrap();
    for id in 0.. {
        if engine.accept("phone", "connection", &format!("{id}"), "1").await.is_err() {
            break;
        }
    }
    assert_eq!(engine.redeem("half", "another").await.map(drop), Err(RedeemError::EventsFull));
    engine.erase("phone").await;
    engine.redeem("half", "another").await.unwrap();
});

conformance!(an_erasure_gives_a_device_its_share_back, in_one_partition, async |backend| {
    let limits = Limits { event_bytes_per_device: 400, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    let mut said = 0;
    while engine.accept("phone", "connection", &said.to_string(), "1").await.is_ok() {
        said += 1;
    }
    engine.erase("phone").await;
    engine.claim("phone", "next").await.unwrap();
    engine.open("next", "phone", "connection").await;
    for id in 0..said {
        engine.accept("phone", "connection", &id.to_string(), "1").await.unwrap();
    }
});

// While others are at work.

/// Events of a device, several slices of an erasure.
const MANY: usize = 10_000;

conformance!(others_are_served_during_an_erasure, in_one_partition, async |backend| {
    let engine = two_devices_with(backend, Limits::default()).await;
    let many = if backend == Backend::Memory { MANY } else { MANY / 20 };
    for id in 0..many {
        engine.accept("phone", "connection", &format!("{id}"), "1").await.unwrap();
    }
    let said = async {
        let mut said = 0;
        loop {
            engine.accept("tablet", "another", &format!("during {said}"), "1").await.unwrap();
            said += 1;
            yield_now().await;
            if engine.events(0, 1).await.events[0].n == 2 {
                break said;
            }
        }
    };
    let (said, ()) = tokio::join!(said, engine.erase("phone"));
    assert!(said > 0);
    let left = engine.events(0, usize::MAX).await.events;
    assert!(left.iter().all(|event| &*event.device == "tablet"));
    assert_eq!(left.len(), 4 + said);
    let (counted, added) = event_bytes(&engine).await;
    assert_eq!(counted, added);
});

conformance!(what_a_device_says_after_it_came_back_stays, in_one_partition, async |backend| {
    let engine = two_devices(backend).await;
    for id in 0..MANY / 20 {
        engine.accept("phone", "connection", &format!("{id}"), "1").await.unwrap();
    }
    let comes_back = async {
        while engine.device("phone").await.is_some() {
            yield_now().await;
        }
        engine.claim("phone", "next").await.unwrap();
        engine.open("next", "phone", "newer").await;
        engine.accept("phone", "newer", "back", "1").await.unwrap();
    };
    tokio::join!(engine.erase("phone"), comes_back);
    let left = engine.events(0, usize::MAX).await.events;
    let left = left.iter().filter(|event| &*event.device == "phone");
    let left: Vec<_> = left.map(|event| event.connection.clone().unwrap().0.to_string()).collect();
    assert_eq!(left, ["newer", "newer"]);
    assert!(engine.device("phone").await.is_some());
});

conformance!(
    a_reader_of_single_events_misses_nothing_during_an_erasure,
    in_one_partition,
    async |backend| {
        let engine = two_devices(backend).await;
        for id in 0..MANY / 20 {
            let (device, connection) =
                if id % 2 == 0 { ("phone", "connection") } else { ("tablet", "another") };
            engine.accept(device, connection, &format!("{id}"), "1").await.unwrap();
        }
        let next = ends(&engine).await.1;
        let reads = async {
            let (mut from, mut of_the_tablet) = (1, 0);
            loop {
                let page = engine.events(from, 1).await;
                assert!(page.oldest <= from, "no gap");
                let Some(event) = page.events.first().filter(|event| event.n < next) else {
                    break of_the_tablet;
                };
                from = event.n + 1;
                of_the_tablet += usize::from(&*event.device == "tablet");
                yield_now().await;
            }
        };
        let (of_the_tablet, ()) = tokio::join!(reads, engine.erase("phone"));
        assert_eq!(of_the_tablet, 4 + MANY / 40);
    }
);

conformance!(
    a_half_ref_that_opened_after_the_erasure_stays_spent,
    in_one_partition,
    async |backend| {
        let engine = open_phone(backend).await;
        engine.erase("phone").await;
        engine.claim("phone", "next").await.unwrap();
        engine.open("next", "phone", "newer").await;
        let replayed = engine.redeem("half ref of newer", "replayed").await;
        assert_eq!(replayed, Err(RedeemError::Spent));
        engine.advance(MEMORY).await;
        let replayed = engine.redeem("half ref of newer", "replayed").await;
        assert_eq!(replayed, Err(RedeemError::Unknown));
    }
);
