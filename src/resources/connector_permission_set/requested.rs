//! What an application asks for in Graph, and one change of it: merged into a fresh read, written once, and read back.

use super::model::{State, WORDS};
use crate::catalog::Kind;
use crate::framework::Result;
use crate::graph::{Application, ApplicationPatch, RequiredResourceAccess, ResourceAccess, Span, View, Writes};
use crate::provider::missing::no_such_application;
use crate::provider::permissions::{meant, requested};
use crate::provider::{Claim, Cx};
use crate::resources::connector_app::is_marker;
use crate::resources::ownership::{Declared, refuse_in_apply};
use crate::resources::permissions::{Names, PermissionId};
use crate::resources::stale::{shown_by, warn_of_stale};
use std::collections::{BTreeMap, BTreeSet};

/// A permission that is asked for, as an entry of a [`View`].
const ONE: &str = "requested:";
/// That the application is there.
const APPLICATION: &str = "application";

/// An application that asks for these, entry by entry; one that is not there has none.
pub(super) fn view(asked: Option<&BTreeSet<PermissionId>>) -> View {
    let Some(asked) = asked else { return View::new() };
    let each = asked.iter().map(|one| (format!("{ONE}{one}"), true.into()));
    each.chain([(APPLICATION.to_owned(), true.into())]).collect()
}

pub(super) fn view_of(app: &Option<Application>) -> View {
    view(app.as_ref().map(requested).as_ref())
}

/// What is asked for in fact: what a replica does not show yet of our own writes is as we wrote it.
pub(super) fn overlaid(
    mut asked: BTreeSet<PermissionId>,
    stale: &BTreeSet<String>,
    writes: &Writes,
) -> BTreeSet<PermissionId> {
    for (permission, is_there) in shown_by(ONE, stale, writes) {
        match is_there {
            true => asked.insert(permission),
            false => asked.remove(&permission),
        };
    }
    asked
}

/// One change of what an application asks for.
pub(super) struct Change<'a> {
    pub declared: &'a Declared<PermissionId>,
    /// What may go where it is not declared. Anything else that the application asks for stays.
    pub remove: &'a BTreeSet<PermissionId>,
    /// On the create of an exclusive set an entry that is not declared is an error; a shared one says what it found.
    pub is_create: bool,
    pub names: &'a Names<'a>,
}

impl Change<'_> {
    fn wanted(&self, asked: &BTreeSet<PermissionId>) -> BTreeSet<PermissionId> {
        let kept = asked.iter().filter(|one| self.declared.contains_key(*one) || !self.remove.contains(*one));
        kept.chain(self.declared.keys()).cloned().collect()
    }

    /// What a create does about what the application asks for already.
    fn meet(&self, asked: &BTreeSet<PermissionId>, state: &State, claim: &Claim<'_>, cx: &Cx) -> Result<()> {
        let (declared, owned) = (self.declared, &state.private.owned);
        if state.value.exclusive {
            let undeclared = asked.iter().filter(|one| !declared.contains_key(*one));
            let undeclared = self.names.listed(undeclared, declared);
            let id = state.value.application_id.get()?;
            return refuse_in_apply(&undeclared, &WORDS, id, claim.left()?.is_some(), cx);
        }
        let found = asked.iter().filter(|one| declared.contains_key(*one) && !owned.added().contains(*one));
        let found = self.names.listed(found, declared);
        if !found.is_empty() {
            cx.warn(WORDS.found(&found));
        }
        Ok(())
    }
}

