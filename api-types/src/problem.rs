//! The one shape of everything that goes wrong (RFC 9457), and the registry of its types.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong (RFC 9457, `application/problem+json`).
///
/// `type` is stable and made for programs; `title` and `detail` are made for people and may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Which kind of problem this is: a URI from the gateway's registry.
    #[schema(format = "uri")]
    pub r#type: String,
    /// The kind in words, the same for every problem of this type.
    pub title: String,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong this time, and what to do about it.
    pub detail: String,
    /// Always `false`.
    pub success: bool,
    /// Names this request: also in the header `x-request-id` and in the gateway's log.
    pub request_id: String,
    /// The fields that are wrong, where fields are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of this kind, with its usual detail.
    #[must_use]
    pub fn new(kind: ProblemKind, request_id: &str) -> Self {
        Self {
            r#type: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: kind.detail().to_owned(),
            success: false,
            request_id: request_id.to_owned(),
            errors: Vec::new(),
        }
    }
}

/// One field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where the field is in the body: a JSON Pointer (RFC 6901), empty for the body itself.
    pub pointer: String,
    /// Which rule is broken: `missing`, `unknown`, `duplicate`, `type`, `length`, `pattern` or
    /// `value`. More may come.
    #[schema(value_type = String, example = "length")]
    pub code: FieldCode,
    /// The rule in words.
    pub detail: String,
}

impl FieldError {
    /// How many errors one problem lists at the most.
    pub const AT_MOST: usize = 32;

    pub(crate) fn new(pointer: &str, code: FieldCode, detail: &str) -> Self {
        // A pointer may repeat a name that was sent, so it is cut where no field of ours reaches.
        let pointer = pointer.chars().take(128).collect();
        Self { pointer, code, detail: detail.to_owned() }
    }

    pub(crate) fn list(errors: impl Iterator<Item = Self>) -> Vec<Self> {
        errors.take(Self::AT_MOST).collect()
    }
}

/// The rules that a field can break. In the contract it is a string, because a closed list that
/// grows breaks clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldCode {
    /// A required field is not there.
    Missing,
    /// The field is not one of this body's.
    Unknown,
    /// The field is given more than once.
    Duplicate,
    /// The value is of another JSON type.
    Type,
    /// The value is too short or too long.
    Length,
    /// The value has a character that is not allowed.
    Pattern,
    /// The value is not one of those allowed.
    Value,
}

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $kind:ident $status:literal $name:literal $title:literal $detail:literal;)+) => {
        /// The registry of problem types: the one place where a type gets its name, its status and
        /// its words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind { $($(#[doc = $doc])+ $kind,)+ }

        impl ProblemKind {
            /// Every kind, in the order of the registry.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The last part of the type's URI, which also labels metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The HTTP status code that the kind is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)+ }
            }

            /// The kind in words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }

            /// What is said where nothing more exact is known.
            #[must_use]
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$kind => $detail,)+ }
            }
        }
    };
}

