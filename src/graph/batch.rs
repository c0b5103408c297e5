//! Reads that are asked for together go out together, as one `$batch`. A lone one is sent at once and plainly. What comes while others are
//! under way is gathered for a part of the time that an answer takes; the same read asked for twice by then is sent once.

use super::line::{Answer, Failure, Line, Outcome, without_query};
use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Requests in one batch. Source: Graph's documentation of JSON batching.
const MOST: usize = 20;
/// What share of an answer's time others are waited for, and how long at most.
const SHARE: u32 = 4;
const LONGEST: Duration = Duration::from_millis(25);

/// The reads of one tenant that are not sent yet.
#[derive(Default)]
pub(super) struct Reads {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    waiting: Vec<Read>,
    /// Whether somebody is about to send what waits.
    gathering: bool,
    /// Flights whose answers are not there yet.
    under_way: usize,
    /// How long the last one took.
    took: Option<Duration>,
}

struct Read {
    path: String,
    token: SecretString,
    callers: Vec<oneshot::Sender<Outcome>>,
}

impl Read {
    fn is_wanted(&self) -> bool {
        self.callers.iter().any(|caller| !caller.is_closed())
    }

    fn has_token(&self, token: &SecretString) -> bool {
        self.token.expose_secret() == token.expose_secret()
    }
}

impl Reads {
    /// The answer to a read that is sent after this call, alone or with others.
    pub(super) async fn ask(self: &Arc<Self>, line: &Arc<Line>, path: &str, token: &SecretString) -> Outcome {
        let (caller, answer) = oneshot::channel();
        if self.joins(path, token, caller) {
            tokio::spawn(gather(self.clone(), line.clone()));
        }
        answer.await.unwrap_or_else(|_| Err(Failure::Lost("the request was given up".to_owned())))
    }

    /// Puts a read to those that wait. `true`: nobody is about to send them.
    fn joins(&self, path: &str, token: &SecretString, caller: oneshot::Sender<Outcome>) -> bool {
        let mut held = self.held();
        match held.waiting.iter_mut().find(|read| read.path == path && read.has_token(token)) {
            Some(read) => read.callers.push(caller),
            None => held.waiting.push(Read { path: path.to_owned(), token: token.clone(), callers: vec![caller] }),
        }
        !std::mem::replace(&mut held.gathering, true)
    }

    /// How long others are waited for; `None` where none is known to be coming.
    fn patience(&self) -> Option<Duration> {
        let held = self.held();
        let took = held.took.map_or(LONGEST, |took| (took / SHARE).min(LONGEST));
        (held.under_way > 0).then_some(took)
    }

    /// What waits and is still wanted, by flight: reads of one token, and no more than a batch holds.
    fn take(&self) -> Vec<Vec<Read>> {
        let mut held = self.held();
        held.gathering = false;
        let mut flights: Vec<Vec<Read>> = Vec::new();
        for read in std::mem::take(&mut held.waiting).into_iter().filter(Read::is_wanted) {
            match flights.last_mut().filter(|flight| flight.len() < MOST && flight[0].has_token(&read.token)) {
                Some(flight) => flight.push(read),
                None => flights.push(vec![read]),
            }
        }
        held.under_way += flights.len();
        flights
    }

    fn lands(&self, took: Duration) {
        let mut held = self.held();
        held.under_way -= 1;
        held.took = Some(took);
    }

    /// Nothing is left half-written here by a panic elsewhere.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn gather(reads: Arc<Reads>, line: Arc<Line>) {
    match reads.patience() {
        Some(patience) => tokio::time::sleep(patience).await,
        // What the same task asks for at once is there by then.
        None => tokio::task::yield_now().await,
    }
    for flight in reads.take() {
        tokio::spawn(fly(reads.clone(), line.clone(), flight));
    }
}

async fn fly(reads: Arc<Reads>, line: Arc<Line>, flight: Vec<Read>) {
    let begun = Instant::now();
    let outcomes = match &*flight {
        [one] => vec![alone(&line, one).await],
        several => match together(&line, several).await {
            Ok(outcomes) => outcomes,
            Err(failure) if is_of_each(&failure) => vec![Err(failure); several.len()],
            Err(_) => join_all(several.iter().map(|one| alone(&line, one))).await,
        },
    };
    reads.lands(begun.elapsed());
    for (read, outcome) in flight.into_iter().zip(outcomes) {
        for caller in read.callers {
            // Who has been told to stop does not listen any more.
            let _ = caller.send(outcome.clone());
        }
    }
}

async fn alone(line: &Line, read: &Read) -> Outcome {
    let _place = line.places.acquire().await;
    line.exchange(&Method::GET, &read.path, None, &read.token).await
}

/// Whether a failure of the whole says of each request what it would be told alone: no connection, no valid token, too many requests. Any
/// other may be the batch's own, and its requests are sent one by one.
fn is_of_each(failure: &Failure) -> bool {
    match failure {
        Failure::Unsent(_) => true,
        Failure::Answer(answer) => [401, 429].contains(&answer.status) || answer.headers.contains_key(RETRY_AFTER),
        Failure::Lost(_) | Failure::Unreadable(_) => false,
    }
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
struct Request<'a> {
    id: String,
    method: &'a str,
    url: &'a str,
}

#[derive(Deserialize)]
struct Responses {
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Option<HashMap<String, serde_json::Value>>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

/// One batch; its answers in the order of `reads`, in whichever they come.
async fn together(line: &Line, reads: &[Read]) -> Result<Vec<Outcome>, Failure> {
    let request = |(at, read): (usize, &'_ Read)| (at.to_string(), read.path.clone());
    let named: Vec<_> = reads.iter().enumerate().map(request).collect();
    let requests = named.iter().map(|(id, path)| Request { id: id.clone(), method: "GET", url: path }).collect();
    let body = serde_json::to_vec(&Batch { requests }).map_err(|why| Failure::Unreadable(why.to_string()))?;
    let whole = {
        let _place = line.places.acquire().await;
        line.exchange(&Method::POST, "/$batch", Some(body), &reads[0].token).await?
    };
    let found: Responses = serde_json::from_slice(&whole.body).map_err(|why| Failure::Unreadable(why.to_string()))?;
    let mut found: HashMap<_, _> = found.responses.into_iter().map(|one| (one.id.clone(), one)).collect();
    let outcome = |(id, path): (String, String)| {
        let Some(one) = found.remove(&id) else {
            return Err(Failure::Lost("the batch that it was part of gave no answer to it".to_owned()));
        };
        tracing::debug!(target: "m365::graph", method = "GET", path = without_query(&path), status = one.status, "request within a batch");
        one.outcome(&whole.headers)
    };
    Ok(named.into_iter().map(outcome).collect())
}

impl Response {
    /// As if it had come alone. The time is the batch's; how long to wait is each one's own.
    fn outcome(self, of_batch: &HeaderMap) -> Outcome {
        let mut headers = of_batch.clone();
        headers.remove(RETRY_AFTER);
        for (name, value) in self.headers.unwrap_or_default() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), text.parse::<HeaderValue>()) {
                headers.insert(name, value);
            }
        }
        let body = self.body.map(|body| body.get().as_bytes().to_vec()).unwrap_or_default();
        let answer = Answer { status: self.status, headers, body };
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(Failure::Answer(Box::new(answer))) }
    }
}
