//! A simulated Microsoft 365 tenant over real HTTP, with its own shapes and rules: a judge of the Graph client, which it shares
//! nothing with but the permission ids. For tests and for trying things out, on this machine only.
//!
//! - `{base}/login/{tenant}/oauth2/v2.0/token`: Entra's token endpoint for client credentials. Every tenant GUID exists.
//! - `{base}/graph/v1.0/…`: Microsoft Graph. Tokens carry the roles that their principal holds in the directory.
//! - `{base}/control/tenants/{tenant}/v1.0/…`: the same directory for an administrator who needs no token: changes behind a client's
//!   back. Not in the request log.
//! - `{base}/control/clock`: `GET`; `POST {"now": "…Z"}` or `{"advance": "P1D"}`. The clock decides what has expired and shows in `Date`.
//! - `{base}/control/requests`: `GET` lists every request since the last `DELETE` as `{method, path, status}`.
//! - `{base}/control/tenants/{tenant}/first_party`: `POST {"app_id": "…", "present": false, "licensed": false}` takes away a principal
//!   of Microsoft's, and with `licensed: false` keeps it from being made again.
//! - `{base}/control/tenants/{tenant}/callers`: `POST {"roles": ["Application.Read.All"]}` makes an application that holds just these
//!   roles of Microsoft Graph, and answers with its `client_id`, `client_secret` and `object_id`.
//! - `{base}/control/page_size`: `POST {"size": 3}` makes default pages small, so that a client has to follow them.

mod batch;
mod control;
mod credentials;
mod directory;
mod errors;
mod grants;
mod login;
mod odata;
mod policies;
mod store;
mod types;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use errors::Failure;
use serde::Serialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::World;
use tokio::sync::oneshot;

/// The development identity's tenant, which every new sandbox has.
pub const TENANT: &str = "5a4d0000-0000-4000-8000-00000000a365";
/// Its client id.
pub const CLIENT: &str = "5a4d0000-0000-4000-8000-0000000c11e7";
/// Its secret, which opens nothing but a sandbox.
pub const SECRET: &str = "sandbox-only-not-a-real-secret";

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

/// A running sandbox; dropping it stops it.
pub struct Sandbox {
    connection: Connection,
    _stop: oneshot::Sender<()>,
}

impl Sandbox {
    /// Listens at `address`; port 0 takes a free one.
    pub async fn start(address: SocketAddr) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let shared = Shared { world: Arc::new(Mutex::new(World::new())), base: base.clone() };
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(answer).with_state(shared);
        tokio::spawn(async move {
            let until = async {
                stopped.await.ok();
            };
            axum::serve(listener, router).with_graceful_shutdown(until).await.ok();
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
        Ok(Self { connection, _stop: stop })
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
}

impl Shared {
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

/// An answer's status and body; no body for 204.
type Reply = Result<(StatusCode, Option<Value>), Failure>;

/// Who asks.
enum Caller {
    /// Anybody at the control endpoint.
    Administrator,
    /// The holder of a token.
    Application { principal_id: String, roles: Vec<String> },
}

async fn answer(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let mut world = shared.world();
    let (status, body) = route(&shared, &mut world, &method, &uri, &headers, &body);
    if !path.starts_with("/control/") {
        world.log(
            method.as_str(),
            &format!("{path}{}", uri.query().map(|query| format!("?{query}")).unwrap_or_default()),
            status.as_u16(),
        );
    }
    let now = world.now();
    let client_id = headers.get("client-request-id").cloned();
    let mut response = Response::new(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
    *response.status_mut() = status;
    let out = response.headers_mut();
    let set = |out: &mut HeaderMap, name: &'static str, text: String| {
        if let Ok(value) = text.parse() {
            out.insert(name, value);
        }
    };
    set(out, "content-type", "application/json".to_owned());
    set(out, "request-id", uuid::Uuid::new_v4().to_string());
    set(out, "date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(id) = client_id {
        out.insert("client-request-id", id);
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
        return login::token(world, &base, method, rest, body);
    }
    if let Some(rest) = path.strip_prefix("/control/tenants/")
        && let Some((tenant, inner)) = rest.split_once("/v1.0")
    {
        let base = format!("{base}/control/tenants/{tenant}/v1.0");
        return graph(world, tenant, &Caller::Administrator, method, inner, uri, headers, body, base);
    }
    if let Some(rest) = path.strip_prefix("/control/") {
        return control::answer(world, method, rest, body);
    }
    if let Some(inner) = path.strip_prefix("/graph/v1.0") {
        let base = format!("{base}/graph/v1.0");
        return match login::caller(world, headers) {
            Ok((tenant, caller)) => graph(world, &tenant, &caller, method, inner, uri, headers, body, base),
            Err(failure) => failure.answer(world.now()),
        };
    }
    Failure::not_found("The sandbox serves /login, /graph/v1.0 and /control.").answer(world.now())
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
                directory::handle(world, tenant, caller, &call)
            }
        }
    };
    reply.unwrap_or_else(|failure| failure.answer(world.now()))
}
