//! Sends requests: bearer token, retries that honour `Retry-After`, time limit, cancellation. One per tenant and credential.

use super::auth::{Claims, TokenCache, TokenRequest, TokenSource};
use super::backoff::Backoff;
use super::batch::Reads;
use super::endpoints::Endpoints;
use super::errors::{ApiError, GraphError};
use super::fresh::{APPLICATIONS, Fresh, SERVICE_PRINCIPALS};
use super::http;
use super::known_keys::KnownKeys;
use super::line::{Failure, Line, Outcome, answered, without_query};
use super::snapshot::Snapshot;
use super::writes::{Asked, Span, WINDOW};
use reqwest::Method;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// In place of an offset: no answer has told the server's time yet.
const UNTOLD: i64 = i64::MIN;

/// First wait of the exponential back-off, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long the answer to a write is waited for once the CLI asks to stop: it may name what exists by then.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long what must be put right is given after the CLI asked to stop.
const PUTTING_RIGHT: Duration = Duration::from_secs(10);

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
    line: Arc<Line>,
    reads: Arc<Reads>,
    options: Options,
    source: Arc<dyn TokenSource>,
    /// Which API tokens are for.
    scope: String,
    tokens: TokenCache,
    /// Seconds by which the server's clock is ahead, by the last `Date`; [`UNTOLD`] before the first.
    offset: AtomicI64,
    /// Whether anything but a read was sent.
    written: AtomicBool,
    fresh: Fresh,
    snapshot: Snapshot,
    known_keys: Mutex<KnownKeys>,
}

/// Microsoft Graph in one tenant. Clones share token, connections and limits of load.
#[derive(Clone)]
pub struct Graph {
    shared: Arc<Shared>,
    limits: Limits,
    /// Whether reads may be answered by what this refresh has read before.
    refreshing: bool,
}

