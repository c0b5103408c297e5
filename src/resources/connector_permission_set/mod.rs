//! `m365_connector_permission_set`: what an application asks for (Graph's `requiredResourceAccess`).

mod model;
mod requested;

pub use super::permissions::ApiPermissions;
pub use model::{ConnectorPermissionSet, ConnectorPermissionSetKey, ConnectorPermissionSetPrivate};

use super::ownership::{self, Ownership, listed, refuse_in_plan, spare_taken};
use super::permissions::{Declared, Named, Names, PermissionId, look_up, named_in, report, warn_of_respelled};
use super::review::{Doubts, Review, check_acknowledge};
use super::stale::warn_of_stale;
use super::{plan_tenant, target};
use crate::catalog::{Kind, PermissionKey, ProfileVersion, Selection};
use crate::framework::{Computed, Diagnostic, Diagnostics, Resource, Result, is_guid};
use crate::graph::Application;
use crate::provider::missing::deleted_application;
use crate::provider::permissions::requested;
use crate::provider::risk::RiskSummary;
use crate::provider::{Claim, Cx, Planned, Services};
use model::{State, WORDS, names_of};
use requested::{Change, overlaid, view_of, write};
use std::collections::{BTreeMap, BTreeSet};

impl Resource for ConnectorPermissionSet {
    const NAME: &'static str = "m365_connector_permission_set";
    type Services = Services;
    type Key = ConnectorPermissionSetKey;
    type Private = ConnectorPermissionSetPrivate;

    fn validate(&self, cx: &Cx) -> Result<()> {
        if self.profile.is_none() && self.apis.is_none() {
            return Err(Diagnostic::error("The permission set names no permissions")
                .help("Set `profile`, or `apis`, or both.")
                .into());
        }
        if self.profile.is_none() && (!self.features.is_empty() || self.include_optional) {
            let attribute = if self.features.is_empty() { "include_optional" } else { "features" };
            return Err(Diagnostic::error(format!("`{attribute}` needs a `profile`"))
                .at(attribute)
                .help("Features and optional permissions belong to a connector profile; name it in `profile`.")
                .into());
        }
        check_acknowledge(self.acknowledge.as_ref())?;
        self.desired(cx).map(|_| ())
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        let Some(desired) = state.value.desired(cx)? else {
            state.value.permissions = Computed::Unknown;
            state.value.permission_ids = Computed::Unknown;
            state.value.profile_version = Computed::Unknown;
            state.value.risk = Computed::Unknown;
            return Ok(());
        };
        let mut names = names_of(&mut state.private, cx);
        let spelled = desired.spelled(cx);
        let declared = names.declared(&spelled);
        state.warn_of_newer_profile(prior, &desired, &declared, cx);
        state.value.profile_version = desired.profile_version.into();
        state.value.plan_permissions(spelled, &declared, before, &names, cx);
        state.value.risk = state.value.rated(&desired.directory_roles, cx);
        let mut found = Diagnostics::default();
        let shown =
            before.and_then(|before| before.permissions.known()).map(|texts| names.ids(texts)).unwrap_or_default();
        let held = match prior {
            Some(prior) => {
                state.warn_of_change_of_mode(prior, &declared, &names, cx);
                shown.iter().chain(state.private.owned.declared().keys()).cloned().collect()
            }
            None => found.take(state.look_before_create(&declared, &names, cx).await).unwrap_or_default(),
        };
        let tenant_id = state.value.tenant_id.known().map(String::as_str);
        if let Some(findings) = found.take(look_up(&desired.named, tenant_id, cx).await) {
            found.take(report(findings, &held, &names, cx));
        }
        found.take(desired.doubt(&held, &names, cx));
        let review = Review {
            declared: &declared,
            held: &shown,
            tolerated: (&Declared::new(), &BTreeSet::new()),
            roles: &desired.directory_roles,
            acknowledge: state.value.acknowledge.as_ref(),
            at: if state.value.apis.is_some() { "apis" } else { "profile" }.into(),
            tenant_id,
        };
        found.take(review.say(&mut names, cx).await);
        let withdraws = state.value.exclusive && !state.private.foreign.is_empty();
        if prior.is_none() || withdraws || !shown.iter().eq(declared.keys()) {
            let application = state.value.application_id.known().map(String::as_str);
            found.take(cx.preflight_application(&state.value.tenant_id, application).await);
        }
        found.take(state.plan_among_others(cx));
        if let Some(before) = before {
            state.value.keep_spellings(before, &names);
        }
        found.into_result()
    }

