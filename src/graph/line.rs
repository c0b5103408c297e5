//! The line to Graph: one request out, one answer back. Knows nothing of tries, waits and limits of time.

use super::http;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;
use tokio::sync::Semaphore;

/// Requests under way at once, for one tenant: what the CLI's ten parallel operations need, and no burst beyond.
const IN_FLIGHT: usize = 16;

/// One tenant's.
pub(super) struct Line {
    pub http: Client,
    /// Base URL, with version.
    pub base: String,
    /// A place for each request under way.
    pub places: Semaphore,
}

/// One answer.
#[derive(Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

#[derive(Clone)]
pub(super) enum Failure {
    /// No connection: it was never sent.
    Unsent(String),
    /// No answer came, or a part of one.
    Lost(String),
    /// An answer of success that cannot be read.
    Unreadable(String),
    Answer(Box<Answer>),
}

/// What became of a request.
pub(super) type Outcome = Result<Answer, Failure>;

/// The answer, be it a refusal.
pub(super) fn answered(outcome: &Outcome) -> Option<&Answer> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(Failure::Answer(answer)) => Some(answer),
        Err(_) => None,
    }
}

impl Line {
    pub(super) fn new(http: Client, base: String) -> Self {
        Self { http, base, places: Semaphore::new(IN_FLIGHT) }
    }

    /// Sends. The caller holds a place.
    pub(super) async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
        token: &SecretString,
    ) -> Outcome {
        let id = uuid::Uuid::new_v4().to_string();
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(token.expose_secret())
            .header("client-request-id", &id);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let answer = answer(request).await;
        let status = answered(&answer).map_or(0, |answer| answer.status);
        tracing::debug!(target: "m365::graph", method = %method, path = without_query(path), status, client_request_id = %id, "request");
        answer
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Outcome {
    let answer = request.send().await.map_err(|why| match why.is_connect() {
        true => Failure::Unsent(http::root_cause(&why)),
        false => Failure::Lost(http::root_cause(&why)),
    })?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = http::body(answer).await.map_err(Failure::Lost)?;
    let answer = Answer { status, headers, body };
    if !(200..300).contains(&status) {
        return Err(Failure::Answer(Box::new(answer)));
    }
    // One that ends with its connection may have been cut short unseen.
    match serde_json::from_slice::<IgnoredAny>(&answer.body) {
        Err(why) if !answer.body.is_empty() => Err(Failure::Unreadable(why.to_string())),
        _ => Ok(answer),
    }
}

/// As it may be shown and logged.
pub(super) fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
