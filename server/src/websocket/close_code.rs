//! The close code of each reason for which the engine or the gateway ends a socket.

pub use api_types::close_code::CloseCode;
use engine::{EndReason, RedeemError};

use crate::{registry::CloseRequest, spread::spread};

/// The code of a socket that the engine ended.
#[must_use]
pub fn of_end(reason: EndReason) -> CloseCode {
    match reason {
        EndReason::Superseded => CloseCode::Superseded,
        EndReason::Revoked => CloseCode::Revoked,
        EndReason::TokenExpired => CloseCode::TokenExpired,
        EndReason::LeaseExpired => CloseCode::EngineUnavailable,
    }
}

/// The code of a socket that was requested to close.
#[must_use]
pub fn of_request(request: CloseRequest) -> CloseCode {
    match request {
        CloseRequest::Engine(reason) => of_end(reason),
        CloseRequest::Draining => CloseCode::Draining,
    }
}

/// The code for a `halfRef` that is known and cannot be redeemed any more; `None` for the errors
/// that refuse the handshake.
#[must_use]
pub fn of_dead_half_ref(error: RedeemError) -> Option<CloseCode> {
    match error {
        RedeemError::Unknown | RedeemError::EventsFull | RedeemError::Engine(_) => None,
        RedeemError::Spent => Some(CloseCode::Spent),
        RedeemError::Expired => Some(CloseCode::Expired),
        RedeemError::Revoked => Some(CloseCode::Revoked),
    }
}

/// When this client should reconnect, in milliseconds: at random, so that clients that are closed
/// together do not reconnect together.
#[must_use]
pub fn retry_after_ms(code: CloseCode) -> Option<u64> {
    let (shortest, longest) = code.policy().retry_after_ms()?;
    Some(spread(shortest..=longest))
}
