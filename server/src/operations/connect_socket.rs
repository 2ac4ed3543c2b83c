//! `POST /prospect/connectsocket`: the endpoint of the document.

use actix_web::{HttpResponse, post, web::Data};
use api_types::connect_socket::{ConnectSocketRequest, ConnectSocketResponse};
use engine::{Authorisation, Digest};

use crate::{
    http::{body::Json, credentials::Token, route_policy::RoutePolicy},
    problem::{ApiError, api_errors, openapi::BadBody},
    state::Gateway,
};

/// Bodies that `connectSocket` refuses.
pub const BAD_BODIES: &[BadBody] = &[
    BadBody { name: "broken-json", summary: "JSON that ends too early", body: b"{\"halfRef\": " },
    BadBody { name: "not-utf8", summary: "Bytes that are not UTF-8", body: b"{\"halfRef\": \"\xff\"}" },
    BadBody {
        name: "array",
        summary: "A JSON array, though its elements fit the fields in order",
        body: br#"["l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskg", "my_deviceTag", null]"#,
    },
    BadBody {
        name: "duplicate-field",
        summary: "A field that appears twice",
        body: br#"{"halfRef": "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskg", "deviceTag": "my_deviceTag", "deviceTag": "another"}"#,
    },
    BadBody {
        name: "missing-field",
        summary: "A required field that is missing",
        body: br#"{"deviceTag": "my_deviceTag"}"#,
    },
    BadBody {
        name: "empty-field",
        summary: "A field that is empty",
        body: br#"{"halfRef": "", "deviceTag": ""}"#,
    },
    BadBody {
        name: "too-long",
        summary: "A field that is too long",
        body: br#"{"halfRef": "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskg", "deviceTag": "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}"#,
    },
    BadBody {
        name: "wrong-character",
        summary: "A field with a character that is not allowed",
        body: br#"{"halfRef": "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskg", "deviceTag": "my deviceTag"}"#,
    },
    BadBody {
        name: "wrong-type",
        summary: "A field of another type",
        body: br#"{"halfRef": 7, "deviceTag": "my_deviceTag", "linkinjected": []}"#,
    },
    BadBody {
        name: "unknown-field",
        summary: "An unknown field, here a misspelt one",
        body: br#"{"halfRef": "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskg", "deviceTag": "my_deviceTag", "linkInjected": "x"}"#,
    },
];

api_errors!(ConnectSocketErrors:
    MalformedJson, TokenMissing, TokenMalformed, TokenUnknown, TokenExpired, DeviceMismatch,
    RequestTimeout, HalfRefSpent, HalfRefForeign, BodyTooLarge, UnsupportedMediaType,
    InvalidFields, TooManyAuthorisations, EngineUnavailable, OutcomeUnknown, OutOfDescriptors;
    ConnectSocketRequest: BAD_BODIES
);

/// Connect Socket
///
/// This endpoint requests authorization of a websocket connection to enable efficient 2-way communication with this prospect.
///
/// The gateway's refinement of the document: after a 200, `GET /prospect/socket` opens the websocket
/// with the same `halfRef`, once, while the authorisation lasts: [`engine::Limits::authorisation_ttl`],
/// unless the gateway's settings say otherwise. Until the websocket is opened, the same request is
/// repeatable: it restarts the time and replaces `linkinjected`. Omitting `linkinjected` and sending
/// `null` mean the same.
#[utoipa::path(
    operation_id = "connectSocket",
    tag = "prospect",
    request_body(
        content = ConnectSocketRequest,
        content_type = "application/json",
        description = "The device, and the secret that opens its websocket."
    ),
    responses(
        (status = 200, description = "The websocket is authorised.", body = ConnectSocketResponse),
        ConnectSocketErrors
    ),
    security(("token" = []))
)]
#[post("/prospect/connectsocket", wrap = "RoutePolicy::new()")]
pub async fn connect_socket(
    Token(token): Token,
    body: Json<ConnectSocketRequest>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let body = match body.accepted() {
        Ok(body) => body,
        Err(error) => {
            // The token is checked first: without a live one nothing is said about the body.
            gateway.engine.check_token(&token).await?;
            return Err(error);
        }
    };
    let authorisation = Authorisation {
        token: &token,
        device: body.device_tag.as_str(),
        half_ref: &Digest::of(body.half_ref.as_bytes()),
        linkinjected: body.linkinjected.as_deref(),
    };
    gateway.engine.authorise(authorisation).await?;
    Ok(HttpResponse::Ok().json(ConnectSocketResponse { success: true }))
}
