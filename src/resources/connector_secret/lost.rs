//! Secrets that a create or a rotation left behind when its answer was lost: how they are told from everybody else's, and removed.

use super::model::{ConnectorSecretPrivate, State};
use crate::framework::{Diagnostic, Result};
use crate::graph::{Date, Graph, Password};
use crate::provider::missing::deleted_application;
use crate::provider::{Cx, Services};
use crate::resources::ownership;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Ends the name of every secret that this provider makes. A password cannot be renamed, so it stays; users never see it in
/// `display_name`.
pub(super) const MARKER: &str = " (m365)";
/// A lost create is looked for among secrets no older than this.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// The server's dates are whole seconds, and a secret starts a second before it is made.
const COARSE: SignedDuration = SignedDuration::from_secs(2);

/// A fraction of a second, in microseconds, that tells which secret a new one was to replace. The state knows the old one: by this it
/// finds its own new one again when it never learnt of it.
pub(super) fn trace(replaced: &str) -> i32 {
    let number = uuid::Uuid::try_parse(replaced).map(|id| id.as_u128()).unwrap_or_default();
    i32::try_from(1 + number % 999_999).unwrap_or(1)
}

impl Password {
    pub(super) fn is(&self, key_id: &str) -> bool {
        self.key_id.eq_ignore_ascii_case(key_id)
    }

    /// The name without its marker; `None` for a secret that this provider did not make.
    pub(super) fn marked_name(&self) -> Option<&str> {
        self.display_name.as_deref()?.strip_suffix(MARKER)
    }

    pub(super) fn replaces(&self, key_id: &str) -> bool {
        let fraction = self.start_date_time.as_ref().and_then(Date::time).map(Timestamp::subsec_microsecond);
        self.marked_name().is_some() && fraction == Some(trace(key_id))
    }

    fn starts_after(&self, time: Timestamp) -> bool {
        self.start_date_time.as_ref().and_then(Date::time).is_some_and(|start| start >= time)
    }
}

/// Marked ones of the name that are younger than a day: what a create whose answer was lost may have left. One that a rotation has
/// replaced is known to a state.
fn leftovers<'a>(found: &'a [Password], name: &str, now: Timestamp) -> Vec<&'a Password> {
    let is_rotated = |one: &Password| found.iter().any(|other| other.replaces(&one.key_id));
    let young = |one: &&Password| one.marked_name() == Some(name) && one.starts_after(now - A_DAY);
    found.iter().filter(young).filter(|one| !is_rotated(one)).collect()
}

/// Those of `made` that earlier tries of the request have made whose answer is `added`. None of them is what the state had `before`, also
/// where its name and its start, in whole seconds, are the same.
pub(super) fn doubles(made: &[Password], added: &str, before: &BTreeSet<String>) -> BTreeSet<String> {
    let is_double = |one: &&Password| !one.is(added) && !before.iter().any(|known| one.is(known));
    made.iter().filter(is_double).map(|one| one.key_id.clone()).collect()
}

