//! The certificates of an application or a service principal. Graph has no call that adds one without a proof of an earlier one, so the
//! collection is replaced whole: merged on a fresh read, and looked at again, since no write can be made to depend on what was read.

use super::errors::GraphError;
use super::http::escaped;
use super::key_credential::{Holder, KeyCredential};
use super::known_keys::ids;
use super::lenient::null_as_default;
use super::transport::Graph;
use super::writes::WINDOW;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How long after it was seen a new certificate is looked at again: another process that had read the collection before our write, and
/// writes after our read, drops it.
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(2);

/// What a write made of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenKeys {
    /// The collection as it is now, whatever a replica may still show.
    pub keys: Vec<KeyCredential>,
    /// Ids that were there before, that the write added, and that it removed.
    before: BTreeSet<String>,
    added: BTreeSet<String>,
    removed: BTreeSet<String>,
}

impl WrittenKeys {
    /// Whether anything was written.
    pub fn is_written(&self) -> bool {
        !(self.added.is_empty() && self.removed.is_empty())
    }
}

/// What became of a write, as reads show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysFate {
    /// It shows.
    Seen,
    /// These ids still show as before the write, which was accepted and stands; the next refresh settles it.
    Unseen(BTreeSet<String>),
    /// Somebody else has replaced the collection, without it.
    Overwritten,
    /// The holder is gone.
    Gone,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    #[serde(default, deserialize_with = "null_as_default")]
    key_credentials: Vec<KeyCredential>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    key_credentials: Vec<KeyCredential>,
}

impl Graph {
    /// Certificates with their keys. `None` where there is no such object.
    pub async fn key_credentials(&self, holder: &Holder) -> Result<Option<Vec<KeyCredential>>, GraphError> {
        let found: Option<Keys> = self.find(&format!("{}?$select=keyCredentials", holder.path())).await?;
        Ok(found.map(|found| found.key_credentials))
    }

    /// Certificates of a deleted application, without their keys.
    pub async fn deleted_key_credentials(&self, application: &str) -> Result<Option<Vec<KeyCredential>>, GraphError> {
        let found: Option<Keys> = self.find(&format!("/directory/deletedItems/{}", escaped(application))).await?;
        Ok(found.map(|found| found.key_credentials))
    }

    /// Says that a certificate is there though a replica may not show it yet: the next change waits until it is seen, for a while.
    /// `at`: since when, by the server's clock, which may not be known here yet.
    pub fn expect_key(&self, holder: &Holder, key_id: &str, at: Timestamp) {
        self.known_keys().expect(&name(holder), at, key_id.to_lowercase());
    }

    /// Writes what `change` makes of the present collection, once; where it has nothing to change, nothing. Ours of late are in what it
    /// is given, also where a replica does not show them yet. New ones, which have no id, get one. To be called under the object's
    /// lock, and followed by [`Graph::keys_fate`] without it. `None` where there is no such object.
    pub async fn write_key_credentials(
        &self,
        holder: &Holder,
        change: impl Fn(&[KeyCredential]) -> Option<Vec<KeyCredential>>,
    ) -> Result<Option<WrittenKeys>, GraphError> {
        let Some(present) = self.merged(holder).await? else { return Ok(None) };
        let before = ids(&present);
        let Some(wanted) = change(&present).map(with_ids) else {
            let none = BTreeSet::new();
            return Ok(Some(WrittenKeys { keys: present, before, added: none.clone(), removed: none }));
        };
        let written =
            WrittenKeys { added: &ids(&wanted) - &before, removed: &before - &ids(&wanted), keys: wanted, before };
        let sent =
            |one: &KeyCredential| if written.added.contains(&one.id()) { one.clone() } else { one.without_key() };
        let body = Body { key_credentials: written.keys.iter().map(sent).collect() };
        let path = holder.path();
        match self.settled(|| self.patch(&path, &body)).await {
            Ok(()) => {}
            // The answer to a first try was lost, and Graph refuses to be told a key that it has by now.
            Err(error) if error.is_bad_request() && self.shows(holder, &written).await? => {}
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        }
        self.known_keys().wrote(&name(holder), self.now(), &present, &written.keys);
        Ok(Some(written))
    }

    /// Looks at what became of a write until it shows, the window is over, or the operation's time is: then it stands. What is new is
    /// looked at once more a moment later.
    pub async fn keys_fate(&self, holder: &Holder, written: &WrittenKeys) -> Result<KeysFate, GraphError> {
        if !written.is_written() {
            return Ok(KeysFate::Seen);
        }
        let (mut waits, mut seen) = (self.waits(), None);
        loop {
            let Some(found) = self.key_credentials(holder).await? else { return Ok(KeysFate::Gone) };
            let found = ids(&found);
            let missing = &written.added - &found;
            let unseen: BTreeSet<String> = missing.union(&(&written.removed & &found)).cloned().collect();
            let is_anothers =
                |id: &String| !written.before.contains(id) && !self.known_keys().added(&name(holder), self.now(), id);
            let limit = if unseen.is_empty() {
                if written.added.is_empty() {
                    return Ok(KeysFate::Seen);
                }
                // From the first time that it shows.
                seen.get_or_insert_with(|| self.waits());
                SECOND_LOOK
            } else if !missing.is_empty() && found.iter().any(is_anothers) {
                // Another's value is there, and ours is not: no replica that lags shows that.
                self.known_keys().forget(&name(holder));
                return Ok(KeysFate::Overwritten);
            } else {
                WINDOW
            };
            let waiting = if unseen.is_empty() { seen.as_mut().unwrap_or(&mut waits) } else { &mut waits };
            match waiting.again(limit, None).await {
                Ok(true) => {}
                Ok(false) | Err(GraphError::DeadlineExceeded { .. }) if unseen.is_empty() => return Ok(KeysFate::Seen),
                Ok(false) | Err(GraphError::DeadlineExceeded { .. }) => return Ok(KeysFate::Unseen(unseen)),
                Err(why) => return Err(why),
            }
        }
    }

    /// What is there, with our recent writes, once it shows what this process has seen there; after the window as it is.
    async fn merged(&self, holder: &Holder) -> Result<Option<Vec<KeyCredential>>, GraphError> {
        let (name, mut waits) = (name(holder), self.waits());
        loop {
            let asked = self.asks();
            let Some(found) = self.key_credentials(holder).await? else { return Ok(None) };
            let now = self.since(asked).from;
            let (merged, complete) = {
                let mut known = self.known_keys();
                let merged = known.overlay(&name, now, &found);
                let complete = known.unseen(&name, now, &merged).is_empty();
                (merged, complete)
            };
            if complete || !waits.again(WINDOW, None).await? {
                self.known_keys().saw(&name, now, ids(&merged).iter());
                return Ok(Some(merged));
            }
        }
    }

    async fn shows(&self, holder: &Holder, written: &WrittenKeys) -> Result<bool, GraphError> {
        let found = self.key_credentials(holder).await?.map(|found| ids(&found)).unwrap_or_default();
        Ok(!written.added.is_empty() && written.added.is_subset(&found) && written.removed.is_disjoint(&found))
    }
}

/// How the memory calls a holder.
fn name(holder: &Holder) -> String {
    holder.path().to_lowercase()
}

/// A client may choose a key's id, and a repeated write is the same write then. Source: azuread's `key_id`, which its client makes where
/// it is not given.
fn with_ids(mut keys: Vec<KeyCredential>) -> Vec<KeyCredential> {
    for key in keys.iter_mut().filter(|key| key.key_id.is_none()) {
        key.key_id = Some(uuid::Uuid::new_v4().to_string());
    }
    keys
}
