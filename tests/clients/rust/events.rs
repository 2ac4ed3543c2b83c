//! The operator's event stream, beside a generated client: a reader of Server-Sent Events (WHATWG
//! HTML, section 9.2), and what keeps the stream open.

use std::{error::Error, ops::ControlFlow, time::Duration};

use reqwest::{RequestBuilder, StatusCode, header::HeaderName};

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// One event.
pub struct ServerSentEvent {
    /// The cursor to continue after; that of the event before where this one has none.
    pub id: String,
    pub event: String,
    pub data: String,
}

/// Turns the bytes of a body into events. An event whose end has not come is dropped.
#[derive(Default)]
struct Reader {
    line: Vec<u8>,
    after_cr: bool,
    id: String,
    event: String,
    data: Option<String>,
}

impl Reader {
    /// Takes one byte; gives the event that ends with it.
    fn take(&mut self, byte: u8) -> Option<ServerSentEvent> {
        let ends_cr_lf = byte == b'\n' && self.after_cr;
        self.after_cr = byte == b'\r';
        match byte {
            _ if ends_cr_lf => None,
            b'\r' | b'\n' => {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                self.take_line(&line)
            }
            _ => {
                self.line.push(byte);
                None
            }
        }
    }

    fn take_line(&mut self, line: &str) -> Option<ServerSentEvent> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let event = std::mem::take(&mut self.event);
                let data = self.data.take()?;
                return Some(ServerSentEvent { id: self.id.clone(), event, data });
            }
            "data" => match &mut self.data {
                Some(data) => data.extend(["\n", value]),
                None => self.data = Some(value.to_owned()),
            },
            "event" => value.clone_into(&mut self.event),
            "id" => value.clone_into(&mut self.id),
            _ => {}
        }
        None
    }
}

/// Gives the events after a cursor to `sink`, over as many connections as that takes, until it
/// breaks or the gateway refuses.
pub async fn follow<T>(
    request: impl Fn() -> RequestBuilder,
    mut last_event_id: String,
    mut sink: impl FnMut(&ServerSentEvent) -> Result<ControlFlow<T>, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let mut delay = FIRST_DELAY;
    loop {
        let header = HeaderName::from_static("last-event-id");
        if let Ok(mut response) = request().header(header, &last_event_id).send().await {
            let status = response.status();
            if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
                return Err(response.text().await?.into());
            }
            let mut reader = Reader::default();
            while let Ok(Some(bytes)) = response.chunk().await {
                for event in bytes.iter().filter_map(|byte| reader.take(*byte)) {
                    if let ControlFlow::Break(result) = sink(&event)? {
                        return Ok(result);
                    }
                    // The event is dealt with now. Store this cursor where it outlives the program.
                    if !event.id.is_empty() {
                        last_event_id = event.id;
                    }
                    delay = FIRST_DELAY;
                }
            }
        }
        tokio::time::sleep(delay).await;
        delay = (2 * delay).min(LONGEST_DELAY);
    }
}
