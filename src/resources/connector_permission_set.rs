//! `m365_connector_permission_set`: what an application asks for (Graph's `requiredResourceAccess`).

use super::connector_app::is_marker;
use super::missing::{deleted_application, no_such_application};
use super::permissions::{listed, resolve_apis, texts, warn_of_doubtful};
use super::{plan_tenant, target};
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{
    Computed, Diagnostic, Diagnostics, Resource, Result, Stored, Timeouts, Value, configurable, forces_replacement,
    guid, is_guid, keeps_state,
};
use crate::graph::{Application, ApplicationPatch, Graph, RequiredResourceAccess, ResourceAccess};
use crate::provider::{Cx, Planned, Services, Writes, resolve_tenant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The API permissions that an application asks for. Asking grants nothing: `m365_admin_consent` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorPermissionSet {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the application: `id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub application_id: Value<String>,
    /// Connector profile whose permissions are asked for, such as `md-eco-m365-defender` or `md-eco-m365-defender@1`.
    pub profile: Option<String>,
    /// Features of the profile to switch on, each with permissions of its own.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Whether to ask also for what the vendor's document marks as optional outside any feature. Default `false`.
    #[serde(default)]
    pub include_optional: bool,
    /// Permissions by API, beside or instead of a profile's. The key is an API's short name in the catalogue, such as
    /// `microsoft_graph`, or its client id.
    pub apis: Option<BTreeMap<String, ApiPermissions>>,
    /// Whether this set is all that the application may ask for (default `true`); else it shares the application with others.
    #[serde(default = "yes")]
    pub exclusive: bool,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// Permission keys, such as `microsoft_graph/application/User.Read.All`. Known while planning.
    pub permissions: Computed<BTreeSet<String>>,
    /// Id of each permission, by permission key.
    pub permission_ids: Computed<BTreeMap<String, String>>,
    /// Version of the profile that the permissions are from.
    pub profile_version: Computed<u32>,
}

/// Permissions of one API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiPermissions {
    /// Names (or ids) of application permissions, for access without a signed-in user.
    #[serde(default)]
    pub application: BTreeSet<String>,
    /// Names (or ids) of delegated permissions, for access on behalf of a signed-in user.
    #[serde(default)]
    pub delegated: BTreeSet<String>,
}

/// How often what another process has undone is merged and written again.
const MERGES: u32 = 6;

fn yes() -> bool {
    true
}

/// Identity of a permission set: the application that it is of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorPermissionSetKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the application.
    pub application_id: String,
}

/// What only we remember of a permission set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorPermissionSetPrivate {
    /// What was last declared.
    #[serde(default)]
    declared: BTreeSet<String>,
    /// Which of these this resource added.
    #[serde(default)]
    added: BTreeSet<String>,
    /// What else the application asked for at the last refresh, in shared mode.
    #[serde(default)]
    foreign: BTreeSet<String>,
    /// The create did not end: a delete gives back only what was added.
    #[serde(default)]
    incomplete: bool,
    /// Version of the profile that was last applied.
    #[serde(default)]
    profile_version: Option<u32>,
    /// What we wrote a moment ago.
    #[serde(default)]
    writes: Writes,
}

type State = Stored<ConnectorPermissionSet, ConnectorPermissionSetPrivate>;

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
        self.desired(cx).map(|_| ())
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        let Some(desired) = state.value.desired(cx)? else {
            state.value.permissions = Computed::Unknown;
            state.value.permission_ids = Computed::Unknown;
            state.value.profile_version = Computed::Unknown;
            return Ok(());
        };
        if let Some(apis) = &state.value.apis {
            warn_of_doubtful(apis, &desired.keys, cx);
        }
        state.warn_of_newer_profile(prior, &desired, cx);
        state.value.permissions = texts(&desired.keys).into();
        state.value.profile_version = desired.profile_version.into();
        state.value.permission_ids = planned_ids(&desired.keys, before, cx);
        match prior {
            Some(prior) => state.warn_of_change_of_mode(prior, &desired.keys, cx),
            None => state.look_before_create(&desired.keys, cx).await?,
        }
        state.plan_among_others(cx)
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        let desired = state.value.wanted(cx)?;
        state.private.incomplete = true;
        let change = Change { desired: &desired, remove: &BTreeSet::new(), is_create: true };
        write(state, &graph, &tenant, &change, cx).await?;
        state.private.incomplete = false;
        let target = target::<Self>(&tenant, state.value.application_id.get()?);
        cx.run()?.take(target, texts(&desired));
        Ok(())
    }

    async fn read(key: ConnectorPermissionSetKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let tenant = resolve_tenant(key.tenant_id.as_ref(), &graph).await?;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let look = async || match graph.application(&key.application_id).await? {
            Some(app) => Ok(Some(app)),
            // It asks for the same once it is restored.
            None => Ok(graph.deleted_application(&key.application_id).await?),
        };
        let view = |app: &Option<Application>| vec![view(app.as_ref().map(|app| &*app.required_resource_access))];
        let Some(app) = writes.settled(&graph, look, view).await? else { return Ok(None) };
        let requested = requested(&app, &graph, &tenant, cx).await?;
        let imported = prior.is_none();
        let mut state = prior.unwrap_or_else(|| ConnectorPermissionSet::imported(&tenant, &key.application_id));
        let (shown, foreign): (BTreeMap<_, _>, BTreeMap<_, _>) = requested
            .into_iter()
            .partition(|(key, _)| state.value.exclusive || state.private.declared.contains(&key.to_string()));
        state.value.permissions = texts(shown.keys()).into();
        state.value.permission_ids =
            shown.iter().map(|(key, id)| (key.to_string(), id.clone())).collect::<BTreeMap<_, _>>().into();
        state.private.foreign = texts(foreign.keys());
        // Which version the profile has is decided by the catalogue alone: no drift where an upgrade brings another one.
        if let Some(name) = &state.value.profile
            && let Some(profile) = cx.profile(name).ok().flatten()
        {
            state.value.profile_version = profile.version.into();
        }
        if imported {
            state.value.apis = Some(by_api(shown.keys()));
            state.private.declared = texts(shown.keys());
        }
        cx.run()?.found_in_state(target::<Self>(&tenant, &key.application_id), &state.private)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        let desired = state.value.wanted(cx)?;
        // Only what the plan showed goes: a request that appeared since then shows in the next plan.
        let shown = prior.value.permissions.known().into_iter().flatten().chain(&prior.private.foreign);
        let remove = match state.value.exclusive {
            true => shown.chain(&prior.private.added).cloned().collect(),
            false => prior.private.added.clone(),
        };
        write(state, &graph, &tenant, &Change { desired: &desired, remove: &remove, is_create: false }, cx).await
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(prior.value.tenant_id.known(), &graph).await?;
        let mut remove = match prior.value.exclusive && !prior.private.incomplete && !cx.is_tainted() {
            true => prior.value.permissions.known().cloned().unwrap_or_default(),
            false => prior.private.added.clone(),
        };
        let target = target::<Self>(&tenant, prior.value.application_id.get()?);
        if let Some(taken) = cx.run()?.taken(&target) {
            let kept: Vec<_> = remove.intersection(&taken).cloned().collect();
            if !kept.is_empty() {
                cx.warn(
                    Diagnostic::warning(
                        "Permissions were not withdrawn, because a create in the same run asks for them",
                    )
                    .help(listed(kept)),
                );
            }
            remove.retain(|key| !taken.contains(key));
        }
        cx.run()?.found_in_state(target, &prior.private)?;
        let mut state = prior;
        // An application that is gone asks for nothing any more.
        let change = Change { desired: &BTreeSet::new(), remove: &remove, is_create: false };
        write(&mut state, &graph, &tenant, &change, cx).await
    }
}

/// What the configuration asks for.
struct Desired {
    keys: BTreeSet<PermissionKey>,
    profile_version: Option<u32>,
}

impl State {
    /// A provider upgrade may bring a newer version of a profile that is not pinned: its new permissions were not asked for by a change
    /// of the configuration.
    fn warn_of_newer_profile(&self, prior: Option<&State>, desired: &Desired, cx: &Cx) {
        let (Some(prior), Some(name)) = (prior, &self.value.profile) else { return };
        let (Some(before), Some(now)) = (prior.private.profile_version, desired.profile_version) else { return };
        let same_profile = prior.value.profile.as_ref() == Some(name);
        let new: Vec<_> =
            desired.keys.iter().filter(|key| !prior.private.declared.contains(&key.to_string())).collect();
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
    fn warn_of_change_of_mode(&self, prior: &State, desired: &BTreeSet<PermissionKey>, cx: &Cx) {
        let desired = texts(desired);
        match (prior.value.exclusive, self.value.exclusive) {
            (true, false) => {
                let shown = prior.value.permissions.known().into_iter().flatten();
                let kept: Vec<_> =
                    shown.filter(|key| !desired.contains(*key) && !prior.private.added.contains(*key)).collect();
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
                let going: Vec<_> = prior.private.foreign.difference(&desired).collect();
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

    /// What the application asks for already decides whether a create can succeed: better said before anything is written.
    async fn look_before_create(&mut self, desired: &BTreeSet<PermissionKey>, cx: &Cx) -> Result<()> {
        let tenant_id = self.value.tenant_id.known().cloned();
        let Some(application) = self.value.application_id.known().cloned() else { return Ok(()) };
        let replaced = target::<ConnectorPermissionSet>(tenant_id.as_deref().unwrap_or_default(), &application);
        let in_state = cx.run()?.in_state(&replaced);
        if let (Some(private), false) = (&in_state, cx.is_second_plan()) {
            // A tainted set: its delete has to know what a refresh knew.
            self.private = ConnectorPermissionSetPrivate::clone(private);
        }
        let Some(graph) = cx.graph_for_plan(tenant_id.as_deref())? else { return Ok(()) };
        let app = match graph.application(&application).await? {
            Some(app) => app,
            None => deleted_application(&graph, &application, cx).await?,
        };
        if !self.value.exclusive {
            return Ok(());
        }
        let tenant = resolve_tenant(self.value.tenant_id.known(), &graph).await?;
        let present = requested(&app, &graph, &tenant, cx).await?;
        let destroyed_first = cx.is_second_plan() || in_state.is_some();
        refuse_undeclared(&present, desired, &application, destroyed_first, cx)
    }
}

impl ConnectorPermissionSet {
    /// Nothing but defaults: what an import starts from.
    fn imported(tenant: &str, application: &str) -> State {
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            application_id: application.to_owned().into(),
            profile: None,
            features: BTreeSet::new(),
            include_optional: false,
            apis: None,
            exclusive: true,
            timeouts: None,
            permissions: Computed::Null,
            permission_ids: Computed::Null,
            profile_version: Computed::Null,
        };
        Stored { value, private: ConnectorPermissionSetPrivate::default(), exists: true }
    }

    /// Resolves names by the catalogue; all findings at once, each at its attribute. `None` while the profile may still come from
    /// `catalog_paths` that are not known.
    fn desired(&self, cx: &Cx) -> Result<Option<Desired>> {
        let (mut keys, mut found, mut profile_version) = (BTreeSet::new(), Diagnostics::default(), None);
        let mut complete = true;
        if let Some(name) = &self.profile
            && let Some(profile) = found.take(cx.profile(name))
        {
            match profile {
                None => complete = false,
                Some(profile) => {
                    profile_version = Some(profile.version);
                    match profile.permissions(&self.features, self.include_optional) {
                        Ok(documented) => keys.extend(documented.iter().map(|key| cx.catalog().canonical(key))),
                        Err(why) => found.push(
                            Diagnostic::error(format!("The profile \"{name}\" has no such feature"))
                                .at("features")
                                .help(why.to_string()),
                        ),
                    }
                }
            }
        }
        if let Some(apis) = &self.apis {
            complete &= apis.keys().all(|api| is_guid(api) || cx.catalog().api(api).is_some());
            if let Some(declared) = found.take(resolve_apis(apis, cx)) {
                keys.extend(declared);
            }
        }
        found.push_limits(&keys);
        found.into_result().map(|()| complete.then_some(Desired { keys, profile_version }))
    }

    /// What the configuration asks for, once everything is known.
    fn wanted(&self, cx: &Cx) -> Result<BTreeSet<PermissionKey>> {
        let desired = self.desired(cx)?.ok_or_else(|| Diagnostic::bug("the catalogue was not complete in apply"))?;
        Ok(desired.keys)
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

/// Ids that the catalogue knows, where they hold; else unknown, and kept while the permissions stay the same.
fn planned_ids(
    keys: &BTreeSet<PermissionKey>,
    before: Option<&ConnectorPermissionSet>,
    cx: &Cx,
) -> Computed<BTreeMap<String, String>> {
    let ids_hold = cx.configured_services().is_none_or(Services::catalogue_ids_hold);
    let id = |key: &PermissionKey| {
        if is_guid(&key.value) {
            return Some(key.value.clone());
        }
        let api = cx.catalog().api(&key.api).filter(|_| ids_hold)?;
        api.find(key.kind, &key.value).ok().map(|permission| permission.id.clone())
    };
    let known: Option<BTreeMap<String, String>> = keys.iter().map(|key| Some((key.to_string(), id(key)?))).collect();
    match (known, before) {
        (Some(ids), _) => ids.into(),
        (None, Some(before)) if before.permissions.known() == Some(&texts(keys)) => before.permission_ids.clone(),
        (None, _) => Computed::Unknown,
    }
}

/// Every permission that the application asks for, with its id.
async fn requested(app: &Application, graph: &Graph, tenant: &str, cx: &Cx) -> Result<BTreeMap<PermissionKey, String>> {
    let mut all = BTreeMap::new();
    for api in &app.required_resource_access {
        for access in &api.resource_access {
            let kind = if access.kind == "Scope" { Kind::Delegated } else { Kind::Application };
            let key = cx.apis()?.key_of(graph, tenant, cx.catalog(), &api.resource_app_id, kind, &access.id).await?;
            all.insert(key, access.id.to_lowercase());
        }
    }
    Ok(all)
}

/// What an application asks for, for telling one answer from another: API, kind and id of each permission. Null: no application.
fn view(asked: Option<&[RequiredResourceAccess]>) -> serde_json::Value {
    let Some(asked) = asked else { return serde_json::Value::Null };
    let of_api = |api: &RequiredResourceAccess| {
        let app_id = api.resource_app_id.to_lowercase();
        let one = move |access: &ResourceAccess| format!("{app_id} {} {}", access.kind, access.id.to_lowercase());
        api.resource_access.iter().map(one).collect::<Vec<_>>()
    };
    asked.iter().flat_map(of_api).collect::<BTreeSet<_>>().into_iter().collect()
}

/// One change of what an application asks for.
struct Change<'a> {
    desired: &'a BTreeSet<PermissionKey>,
    /// Keys that may go. Anything else that the application asks for stays.
    remove: &'a BTreeSet<String>,
    /// On the create of an exclusive set an entry that is not declared is an error; a shared one says what it found.
    is_create: bool,
}

/// An exclusive set that finds what nobody declared would withdraw it without any plan having shown it. Where a set of this
/// application is destroyed first, what it held is on its way out: then it is only said.
fn refuse_undeclared(
    present: &BTreeMap<PermissionKey, String>,
    desired: &BTreeSet<PermissionKey>,
    application: &str,
    destroyed_first: bool,
    cx: &Cx,
) -> Result<()> {
    let undeclared: Vec<_> = present.keys().filter(|key| !desired.contains(key)).collect();
    if undeclared.is_empty() {
        return Ok(());
    }
    if destroyed_first {
        cx.warn(
            Diagnostic::warning("The application asks for permissions that are not declared").at("exclusive").help(
                format!(
                    "What the destroyed set does not withdraw of these shows as drift in the next plan:\n{}",
                    listed(undeclared)
                ),
            ),
        );
        return Ok(());
    }
    Err(Diagnostic::error("The application already asks for permissions that are not declared")
        .at("exclusive")
        .help(format!("An exclusive set would withdraw these without the plan having shown it:\n{}", listed(undeclared)))
        .help(format!("Declare them, import the set with the id `{application}` so that a plan shows what will change, or set `exclusive = false`."))
        .into())
}

/// Merges the change into a fresh read of the application and writes it where anything differs, under the application's lock. Reads back
/// what it wrote: another process that has read before and written after has undone it, and it is merged once more.
async fn write(state: &mut State, graph: &Graph, tenant: &str, change: &Change<'_>, cx: &Cx) -> Result<()> {
    let id = state.value.application_id.get()?.clone();
    let _guard = cx.lock(&id).await?;
    let (mut before, mut attempt) = (None, 0);
    let (wanted, ids) = loop {
        let Some(app) = graph.application(&id).await? else {
            if change.desired.is_empty() {
                return Ok(());
            }
            return Err(no_such_application(graph, &id).await?);
        };
        let present = requested(&app, graph, tenant, cx).await?;
        if before.is_none() {
            state.meet(&present, change, tenant, cx)?;
        }
        let (wanted, ids) = merged(&present, change, graph, tenant, cx).await?;
        before.get_or_insert_with(|| present.clone());
        if wanted == present {
            break (wanted, ids);
        }
        if attempt == MERGES {
            return Err(Diagnostic::error("What was written to the application does not stay")
                .at("application_id")
                .help(format!("Something else keeps changing what the application {id} asks for. Find out what it is, and apply again."))
                .into());
        }
        // By the way this confirms that the application's creation is known to the state.
        let tags: Vec<String> = app.tags.iter().filter(|tag| !is_marker(tag)).cloned().collect();
        let asked = to_graph(&wanted, cx);
        let patch = ApplicationPatch {
            required_resource_access: Some(asked.clone()),
            tags: (tags != app.tags).then_some(tags),
            ..ApplicationPatch::default()
        };
        graph.update_application(&id, &patch).await?;
        state.private.writes.wrote(graph, &[view(Some(&app.required_resource_access))], &[view(Some(&asked))]);
        if change.is_create {
            // The application may be new itself.
            state.private.writes.wrote(graph, &[view(None)], &[view(Some(&asked))]);
        }
        state.exists = true;
        if attempt > 0 {
            graph.wait(attempt, "looking again at what was written", None).await?;
        }
        attempt += 1;
    };
    state.exists = true;
    let was_there = |key: &String| before.iter().flatten().any(|(present, _)| present.to_string() == *key);
    let declared = texts(change.desired);
    state.private.added =
        declared.iter().filter(|key| state.private.added.contains(*key) || !was_there(key)).cloned().collect();
    state.private.foreign = match state.value.exclusive {
        true => BTreeSet::new(),
        false => texts(wanted.keys()).difference(&declared).cloned().collect(),
    };
    state.private.declared = declared;
    state.private.profile_version = state.value.profile_version.known().copied();
    state.value.permission_ids = ids.into();
    Ok(())
}

impl State {
    /// What a create does about what the application asks for already.
    fn meet(
        &self,
        present: &BTreeMap<PermissionKey, String>,
        change: &Change<'_>,
        tenant: &str,
        cx: &Cx,
    ) -> Result<()> {
        if !change.is_create {
            return Ok(());
        }
        let id = self.value.application_id.get()?;
        if self.value.exclusive {
            let target = target::<ConnectorPermissionSet>(tenant, id);
            let destroyed_first = cx.run()?.in_state::<serde_json::Value>(&target).is_some();
            return refuse_undeclared(present, change.desired, id, destroyed_first, cx);
        }
        let found: Vec<_> = present.keys().filter(|key| change.desired.contains(key)).collect();
        if !found.is_empty() {
            cx.warn(
                Diagnostic::warning("The application asked for some of these permissions already").help(format!(
                    "They are used as they are, and stay when this set is destroyed:\n{}",
                    listed(found)
                )),
            );
        }
        Ok(())
    }
}

/// What the application asks for once the change is made, and the ids of what is declared by permission key.
async fn merged(
    present: &BTreeMap<PermissionKey, String>,
    change: &Change<'_>,
    graph: &Graph,
    tenant: &str,
    cx: &Cx,
) -> Result<(BTreeMap<PermissionKey, String>, BTreeMap<String, String>)> {
    let (mut wanted, mut ids) = (present.clone(), BTreeMap::new());
    wanted.retain(|key, _| change.desired.contains(key) || !change.remove.contains(&key.to_string()));
    for key in change.desired {
        let id = match present.get(key) {
            Some(known) => known.clone(),
            None => id_of(key, graph, tenant, cx).await?,
        };
        ids.insert(key.to_string(), id.clone());
        wanted.insert(key.clone(), id);
    }
    Ok((wanted, ids))
}

async fn id_of(key: &PermissionKey, graph: &Graph, tenant: &str, cx: &Cx) -> Result<String> {
    let ids_hold = cx.services()?.catalogue_ids_hold();
    cx.apis()?.id_of(graph, tenant, cx.catalog(), ids_hold, key).await?.ok_or_else(|| {
        Diagnostic::error(format!("The tenant has no permission {key}"))
            .at("permissions")
            .help("Its API's service principal is absent or does not offer the name. Check the name, or give the permission's id.")
            .into()
    })
}

fn to_graph(wanted: &BTreeMap<PermissionKey, String>, cx: &Cx) -> Vec<RequiredResourceAccess> {
    let mut by_api: BTreeMap<String, Vec<ResourceAccess>> = BTreeMap::new();
    for (key, id) in wanted {
        let app_id = cx.catalog().api(&key.api).map_or_else(|| key.api.clone(), |api| api.app_id.clone());
        let kind = if key.kind == Kind::Delegated { "Scope" } else { "Role" };
        by_api.entry(app_id).or_default().push(ResourceAccess { id: id.clone(), kind: kind.to_owned() });
    }
    by_api
        .into_iter()
        .map(|(resource_app_id, resource_access)| RequiredResourceAccess { resource_app_id, resource_access })
        .collect()
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
