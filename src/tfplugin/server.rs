//! The gRPC service `tfplugin6.Provider`: each method hands its message on. What is not here answers
//! UNIMPLEMENTED, which every client takes for "not served".

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::proto::tfplugin6::{self as proto, provider_server};
use super::session::Session;
use crate::schema::provider::Provider;

pub(super) struct Server<P>(pub Arc<Session<P>>);

type Answer<T> = Result<Response<T>, Status>;

/// The methods that are served, each with its module of messages.
macro_rules! serve {
    ($($method:ident($messages:ident);)*) => {
        #[tonic::async_trait]
        impl<P: Provider> provider_server::Provider for Server<P> {
            $(async fn $method(
                &self,
                request: Request<proto::$messages::Request>,
            ) -> Answer<proto::$messages::Response> {
                let answer = self.0.answer(request.into_inner(), stringify!($method)).await;
                Ok(Response::new(answer))
            })*
        }
    };
}

serve! {
    get_metadata(get_metadata);
    get_provider_schema(get_provider_schema);
    get_resource_identity_schemas(get_resource_identity_schemas);
    validate_provider_config(validate_provider_config);
    configure_provider(configure_provider);
    stop_provider(stop_provider);

    validate_resource_config(validate_resource_config);
    upgrade_resource_state(upgrade_resource_state);
    upgrade_resource_identity(upgrade_resource_identity);
    read_resource(read_resource);
    plan_resource_change(plan_resource_change);
    apply_resource_change(apply_resource_change);
    import_resource_state(import_resource_state);

    validate_data_resource_config(validate_data_resource_config);
    read_data_source(read_data_source);

    get_functions(get_functions);
    call_function(call_function);
}
