//! What was made or met here a moment ago: that a replica does not know it is no news that it is gone.

use super::writes::is_recent;
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects by all of their ids, in lower case: they compare without regard to case, as Graph's do.
#[derive(Default)]
pub(super) struct Fresh {
    known: Mutex<Vec<Known>>,
}

struct Known {
    at: Timestamp,
    /// `applications` or `serviceprincipals`: where the first of the ids is the object's.
    set: &'static str,
    ids: Vec<String>,
}

/// The set of applications, as paths name it in lower case.
pub(super) const APPLICATIONS: &str = "applications";
/// The set of service principals.
pub(super) const SERVICE_PRINCIPALS: &str = "serviceprincipals";

/// What an error text of "not found" names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Something that was made or met here.
    Known,
    /// Something else.
    Other,
    /// It does not say.
    Unsaid,
}

impl Fresh {
    /// Remembers what was made or met just now, by the server's clock: its set, its object id, and what else it is called by.
    pub(super) fn remember(&self, now: Timestamp, set: &'static str, ids: &[&str]) {
        let mut known = self.known();
        known.retain(|one| is_recent(one.at, now));
        known.push(Known { at: now, set, ids: ids.iter().map(|id| id.to_lowercase()).collect() });
    }

    /// Forgets what is about to be deleted, with what shares an id with it: an application's principal goes with it.
    pub(super) fn forget(&self, path: &str) {
        let Some(Object { id, .. }) = object_of(path).filter(|object| object.below.is_empty()) else { return };
        let mut known = self.known();
        let gone: Vec<String> =
            known.iter().filter(|one| one.ids.contains(&id)).flat_map(|one| one.ids.clone()).collect();
        known.retain(|one| !one.ids.iter().any(|id| gone.contains(id)));
    }

    /// Whether anything was made or met of late.
    pub(super) fn is_any(&self, now: Timestamp) -> bool {
        self.known().iter().any(|one| is_recent(one.at, now))
    }

    /// Whether a read of `path` that found nothing may have met a replica that lags. `text` is what the answer says. What lies deeper
    /// below an object, such as one of its federated credentials, may be missing though the object is there.
    pub(super) fn may_be_behind(&self, now: Timestamp, path: &str, text: &str) -> bool {
        let object = object_of(path);
        // A client id where an object id belongs, or an object of the other set, is found nowhere and waited for in vain.
        if object.as_ref().is_some_and(|object| self.has(now, &object.id) && !self.is_called(now, object)) {
            return false;
        }
        match self.missing(now, text) {
            Missing::Known => true,
            Missing::Other => false,
            Missing::Unsaid => object.is_some_and(|object| object.below.len() <= 1 && self.has(now, &object.id)),
        }
    }

    /// What the text of a refusal says to be missing. Graph quotes the id: "Resource '…' does not exist …".
    pub(super) fn missing(&self, now: Timestamp, text: &str) -> Missing {
        let mut named = text.split('\'').skip(1).step_by(2).filter(|name| !name.is_empty()).peekable();
        if named.peek().is_none() {
            return Missing::Unsaid;
        }
        if named.any(|name| self.has(now, &name.to_lowercase())) { Missing::Known } else { Missing::Other }
    }

    fn has(&self, now: Timestamp, id: &str) -> bool {
        self.known().iter().any(|one| is_recent(one.at, now) && one.ids.iter().any(|known| known == id))
    }

    /// Whether something known is called so in its set: by its object id, or by any of its keys. An application that was met says
    /// nothing of a principal, which a create that did not end may never have made.
    fn is_called(&self, now: Timestamp, object: &Object) -> bool {
        let called = |one: &Known| match object.by_key {
            true => one.ids.contains(&object.id),
            false => one.ids.first() == Some(&object.id),
        };
        self.known().iter().any(|one| one.set == object.set && is_recent(one.at, now) && called(one))
    }

