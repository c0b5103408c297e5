//! What one run of the CLI has seen, planned and done so far. The CLI asks for one resource at a time; only here do two of them meet.

use crate::framework::{Diagnostic, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Something in a tenant that a resource manages, and that two resources may manage at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Type name of the resource.
    pub resource: &'static str,
    /// Tenant (GUID).
    pub tenant: String,
    /// What tells it from others of its type: an object id, or a unique name.
    pub id: String,
}

impl Target {
    /// Ids compare without regard to case, as Graph's do.
    pub fn new(resource: &'static str, tenant: &str, id: &str) -> Self {
        Self { resource, tenant: tenant.to_lowercase(), id: id.to_lowercase() }
    }
}

/// The memory of one run: from one configuration of the provider to the next.
#[derive(Default)]
pub struct Run {
    plans: Mutex<HashMap<Target, Vec<Planned>>>,
    stored: Mutex<HashMap<Target, Stored>>,
    intents: watch::Sender<Intents>,
    taken: Mutex<HashMap<Target, BTreeSet<String>>>,
    left: Mutex<HashMap<Target, BTreeSet<String>>>,
}

/// An object that the state holds, as a refresh of this run saw it.
#[derive(Default)]
struct Stored {
    /// `None` until it is seen: the CLI plans the destroy of what is gone from the configuration before it refreshes it.
    private: Option<Value>,
    /// A create was planned on the strength of it: the object is tainted, and its destroy comes first.
    replaced: bool,
    /// What that create would have been refused with otherwise.
    excused: Option<Diagnostic>,
    /// A create took it for what a lost answer left behind: the error that is due where a state holds it.
    lost: Option<Diagnostic>,
    /// Its destroy was planned by itself: whatever else is planned at the target is another resource.
    leaves: bool,
}

/// Creates under way, each by a number of its own.
#[derive(Default)]
struct Intents {
    last: u64,
    under_way: HashMap<Target, BTreeSet<u64>>,
}

impl Intents {
    fn at(&self, target: &Target) -> bool {
        self.under_way.get(target).is_some_and(|under_way| !under_way.is_empty())
    }
}

/// How a resource was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Whether it tolerates no other on the same target.
    pub exclusive: bool,
    /// Whether this is the second plan of a replacement, after that of a change of the same resource.
    pub second: bool,
}

impl Run {
    /// Notes that a resource is planned for `target`. `false`: another one is there, and one of them is exclusive.
    pub fn plan(&self, target: Target, planned: Planned) -> bool {
        let mut plans = locked(&self.plans);
        let all = plans.entry(target).or_default();
        // A replacement is planned twice and is not its own rival.
        match all.iter_mut().find(|earlier| planned.second && !earlier.second) {
            Some(first) => *first = planned,
            None => all.push(planned),
        }
        all.len() == 1 || !all.iter().any(|one| one.exclusive)
    }

    /// How many targets below this one, such as names on an application, are planned to exist.
    pub fn count_planned(&self, above: &Target) -> usize {
        let start = format!("{}/", above.id);
        let below =
            |one: &&Target| one.resource == above.resource && one.tenant == above.tenant && one.id.starts_with(&start);
        locked(&self.plans).keys().filter(below).count()
    }

    /// Notes that the state holds an object at `target`, with its private data.
    pub fn found_in_state(&self, target: Target, private: &impl Serialize) -> Result<()> {
        let private = serde_json::to_value(private).map_err(|why| Diagnostic::bug(format!("private data: {why}")))?;
        let mut stored = locked(&self.stored);
        stored.entry(target).or_default().private = Some(private);
        Ok(())
    }

    /// The same where its private data are not known, since nothing was refreshed.
    pub fn known_in_state(&self, target: Target) {
        locked(&self.stored).entry(target).or_default().private.get_or_insert(Value::Null);
    }

    /// Private data of the object that the state held at `target` when this run began; `None` where it held none.
    pub fn in_state<P: DeserializeOwned>(&self, target: &Target) -> Option<P> {
        locked(&self.stored).get(target).and_then(|found| serde_json::from_value(found.private.clone()?).ok())
    }

    /// The same for the plan of a create that rests nothing on it: private data of what may be its own, tainted object.
    pub fn private_of<P: DeserializeOwned>(&self, target: &Target) -> Option<P> {
        locked(&self.stored)
            .get(target)
            .filter(|found| !found.leaves)
            .and_then(|found| serde_json::from_value(found.private.clone()?).ok())
    }

