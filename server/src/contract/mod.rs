//! The contract apart from its operations: its description, its security schemes, the schemas of
//! frames, events and problems, and the documents in which it is served.

mod asyncapi;
mod deprecated;
mod event_stream;
pub mod limits;
mod openapi_30;
mod openapi_32;
mod reference;

use api_types::{
    event::{
        ConnectedEvent, DisconnectedEvent, ExpiredEvent, GapEvent, MessageEvent, OperatorEvent,
    },
    frame::{
        AcceptedFrame, AckFrame, ByeFrame, ClientFrame, ErrorFrame, HelloFrame,
        OperatorMessageFrame, PingFrame, PongFrame, ProspectMessageFrame, ServerFrame,
    },
    problem::{FieldError, Problem, ProblemKind},
};
use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, ContactBuilder, Header, HeaderBuilder, InfoBuilder, LicenseBuilder,
        ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Schema, ServerBuilder,
        extensions::ExtensionsBuilder,
        path::Operation,
        schema::{AdditionalProperties, Discriminator, OneOfBuilder, SchemaType, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};

pub use self::event_stream::MEDIA_TYPE as EVENT_STREAM;
use self::reference::referenced;
use crate::{
    http::{
        credentials::TOKEN_HEADER,
        deprecation::{self, operations_of},
    },
    problem::openapi::EXAMPLE_REQUEST_ID,
    request_id::REQUEST_ID_HEADER,
};

const DESCRIPTION: &str = "\
A company has *prospects*: people who are not yet users, known by the `deviceTag` of their phone or \
browser. This gateway authorises a websocket for a prospect and holds it.

1. `PUT /token` gives the prospect's device a token.
2. `POST /prospect/connectsocket` authorises a websocket under a one-use secret that the client makes, \
the `halfRef`.
3. `GET /prospect/socket` opens it.

`POST /prospect/connectsocket` is the documented endpoint and fixed; `x-origin` separates it from what \
the gateway adds. Every error is one `Problem` (RFC 9457); `x-problem-types` lists them all.";

/// The contract before any operation is registered.
#[must_use]
pub fn base() -> OpenApi {
    let license =
        LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0"));
    let info = InfoBuilder::new()
        .title("Connect Socket gateway")
        .version(VERSION)
        .description(Some(DESCRIPTION))
        .license(Some(license.build()));
    let contact = ContactBuilder::new().name(Some("The Connect Socket gateway's maintainers"));
    let info = info.contact(Some(contact.build()));
    let tags = [
        ("prospect", "What a prospect's app or web page calls."),
        ("operator", "What the operator's backend calls."),
        ("platform", "What the platform that runs the gateway calls."),
        ("contract", "This contract, for people and programs."),
    ];
    let servers = [
        ("/", "The gateway that serves this document."),
        ("http://127.0.0.1:8080", "A gateway started with its defaults."),
    ];
    let mut components = Components::new();
    components.add_security_scheme(
        "token",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            TOKEN_HEADER,
            "A long random string token received from /token request",
        ))),
    );
    components.add_security_scheme(
        "operatorKey",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "An operator key. A trial makes its own and prints it at its start.",
                ))
                .build(),
        ),
    );
    components.headers.extend(headers().map(|(name, header)| (name.to_owned(), header.into())));
    OpenApiBuilder::new()
        .info(info.build())
        .tags(Some(tags.map(|(name, description)| {
            TagBuilder::new().name(name).description(Some(description)).build()
        })))
        .servers(Some(servers.map(|(url, description)| {
            ServerBuilder::new().url(url).description(Some(description)).build()
        })))
        .components(Some(components))
        .build()
}

/// Completes the contract after the operations are registered: schemas, `x-origin`, request ids and
/// the registry of problems.
#[must_use]
pub fn finished(mut contract: OpenApi) -> OpenApi {
    add_schemas(contract.components.get_or_insert_default());
    for (path, item) in &mut contract.paths.paths {
        let origin = if path == "/prospect/connectsocket" { "document" } else { "gateway" };
        for (_, operation) in operations_of(item) {
            let extension = ExtensionsBuilder::new().add("x-origin", json!(origin)).build();
            operation.extensions.get_or_insert_default().merge(extension);
            add_request_id(operation);
        }
    }
    deprecation::mark(&mut contract);
    let problems: Vec<Value> =
        ProblemKind::ALL.iter().map(|kind| problem_type(*kind, kind.deprecated())).collect();
    let problems = ExtensionsBuilder::new().add("x-problem-types", json!(problems)).build();
    contract.extensions.get_or_insert_default().merge(problems);
    contract
}

/// The entry of a problem type, with what to expect instead of a deprecated one.
#[must_use]
pub fn problem_type(kind: ProblemKind, deprecated: Option<&str>) -> Value {
    let mut entry = json!({
        "type": kind.uri(),
        "status": kind.status(),
        "title": kind.title(),
        "example": Problem::new(kind, EXAMPLE_REQUEST_ID),
    });
    if let Some(instead) = deprecated {
        entry["deprecated"] = json!(true);
        entry["description"] = json!(instead);
    }
    entry
}

/// Every answer carries the request id.
fn add_request_id(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let id = Ref::new("#/components/headers/RequestId");
            response.headers.insert(REQUEST_ID_HEADER.to_owned(), RefOr::Ref(id));
        }
    }
}

/// Headers that many answers share.
fn headers() -> [(&'static str, Header); 2] {
    let id = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .examples([json!(EXAMPLE_REQUEST_ID)]);
    let seconds = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Integer))
        .minimum(Some(1))
        .examples([json!(1)]);
    let header = |schema: ObjectBuilder, description| {
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
    };
    [
        ("RequestId", header(id, "The id of this request, as in the gateway's log.")),
        ("RetryAfter", header(seconds, "How long to wait, in seconds.")),
    ]
}