    /// Nothing is left half-written here by a panic elsewhere.
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a path names, in lower case.
struct Object {
    set: String,
    /// Object id, or the value of an alternate key.
    id: String,
    by_key: bool,
    /// The segments below it.
    below: Vec<String>,
}

/// The object that a path names. The deleted items are none: what is missing there is elsewhere.
fn object_of(path: &str) -> Option<Object> {
    let path = path.split('?').next().unwrap_or(path).to_lowercase();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
    let set = segments.next().filter(|set| set != "directory")?;
    let (id, by_key) = match set.split_once("='") {
        Some((_, key)) => (key.trim_end_matches("')").to_owned(), true),
        None => (segments.next()?, false),
    };
    let set = set.split('(').next().unwrap_or_default().to_owned();
    Some(Object { set, id, by_key, below: segments.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn fresh() -> Fresh {
        let fresh = Fresh::default();
        fresh.remember(at(0), APPLICATIONS, &["App-Object", "client"]);
        fresh.remember(at(0), SERVICE_PRINCIPALS, &["principal-object", "client"]);
        fresh
    }

    #[test]
    fn an_object_and_its_collections_may_be_behind_and_what_lies_deeper_may_not() {
        let fresh = fresh();
        let may = |path: &str| fresh.may_be_behind(at(1), path, "");
        assert!(may("/applications/app-object?$select=id") && may("/APPLICATIONS/APP-OBJECT"));
        assert!(may("/servicePrincipals(appId='client')") && may("/applications/app-object/owners?$select=id"));
        assert!(!may("/applications/app-object/federatedIdentityCredentials/name"));
        assert!(!may("/directory/deletedItems/app-object") && !may("/applications/app-object-2"));
        assert!(!may("/applications/other?$filter=x%20eq%20'app-object'"));
        assert!(!fresh.may_be_behind(at(121), "/applications/app-object", ""), "the window is over");
    }

    #[test]
    fn an_id_of_another_kind_is_not_waited_for() {
        let fresh = fresh();
        let missing = |id: &str| {
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.")
        };
        for (path, id) in [
            ("/applications/client", "client"),
            ("/applications/principal-object", "principal-object"),
            ("/servicePrincipals/app-object/appRoleAssignments", "app-object"),
        ] {
            assert!(!fresh.may_be_behind(at(1), path, &missing(id)) && !fresh.may_be_behind(at(1), path, ""), "{path}");
        }
        let met = Fresh::default();
        met.remember(at(0), APPLICATIONS, &["app-object", "client"]);
        assert!(met.may_be_behind(at(1), "/applications(appId='client')", ""));
        assert!(!met.may_be_behind(at(1), "/servicePrincipals(appId='client')", ""), "nobody made it here");
    }

    #[test]
    fn what_the_answer_names_decides() {
        let fresh = fresh();
        let missing = |id: &str| {
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.")
        };
        let below = "/applications/app-object/federatedIdentityCredentials/name";
        assert!(fresh.may_be_behind(at(1), below, &missing("APP-OBJECT")));
        assert!(!fresh.may_be_behind(at(1), below, &missing("name")));
        assert!(!fresh.may_be_behind(at(1), "/applications/app-object/owners", &missing("a stranger")));
        assert_eq!(fresh.missing(at(1), "Not a valid reference update."), Missing::Unsaid);
    }

    #[test]
    fn what_is_deleted_is_forgotten_and_its_principal_with_it() {
        let fresh = fresh();
        fresh.forget("/servicePrincipals/principal-object/appRoleAssignments/one");
        assert!(fresh.may_be_behind(at(1), "/servicePrincipals/principal-object", ""));
        fresh.forget("/applications/APP-OBJECT");
        for path in
            ["/applications/app-object", "/servicePrincipals/principal-object", "/servicePrincipals(appId='client')"]
        {
            assert!(!fresh.may_be_behind(at(1), path, ""), "{path}");
        }
    }
}
