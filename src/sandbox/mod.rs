//! A simulated Microsoft 365 tenant over real HTTP, with its own shapes and rules: a judge of the Graph client, which it shares
//! nothing with but the permission ids. For tests and for trying things out, on this machine only.
//!
//! - `{base}/login/{tenant}/oauth2/v2.0/token`: Entra's token endpoint for client credentials: secrets, assertions signed with a
//!   certificate, federated assertions. Every tenant GUID exists.
//! - `{base}/oidc`: an OIDC issuer for federated credentials to trust, with its discovery document and keys.
//! - `{base}/metadata/identity/oauth2/token`: Azure's metadata service, whose machine is the development identity.
//! - `{base}/platforms/app_service/token`, `…/github/token`, `…/azure_devops/oidctoken`: what App Service, GitHub Actions and Azure DevOps
//!   offer to what runs there.
//! - `{base}/graph/v1.0/…`: Microsoft Graph. Tokens carry the roles that their principal holds in the directory.
//! - `{base}/control/tenants/{tenant}/v1.0/…`: the same directory for an administrator who needs no token: changes behind a client's
//!   back. Not in the request log.
//! - `{base}/control/clock`: `GET`; `POST {"now": "…Z"}` or `{"advance": "P1D"}`. The clock decides what has expired and shows in `Date`.
//! - `{base}/control/requests`: `GET` lists every request since the last `DELETE` as `{method, path, status}`; no status for one
//!   whose connection was cut before it was carried out.
//! - `{base}/control/tenants/{tenant}/first_party`: `POST {"app_id": "…", "present": false, "licensed": false}` takes away a principal
//!   of Microsoft's, and with `licensed: false` keeps it from being made again.
//! - `{base}/control/tenants/{tenant}/callers`: `POST {"roles": ["Application.Read.All"]}` makes an application that holds just these
//!   roles of Microsoft Graph, and answers with its `client_id`, `client_secret` and `object_id`.
//! - `{base}/control/platforms`: `GET` gives the variables that each platform sets, with the subjects of its tokens; `POST
//!   {"system_assigned": "…", "user_assigned": ["…"], "tenant_id": "…", "github_subject": "…", "azure_devops_subject": "…"}` changes the
//!   machine's identities (client ids, "" for none) and those subjects.
//! - `{base}/control/oidc/tokens`: `POST {"sub": "…", "aud": "…", "expires_in": 300}` gives a `token` of the OIDC issuer.
//! - `{base}/control/tokens`: `GET` lists every token that was handed out and every assertion that was presented, since
//!   the last `DELETE`.
//! - `{base}/control/page_size`: `POST {"size": 3}` makes default pages small, so that a client has to follow them.
//! - `{base}/control/faults`: requests that fail, wait or lose their connection; see `faults.rs`.
//! - `{base}/control/lag`: reads that do not see the last writes yet; see `lag.rs`.

mod assertions;
mod batch;
mod certificates;
mod control;
mod credentials;
mod directory;
mod errors;
mod faults;
mod federated;
mod grants;
mod lag;
mod line;
mod login;
mod odata;
mod oidc;
mod platforms;
mod policies;
mod state;
mod store;
mod types;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use errors::Failure;
use faults::{Action, Fault};
use futures_util::StreamExt;
use line::{Cut, Lines};
use serde::Serialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::World;
use tokio::sync::oneshot;

/// The development identity's tenant, which every new sandbox has.
pub const TENANT: &str = "5a4d0000-0000-4000-8000-00000000a365";
/// Its client id.
pub const CLIENT: &str = "5a4d0000-0000-4000-8000-0000000c11e7";
/// Its secret, which opens nothing but a sandbox.
pub const SECRET: &str = "sandbox-only-not-a-real-secret";

/// Pieces that a slow body comes in.
const SLOW_PIECES: usize = 8;

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

