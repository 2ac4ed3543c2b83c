//! The schema of every error (RFC 9457), and the registry of problem types.

use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{Ref, RefOr, Schema, schema::ArrayBuilder},
};

/// An error (RFC 9457, `application/problem+json`).
///
/// `type` is stable, for programs. `title` and `detail` are for people and may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The kind of problem: a URI from the gateway's registry.
    #[schema(format = "uri")]
    pub r#type: String,
    /// A short description of the kind, the same for every problem of this type.
    pub title: String,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong with this request, and what to do about it.
    pub detail: String,
    /// Always `false`.
    pub success: bool,
    /// The id of the request, as in the header `x-request-id` and in the gateway's log.
    pub request_id: String,
    /// At most [`FieldError::MAX_LISTED`] invalid fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(schema_with = errors)]
    pub errors: Vec<FieldError>,
}

fn errors() -> RefOr<Schema> {
    ArrayBuilder::new()
        .description(Some("The invalid fields. Absent where no field is at fault."))
        .items(Ref::from_schema_name(FieldError::name()))
        .max_items(Some(FieldError::MAX_LISTED))
        .into()
}

impl Problem {
    /// Creates a problem with the default detail of its kind.
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

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The place of the field in the body: a JSON Pointer (RFC 6901), empty for the body itself.
    pub pointer: String,
    /// The broken rule: `missing`, `unknown`, `duplicate`, `type`, `length`, `pattern` or `value`. The
    /// gateway may add more.
    #[schema(value_type = String, example = "length")]
    pub code: FieldCode,
    /// What the rule requires.
    pub detail: String,
}

impl FieldError {
    /// A problem lists at most this many errors.
    pub const MAX_LISTED: usize = 32;

    pub(crate) fn new(pointer: &str, code: FieldCode, detail: &str) -> Self {
        // The pointer can contain a name that the client sent, of any length. No known field is as long.
        let pointer = pointer.chars().take(128).collect();
        Self { pointer, code, detail: detail.to_owned() }
    }

    pub(crate) fn list(errors: impl Iterator<Item = Self>) -> Vec<Self> {
        errors.take(Self::MAX_LISTED).collect()
    }
}

/// The rules that a field can break. The contract has a string without an enum, because a new value in
/// an enum breaks clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldCode {
    /// A required field is missing.
    Missing,
    /// The body has no such field.
    Unknown,
    /// The field occurs more than once.
    Duplicate,
    /// The value has the wrong JSON type.
    Type,
    /// The value is too short or too long.
    Length,
    /// The value contains a character that is not allowed.
    Pattern,
    /// The value is not allowed for another reason: not in the list, or out of range.
    Value,
}

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $kind:ident $status:literal $name:literal $title:literal $detail:literal
        $(deprecated $instead:literal)?;)+) => {
        /// The registry of problem types. Each type has its name, status and texts only here.
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

            /// The HTTP status code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)+ }
            }

            /// A short description.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }

            /// The default detail, for errors without a more specific one.
            #[must_use]
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$kind => $detail,)+ }
            }

            /// What clients meet instead, for a type that is deprecated: the text after the word
            /// `deprecated` at the end of its entry.
            #[must_use]
            pub fn deprecated(self) -> Option<&'static str> {
                let instead: &[&str] = match self { $(Self::$kind => &[$($instead)?],)+ };
                instead.first().copied()
            }
        }
    };
}

