//! Sends requests: bearer token, retries that honour `Retry-After`, time limit, cancellation. One per tenant and credential.

use super::auth::{Claims, TokenCache, TokenRequest, TokenSource, root_cause};
use super::endpoints::Endpoints;
use super::errors::{ApiError, GraphError};
use super::snapshot::Snapshot;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Requests under way at once, for one tenant: what the CLI's ten parallel operations need, and no burst beyond.
const IN_FLIGHT: usize = 16;
/// First wait of the exponential back-off, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often a write that met another one is repeated.
const CONCURRENT_WRITES: u32 = 8;
/// Repetitions of what the directory still has to replicate: a minute, with these waits.
const REPETITIONS: u32 = 8;
/// How long what was made here may be missing on a replica.
const FRESH: Duration = Duration::from_secs(120);

/// How to reach a tenant.
pub struct Options {
    /// GUID or domain.
    pub tenant: String,
    /// Where to sign in and where Graph is.
    pub endpoints: Endpoints,
    /// Further trust root (PEM).
    pub ca_certificate: Option<PathBuf>,
    /// How often one request is repeated.
    pub max_retries: u32,
    /// Limit of one request.
    pub request_timeout: Duration,
    /// Names this program.
    pub user_agent: String,
}

/// When a call has to end.
#[derive(Clone)]
pub struct Limits {
    /// Its time is over then.
    pub deadline: Instant,
    /// The CLI asked to stop.
    pub cancelled: CancellationToken,
}

struct Shared {
    http: Client,
    options: Options,
    source: Arc<dyn TokenSource>,
    /// Which API tokens are for.
    scope: String,
    tokens: TokenCache,
    in_flight: Semaphore,
    /// Server's clock minus ours, in seconds, from the last `Date`.
    offset: AtomicI64,
    /// Whether anything but a read was sent.
    written: AtomicBool,
    /// When something was made here, and its object and client ids.
    made: Mutex<Vec<(Instant, Vec<String>)>>,
    snapshot: Snapshot,
    seen_keys: Mutex<HashMap<String, BTreeSet<String>>>,
}

/// Microsoft Graph in one tenant. Clones share token, connections and limits of load.
#[derive(Clone)]
pub struct Graph {
    shared: Arc<Shared>,
    limits: Limits,
    /// Whether reads may be answered by what this refresh has read before.
    refreshing: bool,
}

/// Whether a request may be sent again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Doing it twice is doing it once, or a key guards it.
    Safe,
    /// A second one could do it twice.
    Unsafe,
}

/// One answer.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

enum Failure {
    /// Never sent, or no answer came.
    Connection(String),
    Answer(Answer),
}

impl Graph {
    /// No network.
    pub fn new(options: Options, source: Arc<dyn TokenSource>) -> Result<Self, GraphError> {
        let scope = format!("{}/.default", options.endpoints.graph);
        Self::with_scope(options, source, scope)
    }

    /// Signs in to another API, for its token's claims: Graph itself would refuse such a token.
    pub fn with_scope(options: Options, source: Arc<dyn TokenSource>, scope: String) -> Result<Self, GraphError> {
        options.endpoints.check().map_err(|why| GraphError::Setup(why.to_string()))?;
        let http = client(&options)?;
        let shared = Shared {
            http,
            options,
            source,
            scope,
            tokens: TokenCache::default(),
            in_flight: Semaphore::new(IN_FLIGHT),
            offset: AtomicI64::new(0),
            written: AtomicBool::new(false),
            made: Mutex::default(),
            snapshot: Snapshot::default(),
            seen_keys: Mutex::default(),
        };
        let limits =
            Limits { deadline: Instant::now() + Duration::from_secs(20 * 60), cancelled: CancellationToken::new() };
        Ok(Self { shared: Arc::new(shared), limits, refreshing: false })
    }

    /// The same for one call with its own limits.
    #[must_use]
    pub fn within(&self, limits: Limits) -> Self {
        Self { shared: self.shared.clone(), limits, refreshing: false }
    }

    /// The same for a refresh: what it has read once is not asked for again. Only a refresh may be answered so, never what a change is
    /// based on.
    #[must_use]
    pub fn for_refresh(self) -> Self {
        Self { refreshing: true, ..self }
    }

    /// The server's present time, as its last `Date` header tells; the local clock before the first answer.
    pub fn now(&self) -> jiff::Timestamp {
        let offset = jiff::SignedDuration::from_secs(self.shared.offset.load(Ordering::Relaxed));
        jiff::Timestamp::now().checked_add(offset).unwrap_or_else(|_| jiff::Timestamp::now())
    }