pub use state::StateError;

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
        Self::listen(address, World::new(), None).await
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
        self.shared.save(&self.shared.world())
    }

    async fn listen(address: SocketAddr, world: World, state: Option<PathBuf>) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let shared = Shared { world: Arc::new(Mutex::new(world)), base: base.clone(), state: state.map(Arc::new) };
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(answer).with_state(shared.clone());
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

#[derive(Clone)]
struct Shared {
    world: Arc<Mutex<World>>,
    base: String,
    state: Option<Arc<PathBuf>>,
}

impl Shared {
    fn save(&self, world: &World) -> Result<(), StateError> {
        self.state.as_ref().map_or(Ok(()), |file| state::save(file, world))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request to the directory, from outside or from within a batch.
struct Call {
    method: Method,
    /// Behind `/v1.0`, without the query.
    path: String,
    query: String,
    body: Option<Value>,
    /// The header `Prefer`.
    prefer: String,
    /// Elements on a page unless the request says otherwise.
    page_size: usize,
    /// Base URL up to and including `/v1.0`.
    base: String,
}

impl Call {
    /// Whether an update by alternate key of what is not there is to create it.
    fn creates_if_missing(&self) -> bool {
        self.prefer.split([',', ';']).any(|wish| wish.trim() == "create-if-missing")
    }
}

/// An answer's status and body; no body for 204.
type Reply = Result<(StatusCode, Option<Value>), Failure>;

/// Who asks.
enum Caller {
    /// Anybody at the control endpoint.
    Administrator,
    /// The holder of a token.
    Application { principal_id: String, roles: Vec<String> },
}

async fn answer(
    State(shared): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let observed = !target.starts_with("/control/");
    let fault = if observed { shared.world().faults.strike(&method, &target, &body) } else { None };
    if let Some(fault) = &fault {
        fault.before_commit().await;
        if let Action::DropBeforeCommit = fault.action {
            shared.world().log(method.as_str(), &target, None);
            cut.now();
            return Response::default();
        }
    }
    let mut response = {
        let mut world = shared.world();
        let now = world.now();
        let refusal = fault.as_ref().and_then(|fault| fault.action.refusal(&target, now));
        let (status, body, retry_after) = match refusal {
            Some(refusal) => (refusal.status, Some(refusal.body), refusal.retry_after),
            None => {
                let tenants = world.tenants.len();
                let (status, body) = route(&shared, &mut world, &method, &uri, &headers, &body);
                // Before the answer: what a client was told is not lost. Looking at a new tenant makes it.
                let changed = method != Method::GET && status.is_success() || tenants != world.tenants.len();
                if changed && let Err(why) = shared.save(&world) {
                    eprintln!("The sandbox's state was not saved: {why}");
                }
                (status, body, None)
            }
        };
        if observed {
            world.log(method.as_str(), &target, Some(status.as_u16()));
        }
        respond(status, body.as_ref(), retry_after, world.now())
    };
    if let Some(id) = headers.get("client-request-id") {
        response.headers_mut().insert("client-request-id", id.clone());
    }
    match fault {
        Some(fault) => misbehave(response, &fault, &cut).await,
        None => response,
    }
}

fn respond(status: StatusCode, body: Option<&Value>, retry_after: Option<String>, now: jiff::Timestamp) -> Response {
    let mut response = Response::new(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
    *response.status_mut() = status;
    let mut set = |name: &'static str, text: String| {
        if let Ok(value) = text.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    set("content-type", "application/json".to_owned());
    set("request-id", uuid::Uuid::new_v4().to_string());
    set("date", faults::http_date(now));
    if let Some(wait) = retry_after {
        set("retry-after", wait);
    }
    response
}

/// Base URL under which the client reached this: another name of this machine is as good as the address, and a proxy in front says
/// what it was asked for.
fn base(shared: &Shared, headers: &HeaderMap) -> String {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match header("x-forwarded-host").or(header("host")) {
        Some(host) => format!("{}://{host}", header("x-forwarded-proto").unwrap_or("http")),
        None => shared.base.clone(),
    }
}

/// What a fault makes of an answer.
async fn misbehave(response: Response, fault: &Fault, cut: &Cut) -> Response {
    fault.after_commit().await;
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else { return Response::default() };
    let body = match fault.action {
        Action::DropAfterCommit => {
            cut.now();
            Body::empty()
        }
        Action::Malformed { truncated: false } => Body::from(bytes.slice(..bytes.len() / 2)),
        Action::Malformed { truncated: true } => {
            head.headers.insert("content-length", (bytes.len() + 1).into());
            let cut = cut.clone();
            // The first piece is out before the connection ends: a body that waits is flushed.
            let end = async move {
                tokio::task::yield_now().await;
                cut.now();
                Err(std::io::ErrorKind::ConnectionReset.into())
            };
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]);
            Body::from_stream(first.chain(futures_util::stream::once(end)))
        }
        Action::Slow { milliseconds } => {
            let pause = std::time::Duration::from_millis(milliseconds);
            let size = bytes.len().div_ceil(SLOW_PIECES).max(1);
            let pieces: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
            Body::from_stream(futures_util::stream::iter(pieces).then(move |piece| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, std::io::Error>(piece)
            }))
        }
        _ => Body::from(bytes),
    };
    Response::from_parts(head, body)
}

