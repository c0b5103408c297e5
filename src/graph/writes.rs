//! What our writes changed, entry by entry. Graph is eventually consistent: for a while after a write some replicas still show what was
//! there before. Who wrote remembers what each entry was before and is now; whoever reads holds the answer against that.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How long after a write, by the server's clock, a read may still show what was there before: the same for every resource. Graph
/// promises nothing; reports speak of seconds, at times of minutes.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(2);

/// When a read was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// By the server's clock, where that was known by then.
    pub(super) at: Option<Timestamp>,
    /// By this machine's.
    pub(super) here: tokio::time::Instant,
}

/// When a read was asked for and answered, by the server's clock: the answer is the truth of some moment in between. One that a replica
/// gave within the window of a write is judged as such, however long it was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The last moment before the read.
    pub from: Timestamp,
    /// The moment after it.
    pub to: Timestamp,
}

impl Span {
    fn is_soon_after(self, write: Timestamp) -> bool {
        is_recent(write, self.from) || is_recent(write, self.to)
    }
}

impl From<Timestamp> for Span {
    fn from(at: Timestamp) -> Self {
        Self { from: at, to: at }
    }
}

/// What a read shows of an object, entry by entry: each grant, scope, requested permission, credential or property by a name of its
/// own. An entry that is not there is absent.
pub type View = BTreeMap<String, Value>;

/// Our recent writes to one object: part of a resource's private data, so that the next run of the CLI knows them too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    #[serde(default)]
    entries: BTreeMap<String, Write>,
}

/// The last writes to one entry, as digests: the same in every version of this program, and they tell nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Write {
    /// The server's time of the last one.
    at: Timestamp,
    /// What reads showed before each of them.
    earlier: BTreeSet<u64>,
    /// What it has been since.
    now: u64,
}

/// What one of our entries shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// What we wrote, or anything where we wrote nothing of late.
    Ours,
    /// What was there before a recent write of ours: the answer of a replica that lags.
    Stale,
    /// A third value: somebody else has written since.
    Foreign,
}

impl Writes {
    /// Remembers a write that was accepted at `now`, by the server's clock: what reads showed before it, and what they will show.
    pub fn wrote(&mut self, now: Timestamp, before: &View, after: &View) {
        self.entries.retain(|_, write| is_recent(write.at, now));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let (was, is) = (digest(before.get(name)), digest(after.get(name)));
            if was == is {
                continue;
            }
            let write = self.entries.entry(name.clone()).or_insert_with(|| Write {
                at: now,
                earlier: BTreeSet::new(),
                now: is,
            });
            write.at = now;
            write.earlier.insert(was);
            // What was so before and is so again is no sign of a replica that lags.
            write.earlier.remove(&is);
            write.now = is;
        }
    }

    /// What the entry shows in a read.
    pub fn shows(&self, read: impl Into<Span>, name: &str, seen: Option<&Value>) -> Shows {
        let read = read.into();
        let Some(write) = self.entries.get(name).filter(|write| read.is_soon_after(write.at)) else {
            return Shows::Ours;
        };
        let seen = digest(seen);
        match (seen == write.now, write.earlier.contains(&seen)) {
            (true, _) => Shows::Ours,
            (false, true) => Shows::Stale,
            (false, false) => Shows::Foreign,
        }
    }

    /// Entries of `seen` that show what was there before a recent write of ours.
    pub fn stale(&self, read: impl Into<Span>, seen: &View) -> BTreeSet<String> {
        let read = read.into();
        let stale = |name: &&String| self.shows(read, name, seen.get(*name)) == Shows::Stale;
        self.entries.keys().filter(stale).cloned().collect()
    }

    /// Whether the entry is there since our last write to it, whatever a replica shows.
    pub fn is_there(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|write| write.now != digest(None))
    }

    /// When the entry was last written to, by the server's clock.
    pub fn written_at(&self, name: &str) -> Option<Timestamp> {
        self.entries.get(name).map(|write| write.at)
    }

    /// Names of the entries that were written to.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The writes to some of the entries alone, for a read that shows no others.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let entries = self.entries.iter().filter(|(name, _)| wanted(name));
        Self { entries: entries.map(|(name, write)| (name.clone(), write.clone())).collect() }
    }

    /// Whether some reads may not show all of our writes yet.
    pub fn may_be_unseen(&self, now: Timestamp) -> bool {
        self.entries.values().any(|write| is_recent(write.at, now))
    }
}

/// A clock that was set back is no reason to wait for long.
pub(super) fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at).abs() < WINDOW
}

