//! A contract that is not in the history: that of a running gateway, or of files.

use std::{fs, path::Path, time::Duration};

use ureq::Agent;

use crate::{contract::Contract, error::Error};

/// How long fetching one document may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The largest document that is read, in bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Reads the contract at a place: the URL of a gateway or of its `openapi.json`, or the path of such a
/// file or of its folder. `asyncapi.json` is beside it.
///
/// # Errors
/// When a document cannot be read, is larger than 8 MiB, takes longer than 30 seconds, or is not JSON; and
/// when the URL contains a secret.
pub fn contract(place: &str) -> Result<Contract, Error> {
    let read = |name| {
        if is_url(place) { fetch(&url(place, name)?) } else { read(Path::new(place), name) }
    };
    Contract::new(&read("openapi.json")?, &read("asyncapi.json")?)
}

fn is_url(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

/// The URL of a document.
fn url(place: &str, name: &str) -> Result<String, Error> {
    let authority = place.split('/').nth(2).unwrap_or_default();
    if authority.contains('@') || place.contains(['?', '#']) {
        return Err(Error::SecretInUrl);
    }
    let base = match place.rsplit_once('/') {
        Some((base, file)) if Path::new(file).extension().is_some_and(|end| end == "json") => base,
        _ => place.trim_end_matches('/'),
    };
    Ok(format!("{base}/{name}"))
}

fn fetch(url: &str) -> Result<String, Error> {
    let failed = |reason: String| Error::Fetch { url: url.to_owned(), reason };
    // A redirect could lead anywhere.
    let agent = Agent::config_builder()
        .timeout_global(Some(DEADLINE))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut response = agent.get(url).call().map_err(|error| failed(error.to_string()))?;
    if response.status().as_u16() != 200 {
        return Err(failed(format!("the status is {}, not 200", response.status().as_u16())));
    }
    let body = response.body_mut().with_config().limit(MAX_BYTES);
    body.read_to_string().map_err(|error| failed(error.to_string()))
}

fn read(place: &Path, name: &str) -> Result<String, Error> {
    let folder = if place.is_dir() { place } else { place.parent().unwrap_or(place) };
    // The file itself, whatever its name.
    let path = match name {
        "openapi.json" if !place.is_dir() => place.to_owned(),
        _ => folder.join(name),
    };
    let error = |path, source| Error::Read { path, source };
    let bytes = fs::metadata(&path).map_err(|source| error(path.clone(), source))?.len();
    if bytes > MAX_BYTES {
        return Err(error(path, std::io::Error::other("it has more than 8 MiB")));
    }
    fs::read_to_string(&path).map_err(|source| error(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_documents_are_beside_each_other() {
        for place in ["https://a.example", "https://a.example/", "https://a.example/openapi.json"] {
            let found = url(place, "asyncapi.json").expect("a URL");
            assert_eq!(found, "https://a.example/asyncapi.json");
        }
        let versioned = url("http://a/contract/0.3.0/openapi.json", "openapi.json");
        assert_eq!(versioned.expect("a URL"), "http://a/contract/0.3.0/openapi.json");
    }

    #[test]
    fn a_url_with_a_secret_is_refused() {
        for place in ["https://user:secret@a.example", "https://a.example/?key=secret"] {
            let error = url(place, "openapi.json").expect_err("refused").to_string();
            assert!(!error.contains("secret@") && !error.contains("key="), "{error}");
        }
    }
}
