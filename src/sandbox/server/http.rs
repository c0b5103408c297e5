//! The HTTP door: takes requests, answers them from the cloud, and lets faults have their way with both; pages for a person go past them.

use super::authority::Authority;
use super::batch;
use super::cloud::Cloud;
use super::faults::{Action, Fault, Refusal, http_date};
use super::lag;
use super::line::Cut;
use super::state::{self, StateError};
use crate::sandbox::call::{Call, Caller};
use crate::sandbox::control;
use crate::sandbox::errors::Failure;
use crate::sandbox::login::endpoints::Endpoint;
use crate::sandbox::login::{self, documents, platforms};
use crate::sandbox::odata;
use crate::sandbox::pages::{self, Page, Visit};
use crate::sandbox::store::World;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pieces that a slow body comes in.
const SLOW_PIECES: usize = 8;
/// As Graph names its JSON.
const ODATA: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
const CHALLENGE: &str = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"";

/// What a page may use: its own style, and nothing else. Not `form-action`, which would stop the consent page's way back.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

/// What all requests share.
#[derive(Clone)]
pub(super) struct Shared {
    cloud: Arc<Mutex<Cloud>>,
    base: String,
    state: Option<Arc<PathBuf>>,
    /// Kept with the state.
    authority: Option<Arc<Authority>>,
}

impl Shared {
    pub(super) fn new(cloud: Cloud, base: String, state: Option<PathBuf>, authority: Option<Authority>) -> Self {
        let cloud = Arc::new(Mutex::new(cloud));
        Self { cloud, base, state: state.map(Arc::new), authority: authority.map(Arc::new) }
    }

    pub(super) fn save(&self, world: &World) -> Result<(), StateError> {
        self.state.as_ref().map_or(Ok(()), |file| state::save(file, world, self.authority.as_deref()))
    }