registry! {
    /// The body is not JSON.
    MalformedJson 400 "malformed-json" "The body is not JSON"
        "Send one JSON object, in UTF-8.";
    /// The request to open a socket does not follow the handshake.
    BadHandshake 400 "bad-handshake" "The websocket handshake is wrong"
        "Offer the subprotocols prospect.v1 and halfref.<base64url of the halfRef, unpadded>, and send no body.";
    /// The HTTP request is not well formed.
    BadRequest 400 "bad-request" "The request is not well formed"
        "The request could not be read.";
    /// No token was sent.
    TokenMissing 401 "token-missing" "A token is needed"
        "Send the token of PUT /token in the header token.";
    /// What was sent cannot be a token.
    TokenMalformed 401 "token-malformed" "This is not a token"
        "A token is sent exactly as PUT /token gave it.";
    /// The token is not known, or not any more.
    TokenUnknown 401 "token-unknown" "The token is not known"
        "It was never given, or it was revoked or replaced. Ask PUT /token for a new one.";
    /// The token's lifetime is over.
    TokenExpired 401 "token-expired" "The token has expired"
        "Ask PUT /token for the next one, with this one in the header token.";
    /// No authorisation waits under this `halfRef`.
    HalfRefUnknown 401 "half-ref-unknown" "The halfRef is not known"
        "Have a websocket authorised with POST /prospect/connectsocket first.";
    /// The operator's key is missing or wrong.
    OperatorKeyUnknown 401 "operator-key-unknown" "An operator key is needed"
        "Send Authorization: Bearer <operator key>.";
    /// The token is for another device.
    DeviceMismatch 403 "device-mismatch" "The token belongs to another device"
        "Send the deviceTag that this token was given for.";
    /// The channel is not open on this gateway.
    ChannelClosed 403 "channel-closed" "This channel is closed"
        "The channel test is open in a trial, or where the operator opened it.";
    /// Only the operator gives tokens here.
    IssuerClosed 403 "issuer-closed" "Tokens come from the operator"
        "This gateway gives tokens to the operator's backend only; ask there.";
    /// A web page of this origin may not open sockets.
    OriginRefused 403 "origin-refused" "This origin is not allowed"
        "The operator names the origins that may open a socket.";
    /// There is nothing at this path.
    NotFound 404 "not-found" "There is nothing here"
        "The contract at /openapi.json lists every path.";
    /// The path is there, the method is not.
    MethodNotAllowed 405 "method-not-allowed" "This path does not take this method"
        "The header Allow lists the methods that it takes.";
    /// The body did not arrive in time.
    RequestTimeout 408 "request-timeout" "The body took too long"
        "Send the whole body at once.";
    /// The device is not known.
    UnknownDevice 404 "unknown-device" "The device is not known"
        "It never had a token, or everything kept for it has ended.";
    /// An acknowledgement of what was not sent.
    AckNotSent 409 "ack-not-sent" "This seq was not sent"
        "Acknowledge what was received on this socket.";
    /// The id is not that of an event of this stream.
    EventUnknown 409 "event-unknown" "This event is not of the stream"
        "Send the id of an event that was read from this stream.";
    /// The `halfRef` has opened a socket before.
    HalfRefSpent 409 "half-ref-spent" "The halfRef was used before"
        "A halfRef opens one socket. Make a new one.";
    /// The `halfRef` is another device's.
    HalfRefForeign 409 "half-ref-foreign" "The halfRef belongs to another device"
        "Make a new halfRef, long and random.";
    /// The device is claimed, and the request does not hold its newest token.
    DeviceClaimed 409 "device-claimed" "The device is claimed"
        "Its next token is given only to whoever sends its newest one in the header token.";
    /// The body is larger than this operation takes.
    BodyTooLarge 413 "body-too-large" "The body is too large"
        "Send less: the settings of the gateway limit a body.";
    /// The body is not said to be JSON.
    UnsupportedMediaType 415 "unsupported-media-type" "The body must be JSON"
        "Send Content-Type: application/json.";
    /// The body is JSON and does not fit.
    InvalidFields 422 "invalid-fields" "The body breaks a rule"
        "Each entry of errors names a field and the rule that it breaks.";
    /// The key was used before, for something else.
    IdempotencyKeyReused 422 "idempotency-key-reused" "The Idempotency-Key was used for another body"
        "Use a new key for each message; to repeat a request, repeat its body.";
    /// The header is not a key.
    IdempotencyKeyMalformed 422 "idempotency-key-malformed" "This is not an Idempotency-Key"
        "A key has 1 to 255 visible ASCII characters.";
    /// A parameter of the query is wrong.
    InvalidParameter 422 "invalid-parameter" "A parameter breaks a rule"
        "The contract lists the parameters that this operation takes.";
    /// The path is for websockets.
    UpgradeRequired 426 "upgrade-required" "This path speaks websocket"
        "Open it with a websocket client, over HTTP/1.1.";
    /// This address asks for tokens too often.
    TooManyTokenRequests 429 "too-many-token-requests" "Too many token requests"
        "This address asks for tokens too often. Wait as long as Retry-After says.";
    /// This device asks for authorisations too often.
    TooManyAuthorisations 429 "too-many-authorisations" "Too many authorisations"
        "This device asks too often. Wait as long as Retry-After says.";
    /// This device has as many open authorisations as it may.
    AuthorisationsFull 429 "authorisations-full" "Too many open authorisations"
        "Open one of the sockets that are authorised, or wait as long as Retry-After says.";
    /// This address holds as many sockets as it may.
    TooManySockets 429 "too-many-sockets" "Too many sockets"
        "This address holds as many sockets as it may. Close one, or wait as long as Retry-After says.";
    /// This address sends wrong operator keys too often.
    TooManyWrongKeys 429 "too-many-wrong-keys" "Too many wrong operator keys"
        "Wait as long as Retry-After says, and look at the key.";
    /// The device's outbox is full.
    OutboxFull 429 "outbox-full" "The outbox is full"
        "The prospect must acknowledge, or messages must expire, before more can be queued.";
    /// The device has as many idempotency keys as are remembered.
    IdempotencyKeysFull 429 "idempotency-keys-full" "Too many idempotency keys"
        "So many keys of this device are remembered that no more can be. Wait as long as Retry-After says.";
    /// As many event streams are open as may be.
    TooManyStreams 429 "too-many-streams" "Too many event streams"
        "Close one, or wait as long as Retry-After says.";
    /// Something that should not happen.
    Internal 500 "internal" "The gateway failed"
        "This is the gateway's mistake. The requestId finds it in the log.";
    /// The gateway is going away.
    Draining 503 "draining" "The gateway is shutting down"
        "Wait as long as Retry-After says; another gateway will answer.";
    /// The process is at its limit of descriptors.
    OutOfDescriptors 503 "out-of-descriptors" "The gateway holds as many connections as it can"
        "Wait as long as Retry-After says.";
    /// The gateway knows as many devices as it may.
    DevicesFull 503 "devices-full" "The gateway knows as many devices as it may"
        "Wait as long as Retry-After says.";
    /// The event stream holds as much as it may.
    EventsFull 503 "events-full" "The event stream is full"
        "The operator must release events before more can come.";
    /// The engine cannot be reached.
    EngineUnavailable 503 "engine-unavailable" "The gateway cannot reach its engine"
        "Nothing was changed. Wait as long as Retry-After says.";
}

impl ProblemKind {
    /// The type's URI. It names and does not point: a URN outlives every host.
    #[must_use]
    pub fn uri(self) -> String {
        format!("urn:connect-socket:problem:{}", self.name())
    }
}
