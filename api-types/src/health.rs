//! `GET /livez` and `GET /readyz`: what a platform asks of a process.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The gateway answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"success": true}))]
pub struct HealthResponse {
    /// Always `true`: a refusal is a `Problem`.
    pub success: bool,
}