registry! {
    /// The body is not JSON.
    MalformedJson 400 "malformed-json" "The body is not JSON"
        "Send one JSON object in UTF-8.";
    /// The request to open a socket is not a valid handshake.
    BadHandshake 400 "bad-handshake" "The websocket handshake is invalid"
        "Offer the subprotocols prospect.v1 and halfref.<base64url of the halfRef, unpadded>, and send no body.";
    /// The HTTP request is malformed.
    BadRequest 400 "bad-request" "The request is malformed"
        "The gateway cannot parse the request.";
    /// The request has no token.
    TokenMissing 401 "token-missing" "A token is required"
        "Send the token from PUT /token in the header token.";
    /// The header cannot be a token.
    TokenMalformed 401 "token-malformed" "The token is malformed"
        "Send the token exactly as PUT /token returned it.";
    /// The token was never issued, or was revoked or replaced.
    TokenUnknown 401 "token-unknown" "The token is unknown"
        "It was never issued, or it was revoked or replaced. Get a new one with PUT /token.";
    /// The token's lifetime is over.
    TokenExpired 401 "token-expired" "The token has expired"
        "Get the next one with PUT /token, and send the expired one in the header token.";
    /// No authorisation has this `halfRef`.
    HalfRefUnknown 401 "half-ref-unknown" "The halfRef is unknown"
        "Authorise a websocket with POST /prospect/connectsocket first.";
    /// The operator key is missing or wrong.
    OperatorKeyUnknown 401 "operator-key-unknown" "An operator key is required"
        "Send Authorization: Bearer <operator key>.";
    /// The token was issued for another device.
    DeviceMismatch 403 "device-mismatch" "The token belongs to another device"
        "Send the deviceTag for which the token was issued.";
    /// The channel is closed on this gateway.
    ChannelClosed 403 "channel-closed" "This channel is closed"
        "The channel test is open in a trial, or where the operator has opened it.";
    /// Only the operator issues tokens.
    IssuerClosed 403 "issuer-closed" "Only the operator issues tokens"
        "Get the token from the operator's backend.";
    /// Web pages of this origin may not open sockets.
    OriginRefused 403 "origin-refused" "This origin is not allowed"
        "The operator must add the origin to the allowed origins.";
    /// The path does not exist.
    NotFound 404 "not-found" "The path does not exist"
        "The contract at /openapi.json lists all paths.";
    /// The path exists, the method does not.
    MethodNotAllowed 405 "method-not-allowed" "The path does not support this method"
        "The header Allow lists the supported methods.";
    /// The body did not arrive in time.
    RequestTimeout 408 "request-timeout" "The body arrived too slowly"
        "Send the whole body at once.";
    /// The device has no record.
    UnknownDevice 404 "unknown-device" "The device is unknown"
        "It never had a token, or its record has ended.";
    /// The acknowledged message was not sent.
    AckNotSent 409 "ack-not-sent" "No message with this seq was sent"
        "Acknowledge only messages that were received on this socket.";
    /// The id does not belong to this event stream.
    EventUnknown 409 "event-unknown" "The event id is unknown"
        "Send the id of an event from this stream.";
    /// The `halfRef` has already opened a socket.
    HalfRefSpent 409 "half-ref-spent" "The halfRef was already used"
        "A halfRef opens one socket. Create a new one.";
    /// The `halfRef` belongs to another device.
    HalfRefForeign 409 "half-ref-foreign" "The halfRef belongs to another device"
        "Create a new halfRef, long and random.";
    /// The device is claimed, and the request does not have its newest token.
    DeviceClaimed 409 "device-claimed" "The device is claimed"
        "Send its newest token in the header token to get the next one.";
    /// The body exceeds the limit of this operation.
    BodyTooLarge 413 "body-too-large" "The body is too large"
        "Send a smaller body. The gateway's settings define the limit.";
    /// The content type is not JSON.
    UnsupportedMediaType 415 "unsupported-media-type" "The body must be JSON"
        "Send Content-Type: application/json.";
    /// The body is JSON with invalid fields.
    InvalidFields 422 "invalid-fields" "The body has invalid fields"
        "Each entry of errors names a field and the rule that it breaks.";
    /// The key was used before with another body.
    IdempotencyKeyReused 422 "idempotency-key-reused" "The Idempotency-Key was used with another body"
        "Use a new key for each message. To repeat a request, send the same body.";
    /// The header is not a valid key.
    IdempotencyKeyMalformed 422 "idempotency-key-malformed" "The Idempotency-Key is malformed"
        "Send one key of visible ASCII characters, as long as the contract allows for this operation.";
    /// A query parameter is invalid.
    InvalidParameter 422 "invalid-parameter" "A query parameter is invalid"
        "The contract lists the parameters of this operation.";
    /// There are fewer partitions than shares.
    TooManyShares 422 "too-many-shares" "The event stream has fewer parts than shares"
        "Divide it into at most as many shares as the gateway has partitions, which --redis-partitions sets.";
    /// The path is for websockets.
    UpgradeRequired 426 "upgrade-required" "This path requires a websocket"
        "Open it with a websocket client over HTTP/1.1.";
    /// The client address requests too many tokens.
    TooManyTokenRequests 429 "too-many-token-requests" "Too many token requests"
        "This client address requests tokens too often. Retry after the time in Retry-After.";
    /// The device requests too many authorisations.
    TooManyAuthorisations 429 "too-many-authorisations" "Too many authorisations"
        "This device requests authorisations too often. Retry after the time in Retry-After.";
    /// The client address has the maximum number of sockets.
    TooManySockets 429 "too-many-sockets" "Too many sockets"
        "This client address has the maximum number of sockets. Close one, or retry after the time in Retry-After.";
    /// The client address sends too many wrong operator keys.
    TooManyWrongKeys 429 "too-many-wrong-keys" "Too many wrong operator keys"
        "Check the key, and retry after the time in Retry-After.";
    /// The device's outbox is full.
    OutboxFull 429 "outbox-full" "The outbox is full"
        "The prospect must acknowledge messages, or messages must expire. Retry after the time in Retry-After.";
    /// The device has the maximum number of idempotency keys.
    IdempotencyKeysFull 429 "idempotency-keys-full" "Too many idempotency keys"
        "The gateway stores the maximum number of keys for this device. Retry after the time in Retry-After.";
    /// The maximum number of event streams is open.
    TooManyStreams 429 "too-many-streams" "Too many event streams"
        "Close one, or retry after the time in Retry-After.";
    /// A defect of the gateway.
    Internal 500 "internal" "Internal error"
        "This is a defect of the gateway. Search its log for the requestId.";
    /// The gateway is shutting down.
    Draining 503 "draining" "The gateway is shutting down"
        "Retry after the time in Retry-After; another gateway will respond.";
    /// The process has no file descriptors left.
    OutOfDescriptors 503 "out-of-descriptors" "The gateway has the maximum number of connections"
        "Retry after the time in Retry-After.";
    /// The gateway has the maximum number of devices.
    DevicesFull 503 "devices-full" "The gateway has the maximum number of devices"
        "Retry after the time in Retry-After.";
    /// The event stream has the maximum size.
    EventsFull 503 "events-full" "The event stream is full"
        "The operator must release events, or prospects acknowledge messages. Retry after the time in Retry-After.";
    /// The engine is unavailable, and the request changed nothing.
    EngineUnavailable 503 "engine-unavailable" "The engine is unavailable"
        "Nothing was changed. Retry after the time in Retry-After.";
    /// The engine did not confirm the request, which may have taken effect.
    OutcomeUnknown 503 "outcome-unknown" "The outcome is unknown"
        "The request may have taken effect. Repeat it; with the same Idempotency-Key or id it takes effect once.";
}

impl ProblemKind {
    /// The type's URI. It is a URN, because a URL would depend on a host.
    #[must_use]
    pub fn uri(self) -> String {
        format!("urn:connect-socket:problem:{}", self.name())
    }
}
