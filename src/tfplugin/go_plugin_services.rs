//! go-plugin's own services: the controller, by which the host shuts the plugin down, and two streams that the host
//! opens and that stay empty until then.

use std::pin::Pin;

use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::proto::go_plugin::{
    ConnInfo, Empty, StdioData, grpc_broker_server::GrpcBroker,
    grpc_controller_server::GrpcController, grpc_stdio_server::GrpcStdio,
};

/// The three services.
#[derive(Clone)]
pub(super) struct GoPluginServices {
    /// Cancelled by the controller. It ends the streams.
    pub shutdown: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for GoPluginServices {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        tracing::debug!("the host requests the shutdown");
        self.shutdown.cancel();
        Ok(Response::new(Empty {}))
    }
}

type EmptyStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl GoPluginServices {
    /// Returns a stream without items. It ends at the shutdown, which would wait for it otherwise.
    fn empty_stream<T: Send + 'static>(&self) -> EmptyStream<T> {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sender.closed() => {}
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }
}

#[tonic::async_trait]
impl GrpcStdio for GoPluginServices {
    async fn stream_stdio(
        &self,
        _: Request<()>,
    ) -> Result<Response<EmptyStream<StdioData>>, Status> {
        Ok(Response::new(self.empty_stream()))
    }
}

#[tonic::async_trait]
impl GrpcBroker for GoPluginServices {
    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<EmptyStream<ConnInfo>>, Status> {
        // Reading is how the end of the host's stream is noticed. No request is served.
        let mut requests = request.into_inner();
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = async { while let Some(Ok(_)) = requests.next().await {} } => {}
            }
        });
        Ok(Response::new(self.empty_stream()))
    }
}
