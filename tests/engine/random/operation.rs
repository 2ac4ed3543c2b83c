//! One operation of a random run, as proptest makes it.
//!
//! An operation names tokens, connections and so on by their place among those that the run knows
//! when it comes to it, counted from the newest: so it keeps its meaning when proptest takes out
//! others before it.

use std::time::Duration;

use proptest::{prelude::*, sample::select};

pub type Device = &'static str;

/// One more than there may be records.
pub const DEVICES: [Device; 4] = ["phone", "tablet", "watch", "laptop"];

const HALF_REFS: [&str; 7] = ["h1", "h2", "h3", "h4", "h5", "h6", "h7"];

#[derive(Debug, Clone)]
pub enum Operation {
    /// With an idempotency key, if it claims or renews.
    RequestToken {
        device: Device,
        requester: Requester,
        token: Choice,
        key: Option<u8>,
        data: Option<&'static str>,
    },
    CheckToken(Choice),
    RevokeToken(Choice),
    /// Authorises the token's own device, or another.
    Authorise {
        token: Choice,
        device: Option<Device>,
        half_ref: &'static str,
        link: Option<&'static str>,
    },
    Redeem {
        half_ref: &'static str,
    },
    /// The prospect opens a socket, with a token that the operator issues where it has none.
    Connect(Device),
    /// The prospect loses its socket. The gateway reports that, with the code of the close, or has
    /// not noticed.
    Lose {
        device: Device,
        reported: bool,
        code: Option<u16>,
    },
    /// The gateway reports the close of a connection, perhaps under another device's name.
    Close {
        connection: usize,
        device: Option<Device>,
    },
    /// A connection that is not its device's socket any more is used.
    UseStale {
        connection: usize,
    },
    Send {
        device: Device,
        large: bool,
        ttl: Duration,
        key: Option<u8>,
        body: u8,
    },
    /// The prospect reads a batch, from where it is or from the beginning.
    Read {
        device: Device,
        from_start: bool,
        bytes: usize,
    },
    /// The prospect acknowledges all that it processed but `less`.
    Acknowledge {
        device: Device,
        less: u64,
    },
    /// The prospect sends a message, and gets the answer or does not.
    Say {
        device: Device,
        answered: bool,
    },
    /// The prospect sends a message again that was accepted before.
    Repeat {
        device: Device,
        id: usize,
    },
    /// The operator releases all events but the newest ones.
    Release {
        but: usize,
    },
    Disconnect(Device),
    Erase(Device),
    /// The operator looks at everything.
    Inspect {
        device: Device,
        seq: u64,
    },
    /// Time passes; the engine sweeps at every deadline, or not until something else happens.
    Advance {
        time: Duration,
        swept: bool,
    },
    /// The process restarts, after a clean shutdown or killed.
    Restart {
        clean: bool,
    },
}

/// Who requests a token.
#[derive(Debug, Clone, Copy)]
pub enum Requester {
    Test,
    /// Without a token.
    Claim,
    Operator,
    /// With a token, for the device that it is of.
    Renew,
    /// With a token, whatever device it is of.
    RenewOther,
}

/// One of the tokens that were issued.
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    /// This many before the newest.
    Newest(usize),
    /// This many after the oldest.
    Oldest(usize),
    /// None: a name that was never issued.
    Invented,
}

fn device() -> impl Strategy<Value = Device> {
    select(&DEVICES[..])
}

/// Mostly the device that something belongs to; sometimes any.
fn other_device() -> impl Strategy<Value = Option<Device>> {
    prop_oneof![8 => Just(None), 1 => device().prop_map(Some)]
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        10 => (0_usize..6).prop_map(Choice::Newest),
        1 => (0_usize..1000).prop_map(Choice::Oldest),
        1 => Just(Choice::Invented),
    ]
}

fn requester() -> impl Strategy<Value = Requester> {
    use Requester::{Claim, Operator, Renew, RenewOther, Test};
    select(&[Test, Test, Claim, Claim, Operator, Renew, Renew, RenewOther][..])
}

fn request_token() -> impl Strategy<Value = Operation> {
    // Few keys, so that they come again.
    let key = prop_oneof![Just(None), (0_u8..3).prop_map(Some)];
    let data = select(&[None, None, Some("{}"), Some(r#"{ "a": [1.0e2] }"#)][..]);
    (device(), requester(), choice(), key, data).prop_map(
        |(device, requester, token, key, data)| Operation::RequestToken {
            device,
            requester,
            token,
            key,
            data,
        },
    )
}

fn time() -> impl Strategy<Value = Duration> {
    let up_to = |end| (1_u64..end).prop_map(Duration::from_millis);
    prop_oneof![2 => up_to(10), 4 => up_to(3_000), 2 => up_to(20_000), 1 => up_to(100_000)]
}

fn send() -> impl Strategy<Value = Operation> {
    let ttl = select(&[5, 60, 60, 200][..]).prop_map(Duration::from_secs);
    // Few keys and few bodies, so that both come again.
    let key = prop_oneof![Just(None), (0_u8..8).prop_map(Some)];
    let body = prop_oneof![4 => Just(0_u8), 1 => Just(1)];
    (device(), prop::bool::weighted(0.15), ttl, key, body).prop_map(
        |(device, large, ttl, key, body)| Operation::Send { device, large, ttl, key, body },
    )
}

fn authorise() -> impl Strategy<Value = Operation> {
    let link = select(&[None, Some("one"), Some("two")][..]);
    (choice(), other_device(), select(&HALF_REFS[..]), link).prop_map(
        |(token, device, half_ref, link)| Operation::Authorise { token, device, half_ref, link },
    )
}

fn lose() -> impl Strategy<Value = Operation> {
    let code = select(&[None, Some(1000), Some(4201)][..]);
    (device(), any::<bool>(), code).prop_map(|(device, reported, code)| Operation::Lose {
        device,
        reported,
        code,
    })
}

/// Any operation, each as often as it takes for a run to meet everything.
pub fn operation() -> impl Strategy<Value = Operation> {
    use Operation as Op;
    prop_oneof![
        10 => request_token(),
        2 => choice().prop_map(Op::CheckToken),
        1 => choice().prop_map(Op::RevokeToken),
        10 => authorise(),
        8 => select(&HALF_REFS[..]).prop_map(|half_ref| Op::Redeem { half_ref }),
        8 => device().prop_map(Op::Connect),
        3 => lose(),
        2 => (0_usize..4, other_device())
            .prop_map(|(connection, device)| Op::Close { connection, device }),
        2 => (0_usize..100).prop_map(|connection| Op::UseStale { connection }),
        18 => send(),
        9 => (device(), prop::bool::weighted(0.3), 0_usize..60)
            .prop_map(|(device, from_start, bytes)| Op::Read { device, from_start, bytes }),
        7 => (device(), prop_oneof![3 => Just(0), 1 => 1_u64..3])
            .prop_map(|(device, less)| Op::Acknowledge { device, less }),
        12 => (device(), any::<bool>())
            .prop_map(|(device, answered)| Op::Say { device, answered }),
        2 => (device(), 0_usize..4).prop_map(|(device, id)| Op::Repeat { device, id }),
        2 => (0_usize..40).prop_map(|but| Op::Release { but }),
        1 => device().prop_map(Op::Disconnect),
        1 => device().prop_map(Op::Erase),
        4 => (device(), 0_u64..20).prop_map(|(device, seq)| Op::Inspect { device, seq }),
        8 => (time(), any::<bool>()).prop_map(|(time, swept)| Op::Advance { time, swept }),
        2 => any::<bool>().prop_map(|clean| Op::Restart { clean }),
    ]
}
