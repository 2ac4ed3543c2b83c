//! Stands between a driver and the gateway, passes everything on, and keeps what the driver sent.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Deserializer, Value};
use tests::Gateway;

type Sent = Arc<Mutex<Vec<u8>>>;

/// A listener that leads to a gateway.
pub struct Recorder {
    /// Where it listens, without a slash at the end.
    pub url: String,
    connections: Arc<Mutex<Vec<Sent>>>,
}

impl Recorder {
    /// A recorder before this gateway.
    pub fn before(gateway: &Gateway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let connections = Arc::<Mutex<Vec<Sent>>>::default();
        let (kept, authority) = (connections.clone(), gateway.authority().to_owned());
        thread::spawn(move || {
            for driver in listener.incoming().map_while(Result::ok) {
                let Ok(gateway) = TcpStream::connect(&authority) else { continue };
                let sent = Sent::default();
                kept.lock().expect("no panic").push(sent.clone());
                let (back, forth) = (gateway.try_clone(), driver.try_clone());
                if let (Ok(back), Ok(forth)) = (back, forth) {
                    thread::spawn(move || pass_on(driver, gateway, Some(&sent)));
                    thread::spawn(move || pass_on(back, forth, None));
                }
            }
        });
        Self { url, connections }
    }

    /// Every JSON object that was sent and has this member.
    pub fn bodies_with(&self, member: &str) -> Vec<Value> {
        let connections = self.connections.lock().expect("no panic");
        let mut bodies = Vec::new();
        for sent in connections.iter() {
            let sent = sent.lock().expect("no panic");
            let mut rest = &sent[..];
            while let Some(start) = rest.iter().position(|byte| *byte == b'{') {
                rest = &rest[start..];
                let mut values = Deserializer::from_slice(rest).into_iter::<Value>();
                let read = values.next().and_then(Result::ok);
                rest = &rest[read.as_ref().map_or(1, |_| values.byte_offset())..];
                bodies.extend(read.filter(|body| body.get(member).is_some()));
            }
        }
        bodies
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, kept: Option<&Sent>) {
    let mut buffer = vec![0; 16 * 1024];
    let mut pass = || -> io::Result<usize> {
        let length = from.read(&mut buffer)?;
        if let Some(kept) = kept {
            kept.lock().expect("no panic").extend(&buffer[..length]);
        }
        to.write_all(&buffer[..length])?;
        Ok(length)
    };
    while pass().is_ok_and(|length| length > 0) {}
    // The other direction may have ended both already.
    let _ = to.shutdown(Shutdown::Write);
}
