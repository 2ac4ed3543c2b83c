//! Tokens: `PUT /token`, `DELETE /token` and `POST /operator/prospects/{deviceTag}/token`.

use actix_web::{HttpRequest, HttpResponse, delete, post, put, web::Data};
use api_types::{
    device_data::DeviceData,
    device_tag::DeviceTag,
    parameter::TokenKey,
    problem::ProblemKind,
    token::{Channel, TokenRequest, TokenResponse},
};
use engine::{Digest, Home, Requester};

use crate::{
    config::TokenIssuer,
    http::{
        body::{Json, NoBody},
        client_address::{client_address, log_limit},
        credentials::{AnyToken, Operator, Token},
        device_path::DevicePath,
        idempotency_key::idempotency_key,
        route_policy::RoutePolicy,
    },
    logging::Repeated,
    problem::{ApiError, api_errors, openapi::BadBody},
    secret,
    state::Gateway,
};

/// Client addresses that request tokens too often, in the log.
static OVER_RATE: Repeated = Repeated::new();

/// Bodies that `requestToken` refuses.
pub const BAD_BODIES: &[BadBody] = &[
    BadBody { name: "broken-json", summary: "JSON that ends too early", body: b"{\"channel\": " },
    BadBody {
        name: "unknown-channel",
        summary: "An unknown channel",
        body: br#"{"channel": "fax", "deviceTag": "my_deviceTag"}"#,
    },
    BadBody {
        name: "missing-field",
        summary: "A required field that is missing",
        body: br#"{"channel": "test"}"#,
    },
    BadBody {
        name: "path-as-device-tag",
        summary: "A device tag that a path cannot contain",
        body: br#"{"channel": "test", "deviceTag": ".."}"#,
    },
    BadBody {
        name: "wrong-type",
        summary: "A field of another type",
        body: br#"{"channel": "test", "deviceTag": "my_deviceTag", "deviceData": "test"}"#,
    },
];

api_errors!(RequestTokenErrors:
    MalformedJson, ChannelClosed, IssuerClosed, RequestTimeout, DeviceClaimed, BodyTooLarge,
    UnsupportedMediaType, InvalidFields, IdempotencyKeyMalformed, TooManyTokenRequests, DevicesFull,
    EngineUnavailable, OutcomeUnknown, OutOfDescriptors;
    TokenRequest: BAD_BODIES
);

/// Get a token
///
/// Gives a token for one device; most other operations need it in the header `token`.
///
/// On the channels `browser`, `android` and `ios` the first request for a device claims it. To get
/// the next token, send the newest one, live or expired, in the header `token`: open authorisations
/// and the open socket continue. A token stays valid until a newer one is first used, so ask again
/// when an answer is lost; for a first claim, with the same `Idempotency-Key`.
#[utoipa::path(
    operation_id = "requestToken",
    tag = "prospect",
    params((
        "Idempotency-Key" = inline(Option<TokenKey>), Header, nullable = false,
        description = "A random secret, such as a UUID. Until the token is first used, the same key gets a fresh one in its place; the channel `test` ignores it."
    )),
    request_body(
        content = TokenRequest,
        content_type = "application/json",
        description = "The device, and the channel it comes through."
    ),
    responses(
        (status = 200, description = "A token for this device.", body = TokenResponse),
        RequestTokenErrors
    ),
    security((), ("token" = []))
)]
#[put("/token", wrap = "RoutePolicy::new()")]
pub async fn request_token(
    request: HttpRequest,
    AnyToken(token): AnyToken,
    body: Json<TokenRequest>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let address = client_address(&request, &gateway.config.http.trusted_proxies);
    gateway.token_requests.count(address).map_err(|wait| {
        log_limit(&OVER_RATE, "--token-requests-per-second", address);
        ApiError::with_retry_after(ProblemKind::TooManyTokenRequests, wait)
    })?;
    let body = body.accepted()?;
    let key = idempotency_key(&request, TokenKey::requirement)?;
    let requester = match body.channel {
        _ if gateway.config.tokens.token_issuer == TokenIssuer::Operator => {
            return Err(ProblemKind::IssuerClosed.into());
        }
        Channel::Test if !gateway.test_channel => return Err(ProblemKind::ChannelClosed.into()),
        Channel::Test => Requester::Test,
        Channel::Browser | Channel::Android | Channel::Ios => {
            Requester::Claim { shown: token.as_ref().map(|token| &token.digest), key: key.as_ref() }
        }
    };
    let device_data = body.device_data.as_ref().map(DeviceData::json);
    issue(&gateway, &body.device_tag, requester, device_data).await
}

/// Makes a token, registers it with the engine and answers with it.
async fn issue(
    gateway: &Gateway,
    device: &DeviceTag,
    requester: Requester<'_>,
    device_data: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let token = secret::new_token(Home::of_device(device.as_str()));
    let digest = Digest::of(token.as_bytes());
    gateway.engine.request_token(device.as_str(), requester, device_data, &digest).await?;
    let expires_in = gateway.config.tokens.token_ttl.as_secs().max(1);
    Ok(HttpResponse::Ok().json(TokenResponse { success: true, token, expires_in }))
}

api_errors!(IssueTokenErrors:
    OperatorKeyUnknown, NotFound, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys, DevicesFull,
    EngineUnavailable, OutcomeUnknown, OutOfDescriptors;
);

/// Issue a token for a device
///
/// Issues a token for this device, claimed or not: it becomes the newest token of the claim. The
/// previous one stays valid until this one is first used.
#[utoipa::path(
    operation_id = "issueToken",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses(
        (status = 200, description = "A token for this device.", body = TokenResponse),
        IssueTokenErrors
    ),
    security(("operatorKey" = []))
)]
#[post("/operator/prospects/{deviceTag}/token", wrap = "RoutePolicy::new()")]
pub async fn issue_token(
    _operator: Operator,
    _: NoBody,
    device: DevicePath,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let device = device.tag_or(ProblemKind::NotFound)?;
    issue(&gateway, &device, Requester::Operator, None).await
}

api_errors!(RevokeTokenErrors:
    BadRequest, TokenMissing, TokenMalformed, RequestTimeout, BodyTooLarge, EngineUnavailable, OutcomeUnknown,
    OutOfDescriptors;
);

/// Revoke a token
///
/// Revokes the token with its open authorisations and its socket. A token that claims the device
/// also ends the claim and deletes everything stored for the device. Repeatable: an unknown token is
/// no error.
#[utoipa::path(
    operation_id = "revokeToken",
    tag = "prospect",
    responses((status = 204, description = "The token is revoked."), RevokeTokenErrors),
    security(("token" = []))
)]
#[delete("/token", wrap = "RoutePolicy::new()")]
pub async fn revoke_token(
    Token(token): Token,
    _: NoBody,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    gateway.engine.revoke_token(&token).await?;
    Ok(HttpResponse::NoContent().finish())
}