    /// Whether this client has written anything yet.
    pub fn has_written(&self) -> bool {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// What the present token says of its holder.
    pub async fn token_claims(&self) -> Result<Claims, GraphError> {
        Ok(Claims::of(&self.token("sign-in", None).await?))
    }

    /// Base URL of Graph.
    pub(super) fn base(&self) -> String {
        format!("{}/v1.0", self.shared.options.endpoints.graph)
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, GraphError> {
        let once = || self.send(Method::GET, path, None, Retry::Safe);
        // What was made here a moment ago is there, whatever a replica says.
        if self.names_fresh_object(path) { self.settled(once).await } else { once().await }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GraphError> {
        let body = if self.refreshing && !self.has_written() {
            self.shared.snapshot.get(path, || self.read(path)).await?
        } else {
            self.read(path).await?
        };
        parse("GET", path, &body)
    }

    /// `None` where there is no such object.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, GraphError> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All pages of a collection.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, GraphError> {
        #[derive(serde::Deserialize)]
        struct Page<T> {
            value: Vec<T>,
            #[serde(rename = "@odata.nextLink")]
            next: Option<String>,
        }
        let mut page: Page<T> = self.get(path).await?;
        let mut all = page.value;
        while let Some(link) = page.next {
            // A token goes with every request: a link to another origin must not get it.
            let Some(rest) = link.strip_prefix(&self.base()) else {
                return Err(GraphError::Shape {
                    tried: format!("GET {path}"),
                    why: "the link to the next page leads elsewhere".to_owned(),
                });
            };
            page = self.get(rest).await?;
            all.extend(page.value);
        }
        Ok(all)
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        retry: Retry,
    ) -> Result<T, GraphError> {
        let answer = self.send(Method::POST, path, Some(json("POST", path, body)?), retry).await?;
        parse("POST", path, &answer)
    }

    /// A request whose answer, where it has one, says nothing new.
    pub(super) async fn post_empty<B: Serialize>(&self, path: &str, body: &B, retry: Retry) -> Result<(), GraphError> {
        self.send(Method::POST, path, Some(json("POST", path, body)?), retry).await.map(|_| ())
    }

    pub(super) async fn patch<B: Serialize>(&self, path: &str, body: &B) -> Result<(), GraphError> {
        self.send(Method::PATCH, path, Some(json("PATCH", path, body)?), Retry::Safe).await.map(|_| ())
    }

    /// Remembers what was made or come upon just now, by all of its ids: for a while a 404 on it is no news that it is gone.
    pub fn remember(&self, ids: &[&str]) {
        let mut made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|(at, _)| at.elapsed() < FRESH);
        made.push((Instant::now(), ids.iter().map(|id| (*id).to_owned()).collect()));
    }

    /// Forgets what is about to be deleted, with what shares an id with it: an application's principal goes with it.
    fn forget(&self, path: &str) {
        let mut made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |(_, ids): &&(Instant, Vec<String>)| ids.iter().any(|id| path.ends_with(id.as_str()));
        let gone: Vec<String> = made.iter().filter(named).flat_map(|(_, ids)| ids.clone()).collect();
        made.retain(|(_, ids)| !ids.iter().any(|id| gone.contains(id)));
    }

    /// Whether a path names an object that was made here a moment ago and not deleted since.
    fn names_fresh_object(&self, path: &str) -> bool {
        let made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().any(|(at, ids)| at.elapsed() < FRESH && ids.iter().any(|id| path.contains(id.as_str())))
    }

    /// Gone already is gone.
    pub(super) async fn delete(&self, path: &str) -> Result<(), GraphError> {
        self.forget(path);
        match self.send(Method::DELETE, path, None, Retry::Safe).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        retry: Retry,
    ) -> Result<Vec<u8>, GraphError> {
        let tried = || format!("{method} {}", path.split('?').next().unwrap_or(path));
        let (mut attempt, mut rejected, mut last) = (0, None, None);
        loop {
            let token = self.token(&tried(), rejected.as_ref()).await?;
            let failure = match self.once(&method, path, body.as_ref(), &token).await? {
                Ok(answer) => return Ok(answer.body),
                Err(failure) => failure,
            };
            if matches!(&failure, Failure::Answer(answer) if answer.status == 401) && rejected.is_none() {
                rejected = Some(token);
                continue;
            }
            if attempt >= self.shared.options.max_retries || !may_repeat(&failure, &method, retry) {
                return Err(self.error(&method, path, failure));
            }
            let wait = self.wait_before_retry(&failure, attempt);
            last = Some(self.error(&method, path, failure).to_string()).or(last);
            self.pause(wait, tried(), last.as_ref()).await?;
            attempt += 1;
        }
    }

    /// One request. A write that is under way is let finish when the CLI asks to stop: its answer must not be lost.
    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Vec<u8>>,
        token: &SecretString,
    ) -> Result<Result<Answer, Failure>, GraphError> {
        let tried = || format!("{method} {}", path.split('?').next().unwrap_or(path));
        let _place = tokio::select! {
            place = self.shared.in_flight.acquire() => place,
            () = self.limits.cancelled.cancelled() => return Err(GraphError::Cancelled),
            () = tokio::time::sleep_until(self.limits.deadline) => return Err(GraphError::DeadlineExceeded { tried: tried(), last: None }),
        };
        if self.limits.cancelled.is_cancelled() {
            return Err(GraphError::Cancelled);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let mut request = self
            .shared
            .http
            .request(method.clone(), format!("{}{path}", self.base()))
            .bearer_auth(token.expose_secret())
            .header("client-request-id", &id);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.clone());
        }
        let work = exchange(request);
        let answer = if *method == Method::GET {
            tokio::select! {
                answer = work => answer,
                () = self.limits.cancelled.cancelled() => return Err(GraphError::Cancelled),
                () = tokio::time::sleep_until(self.limits.deadline) => return Err(GraphError::DeadlineExceeded { tried: tried(), last: None }),
            }
        } else {
            self.shared.written.store(true, Ordering::Relaxed);
            self.shared.snapshot.forget();
            work.await
        };
        let status = answer.as_ref().map(|answer| answer.status).unwrap_or_default();
        tracing::debug!(target: "m365::graph", method = %method, path = path.split('?').next().unwrap_or(path), status, client_request_id = %id, "request");
        Ok(match answer {
            Err(why) => Err(Failure::Connection(why)),
            Ok(answer) => {
                self.learn_time(&answer.headers);
                if (200..300).contains(&answer.status) { Ok(answer) } else { Err(Failure::Answer(answer)) }
            }
        })
    }

    async fn token(&self, tried: &str, rejected: Option<&SecretString>) -> Result<SecretString, GraphError> {
        let options = &self.shared.options;
        let request = TokenRequest {
            http: &self.shared.http,
            login: &options.endpoints.login,
            tenant: &options.tenant,
            scope: &self.shared.scope,
        };
        let mut attempt = 0;
        loop {
            let fetched = tokio::select! {
                fetched = self.shared.tokens.get(&*self.shared.source, request, rejected) => fetched,
                () = self.limits.cancelled.cancelled() => return Err(GraphError::Cancelled),
                () = tokio::time::sleep_until(self.limits.deadline) => return Err(GraphError::DeadlineExceeded { tried: tried.to_owned(), last: None }),
            };
            match fetched {
                Ok(token) => return Ok(token.secret),
                Err(super::AuthError::Unreachable { login, why, retry_after })
                    if attempt < options.max_retries.min(3) =>
                {
                    let wait = retry_after.unwrap_or_else(|| backoff(attempt));
                    let last = format!("{login}: {why}");
                    self.pause(wait, tried.to_owned(), Some(&last)).await?;
                    attempt += 1;
                }
                Err(why) => return Err(GraphError::Auth { method: self.shared.source.name(), why }),
            }
        }
    }

    /// Repeats a look-up of what is known to be there, while the directory does not show it yet: up to about a minute.
    pub async fn until_found<T, F: Future<Output = Result<Option<T>, GraphError>>>(
        &self,
        look: impl Fn() -> F,
    ) -> Result<Option<T>, GraphError> {
        let mut attempt = 0;
        loop {
            let found = look().await?;
            if found.is_some() || attempt >= REPETITIONS {
                return Ok(found);
            }
            self.pause(backoff(attempt), "waiting for the directory to replicate".to_owned(), None).await?;
            attempt += 1;
        }
    }

    /// Waits, unless the operation's time would be over by then or the CLI asks to stop. Whoever waits wants to see what has changed.
    pub async fn pause(&self, wait: Duration, tried: String, last: Option<&String>) -> Result<(), GraphError> {
        self.shared.snapshot.forget();
        if Instant::now() + wait >= self.limits.deadline {
            return Err(GraphError::DeadlineExceeded { tried, last: last.cloned() });
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.limits.cancelled.cancelled() => Err(GraphError::Cancelled),
        }
    }

    /// Waits before the next of several rounds, each time longer.
    pub async fn wait(&self, round: u32, tried: &str, last: Option<&String>) -> Result<(), GraphError> {
        self.pause(backoff(round), tried.to_owned(), last).await
    }

    /// Reads until the answer is as `settled` expects, or until that time by the server's clock: then gives it as it is.
    pub async fn read_until<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        until: jiff::Timestamp,
        read: impl Fn() -> F,
        settled: impl Fn(&T) -> bool,
    ) -> Result<T, GraphError> {
        let mut round = 0;
        loop {
            let found = read().await?;
            if settled(&found) || self.now() >= until {
                return Ok(found);
            }
            self.wait(round, "waiting for the directory to replicate", None).await?;
            round += 1;
        }
    }

    /// Key ids that this process last saw on an object, by its path.
    pub(super) fn seen_keys(&self) -> std::sync::MutexGuard<'_, HashMap<String, BTreeSet<String>>> {
        self.shared.seen_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats `call` while the directory still replicates what was made a moment ago, or another write is under way: up to about a
    /// minute.
    pub(super) async fn settled<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, GraphError> {
        self.settled_after(REPETITIONS, call).await
    }

    /// The same with so many repetitions at most: for a call that a wrong input fails with the same answer.
    pub(super) async fn settled_after<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        repetitions: u32,
        call: impl Fn() -> F,
    ) -> Result<T, GraphError> {
        let mut attempt = 0;
        loop {
            match call().await {
                Err(error)
                    if error.is_concurrent_write() && attempt < CONCURRENT_WRITES
                        || error.is_replication_delay() && attempt < repetitions =>
                {
                    let last = error.to_string();
                    self.pause(backoff(attempt), "waiting for the directory to replicate".to_owned(), Some(&last))
                        .await?;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    fn wait_before_retry(&self, failure: &Failure, attempt: u32) -> Duration {
        match failure {
            Failure::Answer(answer) => retry_after(&answer.headers, self.now()).unwrap_or_else(|| backoff(attempt)),
            Failure::Connection(_) => backoff(attempt),
        }
    }

    fn learn_time(&self, headers: &HeaderMap) {
        let date = headers.get("date").and_then(|date| date.to_str().ok()).and_then(http_date);
        if let Some(date) = date {
            self.shared.offset.store(date.as_second() - jiff::Timestamp::now().as_second(), Ordering::Relaxed);
        }
    }

    fn error(&self, method: &Method, path: &str, failure: Failure) -> GraphError {
        match failure {
            Failure::Connection(why) => GraphError::Unreachable {
                tried: format!("{method} {}", path.split('?').next().unwrap_or(path)),
                graph: self.shared.options.endpoints.graph.clone(),
                why,
            },
            Failure::Answer(answer) => {
                let id = answer.headers.get("request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
                GraphError::Api(Box::new(ApiError::parse(method.as_str(), path, answer.status, &answer.body, id)))
            }
        }
    }
}

async fn exchange(request: reqwest::RequestBuilder) -> Result<Answer, String> {
    let answer = request.send().await.map_err(|error| root_cause(&error))?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.map_err(|error| root_cause(&error))?;
    Ok(Answer { status, headers, body: body.to_vec() })
}

/// Throttled and refused-for-load requests did nothing and may always be repeated; lost answers only where that is safe.
fn may_repeat(failure: &Failure, method: &Method, retry: Retry) -> bool {
    match failure {
        Failure::Connection(_) => retry == Retry::Safe,
        Failure::Answer(answer) => match answer.status {
            429 | 503 => true,
            504 => retry == Retry::Safe,
            500 | 502 => *method == Method::GET,
            _ => false,
        },
    }
}

/// Exponential with jitter: half fixed, half random, from the clock's finest digits.
fn backoff(attempt: u32) -> Duration {
    let whole = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST_WAIT);
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    whole / 2 + whole / 2 * random / 255
}

/// What `Retry-After` asks for, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(Duration::try_from(http_date(text)?.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// A date as HTTP writes it: `Tue, 24 Nov 2026 12:00:00 GMT`.
fn http_date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.replace("GMT", "+0000")).ok()
}

fn parse<T: DeserializeOwned>(method: &str, path: &str, body: &[u8]) -> Result<T, GraphError> {
    serde_json::from_slice(body).map_err(|why| GraphError::Shape {
        tried: format!("{method} {}", path.split('?').next().unwrap_or(path)),
        why: why.to_string(),
    })
}

fn json<B: Serialize>(method: &str, path: &str, body: &B) -> Result<Vec<u8>, GraphError> {
    serde_json::to_vec(body)
        .map_err(|why| GraphError::Shape { tried: format!("{method} {path}"), why: why.to_string() })
}

fn client(options: &Options) -> Result<Client, GraphError> {
    let mut builder = Client::builder()
        .timeout(options.request_timeout)
        .user_agent(&options.user_agent)
        .redirect(reqwest::redirect::Policy::none());
    let roots = options.ca_certificate.as_deref().map(certificates).transpose()?;
    builder = match (options.endpoints.are_loopback(), roots) {
        // Neither proxy nor the machine's trust roots, whose parsing takes a while.
        (true, roots) => builder.no_proxy().tls_certs_only(roots.unwrap_or_default()),
        (false, Some(roots)) => builder.tls_certs_merge(roots),
        (false, None) => builder,
    };
    builder
        .build()
        .map_err(|why| GraphError::Setup(format!("The HTTP client could not be set up: {}", root_cause(&why))))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, GraphError> {
    let unreadable = |why: String| {
        GraphError::Setup(format!("`ca_certificate_path`: {} is no usable PEM file: {why}", path.display()))
    };
    let text = std::fs::read(path).map_err(|why| unreadable(why.to_string()))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|why| unreadable(root_cause(&why)))?;
    if found.is_empty() { Err(unreadable("it holds no certificate".to_owned())) } else { Ok(found) }
}

/// Text inside an OData key or filter: quotes doubled, then percent-encoded for the URL.
pub(super) fn quoted(text: &str) -> String {
    escaped(&text.replace('\'', "''"))
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        headers
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        assert_eq!(retry_after(&header("7"), now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&header("Tue, 24 Nov 2026 12:01:00 GMT"), now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after(&header("Tue, 24 Nov 2026 11:00:00 GMT"), now), Some(Duration::ZERO));
        assert_eq!(retry_after(&header("soon"), now), None);
    }

    #[test]
    fn a_lost_answer_is_repeated_only_where_that_is_safe() {
        let lost = Failure::Connection("reset".into());
        assert!(may_repeat(&lost, &Method::POST, Retry::Safe));
        assert!(!may_repeat(&lost, &Method::POST, Retry::Unsafe));
    }

    #[test]
    fn keys_are_quoted_for_odata_and_the_url() {
        assert_eq!(quoted("a'b c/d"), "a%27%27b%20c%2Fd");
    }

    #[test]
    fn waits_grow_but_stay_bounded() {
        assert!(backoff(0) <= FIRST_WAIT && backoff(0) >= FIRST_WAIT / 2);
        assert!(backoff(40) <= LONGEST_WAIT);
    }

    /// A server of a few canned answers, to see what the client sends and when.
    mod against_a_server {
        use super::*;
        use crate::graph::{ClientSecret, GraphError};
        use axum::extract::State;
        use axum::http::{StatusCode, Uri};
        use axum::response::IntoResponse;
        use std::sync::Mutex;

        /// Statuses to answer Graph requests with, in order; then 200. Each with a `Retry-After`.
        type Script = Arc<Mutex<(Vec<(u16, &'static str)>, Vec<String>)>>;

        async fn answer(State(script): State<Script>, uri: Uri) -> impl IntoResponse {
            let mut script = script.lock().unwrap();
            script.1.push(uri.path().to_owned());
            if uri.path().ends_with("/token") {
                return (
                    StatusCode::OK,
                    [("retry-after", "0")],
                    r#"{"access_token":"a.b.c","expires_in":3600}"#.to_owned(),
                );
            }
            let (status, wait) = if script.0.is_empty() { (200, "0") } else { script.0.remove(0) };
            let next = format!("http://attacker.example{}?page=2", uri.path());
            let body = if uri.path().ends_with("/elsewhere") {
                serde_json::json!({ "value": [], "@odata.nextLink": next })
            } else {
                serde_json::json!({ "value": [] })
            };
            (StatusCode::from_u16(status).unwrap(), [("retry-after", wait)], body.to_string())
        }

        async fn start(answers: &[(u16, &'static str)]) -> (Graph, Script) {
            let script: Script = Arc::new(Mutex::new((answers.to_vec(), Vec::new())));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let router = axum::Router::new().fallback(answer).with_state(script.clone());
            tokio::spawn(async move { axum::serve(listener, router).await });
            let options = Options {
                tenant: "t".into(),
                endpoints: Endpoints { login: base.clone(), graph: base },
                ca_certificate: None,
                max_retries: 3,
                request_timeout: Duration::from_secs(5),
                user_agent: "test".into(),
            };
            let source = ClientSecret::new("c".into(), "very secret".to_owned().into());
            (Graph::new(options, Arc::new(source)).unwrap(), script)
        }

        fn requests(script: &Script, end: &str) -> usize {
            script.lock().unwrap().1.iter().filter(|path| path.ends_with(end)).count()
        }

        #[tokio::test]
        async fn many_callers_share_one_sign_in() {
            let (graph, script) = start(&[]).await;
            let all = (0..20).map(|_| graph.list::<serde_json::Value>("/x"));
            assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
            assert_eq!((requests(&script, "/token"), requests(&script, "/x")), (1, 20));
        }

        #[tokio::test]
        async fn throttled_requests_are_repeated_and_others_are_not() {
            let (graph, script) = start(&[(429, "0"), (503, "0"), (504, "0")]).await;
            graph.list::<serde_json::Value>("/x").await.unwrap();
            assert_eq!(requests(&script, "/x"), 4);
            let (graph, script) = start(&[(403, "0")]).await;
            let error = graph.list::<serde_json::Value>("/servicePrincipals/1/appRoleAssignments").await.unwrap_err();
            assert!(error.is_forbidden());
            assert!(matches!(error, GraphError::Api(api) if api.needed == Some("`Application.Read.All`")));
            assert_eq!(requests(&script, "/appRoleAssignments"), 1);
        }

        #[tokio::test]
        async fn a_refused_token_is_refreshed_once() {
            let (graph, script) = start(&[(401, "0")]).await;
            graph.list::<serde_json::Value>("/x").await.unwrap();
            assert_eq!((requests(&script, "/token"), requests(&script, "/x")), (2, 2));
            let (graph, script) = start(&[(401, "0"), (401, "0")]).await;
            assert!(graph.list::<serde_json::Value>("/x").await.is_err());
            assert_eq!((requests(&script, "/token"), requests(&script, "/x")), (2, 2));
        }

        #[tokio::test]
        async fn a_stop_ends_a_wait_at_once() {
            let (graph, script) = start(&[(429, "3600")]).await;
            let cancelled = CancellationToken::new();
            let graph = graph
                .within(Limits { deadline: Instant::now() + Duration::from_secs(7200), cancelled: cancelled.clone() });
            let call = tokio::spawn(async move { graph.list::<serde_json::Value>("/x").await });
            while requests(&script, "/x") == 0 {
                tokio::task::yield_now().await;
            }
            cancelled.cancel();
            assert!(matches!(call.await.unwrap(), Err(GraphError::Cancelled)));
        }

        #[tokio::test]
        async fn a_wait_beyond_the_time_limit_is_not_begun() {
            let (graph, _) = start(&[(429, "3600")]).await;
            let graph = graph.within(Limits {
                deadline: Instant::now() + Duration::from_secs(60),
                cancelled: CancellationToken::new(),
            });
            let error = graph.list::<serde_json::Value>("/x").await.unwrap_err();
            assert!(error.to_string().contains("time limit") && error.to_string().contains("429"), "{error}");
        }

        #[tokio::test]
        async fn what_was_made_here_is_fresh_until_it_is_deleted_and_its_principal_with_it() {
            let (graph, _) = start(&[]).await;
            graph.remember(&["app-object", "client"]);
            graph.remember(&["principal-object", "client"]);
            assert!(graph.names_fresh_object("/applications/app-object?$select=id"));
            assert!(graph.names_fresh_object("/servicePrincipals(appId='client')"));
            graph.delete("/servicePrincipals/principal-object/appRoleAssignments/one").await.unwrap();
            assert!(graph.names_fresh_object("/servicePrincipals/principal-object"));
            graph.delete("/applications/app-object").await.unwrap();
            for path in [
                "/applications/app-object",
                "/servicePrincipals/principal-object",
                "/servicePrincipals(appId='client')",
            ] {
                assert!(!graph.names_fresh_object(path), "{path}");
            }
        }

        #[tokio::test]
        async fn a_page_elsewhere_does_not_get_the_token() {
            let (graph, _) = start(&[]).await;
            assert!(matches!(graph.list::<serde_json::Value>("/elsewhere").await, Err(GraphError::Shape { .. })));
        }
    }
}
