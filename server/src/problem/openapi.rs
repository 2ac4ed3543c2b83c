//! How the contract shows refusals: a response for each status that an operation can refuse with, and
//! an example of each problem.

use std::collections::BTreeMap;

use api_types::{
    body::{self, RequestBody},
    problem::ProblemKind,
};
use utoipa::openapi::{
    ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
    example::{Example, ExampleBuilder},
};

use super::{ApiError, render::MEDIA_TYPE};

/// A request body that an operation refuses: an example in the contract, a request in the tests.
pub struct BadBody {
    /// The name of the example.
    pub name: &'static str,
    /// What is wrong with it, in a few words.
    pub summary: &'static str,
    /// The bytes of the body.
    pub body: &'static [u8],
}

/// The request id in the contract's examples.
pub const EXAMPLE_REQUEST_ID: &str = "5f0c3a9be2d1-0000002a";

/// The responses of an operation that can refuse with these problems: one for each status, with an
/// example for each problem, or one for each of `bodies` that is refused with it.
#[must_use]
pub fn responses(
    kinds: &[ProblemKind],
    bodies: &[BodyExample],
) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status()).or_default().push(*kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| {
            let examples = kinds.iter().flat_map(|kind| {
                let shown: Vec<_> = bodies
                    .iter()
                    .filter(|body| body.kind == *kind)
                    .map(|body| (body.name.to_owned(), body.example.clone()))
                    .collect();
                if shown.is_empty() { vec![example_of(*kind)] } else { shown }
            });
            (status.to_string(), response(status, &kinds, examples.collect()).into())
        })
        .collect()
}

fn response(status: u16, kinds: &[ProblemKind], examples: Vec<(String, Example)>) -> Response {
    let titles = kinds.iter().map(|kind| {
        let deprecated = kind.deprecated().map(|instead| format!(" Deprecated: {instead}"));
        format!("`{}`: {}.{}", kind.name(), kind.title(), deprecated.unwrap_or_default())
    });
    let titles: Vec<_> = titles.collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response =
        ResponseBuilder::new().description(titles.join(" ")).content(MEDIA_TYPE, content);
    if matches!(status, 429 | 503) {
        response = response.header_ref("Retry-After", Ref::new("#/components/headers/RetryAfter"));
    }
    response.build()
}

fn example_of(kind: ProblemKind) -> (String, Example) {
    (kind.name().to_owned(), example(kind.title(), &kind.into()))
}

fn example(summary: &str, error: &ApiError) -> Example {
    let problem = serde_json::to_value(error.problem(EXAMPLE_REQUEST_ID)).unwrap_or_default();
    ExampleBuilder::new().summary(summary).value(Some(problem)).build()
}

/// A body that is refused, as an example of its kind.
pub struct BodyExample {
    kind: ProblemKind,
    name: &'static str,
    example: Example,
}

/// The answers of an operation to these bodies as examples, made by parsing them.
#[must_use]
pub fn examples<T: RequestBody>(bodies: &[BadBody]) -> Vec<BodyExample> {
    bodies
        .iter()
        .filter_map(|bad| {
            let error = ApiError::from(body::parse::<T>(bad.body).err()?);
            let example = example(bad.summary, &error);
            Some(BodyExample { kind: error.kind, name: bad.name, example })
        })
        .collect()
}

/// Declares the problems that one operation can refuse with, as a type for the `responses` of
/// `#[utoipa::path]`. A request type and its [`BadBody`]s behind the list give examples of bodies.
///
/// ```ignore
/// api_errors!(SendMessageErrors: UnknownDevice, OutboxFull; SendMessageRequest: BAD_BODIES);
/// ```
macro_rules! api_errors {
    ($name:ident: $($kind:ident),+ $(,)? $(; $($body:ty: $samples:expr)?)?) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                let examples: Vec<Vec<$crate::problem::openapi::BodyExample>> =
                    vec![$($($crate::problem::openapi::examples::<$body>($samples))?)?];
                let examples: Vec<_> = examples.into_iter().flatten().collect();
                $crate::problem::openapi::responses(&[$(api_types::problem::ProblemKind::$kind),+], &examples)
            }
        }
    };
}
pub(crate) use api_errors;
