//! Reading what one has written. Graph is eventually consistent: for a while after a write some replicas still show what was there
//! before. A run of the CLI that begins then would take that for drift, so writes are remembered beside the state.

use crate::framework::Result;
use crate::graph::Graph;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long after a write a read may still show what was there before. Graph promises nothing; reports speak of seconds, at times
/// of minutes.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// First pause between two reads, doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Our recent writes to one object: part of a resource's private data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// Server's time of the last one.
    #[serde(default)]
    at: Option<Timestamp>,
    /// Digests of the parts that reads showed before each of them.
    #[serde(default)]
    earlier: BTreeSet<u64>,
}

impl Writes {
    /// Remembers a write that was done: what a read showed before it, and what one shows now.
    pub fn wrote(&mut self, graph: &Graph, before: &[Value], after: &[Value]) {
        self.wrote_at(graph.now(), before, after);
    }

    fn wrote_at(&mut self, now: Timestamp, before: &[Value], after: &[Value]) {
        if !self.are_recent(now) {
            self.earlier.clear();
        }
        self.at = Some(now);
        self.earlier.extend(digests(before));
        // What was so before and is so again is no sign of a replica that lags.
        for present in digests(after) {
            self.earlier.remove(&present);
        }
    }

    /// The answer of `read`, repeated while a part of it shows exactly what one of our recent writes has replaced. Anything else is
    /// the truth at once: a change that somebody made is not waited for. `view`: the parts of an answer, one for each request behind
    /// it, since each may have met another replica.
    pub async fn settled<T, F: Future<Output = Result<T>>>(
        &self,
        graph: &Graph,
        read: impl Fn() -> F,
        view: impl Fn(&T) -> Vec<Value>,
    ) -> Result<T> {
        let mut pause = FIRST_PAUSE;
        loop {
            let seen = read().await?;
            if !self.may_be_stale(graph.now(), &view(&seen)) {
                return Ok(seen);
            }
            graph.pause(pause, "waiting for the directory to replicate".to_owned(), None).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the last one is so recent that some reads may not show it yet.
    pub fn may_be_unseen(&self, graph: &Graph) -> bool {
        self.are_recent(graph.now())
    }

    fn are_recent(&self, now: Timestamp) -> bool {
        // A clock that was set back is no reason to wait for long.
        self.at.is_some_and(|at| now.duration_since(at).abs() < WINDOW)
    }

    fn may_be_stale(&self, now: Timestamp, seen: &[Value]) -> bool {
        self.are_recent(now) && digests(seen).any(|digest| self.earlier.contains(&digest))
    }
}

/// FNV-1a of each part's place and JSON: the same in every version of this program, and it tells nothing of the value.
fn digests(parts: &[Value]) -> impl Iterator<Item = u64> {
    parts.iter().enumerate().map(|(place, part)| {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        format!("{place}:{part}").bytes().fold(0xcbf2_9ce4_8422_2325, step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn one(text: &str) -> [Value; 1] {
        [json!(text)]
    }

    #[test]
    fn only_what_was_there_before_a_recent_write_may_be_stale() {
        let mut writes = Writes::default();
        assert!(!writes.may_be_stale(at(0), &one("a")));
        writes.wrote_at(at(0), &one("a"), &one("b"));
        writes.wrote_at(at(1), &one("b"), &one("c"));
        assert!(writes.may_be_stale(at(30), &one("a")) && writes.may_be_stale(at(30), &one("b")));
        assert!(!writes.may_be_stale(at(30), &one("c")) && !writes.may_be_stale(at(30), &one("planted")));
        assert!(!writes.may_be_stale(at(61), &one("a")), "the window is over");
        assert!(!writes.may_be_stale(at(-3600), &one("a")), "the clock was set back");
    }

    #[test]
    fn parts_are_stale_each_by_itself() {
        let mut writes = Writes::default();
        writes.wrote_at(at(0), &[json!(null), json!([])], &[json!("app"), json!([])]);
        assert!(writes.may_be_stale(at(1), &[json!(null), json!([])]));
        assert!(!writes.may_be_stale(at(1), &[json!("app"), json!([])]), "the second part has not changed");
        assert!(
            !writes.may_be_stale(at(1), &[json!("app"), json!(null)]),
            "the first part's past says nothing of the second"
        );
    }

    #[test]
    fn a_value_that_is_written_again_is_not_stale() {
        let mut writes = Writes::default();
        writes.wrote_at(at(0), &one("a"), &one("b"));
        writes.wrote_at(at(1), &one("b"), &one("a"));
        assert!(!writes.may_be_stale(at(2), &one("a")) && writes.may_be_stale(at(2), &one("b")));
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut writes = Writes::default();
        writes.wrote_at(at(0), &one("a"), &one("b"));
        writes.wrote_at(at(100), &one("b"), &one("c"));
        assert!(!writes.may_be_stale(at(101), &one("a")) && writes.may_be_stale(at(101), &one("b")));
    }

    #[test]
    fn what_is_stored_is_read_back_and_tells_nothing_of_the_value() {
        let mut writes = Writes::default();
        writes.wrote_at(at(0), &one("planted"), &one("b"));
        let stored = serde_json::to_string(&writes).unwrap();
        assert!(!stored.contains("planted"), "{stored}");
        assert_eq!(serde_json::from_str::<Writes>(&stored).unwrap(), writes);
    }
}
