//! One change of what is granted: what is missing is granted, and what may go is revoked, on a fresh read.

use super::granted::{PRINCIPAL, entry, overlaid, view};
use super::model::{State, WORDS};
use crate::catalog::Kind;
use crate::framework::{Diagnostic, Diagnostics, Result};
use crate::graph::{Asked, Graph, GraphError, PermissionGrant, Shows, Span, View, WINDOW};
use crate::provider::apis::{Principal, offered};
use crate::provider::missing::no_such_principal;
use crate::provider::permissions::Granted;
use crate::provider::{Claim, Cx};
use crate::resources::ownership::{Declared, refuse_in_apply};
use crate::resources::permissions::{Names, PermissionId};
use crate::resources::stale::warn_of_stale;
use crate::resources::today;
use std::collections::{BTreeMap, BTreeSet};

/// What a change is to reach.
pub(super) struct Change<'a> {
    pub declared: &'a Declared<PermissionId>,
    /// What may go where it is not declared. Anything else that is granted stays.
    pub revoke: &'a BTreeSet<PermissionId>,
    pub is_create: bool,
}

/// Something that is to be granted.
struct Missing {
    permission: PermissionId,
    spelled: String,
    /// Object id of the API's principal.
    resource: String,
}

/// A change under way.
struct Work<'a, 'c> {
    state: &'a mut State,
    claim: &'a mut Claim<'c>,
    names: &'a mut Names<'c>,
    change: &'a Change<'a>,
    cx: &'c Cx,
    graph: Graph,
    client: String,
    /// The moment before the last look.
    looked: Asked,
    /// What was refused. One refusal leaves all else to be done.
    refused: Diagnostics,
}

/// Makes the change, under the claim's lock, and remembers what was done.
pub(super) async fn make<'c>(
    state: &mut State,
    claim: &mut Claim<'c>,
    names: &mut Names<'c>,
    change: &Change<'_>,
    cx: &'c Cx,
) -> Result<()> {
    let (graph, client) = (claim.tenant.graph.clone(), state.value.service_principal_id.get()?.clone());
    let (looked, refused) = (graph.asks(), Diagnostics::default());
    let mut work = Work { state, claim, names, change, cx, graph, client, looked, refused };
    let Some((granted, going)) = work.look().await? else {
        // Nothing is granted to a principal that is gone.
        return match change.declared.is_empty() {
            true => Ok(()),
            false => Err(no_such_principal(&work.graph, &work.client).await?),
        };
    };
    if change.is_create {
        work.meet(&granted)?;
        // The principal may be new itself.
        let principal = View::from([(PRINCIPAL.to_owned(), true.into())]);
        work.state.private.writes.wrote(work.graph.now(), &View::new(), &principal);
    }
    let present = work.present(&granted);
    let missing = work.missing(&present).await?;
    work.grant_roles(&missing).await?;
    work.revoke_roles(&granted, &going).await?;
    work.write_scopes(granted, &missing, &going).await?;
    let seen_on = today(&work.graph);
    let refused = work.refused;
    state.private.seen_on = Some(seen_on);
    refused.into_result()?;
    state.exists = true;
    state.private.owned.settle(change.declared.clone());
    Ok(())
}

impl Work<'_, '_> {
    /// What is granted, and what of it is to go; looks again while a replica does not show what we granted a moment ago and now have to
    /// revoke. `None` where the principal is gone.
    async fn look(&mut self) -> Result<Option<(Granted, BTreeSet<PermissionId>)>> {
        let graph = self.graph.clone();
        let mut waits = graph.waits();
        loop {
            self.looked = graph.asks();
            let Some(granted) = Granted::read(&self.claim.tenant, &self.client, self.names, self.cx).await? else {
                return Ok(None);
            };
            let shown = granted.permissions();
            let present = self.present(&granted);
            let declared = self.change.declared;
            let goes = |one: &&PermissionId| present.contains(*one) && !declared.contains_key(*one);
            let going: BTreeSet<_> = self.change.revoke.iter().filter(goes).cloned().collect();
            if going.is_subset(&shown) {
                return Ok(Some((granted, going)));
            }
            self.claim.release();
            let is_early = waits.again(WINDOW, None).await?;
            self.claim.lock(&self.client).await?;
            if !is_early {
                return Ok(Some((granted, going)));
            }
        }
    }