/// Merges the change into a fresh read of the application and writes it where anything differs, under the claim's lock. Then reads it
/// back without: another process that has read before and written after has undone it, and it is merged once more.
pub(super) async fn write(state: &mut State, claim: &mut Claim<'_>, change: &Change<'_>, cx: &Cx) -> Result<()> {
    let (graph, id) = (claim.tenant.graph.clone(), state.value.application_id.get()?.clone());
    let (mut is_first, tried) = (true, format!("PATCH /applications/{id}"));
    let mut others = graph.waits();
    let present = loop {
        let asked_at = graph.asks();
        let Some(app) = graph.application(&id).await? else {
            // An application that is gone asks for nothing any more.
            return match change.declared.is_empty() {
                true => Ok(()),
                false => Err(no_such_application(&graph, &id).await?),
            };
        };
        let mut asked = requested(&app);
        // What somebody else has written since our last write is the truth, entry by entry too.
        if is_first {
            asked = as_written(asked, &state.private.writes, graph.since(asked_at));
            if change.is_create {
                change.meet(&asked, state, claim, cx)?;
            }
        }
        let wanted = change.wanted(&asked);
        if wanted == asked {
            break wanted;
        }
        // By the way this confirms that the application's creation is known to the state.
        let tags: Vec<String> = app.tags.iter().filter(|tag| !is_marker(tag)).cloned().collect();
        let patch = ApplicationPatch {
            required_resource_access: Some(to_graph(&app.required_resource_access, &wanted)),
            tags: (tags != app.tags).then_some(tags),
            ..ApplicationPatch::default()
        };
        graph.update_application(&id, &patch).await?;
        state.exists = true;
        if change.is_create {
            // The application may be new itself.
            let there = View::from([(APPLICATION.to_owned(), true.into())]);
            state.private.writes.wrote(graph.now(), &View::new(), &there);
        }
        state.private.writes.wrote(graph.now(), &view(Some(&asked)), &view(Some(&wanted)));
        for added in change.declared.keys().filter(|one| !asked.contains(*one)) {
            state.private.owned.add(added.clone());
        }
        claim.release();
        let writes = &state.private.writes;
        let is_ours = |app: &Application| as_written(requested(app), writes, graph.now()) == wanted;
        let shown = |app: &Option<Application>| match app {
            // Nothing of a third value has to be waited for.
            Some(app) if !is_ours(app) => view(Some(&wanted)),
            app => view_of(app),
        };
        let settled = graph.settled_read(writes, async || graph.application(&id).await, shown).await?;
        if !settled.stale.is_empty() {
            warn_of_stale(&change.names.listed(&wanted, change.declared), cx);
            break wanted;
        }
        if settled.seen.as_ref().is_some_and(is_ours) {
            break wanted;
        }
        // Somebody else has written in between: merged once more, for as long as the operation may take.
        others.contended(&tried, None).await?;
        claim.lock(&id).await?;
        is_first = false;
    };
    state.exists = true;
    let foreign = present.into_iter().filter(|one| !state.value.exclusive && !change.declared.contains_key(one));
    state.private.foreign = foreign.collect();
    state.private.owned.settle(change.declared.clone());
    state.private.profile_version = state.value.profile_version.known().copied();
    Ok(())
}

/// What is asked for, with what a replica does not show yet of our own writes as we wrote it.
fn as_written(asked: BTreeSet<PermissionId>, writes: &Writes, read: impl Into<Span>) -> BTreeSet<PermissionId> {
    let stale = writes.stale(read, &view(Some(&asked)));
    overlaid(asked, &stale, writes)
}

/// What is wanted, in Graph's shape. What stays is written as it stands.
fn to_graph(present: &[RequiredResourceAccess], wanted: &BTreeSet<PermissionId>) -> Vec<RequiredResourceAccess> {
    let mut by_api: BTreeMap<String, BTreeMap<PermissionId, ResourceAccess>> = BTreeMap::new();
    for api in present {
        let kept = by_api.entry(api.resource_app_id.to_lowercase()).or_default();
        let all = api.resource_access.iter().map(|access| (meant(&api.resource_app_id, access), access));
        kept.extend(all.filter(|(one, _)| wanted.contains(one)).map(|(one, access)| (one, access.clone())));
    }
    for one in wanted {
        let kind = if one.kind() == Kind::Delegated { "Scope" } else { "Role" };
        let made = || ResourceAccess { id: one.id().unwrap_or_default().to_owned(), kind: kind.to_owned() };
        by_api.entry(one.app_id().to_owned()).or_default().entry(one.clone()).or_insert_with(made);
    }
    by_api
        .into_iter()
        .filter(|(_, all)| !all.is_empty())
        .map(|(resource_app_id, all)| RequiredResourceAccess {
            resource_app_id,
            resource_access: all.into_values().collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
    const ONE_ID: &str = "aaaaaaaa-0000-4000-8000-000000000001";

    fn permission(id: &str) -> PermissionId {
        PermissionId::of(GRAPH, Kind::Application, id)
    }

    fn access(id: &str, kind: &str) -> ResourceAccess {
        ResourceAccess { id: id.to_owned(), kind: kind.to_owned() }
    }

    #[test]
    fn what_is_there_in_other_letters_or_twice_is_written_once_and_as_it_stands() {
        let upper = ONE_ID.to_uppercase();
        let present = [RequiredResourceAccess {
            resource_app_id: GRAPH.to_uppercase(),
            resource_access: vec![access(&upper, "Role"), access(ONE_ID, "Role")],
        }];
        let other = "aaaaaaaa-0000-4000-8000-000000000002";
        let written = to_graph(&present, &BTreeSet::from([permission(&upper), permission(other)]));
        assert_eq!(written.len(), 1);
        assert_eq!(written[0].resource_access, [access(ONE_ID, "Role"), access(other, "Role")]);
        assert_eq!(to_graph(&present, &BTreeSet::new()), []);
    }

    #[test]
    fn what_a_replica_lacks_of_our_write_is_as_we_wrote_it() {
        let (was, is) = (BTreeSet::from([permission("a")]), BTreeSet::from([permission("b")]));
        let mut writes = Writes::default();
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        writes.wrote(now, &view(Some(&was)), &view(Some(&is)));
        let mixed = BTreeSet::from([permission("a"), permission("planted")]);
        let stale = writes.stale(now, &view(Some(&mixed)));
        assert_eq!(overlaid(mixed, &stale, &writes), BTreeSet::from([permission("b"), permission("planted")]));
    }
}
