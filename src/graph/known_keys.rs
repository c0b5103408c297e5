//! What this process knows of the certificates of each holder, by path in lower case. A write replaces the whole collection: merging
//! into what a replica that lags shows would drop the rest.

use super::key_credential::KeyCredential;
use super::writes::is_recent;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// By holder.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    holders: HashMap<String, BTreeMap<String, Known>>,
}

/// What is known of one id.
#[derive(Debug, Clone)]
enum Known {
    /// A write of ours put it there.
    Added(Timestamp, Box<KeyCredential>),
    /// A write of ours removed it.
    Removed(Timestamp),
    /// A read showed it, or somebody who made it says that it is there.
    Seen(Timestamp),
}

impl Known {
    fn at(&self) -> Timestamp {
        match self {
            Self::Added(at, _) | Self::Removed(at) | Self::Seen(at) => *at,
        }
    }
}

impl KnownKeys {
    /// A write was accepted that made `after` of `before`.
    pub(super) fn wrote(&mut self, holder: &str, now: Timestamp, before: &[KeyCredential], after: &[KeyCredential]) {
        let known = self.of(holder, now);
        let (was, is) = (ids(before), ids(after));
        for key in after.iter().filter(|key| !was.contains(&key.id())) {
            known.insert(key.id(), Known::Added(now, Box::new(key.clone())));
        }
        for id in was.difference(&is) {
            known.insert(id.clone(), Known::Removed(now));
        }
    }

    /// A read showed these. What a write of ours changed stays known as that.
    pub(super) fn saw<'a>(&mut self, holder: &str, now: Timestamp, ids: impl IntoIterator<Item = &'a String>) {
        let known = self.of(holder, now);
        for id in ids {
            match known.get_mut(id) {
                Some(Known::Seen(at)) => *at = now,
                Some(_) => {}
                None => {
                    known.insert(id.clone(), Known::Seen(now));
                }
            }
        }
    }

    /// Somebody knows that it is there, since `at`, which may be long ago: what is known of others stays.
    pub(super) fn expect(&mut self, holder: &str, at: Timestamp, id: String) {
        let known = self.holders.entry(holder.to_owned()).or_default();
        match known.entry(id).or_insert(Known::Seen(at)) {
            Known::Seen(seen) => *seen = at.max(*seen),
            Known::Added(..) | Known::Removed(_) => {}
        }
    }

    /// Somebody else decides what is there now.
    pub(super) fn forget(&mut self, holder: &str) {
        self.holders.remove(holder);
    }

    /// Ids that were seen of late and that `present` lacks: a replica may lag.
    pub(super) fn unseen(&mut self, holder: &str, now: Timestamp, present: &[KeyCredential]) -> BTreeSet<String> {
        let present = ids(present);
        let seen = self.of(holder, now).iter().filter(|(_, known)| matches!(known, Known::Seen(_)));
        seen.map(|(id, _)| id).filter(|id| !present.contains(*id)).cloned().collect()
    }

    /// Whether a recent write of ours put it there.
    pub(super) fn added(&mut self, holder: &str, now: Timestamp, id: &str) -> bool {
        matches!(self.of(holder, now).get(id), Some(Known::Added(..)))
    }

    /// `present` with our recent writes: what they added and it lacks, and without what they removed.
    pub(super) fn overlay(&mut self, holder: &str, now: Timestamp, present: &[KeyCredential]) -> Vec<KeyCredential> {
        let known = self.of(holder, now);
        let removed = |key: &&KeyCredential| matches!(known.get(&key.id()), Some(Known::Removed(_)));
        let shown = ids(present);
        let added = known.iter().filter_map(|(id, known)| match known {
            Known::Added(_, key) if !shown.contains(id) => Some((**key).clone()),
            _ => None,
        });
        present.iter().filter(|key| !removed(key)).cloned().chain(added).collect()
    }

    fn of(&mut self, holder: &str, now: Timestamp) -> &mut BTreeMap<String, Known> {
        let known = self.holders.entry(holder.to_owned()).or_default();
        known.retain(|_, known| is_recent(known.at(), now));
        known
    }
}

/// Ids in lower case.
pub(super) fn ids(keys: &[KeyCredential]) -> BTreeSet<String> {
    keys.iter().map(KeyCredential::id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn key(id: &str) -> KeyCredential {
        KeyCredential { key_id: Some(id.to_owned()), ..KeyCredential::default() }
    }

    #[test]
    fn a_stale_read_gets_our_recent_writes_laid_over_it() {
        let mut known = KnownKeys::default();
        known.wrote("app", at(0), &[key("OLD"), key("b")], &[key("b"), key("new")]);
        assert_eq!(known.overlay("app", at(1), &[key("old"), key("B")]), [key("B"), key("new")]);
        assert_eq!(known.overlay("app", at(1), &[key("b"), key("NEW")]), [key("b"), key("NEW")]);
        assert_eq!(known.overlay("other", at(1), &[key("old")]), [key("old")]);
        assert_eq!(known.overlay("app", at(121), &[key("old")]), [key("old")], "the window is over");
    }

    #[test]
    fn what_somebody_expects_since_long_ago_drops_nothing_that_is_known() {
        let mut known = KnownKeys::default();
        known.wrote("app", at(3600), &[key("gone")], &[key("new")]);
        known.expect("app", at(0), "old".to_owned());
        assert_eq!(known.overlay("app", at(3601), &[key("gone")]), [key("new")]);
        assert_eq!(known.unseen("app", at(3601), &[]), BTreeSet::new(), "that was too long ago");
        for since in [3601, 3600] {
            known.expect("app", at(since), "young".to_owned());
        }
        assert_eq!(known.unseen("app", at(3720), &[]), BTreeSet::from(["young".to_owned()]));
    }

    #[test]
    fn what_was_seen_is_missed_for_a_while_and_never_made_anew() {
        let mut known = KnownKeys::default();
        known.saw("app", at(0), ["a".to_owned(), "b".to_owned()].iter());
        assert_eq!(known.unseen("app", at(1), &[key("A")]), BTreeSet::from(["b".to_owned()]));
        assert_eq!(known.overlay("app", at(1), &[key("a")]), [key("a")]);
        assert_eq!(known.unseen("app", at(121), &[key("a")]), BTreeSet::new());
    }
}