impl State {
    /// Before a create: what is wrong with the application, and which secrets are taken for its own that a lost answer left behind.
    /// They are named here, and nothing but what is named is removed; also in apply, where the CLI plans once more.
    pub(super) async fn look_before_create(&mut self, cx: &Cx) -> Result<()> {
        let replaced = std::mem::take(&mut self.private.replaces);
        // Where the CLI hands on what the plan before this one said, that counts.
        let named_before = self.private.lost.take();
        self.private = ConnectorSecretPrivate::default();
        let Some(app) = self.value.application_id.known().cloned() else { return Ok(()) };
        if !cx.configured_services().is_some_and(Services::is_known) {
            return Ok(());
        }
        let graph = cx.tenant(self.value.tenant_id.known().map(String::as_str)).await?.graph;
        let Some(found) = graph.passwords(&app).await? else {
            // In apply the application may be so new that a replica does not know it.
            return if graph.has_written() { Ok(()) } else { deleted_application(&graph, &app, cx).await.map(|_| ()) };
        };
        let (Some(name), Some(target)) = (self.value.display_name.known(), self.value.name_target()) else {
            return Ok(());
        };
        let (run, mut lost) = (cx.run()?, BTreeSet::new());
        for one in leftovers(&found, name, graph.now()) {
            let id = one.key_id.to_lowercase();
            if replaced.iter().any(|own| one.is(own)) || named_before.as_ref().is_some_and(|named| !named.contains(&id))
            {
                continue;
            }
            let error = is_in_use(&id, name, &app);
            if run.take_for_lost(self.value.key_target(&id), &error) {
                lost.insert(id);
            } else if !run.excuse(&target, &error) {
                return Err(error.into());
            }
        }
        if !lost.is_empty() {
            let all: Vec<_> = lost.iter().map(|id| format!("- {id}")).collect();
            cx.warn(Diagnostic::warning(format!("A secret \"{name}\" of the application will be removed")).at("display_name").help(format!(
                "This provider made it less than a day ago, and this state does not have it, as a create leaves it whose answer was lost: nobody knows its value then. If another state has it, and somebody signs in with it, import it there or here (`{app}/<key id>`) before you apply:\n{}",
                all.join("\n")
            )));
        }
        self.private.lost = Some(lost);
        Ok(())
    }

    /// Notes for creates of this run that the state holds these keys.
    pub(super) fn is_in_state(&self, cx: &Cx) -> Result<()> {
        let run = cx.run()?;
        for id in self.own() {
            run.found_in_state(self.value.key_target(&id), &())?;
        }
        self.value.name_target().map_or(Ok(()), |target| run.found_in_state(target, &()))
    }

    /// While this one is planned as what it is: fails where a create has taken one of its keys for lost, in the words of that create.
    /// Its name, or its address, went to another resource without a word to the CLI.
    pub(super) fn is_not_taken_for_lost(&self, cx: &Cx) -> Result<()> {
        self.is_in_state(cx)?;
        let run = cx.run()?;
        // In apply, once a create has ended there, its plan is history: nothing keeps the former one from being destroyed.
        if self.value.name_target().is_some_and(|target| run.taken(&target).is_some()) {
            return Ok(());
        }
        if let Some(error) = self.own().iter().find_map(|id| run.taken_for_lost(&self.value.key_target(id))) {
            return Err(error.into());
        }
        self.value.name_target().map_or(Ok(()), |target| ownership::plan_destroy(&target, cx))
    }

    /// Removes what the plan of a create took for lost, unless a state turned out to hold it.
    pub(super) async fn remove_lost(&mut self, lost: &BTreeSet<String>, graph: &Graph, cx: &Cx) -> Result<()> {
        let (app, name) = (self.value.application_id.get()?, self.value.display_name.get()?);
        for id in lost {
            if cx.run()?.is_in_state(&self.value.key_target(id)) {
                continue;
            }
            graph.remove_password(app, id).await?;
            cx.warn(Diagnostic::warning(format!("The secret {id} was replaced")).at("display_name").help(format!(
                "The application {app} had this secret \"{name}\", which a create of this provider left less than a day ago. It was removed, as the plan said."
            )));
        }
        Ok(())
    }

    /// What rotations whose answers were lost left behind: marked ones that this state does not list, that are younger than its last
    /// read, and that bear the trace of the key that is replaced. Others of the name stay, and are named.
    pub(super) async fn left_behind(&self, prior: &Self, graph: &Graph, cx: &Cx) -> Result<Vec<String>> {
        let found = graph.passwords(self.value.application_id.get()?).await?.unwrap_or_default();
        let own = prior.own();
        let key = prior.value.key_id.known().map(String::as_str).unwrap_or_default();
        let names = [self.value.display_name.known(), prior.value.display_name.known()];
        let since = self.private.observed_at.map(|observed| observed - COARSE);
        let (mut lost, mut others) = (Vec::new(), Vec::new());
        for one in found.iter().filter(|one| !own.iter().any(|id| one.is(id))) {
            let young = since.is_some_and(|since| one.starts_after(since));
            if one.replaces(key) && young && !cx.run()?.is_in_state(&self.value.key_target(&one.key_id)) {
                lost.push(one.key_id.clone());
            } else if names.iter().flatten().any(|name| one.marked_name() == Some(name.as_str())) {
                others.push(format!("- {}", one.key_id));
            }
        }
        if !others.is_empty() {
            cx.warn(Diagnostic::warning("The application has further secrets of this name").at("display_name").help(format!(
                "This provider made them, and this state does not have them. They stay; remove what nobody uses:\n{}",
                others.join("\n")
            )));
        }
        Ok(lost)
    }
}