    /// For the plan of a create: private data of the object at `target` that this very resource has in the state, because it is
    /// tainted. The CLI refreshes an instance before it plans it, so this does not depend on the order of calls; what is at the
    /// target for another resource, whose destroy is planned by itself, is told apart here or in [`Run::plan_destroy`].
    pub fn replaced<P: DeserializeOwned>(&self, target: &Target) -> Option<P> {
        let mut stored = locked(&self.stored);
        let found = stored.get_mut(target).filter(|found| !found.leaves)?;
        let private = found.private.clone()?;
        found.replaced = true;
        serde_json::from_value(private).ok()
    }

    /// For the plan of a create that would be refused with `error` but for the object at `target`, which its own destroy empties first.
    /// `false`: there is no such object, and the error is due.
    pub fn excuse(&self, target: &Target, error: &Diagnostic) -> bool {
        let mut stored = locked(&self.stored);
        // In apply the CLI plans the destroy of a tainted object by itself too; there its delete has been at the target by now.
        if locked(&self.left).contains_key(target) {
            return true;
        }
        let Some(found) = stored.get_mut(target).filter(|found| !found.leaves && found.private.is_some()) else {
            return false;
        };
        found.replaced = true;
        found.excused = Some(error.clone());
        true
    }

    /// For the plan of a create that takes what is at `target` for its own that a lost answer left behind, with the error that is due
    /// where a state turns out to hold it. `false`: one does.
    pub fn take_for_lost(&self, target: Target, error: &Diagnostic) -> bool {
        let mut stored = locked(&self.stored);
        let found = stored.entry(target).or_default();
        if found.private.is_some() {
            return false;
        }
        found.lost = Some(error.clone());
        true
    }

    /// The error that is due where the state holds what a create took for lost.
    pub fn taken_for_lost(&self, target: &Target) -> Option<Diagnostic> {
        locked(&self.stored).get(target).and_then(|found| found.lost.clone())
    }

    /// Whether a state that this run has seen holds what is at `target`.
    pub fn is_in_state(&self, target: &Target) -> bool {
        locked(&self.stored).get(target).is_some_and(|found| found.private.is_some())
    }

    /// What a create at `target` was excused of: due after all where [`Run::plan_destroy`] is `false`.
    pub fn excused(&self, target: &Target) -> Option<Diagnostic> {
        locked(&self.stored).get(target).and_then(|found| found.excused.clone())
    }

    /// Notes that a destroy is planned by itself. `false`: a create at the target took the object for its own, tainted one.
    pub fn plan_destroy(&self, target: &Target) -> bool {
        let mut stored = locked(&self.stored);
        let found = stored.entry(target.clone()).or_default();
        found.leaves = true;
        !found.replaced
    }

    /// Registers a create at `target`, until [`Run::intended`] ends it.
    pub fn intend(&self, target: &Target) -> u64 {
        let mut number = 0;
        self.intents.send_modify(|intents| {
            intents.last += 1;
            number = intents.last;
            intents.under_way.entry(target.clone()).or_default().insert(number);
        });
        number
    }

    /// Ends a create.
    pub fn intended(&self, target: &Target, number: u64) {
        self.intents.send_modify(|intents| {
            if let Some(under_way) = intents.under_way.get_mut(target) {
                under_way.remove(&number);
            }
        });
    }

    /// Whether a create is under way at `target`.
    pub fn is_intended(&self, target: &Target) -> bool {
        self.intents.borrow().at(target)
    }

    /// Waits until no create is under way at `target`.
    pub async fn no_create_at(&self, target: &Target) {
        // Fails only where the sender is gone, which `self` holds.
        let _ = self.intents.subscribe().wait_for(|intents| !intents.at(target)).await;
    }

    /// Notes what a create found or made at `target`: a delete of what it replaces leaves that alone.
    pub fn take(&self, target: Target, entries: impl IntoIterator<Item = String>) {
        locked(&self.taken).entry(target).or_default().extend(entries);
    }

    /// Notes what a delete left at `target` for the create that takes its place, which owns it from then on.
    pub fn leave(&self, target: Target, entries: impl IntoIterator<Item = String>) {
        locked(&self.left).entry(target).or_default().extend(entries);
    }

