//! `GET /prospect/socket`: the websocket itself.

use actix_web::{HttpRequest, HttpResponse, get, web::Data};

use crate::{
    http::{body::NoBody, route_policy::RoutePolicy},
    problem::{ApiError, api_errors},
    state::Gateway,
    websocket::handshake,
};

api_errors!(OpenSocketErrors:
    BadHandshake, BadRequest, RequestTimeout, BodyTooLarge, HalfRefUnknown, OriginRefused, UpgradeRequired, TooManySockets, Draining,
    OutOfDescriptors, EventsFull, EngineUnavailable, OutcomeUnknown;
);

/// Open the websocket
///
/// A websocket handshake (RFC 6455), over HTTP/1.1. The authorised `halfRef` travels as a
/// subprotocol: offer `prospect.v1` and `halfref.` followed by the `halfRef` in unpadded base64url.
/// The answer names `prospect.v1` alone, and the first frame is `hello`.
///
/// A `halfRef` that is spent, expired or revoked is upgraded and then closed with a code, because a
/// script in a browser cannot read a refused handshake.
#[utoipa::path(
    operation_id = "openSocket",
    tag = "prospect",
    params(
        (
            "Sec-WebSocket-Protocol" = String, Header,
            description = "The subprotocols: `prospect.v1, halfref.<base64url of the halfRef, unpadded>`.",
            example = "prospect.v1, halfref.bDh0MHJ3Mm00enpwaTFnb2V5dHQ1OTdiaHR6MzFsamJmMHpvMHZ6MXcya3hlc2tn"
        ),
    ),
    responses(
        (
            status = 101,
            description = "The websocket is open.",
            headers(("Sec-WebSocket-Protocol" = String, description = "Always `prospect.v1`."))
        ),
        OpenSocketErrors
    ),
    security(())
)]
// The handshake checks for a descriptor itself, after what a client must mend first.
#[get("/prospect/socket", wrap = "RoutePolicy::new().always_admitted()")]
pub async fn open_socket(
    _: NoBody,
    request: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    handshake::answer(&request, &gateway).await
}
