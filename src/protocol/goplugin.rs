//! The services of the CLI's plugin library that live beside the provider.

use super::generated::health::health_check_response::ServingStatus;
use super::generated::health::health_server;
use super::generated::health::{HealthCheckRequest, HealthCheckResponse};
use super::generated::plugin::{Empty, StdioData, grpc_controller_server, grpc_stdio_server};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::watch;
use tonic::{Request, Response, Status, async_trait};

/// Ends the process when the CLI is done with it: answers first, then stops the server.
pub(super) struct Controller(pub watch::Sender<bool>);

#[async_trait]
impl grpc_controller_server::GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.0.send_replace(true);
        Ok(Response::new(Empty::default()))
    }
}

/// Would carry standard output and error; ours are silent, so the stream only stays open until the end.
pub(super) struct Stdio(pub watch::Receiver<bool>);

#[async_trait]
impl grpc_stdio_server::GrpcStdio for Stdio {
    type StreamStdioStream = BoxStream<'static, Result<StdioData, Status>>;

    /// Says nothing, and ends with the server: an open stream would hold up a graceful stop.
    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Self::StreamStdioStream>, Status> {
        let mut stopped = self.0.clone();
        let end = async move {
            stopped.wait_for(|stop| *stop).await.ok();
        };
        let silence = stream::once(end).filter_map(|()| std::future::ready(None));
        Ok(Response::new(silence.boxed()))
    }
}

/// Always well.
pub(super) struct Health;

#[async_trait]
impl health_server::Health for Health {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }
}
