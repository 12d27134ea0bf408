//! The gRPC service `tfplugin6.Provider`. Each method passes its message to the [`Session`]. A method that is not
//! listed here returns the status UNIMPLEMENTED, which clients take for "not supported".

use std::sync::Arc;

use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::proto::tfplugin6::{self as proto, provider_server};
use super::rpc::Rpc;
use super::session::Session;

pub(super) struct ProviderService(pub Arc<Session>);

/// Implements the listed methods. The messages of a method are in the module of its name.
macro_rules! serve {
    (unary { $($unary:ident,)* } streaming { $($streaming:ident,)* }) => {
        #[tonic::async_trait]
        impl provider_server::Provider for ProviderService {
            $(async fn $unary(
                &self,
                request: Request<proto::$unary::Request>,
            ) -> Result<Response<proto::$unary::Response>, Status> {
                let request = request.into_inner();
                if !request.is_served(&self.0) {
                    return Err(Status::unimplemented("the provider does not implement this call"));
                }
                let response = self.0.respond(request, stringify!($unary)).await;
                Ok(Response::new(response))
            })*

            $(async fn $streaming(
                &self,
                request: Request<proto::$streaming::Request>,
            ) -> Result<Response<BoxStream<proto::$streaming::Event>>, Status> {
                let events = self.0.stream(request.into_inner(), stringify!($streaming));
                Ok(Response::new(Box::pin(events)))
            })*
        }
    };
}

serve! {
    unary {
        get_metadata,
        get_provider_schema,
        get_resource_identity_schemas,
        validate_provider_config,
        configure_provider,
        stop_provider,

        validate_resource_config,
        upgrade_resource_state,
        upgrade_resource_identity,
        read_resource,
        plan_resource_change,
        apply_resource_change,
        import_resource_state,
        move_resource_state,
        generate_resource_config,

        validate_data_resource_config,
        read_data_source,

        get_functions,
        call_function,

        validate_list_resource_config,
        validate_action_config,
        plan_action,
    }
    streaming {
        list_resource,
        invoke_action,
    }
}
