//! What happens to the event streams of a driver on their way: the first is cut within an event, and the
//! second is written in the other ways that the rules of Server-Sent Events allow.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
};

/// A member that no event has, and a kind of event that does not exist: clients ignore both.
pub const UNKNOWN: &str = "colour";

/// Whether these bytes begin a request for the event stream.
pub fn is_for_events(sent: &[u8]) -> bool {
    sent.starts_with(b"GET /operator/events ")
}

/// Whether these bytes begin a request that releases events.
pub fn is_for_release(sent: &[u8]) -> bool {
    sent.starts_with(b"DELETE /operator/events?")
}

/// The length up to which the first stream passes: to the middle of its second event.
pub fn cut(passed: &[u8]) -> Option<usize> {
    let data: Vec<_> = passed.windows(6).enumerate().filter(|(_, it)| it == b"\ndata:").collect();
    data.get(1).map(|(at, _)| at + 20)
}

/// Passes a request for the stream on, and its response with comments, unknown fields, kinds and members,
/// data in several lines, and lines that end with CR or with CR LF.
pub fn write_otherwise(
    request: &[u8],
    mut driver: &TcpStream,
    mut gateway: TcpStream,
) -> io::Result<()> {
    // The response to HTTP/1.0 is not in chunks: it ends with its connection.
    let request = String::from_utf8_lossy(request).replacen("HTTP/1.1", "HTTP/1.0", 1);
    gateway.write_all(request.as_bytes())?;
    let mut lines = BufReader::new(gateway).lines();
    // Up to an empty line, or to the end.
    let mut part = || -> io::Result<Vec<String>> {
        lines.by_ref().take_while(|line| !line.as_ref().is_ok_and(String::is_empty)).collect()
    };
    for line in part()? {
        write!(driver, "{}\r\n", line.replacen("HTTP/1.0", "HTTP/1.1", 1))?;
    }
    write!(driver, "\r\nevent: {UNKNOWN}\r\ndata: {{\"event\":\"{UNKNOWN}\"}}\r\n\r\n")?;
    for end in ["\r"].into_iter().chain(std::iter::repeat("\r\n")) {
        let block = part()?;
        if block.is_empty() {
            return Ok(());
        }
        write!(driver, ": a comment{end}{UNKNOWN}: red{end}")?;
        for line in block {
            let line = line.replacen('{', &format!("{{\"{UNKNOWN}\":\"red\",{end}data:  "), 1);
            // A CR LF that comes in two parts is one end all the same.
            let (head, tail) = end.split_at(1);
            write!(driver, "{}{head}", line.replacen(": ", ":", 1))?;
            write!(driver, "{tail}")?;
        }
        write!(driver, "{end}")?;
    }
    Ok(())
}
