//! The books of a gateway: its metrics, to be compared with what the client has counted.

use std::io;

use crate::{
    client::{Http, request},
    process::OPERATOR_KEY,
};

/// The metrics of the gateway at a port.
pub struct Books(String);

impl Books {
    pub async fn read(port: u16) -> io::Result<Self> {
        let key = format!("authorization: Bearer {OPERATOR_KEY}\r\n");
        let answer = Http::open(port).await?.answer(&request("GET /metrics", &key, "")).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 200 { Ok(Self(text)) } else { Err(io::Error::other(text)) }
    }

    /// The value of the line that begins with `metric`.
    pub fn value(&self, metric: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '))
    }

    /// Fails unless a line has this value.
    pub fn check(&self, metric: &str, counted: usize) -> io::Result<()> {
        let value = self.value(metric);
        if value == Some(counted.to_string().as_str()) {
            return Ok(());
        }
        Err(io::Error::other(format!("{metric} is {value:?}, counted were {counted}")))
    }
}
