//! The files for encrypted connections to Redis. Each attempt to connect reads them, so certificates
//! can be renewed while the gateway runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use thiserror::Error;

/// The files for connections with TLS, in PEM format.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The certificates of the authorities to trust. Without it, those of the system.
    pub ca: Option<PathBuf>,
    /// What the gateway shows to a server that asks who it is.
    pub client: Option<ClientCertificate>,
}

/// A certificate of the gateway, and its key.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The file of the certificate, followed by those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// The file of the private key, which has no passphrase.
    pub key: PathBuf,
}

/// Why a file for TLS cannot be used. The message names the file, and nothing that is in it.
#[derive(Debug, Error)]
pub enum TlsFileError {
    /// It cannot be read.
    #[error("the file {file:?} for TLS cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no certificate.
    #[error("{0:?} has no certificate in PEM format")]
    NoCertificate(PathBuf),
    /// It has no key.
    #[error("{0:?} has no private key in PEM format; a key with a passphrase cannot be used")]
    NoKey(PathBuf),
    /// The certificate has another key.
    #[error("the key in {key:?} is not the key of the certificate in {certificate:?}")]
    OtherKey {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsFileError`]: one of them cannot be used.
    pub fn read(&self) -> Result<TlsCertificates, TlsFileError> {
        let root_cert = self.ca.as_deref().map(|file| read_certificates(file).map(|it| it.0));
        let client_tls = self.client.as_ref().map(ClientCertificate::read);
        Ok(TlsCertificates {
            client_tls: client_tls.transpose()?,
            root_cert: root_cert.transpose()?,
        })
    }

    /// Whether any file is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.ca.is_some() || self.client.is_some()
    }
}

impl ClientCertificate {
    fn read(&self) -> Result<ClientTlsConfig, TlsFileError> {
        let (client_cert, chain) = read_certificates(&self.certificate)?;
        let client_key = read(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&client_key)
            .map_err(|_| TlsFileError::NoKey(self.key.clone()))?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|_| {
            TlsFileError::OtherKey { certificate: self.certificate.clone(), key: self.key.clone() }
        })?;
        Ok(ClientTlsConfig { client_cert, client_key })
    }
}

/// A file of certificates, as it is and read.
fn read_certificates(file: &Path) -> Result<(Vec<u8>, Vec<CertificateDer<'static>>), TlsFileError> {
    let pem = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok((pem, certificates)),
        _ => Err(TlsFileError::NoCertificate(file.to_owned())),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsFileError> {
    fs::read(file).map_err(|source| TlsFileError::Unreadable { file: file.to_owned(), source })
}