    fn stored(&self, services: &Services) {
        if let (Some(tenant), Some(id)) = (self.tenant_id.known(), self.application_id.known()) {
            services.run.known_in_state(target::<Self>(tenant, id));
        }
    }

    async fn plan_destroy(prior: &State, cx: &Cx) -> Result<()> {
        let (tenant, application) = (prior.value.tenant_id.get()?, prior.value.application_id.get()?);
        ownership::plan_destroy(&target::<Self>(tenant, application), cx)
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let id = state.value.application_id.get()?.clone();
        let mut claim = cx.claim_create::<Self>(&state.value.tenant_id, &id).await?;
        state.value.tenant_id = claim.tenant.id.clone().into();
        // What was left here by the delete of what this one replaces is this one's from now on.
        for left in claim.left()?.into_iter().flatten().filter_map(|text| text.parse().ok()) {
            state.private.owned.add(left);
            state.exists = true;
        }
        let taken = change(state, &BTreeSet::new(), true, &mut claim, cx).await?;
        claim.took(taken.keys().map(ToString::to_string))
    }

    async fn read(key: ConnectorPermissionSetKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let tenant = cx.tenant(key.tenant_id.as_deref()).await?;
        let (graph, id) = (&tenant.graph, &key.application_id);
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let look = async || match graph.application(id).await? {
            Some(app) => Ok::<Option<Application>, Diagnostics>(Some(app)),
            // It asks for the same once it is restored.
            None => Ok(graph.deleted_application(id).await?),
        };
        let settled = graph.settled_read(&writes, look, view_of).await?;
        let asked = settled.seen.as_ref().map(requested);
        if asked.is_none() && (prior.is_none() || settled.stale.is_empty()) {
            return Ok(None);
        }
        let asked = overlaid(asked.unwrap_or_default(), &settled.stale, &writes);
        let is_import = prior.is_none();
        let mut state = prior.unwrap_or_else(|| Self::imported(&tenant.id, id));
        let mut names = names_of(&mut state.private, cx);
        names.ask_what_is_called(&asked, state.private.owned.declared(), &tenant, cx).await?;
        if !settled.stale.is_empty() {
            warn_of_stale(&names.listed(&asked, state.private.owned.declared()), cx);
        }
        if is_import {
            let keys: Vec<PermissionKey> = asked.iter().map(|one| names.key(one)).collect();
            state.private.owned = Ownership::imported(names.declared(&texts(&keys)));
            state.value.apis = Some(by_api(&keys));
        }
        state.observe(asked, &names, cx);
        cx.run()?.found_in_state(target::<Self>(&tenant.id, id), &state.private)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let mut claim = cx.claim_update::<Self>(&state.value.tenant_id, state.value.application_id.get()?).await?;
        let names = names_of(&mut state.private, cx);
        // Only what the plan showed goes: a request that appeared since then shows in the next plan.
        let mut shown = names.ids(prior.value.permissions.known().into_iter().flatten());
        shown.extend(state.private.foreign.iter().cloned());
        let remove = state.private.owned.may_remove(state.value.exclusive, shown);
        change(state, &remove, false, &mut claim, cx).await.map(|_| ())
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let mut state = prior;
        let id = state.value.application_id.get()?.clone();
        let mut claim = cx.claim_delete::<Self>(&state.value.tenant_id, &id).await?;
        let names = names_of(&mut state.private, cx);
        let owned = state.private.owned.clone();
        let shown = names.ids(state.value.permissions.known().into_iter().flatten());
        let mut remove = owned.gives_back(&id, state.value.exclusive, !cx.is_tainted(), shown);
        let spelled = |one: &PermissionId| names.listed([one], owned.declared()).join(", ");
        spare_taken(&mut remove, &claim, spelled, &WORDS, cx)?;
        claim.leave(owned.leaves(&id).iter().map(ToString::to_string))?;
        state.value.permissions = BTreeSet::new().into();
        change(&mut state, &remove, false, &mut claim, cx).await.map(|_| ())
    }
}

