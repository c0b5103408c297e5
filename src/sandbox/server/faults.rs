//! Faults on order: requests that are throttled, refused, delayed, held, cut off or answered with rubbish. Rules are set at the control
//! endpoint:
//!
//! - `POST {control}/faults` with `{"methods": ["POST"], "path": "/graph/v1.0/applications*", "skip": 1, "every": 1, "times": 1,
//!   "action": …}` adds a rule and answers with its `id`. The path is compared without its query unless the pattern has a `?`; `*` stands
//!   for any text. Of the requests that match, the first `skip` pass, then each `every`-th one is struck, `times` in all. Everything but
//!   the action may be left out: all methods, all paths, none skipped, every one, for good.
//! - `GET {control}/faults` lists the rules, with how many requests `matched`, were `struck`, and are `held` just now.
//! - `DELETE {control}/faults` or `…/faults/{id}` takes them away, which lets held requests go on; `POST …/faults/{id}/release` lets go on
//!   what is held, and holds nothing any more.
//!
//! The first rule that strikes a request decides. A request within a `$batch` matches like one by itself: it gets a status of its own,
//! and what happens to the connection happens to the batch. A batch itself meets a rule that names methods only where the path names it
//! (`…/$batch`): what it does is done by its parts.

use crate::sandbox::errors::Failure;
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Longest that a request is held when nobody lets it go.
const LONGEST_HOLD: Duration = Duration::from_secs(120);
/// Longest delay, and longest pause between two pieces of a slow body, in milliseconds.
const LONGEST_DELAY: u64 = 60_000;

/// What happens to a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::sandbox) enum Action {
    /// 429, with `Retry-After` in seconds, or as a date by the sandbox's clock, where it is given.
    Throttle {
        #[serde(default)]
        retry_after: Option<u64>,
        #[serde(default)]
        as_date: bool,
    },
    /// Any other refusal. `body` replaces the whole body, and makes any other answer possible too. With `after_commit` what was asked for is done all the same, as when a gateway
    /// gives up on a service that does not.
    Fail {
        status: u16,
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        retry_after: Option<u64>,
        #[serde(default)]
        body: Option<Value>,
        #[serde(default)]
        after_commit: bool,
    },
    /// 409, as when two writes to one object collide.
    Conflict,
    /// The request is carried out that much later.
    Delay { milliseconds: u64 },
    /// The request waits until it is released, for two minutes at most: before it is carried out, or between that and the answer.
    Hold {
        #[serde(default)]
        after_commit: bool,
    },
    /// The connection ends without an answer, and nothing was done.
    DropBeforeCommit,
    /// The connection ends without an answer, and what was asked for was done.
    DropAfterCommit,
    /// What was asked for is done; the answer's body is no JSON, or, truncated, ends before its announced length.
    Malformed {
        #[serde(default)]
        truncated: bool,
    },
    /// The answer's body comes in eight pieces with so long a pause before each.
    Slow { milliseconds: u64 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default = "anything")]
    path: String,
    #[serde(default)]
    skip: u64,
    #[serde(default = "each")]
    every: u64,
    #[serde(default)]
    times: Option<u64>,
    action: Action,
}

fn anything() -> String {
    "*".to_owned()
}

fn each() -> u64 {
    1
}

struct Rule {
    id: u64,
    wish: Wish,
    matched: u64,
    struck: u64,
    held: Arc<AtomicUsize>,
    released: watch::Sender<bool>,
}

/// All rules.
#[derive(Default)]
pub(in crate::sandbox) struct Faults {
    rules: Vec<Rule>,
    made: u64,
}

/// A rule that struck a request.
pub(super) struct Fault {
    pub action: Action,
    held: Arc<AtomicUsize>,
    released: watch::Receiver<bool>,
}

/// An answer in place of the real one.
pub(super) struct Refusal {
    pub status: StatusCode,
    pub body: Value,
    pub retry_after: Option<String>,
    /// Whether what was asked for is done nevertheless.
    pub after_commit: bool,
}

