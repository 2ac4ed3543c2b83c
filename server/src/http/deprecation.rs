//! Deprecated operations. Two days in the attribute of an operation mark it:
//!
//! ```ignore
//! extensions(("x-deprecated-since" = json!("2026-12-01")), ("x-sunset" = json!("2027-06-30")))
//! ```
//!
//! From them come `deprecated: true`, a sentence and the response headers in the contract, and the headers
//! `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` of every response of the operation.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Display, Formatter},
    time::{Duration, SystemTime},
};

use actix_web::http::{
    Method,
    header::{self, HeaderMap, HeaderName, HeaderValue, HttpDate},
};
use serde_json::{Value, json};
use utoipa::openapi::{
    Deprecated, Header, HeaderBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr,
    path::Operation,
    schema::{SchemaType, Type},
};

/// The day from which on an operation is deprecated.
const SINCE: &str = "x-deprecated-since";
/// The day on which it may be removed.
const SUNSET: &str = "x-sunset";

/// The shortest time from the one to the other: half a year.
const NOTICE: Duration = Duration::from_hours(181 * 24);

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET_HEADER: HeaderName = HeaderName::from_static("sunset");

/// The announcement of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Announcement {
    since: SystemTime,
    sunset: SystemTime,
}

impl Announcement {
    /// The announcement in the extensions of an operation, where it has one.
    fn of(operation: &Operation) -> Result<Option<Self>, String> {
        let extension = |name| operation.extensions.as_ref().and_then(|all| all.get(name));
        let (since, sunset) = match (extension(SINCE), extension(SUNSET)) {
            (None, None) => return Ok(None),
            (Some(since), Some(sunset)) => (day(since)?, day(sunset)?),
            _ => return Err(format!("{SINCE} and {SUNSET} need each other")),
        };
        if sunset < since + NOTICE {
            return Err(format!("{SUNSET} is less than half a year after {SINCE}"));
        }
        Ok(Some(Self { since, sunset }))
    }

    /// The headers of every response of an operation.
    fn headers(self, operation: &Operation) -> [(HeaderName, HeaderValue); 3] {
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let tag = operation.tags.as_ref().and_then(|tags| tags.first());
        let tag = tag.map(String::as_str).unwrap_or_default();
        let id = operation.operation_id.as_deref().unwrap_or_default();
        let page = format!("</swagger-ui/#/{tag}/{id}>; rel=\"deprecation\"; type=\"text/html\"");
        let value = |text: String| {
            HeaderValue::try_from(text).expect("dates, and names that the contract writes in ASCII")
        };
        [
            (DEPRECATION, value(format!("@{}", since.as_secs()))),
            (SUNSET_HEADER, value(HttpDate::from(self.sunset).to_string())),
            (header::LINK, value(page)),
        ]
    }
}

impl Display for Announcement {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let [since, sunset] = [self.since, self.sunset].map(|time| {
            let text = humantime::format_rfc3339_seconds(time).to_string();
            text.split('T').next().unwrap_or_default().to_owned()
        });
        write!(out, "Deprecated since {since}. It may be removed from {sunset} on.")
    }
}

/// The beginning of a day such as `2027-06-30`, in UTC.
fn day(value: &Value) -> Result<SystemTime, String> {
    let day = value.as_str().unwrap_or_default();
    humantime::parse_rfc3339(&format!("{day}T00:00:00Z"))
        .map_err(|error| format!("{value} is not a day such as 2027-06-30: {error}"))
}

