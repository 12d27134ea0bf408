//! go-plugin's side services: the host's way to end the plugin, and two streams that it opens and that
//! stay silent until the end.

use std::pin::Pin;

use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::proto::go_plugin::{
    ConnInfo, Empty, StdioData, grpc_broker_server::GrpcBroker,
    grpc_controller_server::GrpcController, grpc_stdio_server::GrpcStdio,
};

/// All three; each ends with the token.
#[derive(Clone)]
pub(super) struct SideServices {
    pub end: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for SideServices {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        tracing::debug!("the host asks for the end");
        self.end.cancel();
        Ok(Response::new(Empty {}))
    }
}

type Silence<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl SideServices {
    /// A stream without items that ends with the server; a host that is still reading would hold the
    /// server up otherwise.
    fn silence<T: Send + 'static>(&self) -> Silence<T> {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let end = self.end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = sender.closed() => {}
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }
}

#[tonic::async_trait]
impl GrpcStdio for SideServices {
    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Silence<StdioData>>, Status> {
        Ok(Response::new(self.silence()))
    }
}

#[tonic::async_trait]
impl GrpcBroker for SideServices {
    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Silence<ConnInfo>>, Status> {
        // Read on, so that the host's end of the stream is noticed; it asks for nothing.
        let mut asked = request.into_inner();
        let end = self.end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = async { while let Some(Ok(_)) = asked.next().await {} } => {}
            }
        });
        Ok(Response::new(self.silence()))
    }
}