/// Makes the application ask for `permissions` as they are planned, and for no more of `remove`. Gives what is declared.
async fn change(
    state: &mut State,
    remove: &BTreeSet<PermissionId>,
    is_create: bool,
    claim: &mut Claim<'_>,
    cx: &Cx,
) -> Result<Declared<PermissionId>> {
    let texts = state.value.permissions.get()?.clone();
    let keys: Vec<PermissionKey> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let mut names = names_of(&mut state.private, cx);
    names.ask_about(&keys, &claim.tenant, cx).await?;
    let declared = names.declared(&texts);
    let mut found = Diagnostics::default();
    for (one, spellings) in declared.iter().filter(|(one, _)| one.id().is_none()) {
        let spelled = spellings.iter().cloned().collect::<Vec<_>>().join(", ");
        let why = match names.principal(one.app_id()) {
            Some(_) => "Its API does not offer the name here. Check the name, or give the permission's id.",
            None => {
                "The tenant has no service principal of its API, so that nobody can tell what the name stands for. Give the permission's id."
            }
        };
        found.push(Diagnostic::error(format!("The tenant has no permission {spelled}")).at("apis").help(why));
    }
    found.into_result()?;
    if is_create {
        state.private.owned.begin(declared.clone());
    }
    let change = Change { declared: &declared, remove, is_create, names: &names };
    write(state, claim, &change, cx).await?;
    state.value.permission_ids = ids_of(&declared).unwrap_or_default().into();
    Ok(declared)
}

/// Id of each permission, in every spelling; `None` where one is not known yet.
fn ids_of(declared: &Declared<PermissionId>) -> Option<BTreeMap<String, String>> {
    let spelled = declared.iter().flat_map(|(one, spellings)| spellings.iter().map(move |text| (one, text)));
    spelled.map(|(one, text)| Some((text.clone(), one.id()?.to_owned()))).collect()
}

/// What the configuration asks for.
struct Desired {
    keys: BTreeSet<PermissionKey>,
    /// Those of `apis`, as written.
    named: Vec<Named>,
    profile: Option<ProfileVersion>,
    profile_version: Option<u32>,
    /// What the profile asks for beside permissions.
    directory_roles: BTreeSet<String>,
}

impl Desired {
    /// Says what is doubtful about what the configuration names itself.
    fn doubt(&self, held: &BTreeSet<PermissionId>, names: &Names<'_>, cx: &Cx) -> Result<()> {
        let written: Vec<_> = self.named.iter().map(|one| (cx.catalog().canonical(&one.key), one.at.clone())).collect();
        let held = held.iter().map(|one| names.key(one)).collect();
        let profile = self.profile.as_ref();
        let doubts = Doubts { catalog: cx.catalog(), all: &self.keys, written: &written, profile, held: &held };
        let mut found = Diagnostics::default();
        for one in doubts.all() {
            found.say(one, cx);
        }
        found.into_result()
    }

    /// As the catalogue has them, else as written: no look-up decides how.
    fn spelled(&self, cx: &Cx) -> BTreeSet<String> {
        self.keys.iter().map(|key| cx.catalog().canonical(key).to_string()).collect()
    }
}

impl State {
    /// Shows what the application asks for: all of it, or in shared mode what is declared.
    fn observe(&mut self, asked: BTreeSet<PermissionId>, names: &Names<'_>, cx: &Cx) {
        let declared = self.private.owned.declared();
        let (shown, foreign): (BTreeSet<_>, BTreeSet<_>) =
            asked.into_iter().partition(|one| self.value.exclusive || declared.contains_key(one));
        let spelled: Declared<PermissionId> =
            shown.into_iter().map(|one| (one.clone(), names.spelled(&one, declared))).collect();
        self.value.permissions = spelled.values().flatten().cloned().collect::<BTreeSet<_>>().into();
        self.value.permission_ids = ids_of(&spelled).unwrap_or_default().into();
        self.private.foreign = foreign;
        // Which version the profile has is decided by the catalogue alone: no drift where an upgrade brings another one.
        if let Some(name) = &self.value.profile
            && let Some(profile) = cx.profile(name).ok().flatten()
        {
            self.value.profile_version = profile.version.into();
        }
        let roles = self.value.desired(cx).ok().flatten().map(|desired| desired.directory_roles).unwrap_or_default();
        self.value.risk = self.value.rated(&roles, cx);
    }

    /// A provider upgrade may bring a newer version of a profile that is not pinned: its new permissions were not asked for by a change
    /// of the configuration.
    fn warn_of_newer_profile(
        &self,
        prior: Option<&State>,
        desired: &Desired,
        declared: &Declared<PermissionId>,
        cx: &Cx,
    ) {
        let (Some(prior), Some(name)) = (prior, &self.value.profile) else { return };
        let (Some(before), Some(now)) = (prior.private.profile_version, desired.profile_version) else { return };
        let same_profile = prior.value.profile.as_ref() == Some(name);
        let former = self.private.owned.declared();
        let new: Vec<_> =
            declared.iter().filter(|(one, _)| !former.contains_key(*one)).flat_map(|(_, all)| all).collect();
        if before < now && same_profile && !name.contains('@') && !new.is_empty() {
            cx.warn(Diagnostic::warning(format!("The profile \"{name}\" has grown from version {before} to {now}")).at("profile").help(format!(
                "These permissions are new:\n{}\n\nTo stay with the former list, write `profile = \"{name}@{before}\"`.",
                listed(new)
            )));
        }
    }