/// Marks the deprecated operations of a contract: `deprecated: true`, a sentence with the days, and the
/// headers of their responses.
///
/// # Panics
/// When a day is missing or wrong, or the sunset comes less than half a year after the deprecation. The
/// contract is built at the start of the program and in its tests.
pub fn mark(contract: &mut OpenApi) {
    let mut any = false;
    for (path, item) in &mut contract.paths.paths {
        for (_, operation) in operations_of(item) {
            let announced = Announcement::of(operation);
            let announced = announced.unwrap_or_else(|error| panic!("{path}: {error}"));
            let Some(announcement) = announced else {
                let is_marked = operation.deprecated == Some(Deprecated::True);
                assert!(!is_marked, "{path}: a deprecated operation needs {SINCE} and {SUNSET}");
                continue;
            };
            any = true;
            operation.deprecated = Some(Deprecated::True);
            let sentence = announcement.to_string();
            operation.description = Some(match &operation.description {
                Some(description) if !description.is_empty() => {
                    format!("{description}\n\n{sentence}")
                }
                _ => sentence,
            });
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    for (name, _) in header_components() {
                        let component = Ref::new(format!("#/components/headers/{name}"));
                        response.headers.insert(name.to_lowercase(), RefOr::Ref(component));
                    }
                }
            }
        }
    }
    if any {
        let components = contract.components.get_or_insert_default();
        let headers = header_components();
        components.headers.extend(headers.map(|(name, header)| (name.to_owned(), header.into())));
    }
}

/// The headers of a deprecated operation's responses, as the contract describes them.
fn header_components() -> [(&'static str, Header); 3] {
    let header = |description: &str, example: &str| {
        let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        HeaderBuilder::new()
            .schema(Some(text.examples([json!(example)])))
            .description(Some(description))
            .build()
    };
    [
        (
            "Deprecation",
            header("Since when the operation is deprecated (RFC 9745).", "@1796083200"),
        ),
        (
            "Sunset",
            header(
                "From when on the operation may be gone (RFC 8594).",
                "Wed, 30 Jun 2027 00:00:00 GMT",
            ),
        ),
        (
            "Link",
            header(
                "Where the deprecation is described.",
                "</swagger-ui/#/prospect/requestToken>; rel=\"deprecation\"; type=\"text/html\"",
            ),
        ),
    ]
}

/// The operations of a path, each with its method.
pub fn operations_of(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let operations = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
    ];
    operations.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The headers of deprecated operations, by method and path.
#[derive(Debug, Default)]
pub struct Deprecations(HashMap<Method, BTreeMap<String, [(HeaderName, HeaderValue); 3]>>);

impl Deprecations {
    /// Those of a contract.
    #[must_use]
    pub fn of(contract: &OpenApi) -> Self {
        let mut all = Self::default();
        for (path, item) in &contract.paths.paths {
            for (method, operation) in operations_of(&mut item.clone()) {
                let Ok(Some(announcement)) = Announcement::of(operation) else { continue };
                let headers = announcement.headers(operation);
                all.0.entry(method).or_default().insert(path.clone(), headers);
            }
        }
        all
    }

    /// Adds the headers of the operation at a route, where it is deprecated.
    pub fn add(&self, method: &Method, route: &str, headers: &mut HeaderMap) {
        // HEAD is GET without the body.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let announced = self.0.get(method).and_then(|routes| routes.get(route));
        for (name, value) in announced.into_iter().flatten() {
            headers.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::{extensions::ExtensionsBuilder, path::OperationBuilder};

    use super::*;

    fn announced(days: &[(&str, Value)]) -> Result<Option<Announcement>, String> {
        let extensions = days.iter().fold(ExtensionsBuilder::new(), |all, (name, value)| {
            all.add((*name).to_owned(), value.clone())
        });
        let mut operation = OperationBuilder::new().build();
        operation.extensions = Some(extensions.build());
        Announcement::of(&operation)
    }

    #[test]
    fn an_announcement_has_two_days_half_a_year_apart() {
        assert_eq!(announced(&[]), Ok(None));
        let both = |since, sunset| announced(&[(SINCE, json!(since)), (SUNSET, json!(sunset))]);
        assert!(matches!(both("2026-12-01", "2027-06-01"), Ok(Some(_))));
        for (since, sunset, reason) in [
            ("2026-12-01", "2027-05-30", "less than half a year"),
            ("2026-12-01", "2026-01-01", "less than half a year"),
            ("2026-12-01", "2027-06-31", "not a day"),
            ("soon", "2027-06-30", "not a day"),
        ] {
            let error = both(since, sunset).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
        for alone in [SINCE, SUNSET] {
            assert!(announced(&[(alone, json!("2027-06-30"))]).is_err());
        }
        assert!(announced(&[(SINCE, json!(1)), (SUNSET, json!(null))]).is_err());
    }
}
