//! The app: the operations and what every request passes. To add an operation, register its handler
//! in `operations`.

use actix_service::{Service, ServiceFactory};
use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self, Data},
};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::{AppExt, UtoipaApp};

use crate::{
    contract::{self, DOCUMENTS},
    http::{
        cors::cors,
        deprecation::Deprecations,
        not_found::{Paths, not_found},
        request_scope::request_scope,
        route_policy::RoutePolicy,
    },
    operations::{
        connect_socket,
        documents::{self, CurrentDocument, Pages},
        events::{self, Streams},
        health, messages, prospects, socket, token,
        web::{self as web_files, WebFiles},
    },
    state::Gateway,
};

/// Every operation: one statement registers its route and its part of the contract.
#[must_use]
pub fn operations() -> UtoipaApp<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let app = App::new()
        .into_utoipa_app()
        .openapi(contract::base())
        .service(token::request_token)
        .service(token::revoke_token)
        .service(connect_socket::connect_socket)
        .service(socket::open_socket)
        .service(messages::send_message)
        .service(prospects::list_prospects)
        .service(prospects::get_prospect)
        .service(prospects::disconnect_prospect)
        .service(prospects::erase_prospect)
        .service(token::issue_token)
        .service(events::stream_events)
        .service(events::release_events)
        .service(health::livez)
        .service(health::readyz)
        .service(health::get_metrics);
    DOCUMENTS
        .iter()
        .fold(app, |app, document| app.service(CurrentDocument(document)))
        .service(documents::get_contract)
        .service(web_files::get_swagger_ui)
        .service(web_files::get_client)
        .service(web_files::get_home)
        .service(web_files::get_try_page)
}

/// The contract of the operations.
#[must_use]
pub fn contract() -> OpenApi {
    contract_of(operations())
}

/// The contract of these operations.
pub fn contract_of<T>(operations: UtoipaApp<T>) -> OpenApi
where
    T: ServiceFactory<ServiceRequest, Config = (), Error = Error, InitError = ()>,
{
    contract::finished(operations.split_for_parts().1)
}

/// What the handlers of all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The gateway.
    pub gateway: Data<Gateway>,
    pages: Data<Pages>,
    web_files: Data<WebFiles>,
    paths: Data<Paths>,
    streams: Data<Streams>,
    deprecations: Data<Deprecations>,
}

impl Shared {
    /// Everything that `gateway` needs to answer requests under a contract.
    #[must_use]
    pub fn new(gateway: Data<Gateway>, contract: &OpenApi) -> Self {
        let web = gateway.config.http.web;
        Self {
            gateway,
            pages: Data::new(Pages::of(contract)),
            web_files: Data::new(WebFiles::new(web)),
            paths: Data::new(Paths::of(contract, web)),
            streams: Data::default(),
            deprecations: Data::new(Deprecations::of(contract)),
        }
    }
}

/// The app of one worker.
#[must_use]
pub fn app(
    shared: Shared,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    app_of(operations(), shared)
}

/// The app of these operations. Of the middleware, the last one wrapped is the outermost.
pub fn app_of<T>(
    operations: UtoipaApp<T>,
    shared: Shared,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        > + 'static,
    T::Service: 'static,
    <T::Service as Service<ServiceRequest>>::Future: 'static,
{
    let cors = cors(&shared.gateway.config.http.allowed_origins);
    operations
        .into_app()
        .app_data(shared.gateway)
        .app_data(shared.pages)
        .app_data(shared.web_files)
        .app_data(shared.paths)
        .app_data(shared.streams)
        .app_data(shared.deprecations)
        .default_service(web::to(not_found).wrap(RoutePolicy::new()))
        .wrap(cors)
        .wrap(from_fn(request_scope))
}