    /// What is granted in fact.
    fn present(&self, granted: &Granted) -> BTreeSet<PermissionId> {
        let writes = &self.state.private.writes;
        overlaid(granted.permissions(), &writes.stale(self.graph.since(self.looked), &view(granted)), writes)
    }

    /// What a create does about grants that are there already.
    fn meet(&self, granted: &Granted) -> Result<()> {
        let (declared, cx) = (self.change.declared, self.cx);
        let present = granted.permissions();
        if self.state.value.exclusive {
            let undeclared = self.state.value.undeclared(&present, declared, today(&self.graph), self.names);
            let id = self.state.value.service_principal_id.get()?;
            return refuse_in_apply(&undeclared, &WORDS, id, self.claim.left()?.is_some(), cx);
        }
        let added = self.state.private.owned.added();
        let found = present.iter().filter(|one| declared.contains_key(*one) && !added.contains(*one));
        let found = self.names.listed(found, declared);
        if !found.is_empty() {
            cx.warn(WORDS.found(&found));
        }
        Ok(())
    }

    /// Whether every API is there and offers every permission is asked before the first grant: what fails then has changed nothing.
    async fn missing(&mut self, present: &BTreeSet<PermissionId>) -> Result<Vec<Missing>> {
        let (mut all, mut found) = (Vec::new(), Diagnostics::default());
        for (permission, spellings) in self.change.declared.iter().filter(|(one, _)| !present.contains(*one)) {
            let spelled = spellings.iter().cloned().collect::<Vec<_>>().join(", ");
            let (tenant, app_id) = (&self.claim.tenant, permission.app_id());
            let api = self.cx.catalog().api(app_id);
            let principal = self.cx.apis()?.present(&tenant.graph, &tenant.id, app_id, api).await?;
            // What it is called there is what a grant is made by.
            self.names.ask(tenant, BTreeSet::from([app_id.to_owned()]), self.cx).await?;
            match not_offered(permission, &spelled, &principal) {
                Some(why) => found.push(why.at("permissions")),
                None => {
                    let resource = principal.id.clone();
                    all.push(Missing { permission: permission.clone(), spelled, resource });
                }
            }
        }
        found.into_result().map(|()| all)
    }

    async fn grant_roles(&mut self, missing: &[Missing]) -> Result<()> {
        for one in missing.iter().filter(|one| one.permission.kind() == Kind::Application) {
            let role = one.permission.id().unwrap_or_default();
            match self.graph.grant_app_role(&self.client, &one.resource, role).await {
                Ok(()) => self.granted([&one.permission]),
                Err(why) => self.refuse(why, "granted", &one.spelled)?,
            }
        }
        Ok(())
    }

    async fn revoke_roles(&mut self, granted: &Granted, going: &BTreeSet<PermissionId>) -> Result<()> {
        for (role, assignment) in going.iter().filter_map(|one| Some((one, granted.roles.get(one)?))) {
            match self.graph.revoke_app_role(&self.client, assignment).await {
                Ok(()) => self.revoked([role]),
                Err(why) => {
                    let spelled = self.names.listed([role], self.change.declared).join(", ");
                    self.refuse(why, "revoked", &spelled)?;
                }
            }
        }
        Ok(())
    }

