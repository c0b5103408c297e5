//! The running sandbox: where it listens, and how to use it.

mod authority;
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
use authority::Authority;
use axum::Router;
use cloud::Cloud;
use http::Shared;
use line::{Cut, Lines};
use serde::Serialize;
use state::StateError;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

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
    /// The authority that a client has to trust, in PEM, where the sandbox is reached by TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<PathBuf>,
}

/// How a sandbox is to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// File that keeps its state, which is made where it does not exist.
    pub state: Option<PathBuf>,
    /// Whether it is reached by TLS, and then at its root: many clients take nothing else.
    pub tls: bool,
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
    /// Its certificates cannot be made, or the authority's be written.
    #[error("TLS cannot be offered: {0}")]
    Tls(Box<dyn std::error::Error + Send + Sync>),
}

/// A running sandbox; dropping it stops it.
pub struct Sandbox {
    connection: Connection,
    shared: Shared,
    _stop: oneshot::Sender<()>,
    /// Where no state keeps it, the authority's certificate goes with the sandbox.
    _folder: Option<tempfile::TempDir>,
}

impl Sandbox {
    /// Listens at `address`, without TLS and without a file; port 0 takes a free one.
    pub async fn start(address: SocketAddr) -> std::io::Result<Self> {
        let world = World::new(seed::tenant);
        Self::serve(TcpListener::bind(address).await?, world, None, Door::default())
    }

    /// Starts one.
    pub async fn open(settings: Settings) -> Result<Self, StartError> {
        let Settings { listen, state: file, tls } = settings;
        let (world, kept) = match &file {
            Some(file) => state::load(file)?,
            None => (World::new(seed::tenant), None),
        };
        let refused = |why| StartError::Listen { address: listen, why };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let door = if tls {
            Door::new(kept, file.as_deref(), listen).map_err(StartError::Tls)?
        } else {
            Door { authority: kept, ..Door::default() }
        };
        let sandbox = Self::serve(listener, world, file, door).map_err(refused)?;
        sandbox.save()?;
        Ok(sandbox)
    }

    /// Writes the state to its file, where it has one.
    pub fn save(&self) -> Result<(), StateError> {
        self.shared.save(&self.shared.cloud().world)
    }

    fn serve(listener: TcpListener, world: World, state: Option<PathBuf>, door: Door) -> std::io::Result<Self> {
        let scheme = if door.tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr()?);
        let shared = Shared::new(Cloud::new(world), base.clone(), state, door.authority);
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(http::answer).with_state(shared.clone());
        let is_tls = door.tls.is_some();
        let lines = Lines::at(listener, door.tls)?;
        tokio::spawn(async move {
            let until = async {
                stopped.await.ok();
            };
            let service = router.into_make_service_with_connect_info::<Cut>();
            axum::serve(lines, service).with_graceful_shutdown(until).await.ok();
        });
        let at = |part: &str| if part.is_empty() { base.clone() } else { format!("{base}/{part}") };
        let connection = Connection {
            login: at(if is_tls { "" } else { "login" }),
            graph: at(if is_tls { "" } else { "graph" }),
            control: at("control"),
            tenant_id: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: SECRET.to_owned(),
            ca_certificate: door.certificate,
        };
        Ok(Self { connection, shared, _stop: stop, _folder: door.folder })
    }

    /// How to use it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// What clients come in by.
#[derive(Default)]
struct Door {
    tls: Option<TlsAcceptor>,
    authority: Option<Authority>,
    /// Where the authority's certificate is.
    certificate: Option<PathBuf>,
    folder: Option<tempfile::TempDir>,
}

impl Door {
    /// One with TLS, by the authority that was kept, or by a new one.
    fn new(
        kept: Option<Authority>,
        state: Option<&Path>,
        listen: SocketAddr,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let authority = kept.map_or_else(Authority::new, Ok)?;
        let (certificate, folder) = match state {
            Some(state) => {
                let mut name = state.as_os_str().to_owned();
                name.push(".ca.pem");
                (PathBuf::from(name), None)
            }
            None => {
                let folder = tempfile::tempdir()?;
                (folder.path().join("ca.pem"), Some(folder))
            }
        };
        std::fs::write(&certificate, &authority.certificate)?;
        let certificate = std::path::absolute(certificate)?;
        let tls = Some(authority.acceptor(listen.ip())?);
        Ok(Self { tls, authority: Some(authority), certificate: Some(certificate), folder })
    }
}