    /// An exclusive set beside another one of the same application would undo its work.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let (Some(application), tenant) = (self.value.application_id.known(), &self.value.tenant_id) else {
            return Ok(());
        };
        let target = target::<ConnectorPermissionSet>(tenant.known().map_or("", String::as_str), application);
        if cx.run()?.plan(target, Planned { exclusive: self.value.exclusive, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error("Two permission sets manage one application, and one of them is exclusive")
            .at("application_id")
            .help(format!("An exclusive set is all that the application {application} may ask for: it would withdraw what the other one adds."))
            .help("Put all permissions into one set, or set `exclusive = false` on all of them.")
            .into())
    }

    /// What turning `exclusive` on or off does beyond what the plan can show.
    fn warn_of_change_of_mode(&self, prior: &State, declared: &Declared<PermissionId>, names: &Names<'_>, cx: &Cx) {
        let owned = &self.private.owned;
        match (prior.value.exclusive, self.value.exclusive) {
            (true, false) => {
                let shown = names.ids(prior.value.permissions.known().into_iter().flatten());
                let kept = shown.iter().filter(|one| !declared.contains_key(*one) && !owned.added().contains(*one));
                let kept = names.listed(kept, owned.declared());
                if !kept.is_empty() {
                    cx.warn(
                        Diagnostic::warning("The plan shows permissions as removed that the application keeps")
                            .at("exclusive")
                            .help(format!(
                                "A set that is not exclusive withdraws only what it added. It did not add these:\n{}",
                                listed(kept)
                            )),
                    );
                }
            }
            (false, true) => {
                let going = self.private.foreign.iter().filter(|one| !declared.contains_key(*one));
                let going = names.listed(going, owned.declared());
                if !going.is_empty() {
                    cx.warn(Diagnostic::warning("Permissions that the plan does not list will be withdrawn").at("exclusive").help(format!(
                        "The set becomes exclusive, and the application asks for these, which it does not declare:\n{}",
                        listed(going)
                    )));
                }
            }
            _ => {}
        }
    }

    /// What the application asks for already decides whether a create can succeed: better said before anything is written. Gives it.
    async fn look_before_create(
        &mut self,
        declared: &Declared<PermissionId>,
        names: &Names<'_>,
        cx: &Cx,
    ) -> Result<BTreeSet<PermissionId>> {
        let tenant_id = self.value.tenant_id.known().cloned();
        let Some(application) = self.value.application_id.known().cloned() else { return Ok(BTreeSet::new()) };
        let target = target::<ConnectorPermissionSet>(tenant_id.as_deref().unwrap_or_default(), &application);
        if !cx.is_second_plan()
            && let Some(private) = cx.run()?.private_of::<ConnectorPermissionSetPrivate>(&target)
        {
            // A tainted set: its delete has to know what a refresh knew.
            self.private = private;
        }
        // And what takes its place, so that nothing is withdrawn only to be asked for again.
        self.private.owned.replaced_by(&application, declared.keys().cloned());
        let Some(graph) = cx.graph_for_plan(tenant_id.as_deref())? else { return Ok(BTreeSet::new()) };
        let app = match graph.application(&application).await? {
            Some(app) => app,
            None => deleted_application(&graph, &application, cx).await?,
        };
        let present = requested(&app);
        if self.value.exclusive {
            let undeclared: Vec<_> = present.iter().filter(|one| !declared.contains_key(*one)).collect();
            let mut named = Names::new(cx).remembering(self.private.owned.declared());
            if !undeclared.is_empty() {
                let tenant = cx.tenant(tenant_id.as_deref()).await?;
                // A name of the configuration may mean what shows by its id here.
                let apis = declared
                    .keys()
                    .chain(undeclared.iter().copied())
                    .filter(|one| names.name(one).is_none() || one.id().is_none());
                named.ask(&tenant, apis.map(|one| one.app_id().to_owned()).collect(), cx).await?;
            }
            let meant: BTreeSet<PermissionId> = declared.keys().map(|one| named.again(one)).collect();
            let undeclared = named.listed(undeclared.into_iter().filter(|one| !meant.contains(*one)), declared);
            let stands = meant.iter().all(|one| present.contains(one));
            refuse_in_plan(&undeclared, &WORDS, &target, stands, cx)?;
        }
        Ok(present)
    }
}

