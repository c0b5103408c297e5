//! The running sandbox: where it listens, and how to use it.

mod batch;
pub(super) mod cloud;
mod faults;
mod http;
mod lag;
mod line;
mod replicas;
pub(super) mod state;

use super::seed;
use super::store::{CLIENT, SECRET, TENANT, World};
use axum::Router;
use cloud::Cloud;
use http::Shared;
use line::{Cut, Lines};
use serde::Serialize;
use state::StateError;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::sync::oneshot;

/// How to use a running sandbox. Base URLs are without version path.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// Login service.
    pub login: String,
    /// Microsoft Graph.
    pub graph: String,
    /// Control endpoint.
    pub control: String,
    /// Tenant of the development identity.
    pub tenant_id: String,
    /// Client id of the development identity.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its address is not free, or not this machine's.
    #[error("cannot listen at {address}: {why}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// Its state file cannot be used.
    #[error("{0}")]
    State(#[from] StateError),
}

/// A running sandbox; dropping it stops it.
pub struct Sandbox {
    connection: Connection,
    shared: Shared,
    _stop: oneshot::Sender<()>,
}

impl Sandbox {
    /// Listens at `address`; port 0 takes a free one.
    pub async fn start(address: SocketAddr) -> std::io::Result<Self> {
        Self::listen(address, World::new(seed::tenant), None).await
    }

    /// The same with its state in a file, which is made where it does not exist and kept up to date.
    pub async fn with_state(address: SocketAddr, file: PathBuf) -> Result<Self, StartError> {
        let sandbox = Self::listen(address, state::load(&file)?, Some(file)).await;
        let sandbox = sandbox.map_err(|why| StartError::Listen { address, why })?;
        sandbox.save()?;
        Ok(sandbox)
    }

    /// Writes the state to its file, where it has one.
    pub fn save(&self) -> Result<(), StateError> {
        self.shared.save(&self.shared.cloud().world)
    }

    async fn listen(address: SocketAddr, world: World, state: Option<PathBuf>) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let shared = Shared::new(Cloud::new(world), base.clone(), state);
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(http::answer).with_state(shared.clone());
        tokio::spawn(async move {
            let until = async {
                stopped.await.ok();
            };
            let service = router.into_make_service_with_connect_info::<Cut>();
            axum::serve(Lines(listener), service).with_graceful_shutdown(until).await.ok();
        });
        let at = |part: &str| format!("{base}/{part}");
        let connection = Connection {
            login: at("login"),
            graph: at("graph"),
            control: at("control"),
            tenant_id: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: SECRET.to_owned(),
        };
        Ok(Self { connection, shared, _stop: stop })
    }

    /// How to use it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}
