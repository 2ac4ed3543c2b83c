//! The harness of the suites: the real binary under test, and clients that share no code with it.
//!
//! A test reads like this:
//!
//! ```no_run
//! # use tests::{DEVICE, Gateway, Operator, Prospect};
//! let gateway = Gateway::trial();
//! let mut prospect = Prospect::open(&gateway, DEVICE);
//! Operator::of(&gateway).queue(DEVICE, r#""hello""#);
//! assert_eq!(prospect.receive_message().data, r#""hello""#);
//! ```

pub mod bookkeeper;
pub mod certificates;
pub mod client;
pub mod connection;
pub mod events;
pub mod gateway;
pub mod metrics;
pub mod operator;
pub mod process;
pub mod prospect;
pub mod proxy;
pub mod random;
pub mod redis;
mod redis_cluster;
pub mod sentinel;
pub mod service;
pub mod socket;
pub mod tools;
pub mod wall_clock;

pub use bookkeeper::{Bookkeeper, Load};
pub use certificates::{Authority, Certificate};
pub use client::{Answer, Call};
pub use connection::Connection;
pub use events::{Event, EventStream};
pub use gateway::{Gateway, GatewayBuilder};
pub use metrics::Metrics;
pub use operator::Operator;
pub use prospect::Prospect;
pub use proxy::Proxy;
pub use redis::{RedisServer, TlsServer};
pub use redis_cluster::RedisCluster;
pub use sentinel::Sentinels;
pub use service::Service;
pub use socket::Socket;
pub use wall_clock::WallClock;

/// A new valid `halfRef`.
#[must_use]
pub fn half_ref() -> String {
    format!("half-ref-{}", server::secret::new_token(engine::Home::of_device("")))
}

/// The `deviceTag` of the document's example.
pub const DEVICE: &str = "my_deviceTag";

/// The member `data` of a JSON object, byte for byte.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn raw_data(object: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }

    let object: Object<'_> = serde_json::from_str(object).expect("an object with data");
    object.data.get().to_owned()
}
