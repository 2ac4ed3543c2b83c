//! `PUT /token` and `DELETE /token`.

use actix_web::{HttpRequest, HttpResponse, delete, put, web::Data};
use api_types::{
    problem::ProblemKind,
    token::{Channel, TokenRequest, TokenResponse},
};

use engine::Digest;
use engine::Requester;

use crate::{
    config::TokenIssuer,
    http::{
        body::{Json, NoBody},
        client_address::client_address,
        credentials::{AnyToken, Token},
    },
    problem::{ApiError, BadBody, api_errors},
    secret,
    state::Gateway,
};

/// What `PUT /token` refuses by the body alone.
pub const BAD_BODIES: &[BadBody] = &[
    BadBody { name: "broken-json", summary: "JSON that breaks off", body: b"{\"channel\": " },
    BadBody {
        name: "unknown-channel",
        summary: "A channel that is not one of those known",
        body: br#"{"channel": "fax", "deviceTag": "my_deviceTag"}"#,
    },
    BadBody {
        name: "missing-field",
        summary: "A required field that is not there",
        body: br#"{"channel": "test"}"#,
    },
    BadBody {
        name: "path-as-device-tag",
        summary: "A device tag that a path cannot hold",
        body: br#"{"channel": "test", "deviceTag": ".."}"#,
    },
    BadBody {
        name: "wrong-type",
        summary: "A field of another type",
        body: br#"{"channel": "test", "deviceTag": "my_deviceTag", "deviceData": "test"}"#,
    },
];

api_errors!(RequestErrors:
    MalformedJson, ChannelClosed, IssuerClosed, RequestTimeout, DeviceClaimed, BodyTooLarge,
    UnsupportedMediaType, InvalidFields, TooManyTokenRequests, DevicesFull, EngineUnavailable,
    OutOfDescriptors;
    TokenRequest: BAD_BODIES
);

/// Get a token
///
/// Gives a token for one device; most other operations need it in the header `token`.
///
/// The channels `browser`, `android` and `ios` claim the device for whoever asks first. From then
/// on send the newest token, live or expired, in the header `token` to get the next one; everyone
/// else is refused, because a device tag is a name and not a secret. Renewing keeps open
/// authorisations and the open socket. Should the answer be lost, ask again with the token you
/// have: it is good until the newer one is first used.
#[utoipa::path(
    operation_id = "requestToken",
    tag = "prospect",
    request_body(
        content = TokenRequest,
        content_type = "application/json",
        description = "The device, and where it comes from."
    ),
    responses(
        (status = 200, description = "A token for this device.", body = TokenResponse),
        RequestErrors
    ),
    security((), ("token" = []))
)]
#[put("/token")]
pub async fn request_token(
    request: HttpRequest,
    AnyToken(shown): AnyToken,
    body: Json<TokenRequest>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let address = client_address(&request, &gateway.config.trusted_proxies);
    gateway
        .token_requests
        .count(address)
        .map_err(|wait| ApiError::for_a_while(ProblemKind::TooManyTokenRequests, wait))?;
    let body = body.accepted()?;
    let requester = match body.channel {
        _ if gateway.config.token_issuer == TokenIssuer::Operator => {
            return Err(ProblemKind::IssuerClosed.into());
        }
        Channel::Test if !gateway.test_channel => return Err(ProblemKind::ChannelClosed.into()),
        Channel::Test => Requester::Test,
        Channel::Browser | Channel::Android | Channel::Ios => Requester::Claim(shown.as_ref()),
    };
    give_token(&gateway, &body.device_tag, requester).await
}

/// Makes a token, has the engine know it and answers with it.
pub(super) async fn give_token(
    gateway: &Gateway,
    device: &str,
    requester: Requester<'_>,
) -> Result<HttpResponse, ApiError> {
    let token = secret::new_token();
    gateway.engine.request_token(device, requester, &Digest::of(token.as_bytes())).await?;
    let expires_in = gateway.config.token_ttl.as_secs().max(1);
    Ok(HttpResponse::Ok().json(TokenResponse { success: true, token, expires_in }))
}

api_errors!(RevokeErrors:
    BadRequest, TokenMissing, TokenMalformed, RequestTimeout, BodyTooLarge, EngineUnavailable,
    OutOfDescriptors;
);

/// End a token
///
/// Ends the token, its open authorisations and its socket. A token that claims the device ends the
/// claim and everything kept for the device. Can be repeated: a token that is not known is no
/// error.
#[utoipa::path(
    operation_id = "revokeToken",
    tag = "prospect",
    responses((status = 204, description = "The token is no good any more."), RevokeErrors),
    security(("token" = []))
)]
#[delete("/token")]
pub async fn revoke_token(
    Token(token): Token,
    _: NoBody,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    gateway.engine.revoke_token(&token).await?;
    Ok(HttpResponse::NoContent().finish())
}
