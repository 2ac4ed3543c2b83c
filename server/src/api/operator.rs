//! The operator's operations.

use actix_web::{
    HttpResponse, post,
    web::{Data, Path},
};
use api_types::{device_tag::DeviceTag, problem::ProblemKind, token::TokenResponse};

use super::token::give_token;
use crate::{
    engine::Requester,
    gateway::Gateway,
    http::credentials::Operator,
    problem::{Refusal, refusals},
};

refusals!(IssueRefusals:
    OperatorKeyUnknown, NotFound, TooManyWrongKeys, DevicesFull, EngineUnavailable, OutOfDescriptors;
);

/// Give a token for a device
///
/// Gives a token for this device, whoever claims it: the token becomes the newest of the claim.
/// The one before it stays good until this one is first used.
#[utoipa::path(
    operation_id = "issueToken",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses(
        (status = 200, description = "A token for this device.", body = TokenResponse),
        IssueRefusals
    ),
    security(("operatorKey" = []))
)]
#[post("/operator/prospects/{deviceTag}/token")]
pub async fn issue_token(
    _operator: Operator,
    device: Path<String>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Refusal> {
    // What cannot be a device tag is nobody's.
    let device = DeviceTag::new(device.into_inner()).ok_or(ProblemKind::NotFound)?;
    give_token(&gateway, device.as_str(), Requester::Operator).await
}