    /// One grant per API holds all its scopes.
    async fn write_scopes(
        &mut self,
        granted: Granted,
        missing: &[Missing],
        going: &BTreeSet<PermissionId>,
    ) -> Result<()> {
        let mut by_api: BTreeMap<String, Scopes> = BTreeMap::new();
        for one in missing.iter().filter(|one| one.permission.kind() == Kind::Delegated) {
            let name = self.names.name(&one.permission).unwrap_or_default();
            by_api.entry(one.resource.clone()).or_default().new.insert(name, one.permission.clone());
        }
        for permission in going {
            if let Some(scope) = granted.scopes.get(permission) {
                let of_api = by_api.entry(scope.resource.clone()).or_default();
                of_api.old.insert(scope.text.clone(), permission.clone());
            }
        }
        let mut grants = granted.grants;
        for (resource, scopes) in by_api {
            let present = grants.remove(&resource);
            match self.write_scopes_of(&resource, present, &scopes).await {
                Ok(()) => {}
                Err(Failure::Refused(why)) => {
                    let spelled = self.names.listed(scopes.all(), self.change.declared).join(", ");
                    self.refuse(why, "changed", &spelled)?;
                }
                Err(Failure::Other(why)) => return Err(why),
            }
        }
        Ok(())
    }

    /// Merges into the one grant of an API and reads it back without the lock: another process that has read before and written after
    /// has undone what was written, and it is merged once more.
    async fn write_scopes_of(
        &mut self,
        resource: &str,
        mut present: Option<PermissionGrant>,
        scopes: &Scopes,
    ) -> std::result::Result<(), Failure> {
        let tried = format!("PATCH /oauth2PermissionGrants, of the API {resource}");
        let (graph, client) = (self.graph.clone(), self.client.clone());
        let mut others = graph.waits();
        let mut is_first = true;
        loop {
            let texts = scopes_of(present.as_ref());
            // What somebody else has written since our last write is the truth, scope by scope too.
            let before = if is_first { self.as_written(texts, scopes, self.graph.since(self.looked)) } else { texts };
            let mut wanted = before.clone();
            wanted.retain(|scope| !scopes.old.contains_key(scope));
            wanted.extend(scopes.new.keys().cloned());
            if wanted == before {
                return Ok(());
            }
            let text = wanted.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let is_new = match &present {
                Some(grant) => {
                    self.replace_scopes(grant, &text).await?;
                    false
                }
                None if text.is_empty() => false,
                None => graph.create_permission_grant(&client, resource, &text).await?,
            };
            self.granted(scopes.new.values());
            self.revoked(scopes.old.values());
            if is_new {
                // Whoever else made one at the same time has met this one.
                return Ok(());
            }

            self.claim.release();
            let ours: BTreeSet<String> = scopes.all().map(entry).collect();
            let writes = self.state.private.writes.only(|name| ours.contains(name));
            let is_ours = |seen: &Option<PermissionGrant>| {
                self.as_written(scopes_of(seen.as_ref()), scopes, self.graph.now()) == wanted
            };
            let shown = |seen: &Option<PermissionGrant>| {
                // Nothing of a third value has to be waited for.
                let texts = if is_ours(seen) { scopes_of(seen.as_ref()) } else { wanted.clone() };
                let of_ours = scopes.new.iter().chain(&scopes.old).filter(|(text, _)| texts.contains(*text));
                of_ours.map(|(_, permission)| (entry(permission), true.into())).collect::<View>()
            };
            let read = async || Ok::<_, GraphError>(of_resource(graph.permission_grants(&client).await?, resource));
            let settled = graph.settled_read(&writes, read, shown).await?;
            let stands = is_ours(&settled.seen);
            self.claim.lock(&client).await.map_err(Failure::Other)?;
            if !settled.stale.is_empty() {
                warn_of_stale(&self.names.listed(scopes.all(), self.change.declared), self.cx);
            }
            if stands {
                return Ok(());
            }
            // Somebody else has written in between: merged once more, for as long as the operation may take.
            present = settled.seen;
            others.contended(&tried, None).await?;
            is_first = false;
        }
    }

