//! The handshake: it is checked, then its `halfRef` redeemed.

use std::{sync::Arc, time::Duration};

use actix_http::ws::{self, HandshakeError};
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    dev::RequestHead,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
};
use api_types::{connect_socket::MAX_HALF_REF_LENGTH, problem::ProblemKind};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use engine::{Digest, EngineError, RedeemError};

use super::{close_code, session::Session, upgrade::Upgradable};
use crate::{
    address_rate::limited_address,
    descriptors::{Connection, Room},
    http::{
        client_address::{client_address, log_limit},
        cors::origin_refusal,
    },
    logging::Repeated,
    problem::ApiError,
    request_id::RequestId,
    spread::spread,
    state::Gateway,
};

/// The subprotocol that the frames of the contract are.
const SUBPROTOCOL: &str = "prospect.v1";

/// Client addresses with as many sockets as they may have, in the log.
static OVER_LIMIT: Repeated = Repeated::new();

/// Precedes the `halfRef` in the other subprotocol that a client offers.
const HALF_REF_PREFIX: &str = "halfref.";

/// Answers a handshake. The response 101 carries the `Session` in its extensions, from which
/// [`upgrade`](super::upgrade::upgrade) takes it.
///
/// # Errors
/// The first check that fails, in the order of this function. The `halfRef` is not spent then.
pub async fn answer(request: &HttpRequest, gateway: &Gateway) -> Result<HttpResponse, ApiError> {
    if !request.extensions().contains::<Upgradable>() {
        return Err(ProblemKind::UpgradeRequired.into());
    }
    let accept = checked_handshake(request.head())?;
    check_origin(request.headers(), gateway)?;
    let half_ref = offered_half_ref(request.headers())?;
    if gateway.is_draining() {
        return Err(ProblemKind::Draining.into());
    }
    let descriptor = request.conn_data::<Arc<Connection>>();
    let descriptor = descriptor
        .filter(|connection| connection.room == Room::Yes)
        .cloned()
        .ok_or(ProblemKind::OutOfDescriptors)?;
    let address = limited_address(client_address(request, &gateway.config.http.trusted_proxies));
    let registration = gateway
        .registry
        .register(address, gateway.config.sockets.sockets_per_address)
        .ok_or_else(|| {
            log_limit(&OVER_LIMIT, "--sockets-per-address", address);
            ApiError::with_retry_after(ProblemKind::TooManySockets, when_a_socket_may_be_free())
        })?;

    let opened = match gateway.engine.redeem(&half_ref, &registration.connection).await {
        Ok(opened) => Ok(opened),
        Err(error) => Err(close_code::of_dead_half_ref(error).ok_or_else(|| refusal(error))?),
    };
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS)
        .upgrade("websocket")
        .insert_header((header::SEC_WEBSOCKET_ACCEPT, accept))
        .insert_header((header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL))
        .finish();
    let request_id = RequestId::of(request).into();
    response.extensions_mut().insert(Session { registration, opened, descriptor, request_id });
    Ok(response)
}

/// When a client whose address has no socket left should return. Nothing says when one is free, so
/// those that share the address return at random.
fn when_a_socket_may_be_free() -> Duration {
    Duration::from_secs(spread(10..=60))
}

/// The refusal of a handshake whose `halfRef` cannot be redeemed now.
fn refusal(error: RedeemError) -> ApiError {
    match error {
        RedeemError::Engine(EngineError::Unavailable) => ProblemKind::EngineUnavailable,
        RedeemError::Engine(EngineError::OutcomeUnknown) => ProblemKind::OutcomeUnknown,
        RedeemError::EventsFull => ProblemKind::EventsFull,
        _ => ProblemKind::HalfRefUnknown,
    }
    .into()
}

/// Checks a handshake by RFC 6455 and returns the value of its `Sec-WebSocket-Accept`.
///
/// # Errors
/// [`ProblemKind::UpgradeRequired`] for a request that asks for no websocket of version 13, and
/// [`ProblemKind::BadHandshake`] for a key that is not 16 bytes in base64, or for two of them.
pub fn checked_handshake(head: &RequestHead) -> Result<String, ProblemKind> {
    ws::verify_handshake(head).map_err(|error| match error {
        HandshakeError::BadWebsocketKey => ProblemKind::BadHandshake,
        _ => ProblemKind::UpgradeRequired,
    })?;
    for name in [header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION] {
        // RFC 6455, sections 11.3.1 and 11.3.5.
        if head.headers().get_all(name).count() > 1 {
            return Err(ProblemKind::BadHandshake);
        }
    }
    let key = head.headers().get(header::SEC_WEBSOCKET_KEY).ok_or(ProblemKind::BadHandshake)?;
    let accept = ws::hash_key(key.as_bytes());
    Ok(String::from_utf8_lossy(&accept).into_owned())
}

/// Checks the origin. A browser always sends it, and a page cannot change it; other clients send
/// none.
fn check_origin(headers: &HeaderMap, gateway: &Gateway) -> Result<(), ApiError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let mut origins = headers.get_all(header::ORIGIN).map(|origin| origin.to_str());
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(Ok(origin)), None) if gateway.allows_origin(origin, host) => Ok(()),
        (origin, _) => Err(origin_refusal(origin.and_then(Result::ok).unwrap_or_default())),
    }
}

/// The digest of the `halfRef` among the offered subprotocols, in one header or in many.
///
/// # Errors
/// [`ProblemKind::BadHandshake`] unless the subprotocols hold `prospect.v1` and exactly one
/// `halfref.` with at most 512 bytes in unpadded base64url.
pub fn offered_half_ref(headers: &HeaderMap) -> Result<Digest, ProblemKind> {
    let (mut is_spoken, mut half_ref) = (false, None);
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    for offer in offers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let offer = offer.trim();
        is_spoken |= offer == SUBPROTOCOL;
        if let Some(encoded) = offer.strip_prefix(HALF_REF_PREFIX)
            && half_ref.replace(encoded).is_some()
        {
            return Err(ProblemKind::BadHandshake);
        }
    }
    let decoded = half_ref
        .filter(|encoded| is_spoken && encoded.len() <= MAX_HALF_REF_LENGTH * 4 / 3 + 1)
        .and_then(|encoded| BASE64_URL_SAFE_NO_PAD.decode(encoded).ok())
        .ok_or(ProblemKind::BadHandshake)?;
    Ok(Digest::of(&decoded))
}