    pub(super) fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A status and a JSON body.
type Answer = (StatusCode, Option<Value>);

/// One request.
struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

pub(super) async fn answer(
    State(shared): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request { method, uri, headers, body };
    let target = request.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    if let Some(page) = visit(&shared, &request) {
        return page;
    }
    let observed = !target.starts_with("/control/");
    let fault = if observed { shared.cloud().arrives(&request, &target) } else { None };
    if let Some(fault) = &fault {
        fault.before_commit().await;
        if let Action::DropBeforeCommit = fault.action {
            shared.cloud().log(request.method.as_str(), &target, None);
            cut.now();
            return Response::default();
        }
    }
    let mut response = {
        let mut cloud = shared.cloud();
        let now = cloud.world.now();
        let refusal = fault.as_ref().and_then(|fault| fault.action.refusal(&target, now));
        let committed = match &refusal {
            Some(refusal) if !refusal.after_commit => None,
            _ => Some(commit(&shared, &mut cloud, &request)),
        };
        let (status, mut body, retry_after) = match (refusal, committed) {
            (Some(Refusal { status, body, retry_after, .. }), _) => (status, Some(body), retry_after),
            (None, Some((status, body))) => (status, body, None),
            (None, None) => (StatusCode::INTERNAL_SERVER_ERROR, None, None),
        };
        if observed {
            cloud.log(request.method.as_str(), &target, Some(status.as_u16()));
        }
        let id = request_id(body.as_mut(), &request.headers);
        respond(status, body.as_ref(), &id, retry_after, cloud.world.now())
    };
    let is_graph = ["/graph/", "/v1.0/", "/beta/"].iter().any(|start| target.starts_with(start));
    dress(&mut response, &request.headers, is_graph);
    match fault {
        Some(fault) => misbehave(response, &fault, &cut).await,
        None => response,
    }
}

impl Cloud {
    /// Time passes with each request from outside, and a rule may strike it.
    fn arrives(&mut self, request: &Request, target: &str) -> Option<Fault> {
        let later = self.world.now() + self.tick;
        if !self.tick.is_zero() {
            self.world.set_now(later);
        }
        self.faults.strike(&request.method, target, &request.body)
    }
}

/// Carries a request out, and saves what it changed.
fn commit(shared: &Shared, cloud: &mut Cloud, request: &Request) -> Answer {
    saving(shared, cloud, request, |cloud| route(shared, cloud, request), |answer| answer.0.is_success())
}

/// Does what a request asks. Saved before the answer, since what a client was told is not lost; looking at a new tenant makes it.
fn saving<T>(
    shared: &Shared,
    cloud: &mut Cloud,
    request: &Request,
    work: impl FnOnce(&mut Cloud) -> T,
    is_done: impl FnOnce(&T) -> bool,
) -> T {
    let tenants = cloud.world.tenants.len();
    let answer = work(cloud);
    let changed = request.method != Method::GET && is_done(&answer) || tenants != cloud.world.tenants.len();
    if changed && let Err(why) = shared.save(&cloud.world) {
        eprintln!("The sandbox's state was not saved: {why}");
    }
    answer
}

/// A page, where the request is for one.
fn visit(shared: &Shared, request: &Request) -> Option<Response> {
    let base = base(shared, &request.headers);
    let visit = Visit {
        method: &request.method,
        path: request.uri.path(),
        query: request.uri.query().unwrap_or_default(),
        form: &request.body,
        origin: request.headers.get("origin").and_then(|value| value.to_str().ok()),
        base: &base,
    };
    let mut cloud = shared.cloud();
    // A button may have done a part of its work before it was refused.
    let page = saving(shared, &mut cloud, request, |cloud| pages::answer(cloud, &visit), Option::is_some)?;
    let (status, kind, body) = match page {
        Page::Shown(status, text) => (status, "text/html; charset=utf-8", text),
        Page::Style => (StatusCode::OK, "text/css; charset=utf-8", pages::STYLE.to_owned()),
        Page::Moved(to) => {
            let mut response = respond(StatusCode::SEE_OTHER, None, "", None, cloud.world.now());
            response.headers_mut().insert("location", to.parse().ok()?);
            return Some(response);
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    Some(response)
}

/// The id of an answer: a refusal names it too, beside the client's own.
fn request_id(body: Option<&mut Value>, headers: &HeaderMap) -> String {
    let new = || uuid::Uuid::new_v4().to_string();
    let Some(inner) = body.and_then(|body| body.get_mut("error")?.get_mut("innerError")) else { return new() };
    let id = inner.get("request-id").and_then(Value::as_str).map_or_else(new, str::to_owned);
    let of_client = headers.get("client-request-id").and_then(|value| value.to_str().ok());
    inner["client-request-id"] = of_client.unwrap_or(&id).into();
    id
}

/// What Graph says in headers.
fn dress(response: &mut Response, asked: &HeaderMap, is_graph: bool) {
    let unauthenticated = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if let Some(id) = asked.get("client-request-id") {
        headers.insert("client-request-id", id.clone());
    }
    if is_graph {
        headers.insert("content-type", HeaderValue::from_static(ODATA));
        if unauthenticated {
            headers.insert("www-authenticate", HeaderValue::from_static(CHALLENGE));
        }
    }
}

fn respond(
    status: StatusCode,
    body: Option<&Value>,
    id: &str,
    retry_after: Option<String>,
    now: jiff::Timestamp,
) -> Response {
    let mut response = Response::new(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
    *response.status_mut() = status;
    let mut set = |name: &'static str, text: String| {
        if let Ok(value) = text.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    set("content-type", "application/json; charset=utf-8".to_owned());
    set("request-id", id.to_owned());
    set("date", http_date(now));
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
        Some(host) => {
            let scheme = shared.base.split(':').next().unwrap_or("http");
            format!("{}://{host}", header("x-forwarded-proto").unwrap_or(scheme))
        }
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

fn route(shared: &Shared, cloud: &mut Cloud, request: &Request) -> Answer {
    let Request { method, uri, headers, body } = request;
    let (path, base) = (uri.path(), base(shared, headers));
    if let Some(endpoint) = Endpoint::at(&base, path).filter(|_| !path.starts_with("/oidc/")) {
        let Cloud { world, login, lag, .. } = cloud;
        let tenant = world.tenant_named(endpoint.tenant).unwrap_or_default();
        return lag::sign_in(lag, world, &tenant, |world| endpoint.answer(world, login, &base, method, headers, body));
    }
    if let Some(rest) = path.strip_prefix("/oidc/") {
        return match cloud.login.issuer.document(&shared.base, rest).filter(|_| *method == Method::GET) {
            Some(document) => (StatusCode::OK, Some(document)),
            None => Failure::not_found("The issuer has no such document.").answer(cloud.world.now()),
        };
    }
    if path == "/metadata/endpoints" {
        return (StatusCode::OK, Some(documents::clouds(&base, uri.query().unwrap_or_default())));
    }
    // Of Azure's resources there are none, which is all that a sign-in of the Azure CLI asks about.
    if *method == Method::GET && ["/tenants", "/subscriptions"].contains(&path) {
        return (StatusCode::OK, Some(json!({ "value": [] })));
    }
    if path.starts_with("/metadata/") || path.starts_with("/platforms/") {
        let Cloud { world, login, .. } = cloud;
        return platforms::answer(world, login, &shared.base, method, path, uri.query().unwrap_or_default(), headers);
    }
    if let Some(rest) = path.strip_prefix("/control/tenants/")
        && let Some((tenant, inner)) = rest.split_once("/v1.0")
    {
        let base = format!("{base}/control/tenants/{tenant}/v1.0");
        return graph(cloud, tenant, &Caller::Administrator, request, inner, base);
    }
    if let Some(rest) = path.strip_prefix("/control/") {
        return control::answer(cloud, &shared.base, method, rest, body);
    }
    // Also at the root, for clients that know nothing but a host.
    for root in ["/graph/v1.0", "/graph/beta", "/v1.0", "/beta"] {
        let Some(inner) = path.strip_prefix(root).filter(|inner| inner.is_empty() || inner.starts_with('/')) else {
            continue;
        };
        // An old way to say which tenant, which the token says anyway.
        let inner = inner.strip_prefix("/myorganization").unwrap_or(inner);
        return match login::caller(&mut cloud.world, &base, headers) {
            Ok((tenant, caller)) => graph(cloud, &tenant, &caller, request, inner, format!("{base}{root}")),
            Err(failure) => failure.answer(cloud.world.now()),
        };
    }
    Failure::not_found(
        "The sandbox serves /login, /graph/v1.0, /graph/beta, /oidc, /metadata, /platforms and /control.",
    )
    .answer(cloud.world.now())
}

fn graph(cloud: &mut Cloud, tenant: &str, caller: &Caller, request: &Request, path: &str, base: String) -> Answer {
    let body = if request.body.is_empty() { Ok(None) } else { serde_json::from_slice(&request.body).map(Some) };
    let reply = match body {
        Err(_) => Err(Failure::bad_request(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )),
        Ok(body) => {
            let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
            let (prefer, level) = (header("prefer"), header("consistencylevel"));
            let call = Call {
                method: request.method.clone(),
                path: odata::unescape(path),
                query: request.uri.query().unwrap_or_default().to_owned(),
                body,
                prefer: prefer.unwrap_or_default().to_owned(),
                eventual: level.is_some_and(|level| level.eq_ignore_ascii_case("eventual")),
                page_size: cloud.world.page_size,
                base,
            };
            if call.path == "/$batch" {
                batch::run(cloud, tenant, caller, &call)
            } else {
                lag::handle(&mut cloud.lag, &mut cloud.world, tenant, caller, &call)
            }
        }
    };
    reply.unwrap_or_else(|failure| failure.answer(cloud.world.now()))
}