impl ConnectorPermissionSet {
    /// Plans what the configuration asks for. Where only spellings have changed, such as by an upgrade of the catalogue, what was there
    /// stays.
    fn plan_permissions(
        &mut self,
        spelled: BTreeSet<String>,
        declared: &Declared<PermissionId>,
        before: Option<&Self>,
        names: &Names<'_>,
        cx: &Cx,
    ) {
        if let Some(before) = before
            && let Some(texts) = before.permissions.known()
        {
            let former = names.declared(texts);
            if former.keys().eq(declared.keys()) {
                self.permissions = before.permissions.clone();
                self.permission_ids = before.permission_ids.clone();
                return;
            }
            warn_of_respelled(&former, declared, cx);
        }
        self.permissions = spelled.into();
        self.permission_ids = ids_of(declared).map_or(Computed::Unknown, Computed::Known);
    }

    /// The classes of `permissions`, by the provider's own table.
    fn rated(&self, roles: &BTreeSet<String>, cx: &Cx) -> Computed<RiskSummary> {
        match &self.permissions {
            Computed::Known(texts) => RiskSummary::of(texts, roles, cx).into(),
            _ => Computed::Unknown,
        }
    }

    /// What is asked for by name, and what the profile brings; all findings at once, each at its attribute. `None` while the profile
    /// may still come from `catalog_paths` that are not known. Names are not looked up here.
    fn desired(&self, cx: &Cx) -> Result<Option<Desired>> {
        let (mut keys, mut found, mut directory_roles) = (BTreeSet::new(), Diagnostics::default(), BTreeSet::new());
        let (mut complete, mut of_profile) = (true, None);
        if let Some(name) = &self.profile
            && let Some(profile) = found.take(cx.profile(name))
        {
            match profile {
                None => complete = false,
                Some(profile) => {
                    let (features, include_optional) = (self.features.clone(), self.include_optional);
                    match profile.select(&Selection { features, include_optional, ..Selection::default() }) {
                        Ok(asked) => {
                            keys.extend(asked.permissions.iter().map(|key| cx.catalog().canonical(key)));
                            directory_roles = asked.directory_roles;
                        }
                        Err(why) => found.push(
                            Diagnostic::error(format!("The profile \"{name}\" has no such feature"))
                                .at("features")
                                .help(why.to_string()),
                        ),
                    }
                    of_profile = Some(profile);
                }
            }
        }
        let named = self.apis.as_ref().map(named_in).unwrap_or_default();
        complete &= cx.catalog_is_complete()
            || named.iter().all(|one| is_guid(&one.key.api) || cx.catalog().api(&one.key.api).is_some());
        keys.extend(named.iter().map(|one| cx.catalog().canonical(&one.key)));
        found.push_limits(&keys);
        found.into_result().map(|()| {
            let profile_version = of_profile.as_ref().map(|profile| profile.version);
            complete.then_some(Desired { keys, named, profile: of_profile, profile_version, directory_roles })
        })
    }
}

impl Diagnostics {
    /// Graph's limits on what one application may ask for. Source: Entra's validation differences by supported account types.
    fn push_limits(&mut self, keys: &BTreeSet<PermissionKey>) {
        let apis = keys.iter().map(|key| &key.api).collect::<BTreeSet<_>>().len();
        if apis > 50 || keys.len() > 400 {
            self.push(Diagnostic::error("The application would ask for too much").at("apis").help(format!(
                "Graph allows permissions of 50 APIs and 400 permissions in all; these are {apis} and {}.",
                keys.len()
            )));
        }
    }
}

fn texts(keys: &[PermissionKey]) -> BTreeSet<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn by_api<'a>(keys: impl IntoIterator<Item = &'a PermissionKey>) -> BTreeMap<String, ApiPermissions> {
    let mut apis: BTreeMap<String, ApiPermissions> = BTreeMap::new();
    for key in keys {
        let api = apis.entry(key.api.clone()).or_default();
        match key.kind {
            Kind::Application => api.application.insert(key.value.clone()),
            Kind::Delegated => api.delegated.insert(key.value.clone()),
        };
    }
    apis
}