/// Whether a request may be sent again when it is not known whether it was carried out.
#[derive(Clone, Copy)]
pub(super) enum Retry<'a> {
    /// Doing it twice is doing it once, or a key guards it.
    Safe,
    /// A second one could do it twice.
    Unsafe,
    /// It may be done twice where the service answers with an error of its own: that is noted, and the caller looks for doubles.
    Doubtful(&'a AtomicBool),
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
        let own_machine = options.endpoints.are_loopback();
        let roots = options.ca_certificate.as_deref();
        let http = http::client(own_machine, roots, options.request_timeout, &options.user_agent)
            .map_err(GraphError::Setup)?;
        let base = format!("{}/v1.0", options.endpoints.graph);
        let shared = Shared {
            line: Arc::new(Line::new(http, base)),
            reads: Arc::default(),
            options,
            source,
            scope,
            tokens: TokenCache::default(),
            offset: AtomicI64::new(UNTOLD),
            written: AtomicBool::new(false),
            fresh: Fresh::default(),
            snapshot: Snapshot::default(),
            known_keys: Mutex::default(),
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
        self.server_time().unwrap_or_else(jiff::Timestamp::now)
    }

    /// The server's present time; `None` before the first answer.
    fn server_time(&self) -> Option<jiff::Timestamp> {
        let offset = Some(self.shared.offset.load(Ordering::Relaxed)).filter(|offset| *offset != UNTOLD)?;
        jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(offset)).ok()
    }

    /// The moment before a read that is about to be asked for: [`Self::since`] tells when it was answered.
    pub fn asks(&self) -> Asked {
        Asked { at: self.server_time(), here: Instant::now() }
    }

    /// From the moment before a read until now, after it.
    pub fn since(&self, asked: Asked) -> Span {
        let to = self.now();
        let then = || to - jiff::SignedDuration::try_from(asked.here.elapsed()).unwrap_or_default();
        Span { from: asked.at.unwrap_or_else(then), to }
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
    pub(super) fn base(&self) -> &str {
        &self.shared.line.base
    }

    /// What was made here a moment ago is there, whatever a replica says.
    async fn read(&self, path: &str) -> Result<Vec<u8>, GraphError> {
        let mut waits = self.waits();
        loop {
            match self.send(Method::GET, path, None, Retry::Safe).await {
                Err(error)
                    if error.is_not_found()
                        && self.shared.fresh.may_be_behind(self.now(), path, error.text())
                        && waits.again(WINDOW, Some(&error)).await? => {}
                other => return other,
            }
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GraphError> {
        let body = if self.refreshing && !self.has_written() {
            let shared = self.shared.snapshot.get(path, || self.read(path));
            self.bounded(&format!("GET {}", without_query(path)), shared).await??
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
            let Some(rest) = link.strip_prefix(self.base()) else {
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
        retry: Retry<'_>,
    ) -> Result<T, GraphError> {
        let answer = self.send(Method::POST, path, Some(json("POST", path, body)?), retry).await?;
        parse("POST", path, &answer)
    }

    /// A request whose answer, where it has one, says nothing new.
    pub(super) async fn post_empty<B: Serialize>(
        &self,
        path: &str,
        body: &B,
        retry: Retry<'_>,
    ) -> Result<(), GraphError> {
        self.send(Method::POST, path, Some(json("POST", path, body)?), retry).await.map(|_| ())
    }

    pub(super) async fn patch<B: Serialize>(&self, path: &str, body: &B) -> Result<(), GraphError> {
        self.send(Method::PATCH, path, Some(json("PATCH", path, body)?), Retry::Safe).await.map(|_| ())
    }

    /// `false`: it is gone already.
    pub(super) async fn delete(&self, path: &str) -> Result<bool, GraphError> {
        let deleted = self.settled_removal(|| self.send(Method::DELETE, path, None, Retry::Safe)).await;
        self.shared.fresh.forget(path);
        match deleted {
            Err(error) if error.is_not_found() => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Remembers what was made or come upon just now, by all of its ids: for a while a 404 on it is no news that it is gone.
    pub(super) fn remember(&self, set: &'static str, ids: &[&str]) {
        self.shared.fresh.remember(self.now(), set, ids);
    }

    /// The same of an application, by object id and client id.
    pub fn remember_application(&self, id: &str, client_id: &str) {
        self.remember(APPLICATIONS, &[id, client_id]);
    }

    /// The same of a service principal, by object id.
    pub fn remember_principal(&self, id: &str) {
        self.remember(SERVICE_PRINCIPALS, &[id]);
    }

    /// What was made or met here a moment ago.
    pub(super) fn fresh(&self) -> &Fresh {
        &self.shared.fresh
    }

    /// What this process knows of certificates. Nothing is left half-written there by a panic elsewhere.
    pub(super) fn known_keys(&self) -> MutexGuard<'_, KnownKeys> {
        self.shared.known_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        retry: Retry<'_>,
    ) -> Result<Vec<u8>, GraphError> {
        let tried = format!("{method} {}", without_query(path));
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let (mut attempt, mut rejected, mut last) = (0, None, None);
        loop {
            let token = self.token(&tried, rejected.as_ref()).await?;
            let failure = match self.once(&method, path, body.as_ref(), &token).await? {
                Ok(answer) => return Ok(answer.body),
                Err(failure) => failure,
            };
            if matches!(&failure, Failure::Answer(answer) if answer.status == 401) && rejected.is_none() {
                rejected = Some(token);
                continue;
            }
            if attempt >= self.shared.options.max_retries || !may_repeat(&failure, retry) {
                return Err(self.error(&method, path, failure));
            }
            let asked = match &failure {
                Failure::Answer(answer) => http::retry_after(&answer.headers, self.now()),
                _ => None,
            };
            last = Some(self.error(&method, path, failure).to_string()).or(last);
            self.pause(asked.unwrap_or_else(|| backoff.pause()), tried.clone(), last.as_ref()).await?;
            attempt += 1;
        }
    }

    /// One request. A write that is under way when the CLI asks to stop is given a few seconds: its answer may name what exists by then.
    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Vec<u8>>,
        token: &SecretString,
    ) -> Result<Outcome, GraphError> {
        let tried = format!("{method} {}", without_query(path));
        let answer = if *method == Method::GET {
            self.bounded(&tried, self.shared.reads.ask(&self.shared.line, path, token)).await?
        } else {
            let _place = self.bounded(&tried, self.shared.line.places.acquire()).await?;
            self.shared.written.store(true, Ordering::Relaxed);
            self.shared.snapshot.forget();
            let mut work = pin!(self.shared.line.exchange(method, path, body.cloned(), token));
            tokio::select! {
                answer = &mut work => answer,
                () = self.limits.cancelled.cancelled() => {
                    tokio::time::timeout(LAST_WORDS, work).await.map_err(|_| GraphError::Cancelled)?
                }
            }
        };
        if let Some(answer) = answered(&answer) {
            self.learn_time(&answer.headers);
        }
        Ok(answer)
    }

    async fn token(&self, tried: &str, rejected: Option<&SecretString>) -> Result<SecretString, GraphError> {
        let options = &self.shared.options;
        let request = TokenRequest {
            http: &self.shared.line.http,
            login: &options.endpoints.login,
            tenant: &options.tenant,
            scope: &self.shared.scope,
        };
        let (mut attempt, mut backoff) = (0, Backoff::new(FIRST_WAIT, LONGEST_WAIT));
        loop {
            let fetched = self.bounded(tried, self.shared.tokens.get(&*self.shared.source, request, rejected)).await?;
            match fetched {
                Ok(token) => return Ok(token.secret),
                Err(super::AuthError::Unreachable { login, why, retry_after })
                    if attempt < options.max_retries.min(3) =>
                {
                    let wait = retry_after.unwrap_or_else(|| backoff.pause());
                    let last = format!("{login}: {why}");
                    self.pause(wait, tried.to_owned(), Some(&last)).await?;
                    attempt += 1;
                }
                Err(why) => return Err(GraphError::Auth { method: self.shared.source.name(), why }),
            }
        }
    }

    /// `work`, unless the operation's time is over, or the CLI asks to stop: then it is not even begun.
    pub async fn bounded<T>(&self, tried: &str, work: impl Future<Output = T>) -> Result<T, GraphError> {
        tokio::select! {
            biased;
            () = self.limits.cancelled.cancelled() => Err(GraphError::Cancelled),
            () = tokio::time::sleep_until(self.limits.deadline) => {
                Err(GraphError::DeadlineExceeded { tried: tried.to_owned(), last: None })
            }
            done = work => Ok(done),
        }
    }

    /// The same for what must be put right even if the CLI asks to stop meanwhile: with a little time of its own.
    pub(super) fn regardless_of_a_stop(&self) -> Self {
        let (deadline, cancelled) = (Instant::now() + PUTTING_RIGHT, CancellationToken::new());
        self.within(Limits { deadline: deadline.max(self.limits.deadline), cancelled })
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

    fn learn_time(&self, headers: &HeaderMap) {
        if let Some(date) = http::server_time(headers) {
            self.shared.offset.store(date.as_second() - jiff::Timestamp::now().as_second(), Ordering::Relaxed);
        }
    }

    fn error(&self, method: &Method, path: &str, failure: Failure) -> GraphError {
        match failure {
            Failure::Unsent(why) | Failure::Lost(why) => GraphError::Unreachable {
                tried: format!("{method} {}", without_query(path)),
                graph: self.shared.options.endpoints.graph.clone(),
                why,
            },
            Failure::Unreadable(why) => GraphError::Shape { tried: format!("{method} {}", without_query(path)), why },
            Failure::Answer(answer) => {
                let id = answer.headers.get("request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
                GraphError::Api(Box::new(ApiError::parse(method.as_str(), path, answer.status, &answer.body, id)))
            }
        }
    }
}

/// What was certainly not carried out may always be repeated. Of what was answered with an error of the service nobody knows: 503 and its
/// like may come after the commit.
fn may_repeat(failure: &Failure, retry: Retry<'_>) -> bool {
    match (failure, retry) {
        (Failure::Unsent(_), _) => true,
        (Failure::Answer(answer), _) if answer.status == 429 => true,
        (Failure::Answer(answer), Retry::Safe) => matches!(answer.status, 500 | 502 | 503 | 504),
        (Failure::Answer(answer), Retry::Doubtful(doubts)) if matches!(answer.status, 500 | 502 | 503 | 504) => {
            doubts.store(true, Ordering::Relaxed);
            true
        }
        (Failure::Lost(_) | Failure::Unreadable(_), Retry::Safe) => true,
        _ => false,
    }
}

fn parse<T: DeserializeOwned>(method: &str, path: &str, body: &[u8]) -> Result<T, GraphError> {
    serde_json::from_slice(body)
        .map_err(|why| GraphError::Shape { tried: format!("{method} {}", without_query(path)), why: why.to_string() })
}

fn json<B: Serialize>(method: &str, path: &str, body: &B) -> Result<Vec<u8>, GraphError> {
    serde_json::to_vec(body)
        .map_err(|why| GraphError::Shape { tried: format!("{method} {path}"), why: why.to_string() })
}

#[cfg(test)]
mod tests {
    use super::super::line::Answer;
    use super::*;

    #[test]
    fn a_lost_answer_is_repeated_only_where_that_is_safe() {
        let (doubts, lost, unsent) =
            (AtomicBool::new(false), Failure::Lost("reset".into()), Failure::Unsent("".into()));
        assert!(may_repeat(&lost, Retry::Safe));
        assert!(!may_repeat(&lost, Retry::Unsafe) && !may_repeat(&lost, Retry::Doubtful(&doubts)));
        assert!(may_repeat(&unsent, Retry::Unsafe));
        assert!(!doubts.load(Ordering::Relaxed));
    }

    #[test]
    fn what_may_have_been_done_is_repeated_where_that_is_safe_or_noted() {
        let answer = |status| Failure::Answer(Box::new(Answer { status, headers: HeaderMap::new(), body: Vec::new() }));
        for status in [500, 502, 503, 504] {
            let doubts = AtomicBool::new(false);
            assert!(may_repeat(&answer(status), Retry::Safe) && !may_repeat(&answer(status), Retry::Unsafe));
            assert!(may_repeat(&answer(status), Retry::Doubtful(&doubts)) && doubts.load(Ordering::Relaxed));
        }
        let doubts = AtomicBool::new(false);
        assert!(may_repeat(&answer(429), Retry::Unsafe) && may_repeat(&answer(429), Retry::Doubtful(&doubts)));
        assert!(!doubts.load(Ordering::Relaxed), "a throttled request was not carried out");
        assert!(!may_repeat(&answer(400), Retry::Safe) && !may_repeat(&answer(501), Retry::Safe));
    }

    /// A server of a few canned answers, to see what the client sends and when.
    mod against_a_server {
        use super::*;
        use crate::graph::{ClientSecret, GraphError};
        use axum::extract::State;
        use axum::http::{StatusCode, Uri};
        use axum::response::IntoResponse;
        use std::sync::Mutex;
        use tokio::sync::Semaphore;

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
        async fn many_callers_share_one_sign_in_and_who_asks_the_same_at_once_one_answer() {
            let (graph, script) = start(&[]).await;
            let all = (0..20).map(|_| graph.list::<serde_json::Value>("/x"));
            assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
            assert_eq!((requests(&script, "/token"), requests(&script, "/x")), (1, 1));
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

        /// A server that says when it has got a request, and answers when told to.
        async fn slow_server() -> (Graph, Arc<tokio::sync::Semaphore>, Arc<tokio::sync::Semaphore>) {
            let (got, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let of_server = (got.clone(), go.clone());
            let answer = async move |State((got, go)): State<(Arc<Semaphore>, Arc<Semaphore>)>, uri: Uri| {
                if !uri.path().ends_with("/token") {
                    got.add_permits(1);
                    go.acquire().await.unwrap().forget();
                }
                r#"{"access_token":"a.b.c","expires_in":3600}"#
            };
            let router = axum::Router::new().fallback(answer).with_state(of_server);
            tokio::spawn(async move { axum::serve(listener, router).await });
            let options = Options {
                tenant: "t".into(),
                endpoints: Endpoints { login: base.clone(), graph: base },
                ca_certificate: None,
                max_retries: 3,
                request_timeout: Duration::from_secs(3600),
                user_agent: "test".into(),
            };
            let source = ClientSecret::new("c".into(), "very secret".to_owned().into());
            (Graph::new(options, Arc::new(source)).unwrap(), got, go)
        }

        fn stoppable(graph: &Graph) -> (Graph, CancellationToken) {
            let cancelled = CancellationToken::new();
            let deadline = Instant::now() + Duration::from_secs(7200);
            (graph.within(Limits { deadline, cancelled: cancelled.clone() }), cancelled)
        }

        #[tokio::test]
        async fn a_write_under_way_is_given_a_few_seconds_when_the_cli_asks_to_stop() {
            let (graph, got, _go) = slow_server().await;
            let (graph, cancelled) = stoppable(&graph);
            let call = tokio::spawn(async move { graph.patch("/x", &serde_json::json!({})).await });
            got.acquire().await.unwrap().forget();
            // From here on time passes by itself: nothing but timers is left to happen.
            tokio::time::pause();
            let stopped = Instant::now();
            cancelled.cancel();
            assert!(matches!(call.await.unwrap(), Err(GraphError::Cancelled)));
            assert!((4..=6).contains(&stopped.elapsed().as_secs()), "{:?}", stopped.elapsed());
        }

        #[tokio::test]
        async fn an_answer_within_these_seconds_counts_and_no_further_write_begins() {
            let (graph, got, go) = slow_server().await;
            let (graph, cancelled) = stoppable(&graph);
            let call = tokio::spawn({
                let graph = graph.clone();
                async move { graph.patch("/x", &serde_json::json!({})).await }
            });
            got.acquire().await.unwrap().forget();
            cancelled.cancel();
            go.add_permits(1);
            assert!(call.await.unwrap().is_ok());
            assert!(matches!(graph.patch("/y", &serde_json::json!({})).await, Err(GraphError::Cancelled)));
            assert_eq!(got.available_permits(), 0, "a second write was sent");
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
        async fn a_page_elsewhere_does_not_get_the_token() {
            let (graph, _) = start(&[]).await;
            assert!(matches!(graph.list::<serde_json::Value>("/elsewhere").await, Err(GraphError::Shape { .. })));
        }
    }
}
