//! Certificate authorities and what they issue, in files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// The files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// Puts it in the place of another one, as a renewal does.
    ///
    /// # Panics
    /// When the files cannot be written.
    pub fn replace(&self, other: &Certificate) {
        fs::copy(&self.certificate, &other.certificate).expect("a certificate");
        fs::copy(&self.key, &other.key).expect("a key");
    }
}

impl Authority {
    /// A new authority.
    ///
    /// # Panics
    /// Never: it has a valid name.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("a file");
        Self { issuer, folder }
    }

    /// The file of its own certificate.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Issues a certificate for these names or addresses.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Certificate {
        self.issue_until(names, 4096)
    }

    /// Issues a certificate that expires at the beginning of this year.
    ///
    /// # Panics
    /// When a name is not valid.
    #[must_use]
    pub fn issue_until(&self, names: &[&str], year: i32) -> Certificate {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let issued = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |ending: &str| {
            let name = format!("{} until {year}.{ending}.pem", names.join(" "));
            self.folder.path().join(name)
        };
        let files = Certificate { certificate: file("cert"), key: file("key") };
        fs::write(&files.certificate, issued.pem()).expect("a file");
        fs::write(&files.key, key.serialize_pem()).expect("a file");
        files
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