/// FNV-1a of an entry's JSON; of one that is absent, a number that no text has.
fn digest(value: Option<&Value>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    value.map_or(0, |value| value.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, step).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn view(entries: &[(&str, &str)]) -> View {
        entries.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    fn shows(writes: &Writes, second: i64, name: &str, value: Option<&str>) -> Shows {
        writes.shows(at(second), name, value.map(|value| json!(value)).as_ref())
    }

    #[test]
    fn only_what_was_there_before_a_recent_write_is_stale() {
        let mut writes = Writes::default();
        writes.wrote(at(0), &view(&[("name", "a")]), &view(&[("name", "b")]));
        writes.wrote(at(1), &view(&[("name", "b")]), &view(&[("name", "c")]));
        assert_eq!(shows(&writes, 100, "name", Some("a")), Shows::Stale);
        assert_eq!(shows(&writes, 100, "name", Some("b")), Shows::Stale);
        assert_eq!(shows(&writes, 100, "name", Some("c")), Shows::Ours);
        assert_eq!(shows(&writes, 100, "name", Some("planted")), Shows::Foreign);
        assert_eq!(shows(&writes, 122, "name", Some("a")), Shows::Ours, "the window is over: the caller finds drift");
        assert_eq!(shows(&writes, -3600, "name", Some("a")), Shows::Ours, "the clock was set back");
    }

    #[test]
    fn an_answer_is_as_old_as_its_question() {
        let mut writes = Writes::default();
        writes.wrote(at(0), &view(&[("name", "a")]), &view(&[("name", "b")]));
        let read =
            |from: i64, to: i64| writes.stale(Span { from: at(from), to: at(to) }, &view(&[("name", "a")])).len();
        assert_eq!([read(100, 110), read(100, 300), read(130, 300)], [1, 1, 0]);
    }

    #[test]
    fn entries_are_stale_each_by_itself() {
        let mut writes = Writes::default();
        writes.wrote(at(0), &view(&[]), &view(&[("one", "x"), ("two", "x")]));
        assert_eq!(writes.stale(at(1), &view(&[("one", "x")])), BTreeSet::from(["two".to_owned()]));
        assert_eq!(writes.stale(at(1), &view(&[("one", "x"), ("two", "x"), ("three", "planted")])), BTreeSet::new());
    }

    #[test]
    fn what_is_removed_and_still_shown_is_stale_and_what_returns_otherwise_is_not() {
        let mut writes = Writes::default();
        writes.wrote(at(0), &view(&[("one", "x")]), &view(&[]));
        assert_eq!(shows(&writes, 1, "one", Some("x")), Shows::Stale);
        assert_eq!(shows(&writes, 1, "one", None), Shows::Ours);
        assert_eq!(shows(&writes, 1, "one", Some("y")), Shows::Foreign);
    }

    #[test]
    fn what_we_wrote_last_tells_whether_an_entry_is_there() {
        let mut writes = Writes::default();
        writes.wrote(at(0), &view(&[("gone", "x")]), &view(&[("made", "x")]));
        assert!(writes.is_there("made") && !writes.is_there("gone") && !writes.is_there("another"));
        assert_eq!(writes.names().collect::<Vec<_>>(), ["gone", "made"]);
        let one = writes.only(|name| name == "made");
        assert_eq!(one.stale(at(1), &view(&[("gone", "x")])), BTreeSet::from(["made".to_owned()]));
    }

    #[test]
    fn a_value_that_is_written_again_is_not_stale() {
        let mut writes = Writes::default();
        writes.wrote(at(0), &view(&[("n", "a")]), &view(&[("n", "b")]));
        writes.wrote(at(1), &view(&[("n", "b")]), &view(&[("n", "a")]));
        assert_eq!(shows(&writes, 2, "n", Some("a")), Shows::Ours);
        assert_eq!(shows(&writes, 2, "n", Some("b")), Shows::Stale);
    }

    #[test]
    fn what_is_stored_is_read_back_and_tells_nothing_of_the_value() {
        let mut writes = Writes::default();
        writes.wrote(at(0), &view(&[("n", "planted")]), &view(&[("n", "b")]));
        let stored = serde_json::to_string(&writes).unwrap();
        assert!(!stored.contains("planted"), "{stored}");
        assert_eq!(serde_json::from_str::<Writes>(&stored).unwrap(), writes);
        let older = r#"{"at":"2026-11-25T00:00:00Z","earlier":[1,2]}"#;
        assert_eq!(serde_json::from_str::<Writes>(older).unwrap(), Writes::default(), "of a version before entries");
    }
}