fn route(
    shared: &Shared,
    world: &mut World,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> (StatusCode, Option<Value>) {
    let (path, base) = (uri.path(), base(shared, headers));
    if let Some(rest) = path.strip_prefix("/login/") {
        let tenant = rest.split('/').next().unwrap_or_default();
        return lag::sign_in(world, tenant, |world| login::token(world, &base, method, rest, body));
    }
    if let Some(rest) = path.strip_prefix("/oidc/") {
        return match world.issuer.document(&shared.base, rest).filter(|_| *method == Method::GET) {
            Some(document) => (StatusCode::OK, Some(document)),
            None => Failure::not_found("The issuer has no such document.").answer(world.now()),
        };
    }
    if path.starts_with("/metadata/") || path.starts_with("/platforms/") {
        return platforms::answer(world, &shared.base, method, path, uri.query().unwrap_or_default(), headers);
    }
    if let Some(rest) = path.strip_prefix("/control/tenants/")
        && let Some((tenant, inner)) = rest.split_once("/v1.0")
    {
        let base = format!("{base}/control/tenants/{tenant}/v1.0");
        return graph(world, tenant, &Caller::Administrator, method, inner, uri, headers, body, base);
    }
    if let Some(rest) = path.strip_prefix("/control/") {
        return control::answer(world, &shared.base, method, rest, body);
    }
    if let Some(inner) = path.strip_prefix("/graph/v1.0") {
        return match login::caller(world, &base, headers) {
            Ok((tenant, caller)) => {
                let base = format!("{base}/graph/v1.0");
                graph(world, &tenant, &caller, method, inner, uri, headers, body, base)
            }
            Err(failure) => failure.answer(world.now()),
        };
    }
    Failure::not_found("The sandbox serves /login, /graph/v1.0, /oidc, /metadata, /platforms and /control.")
        .answer(world.now())
}

#[expect(clippy::too_many_arguments, reason = "the parts of one HTTP request")]
fn graph(
    world: &mut World,
    tenant: &str,
    caller: &Caller,
    method: &Method,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    base: String,
) -> (StatusCode, Option<Value>) {
    let parsed = if body.is_empty() { Ok(None) } else { serde_json::from_slice(body).map(Some) };
    let reply = match parsed {
        Err(_) => Err(Failure::bad_request(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )),
        Ok(body) => {
            let call = Call {
                method: method.clone(),
                path: odata::unescape(path),
                query: uri.query().unwrap_or_default().to_owned(),
                body,
                prefer: headers.get("prefer").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned(),
                page_size: world.page_size,
                base,
            };
            if call.path == "/$batch" {
                batch::run(world, tenant, caller, &call)
            } else {
                lag::handle(world, tenant, caller, &call)
            }
        }
    };
    reply.unwrap_or_else(|failure| failure.answer(world.now()))
}