impl Faults {
    /// `/control/faults…`; `rest` is what follows `faults`.
    pub(in crate::sandbox) fn control(
        &mut self,
        method: &Method,
        rest: &str,
        body: &Bytes,
    ) -> Result<(StatusCode, Option<Value>), Failure> {
        match (method.as_str(), rest.trim_matches('/').split_once('/').unwrap_or((rest.trim_matches('/'), ""))) {
            ("GET", ("", "")) => {
                Ok((StatusCode::OK, Some(json!({ "value": self.rules.iter().map(Rule::show).collect::<Vec<_>>() }))))
            }
            ("POST", ("", "")) => {
                let wish: Wish = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
                wish.check()?;
                self.made += 1;
                let (id, released) = (self.made, watch::Sender::new(false));
                self.rules.push(Rule { id, wish, matched: 0, struck: 0, held: Arc::default(), released });
                Ok((StatusCode::CREATED, Some(json!({ "id": id }))))
            }
            ("DELETE", ("", "")) => {
                self.rules.clear();
                Ok((StatusCode::NO_CONTENT, None))
            }
            ("DELETE", (id, "")) => {
                let position = self.position(id)?;
                self.rules.remove(position);
                Ok((StatusCode::NO_CONTENT, None))
            }
            ("POST", (id, "release")) => {
                let position = self.position(id)?;
                self.rules[position].released.send_replace(true);
                Ok((StatusCode::NO_CONTENT, None))
            }
            _ => Err(Failure::not_found("There is no such control.")),
        }
    }

    fn position(&self, id: &str) -> Result<usize, Failure> {
        self.rules
            .iter()
            .position(|rule| rule.id.to_string() == id)
            .ok_or_else(|| Failure::not_found("There is no such rule."))
    }

    /// What strikes a request, or for its connection a part of a batch. `target`: path and query.
    pub(super) fn strike(&mut self, method: &Method, target: &str, body: &Bytes) -> Option<Fault> {
        let whole = self.first(method, target, |_| true);
        if whole.is_some() || !target.ends_with("/v1.0/$batch") {
            return whole;
        }
        let batch: Value = serde_json::from_slice(body).ok()?;
        let base = target.strip_suffix("/$batch")?;
        batch["requests"].as_array()?.iter().find_map(|part| {
            let method = part["method"].as_str()?.parse().ok()?;
            self.first(&method, &inner(base, part["url"].as_str()?), |action| !action.is_refusal())
        })
    }

    /// What a part of a batch is refused with.
    pub(super) fn strike_part(&mut self, method: &str, url: &str, now: Timestamp) -> Option<Refusal> {
        let (method, target) = (method.parse().ok()?, inner("/graph/v1.0", url));
        self.first(&method, &target, Action::is_refusal)?.action.refusal(&target, now)
    }

    fn first(&mut self, method: &Method, target: &str, kind: impl Fn(&Action) -> bool) -> Option<Fault> {
        self.rules.iter_mut().filter(|rule| kind(&rule.wish.action)).find_map(|rule| rule.strike(method, target))
    }
}

/// Path and query of a part of a batch.
fn inner(base: &str, url: &str) -> String {
    format!("{base}/{}", url.trim_start_matches('/'))
}

impl Wish {
    fn check(&self) -> Result<(), Failure> {
        let refuse = |what: &str| Err(Failure::bad_request(what));
        match &self.action {
            _ if self.every == 0 => refuse("'every' is at least 1."),
            Action::Fail { status, body: None, .. } if !(400..600).contains(status) => {
                refuse("'status' is between 400 and 599, unless 'body' says what the answer is.")
            }
            Action::Fail { status, .. } if !(200..600).contains(status) => refuse("'status' is between 200 and 599."),
            Action::Delay { milliseconds } | Action::Slow { milliseconds } if *milliseconds > LONGEST_DELAY => {
                refuse("A delay is one minute at most.")
            }
            _ => Ok(()),
        }
    }