    async fn replace_scopes(&self, grant: &PermissionGrant, text: &str) -> std::result::Result<(), GraphError> {
        if text.is_empty() {
            return self.graph.delete_permission_grant(&grant.id).await;
        }
        match self.graph.update_permission_grant(&grant.id, text).await {
            // Somebody else has emptied it meanwhile: seen when it is read back.
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// Scopes of one API, with what a replica does not show yet of our own writes as we wrote it.
    fn as_written(&self, mut texts: BTreeSet<String>, scopes: &Scopes, read: impl Into<Span>) -> BTreeSet<String> {
        let (writes, read) = (&self.state.private.writes, read.into());
        let app_id = scopes.all().next().map(PermissionId::app_id);
        let of_api = |one: &&PermissionId| one.kind() == Kind::Delegated && Some(one.app_id()) == app_id;
        for permission in self.change.declared.keys().chain(self.change.revoke).filter(of_api) {
            let Some(text) = self.names.name(permission) else { continue };
            let (name, seen) = (entry(permission), texts.contains(&text).then(|| true.into()));
            if writes.shows(read, &name, seen.as_ref()) == Shows::Stale {
                match writes.is_there(&name) {
                    true => texts.insert(text),
                    false => texts.remove(&text),
                };
            }
        }
        texts
    }

    /// Remembers grants of ours: from the first one on there is something to store.
    fn granted<'p>(&mut self, all: impl IntoIterator<Item = &'p PermissionId>) {
        let view: View = all
            .into_iter()
            .map(|one| {
                self.state.private.owned.add(one.clone());
                (entry(one), true.into())
            })
            .collect();
        self.state.exists |= !view.is_empty();
        self.state.private.writes.wrote(self.graph.now(), &View::new(), &view);
    }

    fn revoked<'p>(&mut self, all: impl IntoIterator<Item = &'p PermissionId>) {
        let view: View = all.into_iter().map(|one| (entry(one), true.into())).collect();
        self.state.private.writes.wrote(self.graph.now(), &view, &View::new());
    }

    /// A refusal of Graph's, with the permission that it was about. Anything else, such as an interruption, ends the work.
    fn refuse(&mut self, why: GraphError, done: &str, spelled: &str) -> Result<()> {
        let is_refusal = matches!(why, GraphError::Api(_));
        let found = Diagnostic::from(why).at("permissions").help(format!("It was not {done}: {spelled}"));
        if is_refusal {
            self.refused.push(found);
            return Ok(());
        }
        let mut all = Diagnostics::from(found);
        all.0.append(&mut self.refused.0);
        Err(all)
    }
}

/// Scopes of one API that come and go, each by its name there.
#[derive(Default)]
struct Scopes {
    new: BTreeMap<String, PermissionId>,
    old: BTreeMap<String, PermissionId>,
}

impl Scopes {
    fn all(&self) -> impl Iterator<Item = &PermissionId> {
        self.new.values().chain(self.old.values())
    }
}

fn scopes_of(grant: Option<&PermissionGrant>) -> BTreeSet<String> {
    grant.into_iter().flat_map(PermissionGrant::scopes).map(str::to_owned).collect()
}

enum Failure {
    /// By Graph.
    Refused(GraphError),
    Other(Diagnostics),
}

impl From<GraphError> for Failure {
    fn from(why: GraphError) -> Self {
        Self::Refused(why)
    }
}

fn of_resource(all: Vec<PermissionGrant>, resource: &str) -> Option<PermissionGrant> {
    all.into_iter().find(|grant| grant.is_for_all() && grant.resource_id == resource)
}

/// Why the tenant's API cannot grant the permission; `None` where it can, or does not say what it offers.
fn not_offered(permission: &PermissionId, spelled: &str, principal: &Principal) -> Option<Diagnostic> {
    let all = offered(principal, permission.kind());
    let refusal = |why: &str| Some(Diagnostic::error(format!("The tenant has no permission {spelled}")).help(why));
    let Some(id) = permission.id() else {
        // A scope is granted by its name, and may stand for more than the API tells.
        return refusal("Its API does not offer the name here. Check the name, or give the permission's id.");
    };
    if all.is_empty() {
        return None;
    }
    match all.iter().find(|one| one.id.eq_ignore_ascii_case(id)) {
        None => refusal(
            "Its API does not offer it here. It may have been retired; `m365_api_permissions` with `live = true` lists what can be granted.",
        ),
        Some(one) if !one.is_permission => refusal("It is a role for users and groups, not for applications."),
        Some(one) if !one.is_enabled => refusal("It is switched off (disabled) in its API."),
        Some(_) => None,
    }
}