/// Adds the schemas that no operation refers to in a derive: problems, frames and events.
fn add_schemas(components: &mut Components) {
    add::<Problem>(components);
    add::<FieldError>(components);
    add::<HelloFrame>(components);
    add::<OperatorMessageFrame>(components);
    add::<AcceptedFrame>(components);
    add::<PongFrame>(components);
    add::<ErrorFrame>(components);
    add::<ByeFrame>(components);
    add_union::<ServerFrame>(components, "type");
    add::<ProspectMessageFrame>(components);
    add::<AckFrame>(components);
    add::<PingFrame>(components);
    add_union::<ClientFrame>(components, "type");
    add::<ConnectedEvent>(components);
    add::<MessageEvent>(components);
    add::<DisconnectedEvent>(components);
    add::<ExpiredEvent>(components);
    add::<GapEvent>(components);
    add_union::<OperatorEvent>(components, "event");
}

fn add<T: ToSchema>(components: &mut Components) {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.properties.values_mut().for_each(unwrap);
    }
    components.schemas.insert(T::name().into_owned(), schema);
}

/// Undoes the `allOf` in which utoipa's derive wraps an inlined property and its description: the
/// property has that description itself.
fn unwrap(property: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::AllOf(wrapped)) = property
        && let [RefOr::T(Schema::Object(inner)), RefOr::T(Schema::Object(described))] =
            &mut wrapped.items[..]
    {
        inner.description = described.description.take();
        *property = inner.clone().into();
    }
}

/// Adds a union with the discriminator that generators need. utoipa's derive writes none for members
/// that declare the field themselves.
fn add_union<T: ToSchema>(components: &mut Components, field: &str) {
    let derived = serde_json::to_value(T::schema()).unwrap_or_default();
    let mut union = OneOfBuilder::new().description(derived["description"].as_str());
    let mut discriminator = Discriminator::new(field);
    for variant in derived["oneOf"].as_array().into_iter().flatten() {
        let reference = variant["$ref"].as_str().unwrap_or_default();
        let name = referenced(variant).unwrap_or_default();
        if let Some(RefOr::T(Schema::Object(member))) = components.schemas.get_mut(name) {
            // The Swagger UI numbers the members that have no title.
            member.title = Some(name.to_owned());
        }
        let member = serde_json::to_value(components.schemas.get(name)).unwrap_or_default();
        let tag = member["properties"][field]["enum"][0].as_str().unwrap_or_default();
        discriminator.mapping.insert(tag.to_owned(), reference.to_owned());
        union = union.item(Ref::new(reference));
    }
    let union = union.discriminator(Some(discriminator));
    components.schemas.insert(T::name().into_owned(), union.into());
}

/// The version of the contract, which is the gateway's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A document in which the contract is served and committed.
pub struct Document {
    /// The name of its file, and of its path at the top of a gateway.
    pub name: &'static str,
    /// The id of the operation that serves it.
    pub operation_id: &'static str,
    /// The summary of that operation.
    pub summary: &'static str,
    /// The description of that operation.
    pub description: &'static str,
    /// Makes it of the contract in OpenAPI 3.1.
    from: fn(&Value) -> Value,
}

/// Every document. A new one is a row here.
pub static DOCUMENTS: [Document; 4] = [
    Document {
        name: "openapi.json",
        operation_id: "getOpenApi",
        summary: "The contract in OpenAPI 3.1",
        description: "Generated from the code of the gateway that serves it.",
        from: Value::clone,
    },
    Document {
        name: "openapi-3.0.json",
        operation_id: "getOpenApi30",
        summary: "The contract in OpenAPI 3.0",
        description: "The same contract, for programs that cannot read 3.1.",
        from: openapi_30::down_converted,
    },
    Document {
        name: "openapi-3.2.json",
        operation_id: "getOpenApi32",
        summary: "The contract in OpenAPI 3.2",
        description: "The same contract, with the event stream as a stream of typed items.",
        from: openapi_32::up_converted,
    },
    Document {
        name: "asyncapi.json",
        operation_id: "getAsyncApi",
        summary: "The socket and the event stream in AsyncAPI 3.0",
        description: "The frames on an open socket in both directions, its close codes, and the operator's events.",
        from: asyncapi::document,
    },
];

/// The documents of a contract, byte for byte as they are served and committed, each with its name.
///
/// # Panics
/// Never: the contract holds nothing that is not JSON.
#[must_use]
pub fn documents(contract: &OpenApi) -> [(&'static str, String); DOCUMENTS.len()] {
    let mut contract = serde_json::to_value(contract).expect("a contract is JSON");
    event_stream::complete(&mut contract);
    deprecated::mark(&mut contract);
    let version = contract["info"]["version"].clone();
    let versioned = &mut contract["paths"]["/contract/{version}/{document}"]["get"];
    versioned["parameters"][0]["example"] = version;
    DOCUMENTS.each_ref().map(|document| {
        let mut made = (document.from)(&contract);
        limits::show(&mut made);
        (document.name, format!("{made:#}\n"))
    })
}

/// The schema of a served document: any object.
pub struct AnyDocument;

impl PartialSchema for AnyDocument {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Object))
            .description(Some("A document of the contract."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}

impl ToSchema for AnyDocument {}

/// The schema of a document's name.
pub struct DocumentName;

impl PartialSchema for DocumentName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .enum_values(Some(DOCUMENTS.each_ref().map(|document| document.name)))
            .into()
    }
}

impl ToSchema for DocumentName {}