    /// What deletes of this run left at `target`; `None` where there was no delete.
    pub fn left(&self, target: &Target) -> Option<BTreeSet<String>> {
        locked(&self.left).get(target).cloned()
    }

    /// What creates of this run found or made at `target`; `None` where there was none.
    pub fn taken(&self, target: &Target) -> Option<BTreeSet<String>> {
        locked(&self.taken).get(target).cloned()
    }
}

/// Nothing is left half-written here by a panic elsewhere.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::new("m365_connector_app", "T", "name")
    }

    const FIRST: Planned = Planned { exclusive: true, second: false };
    const SECOND: Planned = Planned { exclusive: true, second: true };
    const SHARED: Planned = Planned { exclusive: false, second: false };

    #[test]
    fn two_resources_at_one_target_are_rivals_where_one_is_exclusive() {
        let run = Run::default();
        assert!(run.plan(target(), SHARED) && run.plan(target(), SHARED));
        assert!(!run.plan(target(), FIRST) && !run.plan(target(), SHARED));
        assert!(run.plan(Target::new("m365_connector_app", "t", "other"), FIRST));
    }

    #[test]
    fn an_object_in_the_state_belongs_to_its_tainted_self_and_to_nobody_else_in_any_order() {
        let tainted = Run::default();
        tainted.found_in_state(target(), &1).unwrap();
        assert_eq!(tainted.replaced::<u8>(&target()), Some(1));
        let renamed = Run::default();
        assert_eq!(renamed.replaced::<u8>(&target()), None, "the create is planned first");
        renamed.found_in_state(target(), &1).unwrap();
        assert!(renamed.plan_destroy(&target()));
        assert_eq!(renamed.replaced::<u8>(&target()), None, "the create is planned last");
        let between = Run::default();
        between.found_in_state(target(), &1).unwrap();
        assert_eq!(between.replaced::<u8>(&target()), Some(1));
        assert!(!between.plan_destroy(&target()), "the destroy tells");
        let unseen = Run::default();
        assert!(unseen.plan_destroy(&target()), "the destroy is planned before the object is seen");
        unseen.found_in_state(target(), &1).unwrap();
        assert_eq!(unseen.replaced::<u8>(&target()), None);
    }

    #[test]
    fn an_excuse_ends_where_the_object_turns_out_to_be_another_resource_s() {
        let error = Diagnostic::error("undeclared");
        let renamed = Run::default();
        assert!(!renamed.excuse(&target(), &error), "the create is planned before the object is seen");
        renamed.found_in_state(target(), &1).unwrap();
        assert!(renamed.excuse(&target(), &error), "it may be tainted");
        assert!(!renamed.plan_destroy(&target()));
        assert_eq!(renamed.excused(&target()), Some(error.clone()));
        assert!(!renamed.excuse(&target(), &error), "the destroy has told");
        renamed.leave(target(), []);
        assert!(renamed.excuse(&target(), &error), "in apply the object is gone by now");
    }

    #[test]
    fn what_a_create_takes_for_lost_and_a_state_holds_is_told_to_whoever_comes_second() {
        let error = Diagnostic::error("in use");
        let first = Run::default();
        assert!(first.take_for_lost(target(), &error) && !first.is_in_state(&target()));
        first.found_in_state(target(), &()).unwrap();
        assert_eq!(first.taken_for_lost(&target()), Some(error.clone()), "the create is planned first");
        let last = Run::default();
        last.found_in_state(target(), &()).unwrap();
        assert!(!last.take_for_lost(target(), &error) && last.is_in_state(&target()), "the create is planned last");
    }

    #[test]
    fn a_create_is_under_way_until_it_has_ended() {
        let run = Run::default();
        let (one, two) = (run.intend(&target()), run.intend(&target()));
        run.intended(&target(), one);
        assert!(run.is_intended(&target()));
        run.intended(&target(), two);
        assert!(!run.is_intended(&target()));
    }

    #[test]
    fn a_replacement_is_no_rival_of_itself_but_of_another() {
        let run = Run::default();
        assert!(run.plan(target(), FIRST) && run.plan(target(), SECOND));
        assert!(!run.plan(target(), FIRST) && !run.plan(target(), SECOND));
    }
}
