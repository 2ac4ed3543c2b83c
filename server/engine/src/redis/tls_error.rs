//! Why an encrypted connection to a server cannot be made, in words for the log.

use std::{borrow::Cow, error::Error, io, sync::Arc};

use redis::RedisError;
use rustls::{AlertDescription, CertificateError};

/// The cause of an error while connecting with TLS, and what to do about it. It has no time and no
/// number that changes with each try. `None` where TLS has nothing to do with it.
pub fn tls_cause(error: &RedisError) -> Option<Cow<'static, str>> {
    Some(match encryption_error(error) {
        Some(rustls::Error::InvalidCertificate(error)) => certificate_cause(error),
        Some(rustls::Error::AlertReceived(alert)) => alert_cause(*alert),
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not speak TLS at this port: write the URL with redis instead of rediss, \
             or the port that the server has for TLS"
                .into()
        }
        Some(rustls::Error::PeerIncompatible(_)) => {
            "TLS: the server has no version or cipher in common with the gateway; let it speak TLS \
             1.2 or newer"
                .into()
        }
        Some(error) => format!("TLS: {error}").into(),
        None if was_closed(error) => {
            "the server closed the connection while TLS began, as one does that requires a client \
             certificate or does not speak TLS; its own log says why"
                .into()
        }
        None if error.is_timeout() => {
            "Redis does not answer in time: check the address, the network and its load, and whether \
             this port of it speaks TLS"
                .into()
        }
        None => return None,
    })
}

fn certificate_cause(error: &CertificateError) -> Cow<'static, str> {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "TLS: the certificate of the server was issued by no authority that the gateway trusts; \
             give the certificate of its CA with --redis-ca"
                .into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "TLS: the certificate of the server, or one above it, has expired; renew it".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "TLS: the certificate of the server is not valid yet; compare the clocks".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = if presented.is_empty() {
                "has no name in its subjectAltName".to_owned()
            } else {
                format!("is for {}", presented.join(", "))
            };
            format!(
                "TLS: the certificate of the server {names}, not for {}; connect by a name that it \
                 has, or issue it for this one",
                expected.to_str()
            )
            .into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "TLS: the certificate of the server is not one of a server; issue it with the extended \
             key usage serverAuth"
                .into()
        }
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "TLS: the certificate of the server is one of a CA; have that CA issue another one for \
             the server"
                .into()
        }
        error => format!("TLS: the certificate of the server cannot be used: {error}").into(),
    }
}

fn alert_cause(alert: AlertDescription) -> Cow<'static, str> {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure => {
            "TLS: the server requires a client certificate; give one with --redis-cert and --redis-key"
                .into()
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => format!(
            "TLS: the server refuses the gateway's certificate of --redis-cert ({alert:?}); it has \
             to be valid, and issued by a CA that the server trusts"
        )
        .into(),
        AlertDescription::ProtocolVersion => {
            "TLS: the server speaks no version that the gateway speaks; let it speak TLS 1.2 or newer"
                .into()
        }
        alert => format!("TLS: the server ended the handshake with {alert:?}").into(),
    }
}

/// The error of the TLS library within an error of the Redis library.
fn encryption_error(error: &RedisError) -> Option<&rustls::Error> {
    io_error(error)?.get_ref()?.downcast_ref()
}

fn was_closed(error: &RedisError) -> bool {
    io_error(error).is_some_and(|error| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        let closed = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
        closed.contains(&error.kind())
    })
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    // The source is the pointer to the error, which is an error itself.
    let pointer = source.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    pointer.map_or(source, |pointer| &**pointer).downcast_ref()
}