    fn matches(&self, method: &Method, target: &str) -> bool {
        if target.ends_with("/$batch") && !self.methods.is_empty() && !self.path.contains("$batch") {
            return false;
        }
        let target = if self.path.contains('?') { target } else { target.split('?').next().unwrap_or(target) };
        (self.methods.is_empty() || self.methods.iter().any(|one| one.eq_ignore_ascii_case(method.as_str())))
            && fits(&self.path, target)
    }
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| fits(rest, &text[at..]))
        }),
    }
}

impl Rule {
    fn strike(&mut self, method: &Method, target: &str) -> Option<Fault> {
        if !self.wish.matches(method, target) {
            return None;
        }
        self.matched += 1;
        let turn = self.matched.checked_sub(self.wish.skip).is_some_and(|past| past > 0 && past % self.wish.every == 0);
        if !turn || self.wish.times.is_some_and(|times| self.struck >= times) {
            return None;
        }
        self.struck += 1;
        Some(Fault { action: self.wish.action.clone(), held: self.held.clone(), released: self.released.subscribe() })
    }

    fn show(&self) -> Value {
        let mut shown = json!(self.wish);
        shown["id"] = self.id.into();
        shown["matched"] = self.matched.into();
        shown["struck"] = self.struck.into();
        shown["held"] = self.held.load(Ordering::SeqCst).into();
        shown
    }
}

impl Action {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Throttle { .. } | Self::Fail { .. } | Self::Conflict)
    }

    /// The answer in place of the real one, as the service at `target` writes it.
    pub(super) fn refusal(&self, target: &str, now: Timestamp) -> Option<Refusal> {
        let after_commit = matches!(self, Self::Fail { after_commit: true, .. });
        let (status, code, message, seconds, as_date) = match self {
            Self::Throttle { retry_after, as_date } => {
                (429, "TooManyRequests", "Too many requests. Please retry after some time.", *retry_after, *as_date)
            }
            Self::Fail { status, code, message, retry_after, body, .. } => {
                if let Some(body) = body {
                    let status = StatusCode::from_u16(*status).ok()?;
                    let retry_after = retry_after.map(|wait| wait.to_string());
                    return Some(Refusal { status, body: body.clone(), retry_after, after_commit });
                }
                let code = code.as_deref().unwrap_or("UnknownError");
                (
                    *status,
                    code,
                    message.as_deref().unwrap_or("A fault was ordered at the control endpoint."),
                    *retry_after,
                    false,
                )
            }
            Self::Conflict => (
                409,
                "Request_ConflictingObject",
                "A conflicting update to the object is under way. Please retry.",
                None,
                false,
            ),
            _ => return None,
        };
        let body = if target.starts_with("/login/") {
            json!({ "error": code, "error_description": message })
        } else {
            json!({ "error": { "code": code, "message": message, "innerError": {
                "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "request-id": uuid::Uuid::new_v4().to_string(),
            } } })
        };
        let later = |seconds: u64| {
            let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            http_date(now.checked_add(wait).unwrap_or(Timestamp::MAX))
        };
        let retry_after = seconds.map(|seconds| if as_date { later(seconds) } else { seconds.to_string() });
        Some(Refusal { status: StatusCode::from_u16(status).ok()?, body, retry_after, after_commit })
    }
}

/// A date as HTTP writes it.
pub(super) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Counts a held request for as long as its client waits.
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fault {
    /// The wait before the request is carried out.
    pub(super) async fn before_commit(&self) {
        match self.action {
            Action::Delay { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            Action::Hold { after_commit: false } => self.hold().await,
            _ => {}
        }
    }

    /// The wait between that and the answer.
    pub(super) async fn after_commit(&self) {
        if let Action::Hold { after_commit: true } = self.action {
            self.hold().await;
        }
    }

    async fn hold(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        let _held = Held(&self.held);
        let mut released = self.released.clone();
        // An error means that the rule is gone, which releases too.
        tokio::time::timeout(LONGEST_HOLD, released.wait_for(|released| *released)).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "/graph", true),
            ("/graph/v1.0/applications", "/graph/v1.0/applications/1", false),
            ("/graph/v1.0/applications/*/owners*", "/graph/v1.0/applications/1/owners/$ref", true),
            ("/graph/*/owners", "/graph/v1.0/owners/2", false),
            ("*é", "/é", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
