//! What the partition of a `halfRef`'s digest and that of its device ask of each other: see
//! `lua/pointers.lua`.

use std::time::Duration;

use super::{
    Redis,
    operation::{AUTHORISE, CHECK_AUTHORISATION, KNOWS_HALF_REF, POINT, POINTED, SETTLE},
    protocol::{Reply, stored_link},
};
use crate::{Authorisation, AuthoriseError, Digest, EngineError, Millis, TokenError, millis};

/// What came of pointing a `halfRef` to a partition.
pub enum Pointed {
    /// It points there, and gives way to another partition only from this time on.
    Here { settles: Millis },
    /// It points to another partition.
    Elsewhere {
        partition: usize,
        /// No call that was under way when it was pointed there can act any more.
        has_settled: bool,
    },
}

impl Redis {
    /// Authorises a websocket. A `halfRef` that is of a device in another partition is refused, after
    /// everything else has been checked.
    pub(crate) async fn authorise_unless(
        &self,
        is_foreign: bool,
        authorisation: Authorisation<'_>,
    ) -> Result<(), AuthoriseError> {
        let Authorisation { token, device, half_ref, linkinjected } = authorisation;
        let mut request = AUTHORISE.request();
        request.arg(token.digest.bytes()).arg(device).arg(half_ref.bytes());
        request.arg(stored_link(linkinjected));
        if is_foreign {
            request.arg("foreign");
        }
        authorised(&self.call(request).await?)
    }

    /// Checks everything that an authorisation can be refused for but its `halfRef`.
    pub(crate) async fn check_authorisation(
        &self,
        authorisation: Authorisation<'_>,
    ) -> Result<(), AuthoriseError> {
        let mut request = CHECK_AUTHORISATION.request();
        request.arg(authorisation.token.digest.bytes()).arg(authorisation.device);
        authorised(&self.call(request).await?)
    }

    /// Points a `halfRef` to a partition, in the place of `replaced` where it points there and has
    /// settled.
    pub(crate) async fn point(
        &self,
        half_ref: &Digest,
        partition: usize,
        replaced: Option<usize>,
    ) -> Result<Pointed, EngineError> {
        // The reply, and then the call that authorises, take a timeout each at most.
        let settles_in = millis(3 * self.shared.options.timeout);
        let mut request = POINT.request();
        request.arg(half_ref.bytes()).arg(partition);
        request.arg(replaced.map(|it| it.to_string()).unwrap_or_default()).arg(settles_in);
        // Where it is not known whether it points there, nothing has changed that counts.
        self.read(request, |reply| match reply.word() {
            "ok" => Ok(Pointed::Here { settles: reply.int(1)? }),
            "taken" => Ok(Pointed::Elsewhere {
                partition: partition_of(reply)?,
                has_settled: reply.int(2)? == 1,
            }),
            _ => Err(reply.unexpected()),
        })
        .await
    }

    /// The call that pointed a `halfRef` to a partition is over and has made nothing known there.
    pub(crate) async fn settle(
        &self,
        half_ref: &Digest,
        partition: usize,
        settles: Millis,
    ) -> Result<(), EngineError> {
        let mut request = SETTLE.request();
        request.arg(half_ref.bytes()).arg(partition).arg(settles);
        self.call(request).await.map(|_| ())
    }

    /// The partition that a `halfRef` points to.
    pub(crate) async fn pointed(&self, half_ref: &Digest) -> Result<Option<usize>, EngineError> {
        let mut request = POINTED.request();
        request.arg(half_ref.bytes());
        self.read(request, |reply| match reply.word() {
            "ok" => partition_of(reply).map(Some),
            "unknown" => Ok(None),
            _ => Err(reply.unexpected()),
        })
        .await
    }

    /// Whether a `halfRef` is pending or remembered here.
    pub(crate) async fn knows_half_ref(&self, half_ref: &Digest) -> Result<bool, EngineError> {
        let mut request = KNOWS_HALF_REF.request();
        request.arg(half_ref.bytes());
        self.read(request, |reply| match reply.word() {
            "known" => Ok(true),
            "unknown" => Ok(false),
            _ => Err(reply.unexpected()),
        })
        .await
    }
}

/// Whether a websocket is authorised, or why not.
fn authorised(reply: &Reply) -> Result<(), AuthoriseError> {
    Err(match reply.word() {
        "ok" => return Ok(()),
        "unknown" => AuthoriseError::Token(TokenError::Unknown),
        "expired" => AuthoriseError::Token(TokenError::Expired),
        "device-mismatch" => AuthoriseError::DeviceMismatch,
        "half-ref-foreign" => AuthoriseError::HalfRefForeign,
        "half-ref-spent" => AuthoriseError::HalfRefSpent,
        "too-many" => AuthoriseError::TooMany(Duration::from_micros(reply.int(1)?)),
        _ => reply.unexpected().into(),
    })
}

/// The partition that a reply names.
fn partition_of(reply: &Reply) -> Result<usize, EngineError> {
    usize::try_from(reply.int(1)?).map_err(|_| reply.unexpected())
}
