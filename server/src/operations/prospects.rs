//! `/operator/prospects`: who is connected, one device's state, and its end.

use actix_web::{HttpResponse, delete, get, web::Data};
use api_types::{
    connect_socket::Link,
    device_data::DeviceData,
    device_tag::DeviceTag,
    operator::{Prospect, ProspectList},
    parameter::{DEFAULT_PAGE, PageSize},
    problem::ProblemKind,
};
use engine::{DeviceState, rfc3339};
use serde::Deserialize;

use crate::{
    http::{
        body::NoBody, credentials::Operator, device_path::DevicePath, query::Parameters,
        route_policy::RoutePolicy,
    },
    problem::{ApiError, api_errors},
    state::Gateway,
};

api_errors!(ListProspectsErrors:
    OperatorKeyUnknown, BadRequest, RequestTimeout, BodyTooLarge, InvalidParameter, TooManyWrongKeys,
    EngineUnavailable, OutOfDescriptors;
);

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParameters {
    /// Devices on a page; [`DEFAULT_PAGE`] when absent.
    #[param(inline, nullable = false, value_type = Option<PageSize>)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[param(inline, nullable = false)]
    cursor: Option<DeviceTag>,
    /// Only devices whose socket was authorised with exactly this link.
    #[param(inline, nullable = false, value_type = Option<Link>)]
    linkinjected: Option<String>,
}

/// List connected prospects
///
/// The devices with an open socket, in the order of their tags; with `linkinjected`, those whose socket
/// was authorised with this link. A device that stays connected while the pages are read is on exactly
/// one of them. A page costs the same however many devices are connected.
#[utoipa::path(
    operation_id = "listProspects",
    tag = "operator",
    params(ListParameters),
    responses((status = 200, description = "One page.", body = ProspectList), ListProspectsErrors),
    security(("operatorKey" = []))
)]
#[get("/operator/prospects", wrap = "RoutePolicy::new()")]
pub async fn list_prospects(
    _operator: Operator,
    _: NoBody,
    Parameters(parameters): Parameters<ListParameters>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let limit = parameters.limit.unwrap_or(DEFAULT_PAGE);
    let link = parameters.linkinjected.as_deref();
    if !PageSize::accepts(limit) || !link.is_none_or(Link::accepts) {
        return Err(ProblemKind::InvalidParameter.into());
    }
    let after = parameters.cursor.map_or_else(String::new, DeviceTag::into_string);
    // One more than the limit shows whether there is another page.
    let mut found = gateway.engine.connected(link, &after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| last.device.to_string());
    let items = found.iter().filter_map(prospect).collect();
    Ok(HttpResponse::Ok().json(ProspectList { items, next_cursor }))
}

fn prospect(state: &DeviceState) -> Option<Prospect> {
    let socket = state.socket.as_ref();
    Some(Prospect {
        device_tag: DeviceTag::new(state.device.to_string())?,
        connected: socket.is_some(),
        since: socket.map(|socket| rfc3339(socket.since)),
        connection_id: socket.map(|socket| socket.connection.0.to_string()),
        linkinjected: socket
            .and_then(|socket| socket.linkinjected.as_deref())
            .map(ToOwned::to_owned),
        device_data: state.device_data.as_deref().and_then(DeviceData::from_json),
        last_seen: state.last_seen.map(rfc3339),
        unacknowledged: state.unacknowledged as u64,
    })
}

api_errors!(GetProspectErrors:
    OperatorKeyUnknown, UnknownDevice, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys,
    EngineUnavailable, OutOfDescriptors;
);

/// Get a prospect
///
/// Whether it is connected, since when, what it said of itself, and how many messages it has not
/// acknowledged.
#[utoipa::path(
    operation_id = "getProspect",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses((status = 200, description = "The state of the device.", body = Prospect), GetProspectErrors),
    security(("operatorKey" = []))
)]
#[get("/operator/prospects/{deviceTag}", wrap = "RoutePolicy::new()")]
pub async fn get_prospect(
    _operator: Operator,
    _: NoBody,
    device: DevicePath,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let device = device.tag_or(ProblemKind::UnknownDevice)?;
    let state = gateway.engine.device(device.as_str()).await?.ok_or(ProblemKind::UnknownDevice)?;
    let prospect = prospect(&state).ok_or(ProblemKind::UnknownDevice)?;
    Ok(HttpResponse::Ok().json(prospect))
}

api_errors!(EndProspectErrors:
    OperatorKeyUnknown, NotFound, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys, EngineUnavailable, OutcomeUnknown,
    OutOfDescriptors;
);

/// Disconnect a prospect
///
/// Closes its socket (4003), revokes its tokens and authorisations and deletes everything stored for
/// it; undelivered messages become `expired` events. Repeatable: an unknown device is no error.
#[utoipa::path(
    operation_id = "disconnectProspect",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses((status = 204, description = "Nothing is stored for the device."), EndProspectErrors),
    security(("operatorKey" = []))
)]
#[delete("/operator/prospects/{deviceTag}", wrap = "RoutePolicy::new()")]
pub async fn disconnect_prospect(
    _operator: Operator,
    _: NoBody,
    device: DevicePath,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let device = device.tag_or(ProblemKind::NotFound)?;
    gateway.engine.disconnect(device.as_str()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Erase a prospect
///
/// Disconnects it as `disconnectProspect` does, and deletes its events and what is remembered of its
/// `halfRef`s. Cursors stay good, and no `gap` comes. Repeatable: an unknown device is no error; repeat it
/// until the answer is 204.
#[utoipa::path(
    operation_id = "eraseProspect",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses((status = 204, description = "Nothing is stored of the device."), EndProspectErrors),
    security(("operatorKey" = []))
)]
#[delete("/operator/prospects/{deviceTag}/data", wrap = "RoutePolicy::new()")]
pub async fn erase_prospect(
    _operator: Operator,
    _: NoBody,
    device: DevicePath,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let device = device.tag_or(ProblemKind::NotFound)?;
    gateway.engine.erase(device.as_str()).await?;
    Ok(HttpResponse::NoContent().finish())
}
