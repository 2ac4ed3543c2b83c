//! `Expect: 100-continue`: whether the body of a request is worth sending.

use std::rc::Rc;

use actix_http::{ConnectionType, HttpMessage, Payload, Request};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::{body::BoxBody, dev::AppConfig};

use crate::{
    http::body,
    routes::{Shared, app},
};

/// The service that decides on `Expect: 100-continue`, before the body is sent. A body that is larger
/// than any route takes is refused at once, by the app: so the token is still checked first.
pub fn expectations(
    shared: Shared,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Request,
    Error = actix_http::Response<BoxBody>,
    InitError = (),
> {
    let config = &shared.gateway.config.http;
    let max_bytes = config.body_bytes.max(config.message_body_bytes);
    let app = map_config(app(shared), |()| AppConfig::default());
    fn_factory(move || {
        let app = app.new_service(());
        async move {
            let app = Rc::new(app.await?);
            Ok(fn_service(move |request: Request| {
                let app = Rc::clone(&app);
                async move {
                    let length = body::content_length(request.headers());
                    if length.is_none_or(|length| length <= u64::from(max_bytes)) {
                        return Ok(request);
                    }
                    let (request, _) = request.replace_payload(Payload::None);
                    let max_bytes = max_bytes as usize;
                    body::refuse_as_too_large(&mut request.extensions_mut(), max_bytes);
                    let mut response = match app.call(request).await {
                        Ok(response) => response.into_parts().1,
                        Err(error) => error.error_response(),
                    };
                    response.head_mut().set_connection_type(ConnectionType::Close);
                    Err(response.into())
                }
            }))
        }
    })
}