/// The one error of a create that would take another resource's secret for lost, whichever of the two is planned first.
fn is_in_use(id: &str, name: &str, app: &str) -> Diagnostic {
    Diagnostic::error(format!("The secret \"{name}\" is another resource's until now"))
        .at("display_name")
        .help(format!("The state has the key {id} of the application {app} under that name and another address, and it is less than a day old: a new secret of the name would take it for what a lost answer left behind."))
        .help("Where the resource has only been renamed, say so with a `moved` block. Else do it in two applies: first give the former secret another name or remove it, then make the new one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0d9b3e63-9d3f-4f2f-8f0e-6b2b8a5f4c11";
    const SECOND: &str = "6f1f4b5e-6f0c-4c39-9a53-0a5c3b9f1d22";

    #[test]
    fn a_new_secret_tells_which_one_it_was_to_replace() {
        let replaced = |key: &str| Password {
            key_id: "x".to_owned(),
            display_name: Some(format!("siem{MARKER}")),
            hint: None,
            start_date_time: Some((Timestamp::UNIX_EPOCH + SignedDuration::from_micros(trace(key).into())).into()),
            end_date_time: None,
        };
        assert!(replaced(FIRST).replaces(FIRST) && !replaced(FIRST).replaces(SECOND));
        assert!(!Password { display_name: Some("siem".to_owned()), ..replaced(FIRST) }.replaces(FIRST));
        let whole = Password { start_date_time: Some(Timestamp::UNIX_EPOCH.into()), ..replaced(FIRST) };
        assert!(!whole.replaces(FIRST) && !whole.replaces("no guid"));
    }

    #[test]
    fn what_the_state_had_is_no_double_of_what_was_made_in_the_same_second() {
        let made: Vec<_> = ["before", "LOST", "added"]
            .map(|key_id| Password {
                key_id: key_id.to_owned(),
                display_name: Some(format!("siem{MARKER}")),
                hint: None,
                start_date_time: Some(Timestamp::UNIX_EPOCH.into()),
                end_date_time: None,
            })
            .into();
        assert_eq!(
            doubles(&made, "Added", &BTreeSet::from(["Before".to_owned()])),
            BTreeSet::from(["LOST".to_owned()])
        );
    }

    #[test]
    fn a_leftover_is_marked_young_and_of_the_name_and_no_rotation_has_replaced_it() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let one = |key_id: &str, name: &str, hours: i64, micros: i32| Password {
            key_id: key_id.to_owned(),
            display_name: Some(name.to_owned()),
            hint: None,
            start_date_time: Some(
                (now - SignedDuration::from_hours(hours) + SignedDuration::from_micros(micros.into())).into(),
            ),
            end_date_time: None,
        };
        let found = [
            one(FIRST, "siem (m365)", 1, 0),
            one("b", "siem", 1, 0),
            one("c", "soc (m365)", 1, 0),
            one("d", "siem (m365)", 25, 0),
        ];
        let ids =
            |found: &[Password]| leftovers(found, "siem", now).iter().map(|one| one.key_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&found), [FIRST]);
        let rotated = [found[0].clone(), one(SECOND, "renamed (m365)", 0, trace(FIRST))];
        assert_eq!(ids(&rotated), Vec::<String>::new());
    }
}
