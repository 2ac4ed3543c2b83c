//! Drives the client of progenitor: `OPERATOR_KEY=<key> driver <base-url>`.
//! Prints what it met as one JSON object.

mod events;

use std::{env, error::Error, net::TcpStream, num::NonZeroU32, ops::ControlFlow, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use connect_socket_client::{
    Client, Error as ApiError, ResponseValue,
    types::{
        AckFrame, AckFrameType, Channel, ClientFrame, ConnectSocketRequest, ConnectSocketResponse,
        DeviceData, GapEvent, OperatorEvent, Problem, ProspectMessageFrame,
        ProspectMessageFrameType, SendMessageRequest, ServerFrame, TokenRequest, TokenResponse,
    },
};
use events::follow;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use serde_json::{Map, Value, json};
use tungstenite::{ClientRequestBuilder, Message, WebSocket};
use uuid::Uuid;

const DEVICE: &str = "my_deviceTag";
const HALF_REF: &str =
    "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t";
const PATIENCE: Duration = Duration::from_secs(20);
/// A comment comes every 15 seconds.
const STREAM_SILENCE: Duration = Duration::from_secs(45);
const KINDS: [&str; 4] = ["connected", "message", "disconnected", "expired"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn client(base_url: &str, header: HeaderName, value: &str) -> Outcome<Client> {
    let headers = HeaderMap::from_iter([(header, value.parse()?)]);
    let client = reqwest::Client::builder().default_headers(headers).timeout(PATIENCE).build()?;
    Ok(Client::new_with_client(base_url, client))
}

fn prospect(base_url: &str, token: &str) -> Outcome<Client> {
    client(base_url, HeaderName::from_static("token"), token)
}

async fn request_token(
    client: &Client,
    device_data: Option<DeviceData>,
) -> Result<ResponseValue<TokenResponse>, ApiError<Problem>> {
    let device_tag = DEVICE.try_into().expect("a good one");
    let request = TokenRequest { channel: Channel::Test, device_tag, device_data };
    client.request_token(None, &request).await
}

async fn connect_socket(
    client: &Client,
    half_ref: &str,
    link: Option<&str>,
) -> Result<ResponseValue<ConnectSocketResponse>, ApiError<Problem>> {
    let request = ConnectSocketRequest {
        half_ref: half_ref.try_into().expect("a good one"),
        device_tag: DEVICE.try_into().expect("a good one"),
        linkinjected: link.map(|link| link.try_into().expect("a good one")),
    };
    client.connect_socket(&request).await
}

/// The problem that a call was refused with, read field by field.
fn problem<T>(outcome: Result<T, ApiError<Problem>>) -> Outcome<Value> {
    let problem = match outcome {
        Ok(_) => return Err("not refused".into()),
        Err(ApiError::ErrorResponse(problem)) => problem.into_inner(),
        Err(other) => return Err(other.into()),
    };
    let errors: Vec<_> = problem
        .errors
        .iter()
        .map(|error| json!({"pointer": error.pointer, "code": error.code, "detail": error.detail}))
        .collect();
    Ok(json!({
        "type": problem.type_,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "success": problem.success,
        "requestId": problem.request_id,
        "errors": errors,
    }))
}

/// A prospect's socket, over `tungstenite`.
struct Socket(WebSocket<TcpStream>);

impl Socket {
    fn open(base_url: &str) -> Outcome<Self> {
        let authority = base_url.strip_prefix("http://").ok_or("an http URL")?;
        let stream = TcpStream::connect(authority)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(HALF_REF);
        let request =
            ClientRequestBuilder::new(format!("ws://{authority}/prospect/socket").parse()?)
                .with_sub_protocol("prospect.v1")
                .with_sub_protocol(format!("halfref.{encoded}"));
        Ok(Self(tungstenite::client(request, stream)?.0))
    }

    fn receive(&mut self) -> Outcome<ServerFrame> {
        loop {
            if let Message::Text(text) = self.0.read()? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }

    fn send(&mut self, frame: impl Into<ClientFrame>) -> Outcome<()> {
        Ok(self.0.send(Message::text(serde_json::to_string(&frame.into())?))?)
    }
}

/// Takes a message of the operator's and sends one back.
async fn converse(base_url: &str, operator_key: &str) -> Outcome<(Value, String)> {
    let mut socket = Socket::open(base_url)?;
    let ServerFrame::HelloFrame(_) = socket.receive()? else {
        return Err("not a hello".into());
    };
    let operator = client(base_url, AUTHORIZATION, &format!("Bearer {operator_key}"))?;
    let request =
        SendMessageRequest { data: json!({"text": "Hello, prospect"}), ttl_seconds: None };
    let queued = operator.send_message(&DEVICE.try_into()?, None, None, &request).await?;
    let ServerFrame::OperatorMessageFrame(message) = socket.receive()? else {
        return Err("not a message".into());
    };
    if message.seq != queued.seq {
        return Err("not the message".into());
    }
    socket.send(AckFrame { type_: AckFrameType::Ack, seq: message.seq })?;
    socket.send(ProspectMessageFrame {
        type_: ProspectMessageFrameType::Message,
        id: Uuid::new_v4().to_string().try_into()?,
        data: json!({"text": "Hello, operator"}),
    })?;
    let ServerFrame::AcceptedFrame(accepted) = socket.receive()? else {
        return Err("not accepted".into());
    };
    Ok((message.data, accepted.id))
}

/// Reads what happened so far, releases it, and asks for it once more.
async fn read_events(base_url: &str, operator_key: &str) -> Outcome<(Vec<Value>, GapEvent)> {
    let operator = client(base_url, AUTHORIZATION, &format!("Bearer {operator_key}"))?;
    let request =
        SendMessageRequest { data: json!("Too late"), ttl_seconds: Some(NonZeroU32::MIN) };
    operator.send_message(&DEVICE.try_into()?, None, None, &request).await?;
    // The generated client ends a request by its timeout, and a stream has no end.
    let http = reqwest::Client::builder().read_timeout(STREAM_SILENCE).build()?;
    let stream = || http.get(format!("{base_url}/operator/events")).bearer_auth(operator_key);
    let (mut events, mut ids) = (Vec::new(), Vec::new());
    follow(stream, "0".to_owned(), |event| {
        if !KINDS.contains(&&*event.event) {
            return Ok(ControlFlow::Continue(()));
        }
        let read: OperatorEvent = serde_json::from_str(&event.data)?;
        events.push(json!({"id": event.id, "data": read}));
        ids.push(event.id.clone());
        Ok(match read {
            OperatorEvent::ExpiredEvent(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    })
    .await?;
    operator.release_events(&ids.last().ok_or("no event")?.parse()?).await?;
    let first = ids.first().ok_or("no event")?.clone();
    let gap = follow(stream, first, |event| match serde_json::from_str(&event.data)? {
        OperatorEvent::GapEvent(gap) => Ok(ControlFlow::Break(gap)),
        _ => Err("not a gap".into()),
    });
    Ok((events, gap.await?))
}

async fn drive(base_url: &str, operator_key: &str) -> Outcome<Value> {
    let token = request_token(&Client::new(base_url), None).await?.into_inner().token;
    let device = prospect(base_url, &token)?;
    connect_socket(&device, HALF_REF, None).await?;
    connect_socket(&device, HALF_REF, Some("https://example.com/friend")).await?;
    let (received, accepted) = converse(base_url, operator_key).await?;

    let stranger = prospect(base_url, "no-token")?;
    let unauthorised = problem(connect_socket(&stranger, HALF_REF, None).await)?;
    let spent = problem(connect_socket(&device, HALF_REF, None).await)?;
    let members = (0..65).map(|n| (format!("member{n}"), json!(n)));
    let too_much = DeviceData(Map::from_iter(members));
    let invalid = problem(request_token(&Client::new(base_url), Some(too_much)).await)?;
    let mut last = connect_socket(&device, &Uuid::new_v4().to_string(), None).await;
    for _ in 0..50 {
        if last.is_ok() {
            last = connect_socket(&device, &Uuid::new_v4().to_string(), None).await;
        }
    }
    let too_many = problem(last)?;
    let (events, gap) = read_events(base_url, operator_key).await?;
    Ok(json!({
        "received": received,
        "accepted": accepted,
        "typed": true,
        "problems": [unauthorised, spent, invalid, too_many],
        "events": events,
        "gap": gap,
    }))
}

fn main() -> Outcome<()> {
    let base_url = env::args().nth(1).ok_or("usage: OPERATOR_KEY=<key> driver <base-url>")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(drive(&base_url, &env::var("OPERATOR_KEY")?))?);
    Ok(())
}
