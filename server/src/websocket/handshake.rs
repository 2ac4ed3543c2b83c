//! Whether a socket may open: the handshake is checked, then the `halfRef` redeemed.

use std::sync::Arc;

use actix_http::ws::{self, HandshakeError};
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    dev::RequestHead,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
};
use api_types::{connect_socket::HALF_REF_AT_MOST, problem::ProblemKind};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{close_code::CloseCode, session::Session, upgrade::Upgradable};
use engine::Digest;
use engine::RedeemError;

use crate::{
    descriptors::{Connection, Room},
    http::{
        client_address::{client_address, limited_address},
        request_id::RequestId,
    },
    problem::ApiError,
    state::Gateway,
};

/// The subprotocol of the frames.
const SUBPROTOCOL: &str = "prospect.v1";

/// What comes before the `halfRef` in the other subprotocol that a client offers.
const HALF_REF_PREFIX: &str = "halfref.";

/// Answers a handshake. The answer 101 carries the session that is to begin.
///
/// # Errors
/// Why no socket opens. Nothing is redeemed then.
pub async fn answer(request: &HttpRequest, gateway: &Gateway) -> Result<HttpResponse, ApiError> {
    if !request.extensions().contains::<Upgradable>() {
        return Err(ProblemKind::UpgradeRequired.into());
    }
    let accept = checked_handshake(request.head())?;
    checked_origin(request.headers(), gateway)?;
    let half_ref = offered_half_ref(request.headers())?;
    if gateway.is_draining() {
        return Err(ProblemKind::Draining.into());
    }
    let counted = request.conn_data::<Arc<Connection>>().filter(|it| it.room == Room::Yes).cloned();
    let counted = counted.ok_or(ProblemKind::OutOfDescriptors)?;
    let address = limited_address(client_address(request, &gateway.config.trusted_proxies));
    let seat = gateway
        .registry
        .take_seat(address, gateway.config.sockets_per_address)
        .ok_or(ProblemKind::TooManySockets)?;

    let opened = match gateway.engine.redeem(&half_ref, &seat.connection).await {
        Ok(opened) => Ok(opened),
        Err(error) => match CloseCode::of_dead_half_ref(error) {
            Some(code) => Err(code),
            None => return Err(unredeemed(error)),
        },
    };
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS)
        .upgrade("websocket")
        .insert_header((header::SEC_WEBSOCKET_ACCEPT, accept))
        .insert_header((header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL))
        .finish();
    let request_id = RequestId::of(request).into();
    response.extensions_mut().insert(Session { seat, opened, counted, request_id });
    Ok(response)
}

fn unredeemed(error: RedeemError) -> ApiError {
    match error {
        RedeemError::Unavailable => ProblemKind::EngineUnavailable,
        RedeemError::EventsFull => ProblemKind::EventsFull,
        _ => ProblemKind::HalfRefUnknown,
    }
    .into()
}

/// The value of `Sec-WebSocket-Accept`, where the request asks for a websocket as RFC 6455 says.
///
/// # Errors
/// Whether it asks for none, or asks wrongly.
pub fn checked_handshake(head: &RequestHead) -> Result<String, ProblemKind> {
    ws::verify_handshake(head).map_err(|error| match error {
        HandshakeError::BadWebsocketKey => ProblemKind::BadHandshake,
        _ => ProblemKind::UpgradeRequired,
    })?;
    let key = head.headers().get(header::SEC_WEBSOCKET_KEY).ok_or(ProblemKind::BadHandshake)?;
    let accept = ws::hash_key(key.as_bytes());
    Ok(String::from_utf8_lossy(&accept).into_owned())
}

/// Programs send no origin; a browser always does, and a page cannot lie about it.
fn checked_origin(headers: &HeaderMap, gateway: &Gateway) -> Result<(), ApiError> {
    let mut origins = headers.get_all(header::ORIGIN);
    match (origins.next().map(|origin| origin.to_str()), origins.next()) {
        (None, _) => Ok(()),
        (Some(Ok(origin)), None) if gateway.allows_origin(origin) => Ok(()),
        _ => Err(ProblemKind::OriginRefused.into()),
    }
}

/// The digest of the `halfRef` among the subprotocols that are offered.
///
/// # Errors
/// That there is not exactly one, that it is not one, or that our subprotocol is not offered.
pub fn offered_half_ref(headers: &HeaderMap) -> Result<Digest, ProblemKind> {
    let (mut speaks, mut half_ref) = (false, None);
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    for offer in offers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let offer = offer.trim();
        speaks |= offer == SUBPROTOCOL;
        if let Some(encoded) = offer.strip_prefix(HALF_REF_PREFIX)
            && half_ref.replace(encoded).is_some()
        {
            return Err(ProblemKind::BadHandshake);
        }
    }
    let decoded = half_ref
        .filter(|encoded| speaks && encoded.len() <= HALF_REF_AT_MOST * 4 / 3 + 1)
        .and_then(|encoded| BASE64_URL_SAFE_NO_PAD.decode(encoded).ok())
        .ok_or(ProblemKind::BadHandshake)?;
    Ok(Digest::of(&decoded))
}
