//! `m365_admin_consent`: what the tenant has granted to a service principal.

use super::connector_app::consent_url;
use super::permissions::{Spellings, listed, resolve_all};
use super::{plan_tenant, resolve_tenant};
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{
    Computed, Diagnostic, Resource, Result, Stored, Timeouts, Value, configurable, forces_replacement, keeps_state,
};
use crate::graph::{Graph, PermissionGrant};
use crate::provider::{Cx, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An administrator's consent: the permissions that the tenant has granted to a connector's service principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdminConsent {
    /// Tenant (GUID) that grants. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state)]
    pub tenant_id: Computed<String>,
    /// Object id of the service principal that is granted to: `service_principal_id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, length(min = 1))]
    pub service_principal_id: Value<String>,
    /// Permission keys to grant, normally `permissions` of an `m365_connector_permission_set`. After a refresh: what is granted in
    /// fact, so that a plan shows `+` for what is missing and `-` for what will be revoked.
    pub permissions: Value<BTreeSet<String>>,
    /// Whether these are all that may be granted (default `true`); else other grants are left alone.
    #[serde(default = "yes")]
    pub exclusive: bool,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// What is true of each permission: `granted`, `missing`, `excess`, or `foreign` for one that is not ours in shared mode.
    pub status: Computed<BTreeMap<String, String>>,
    /// Page on which an administrator can consent to what the application asks for.
    #[schemars(transform = keeps_state)]
    pub consent_url: Computed<String>,
}

fn yes() -> bool {
    true
}

/// Identity of a consent: the service principal that it is for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AdminConsentKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the service principal.
    pub service_principal_id: String,
}

/// What only we remember of a consent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AdminConsentPrivate {
    /// What was last declared, as it was spelled.
    #[serde(default)]
    declared: BTreeSet<String>,
    /// Which of these this resource granted.
    #[serde(default)]
    added: BTreeSet<String>,
    /// The create did not end: a delete gives back only what was granted.
    #[serde(default)]
    incomplete: bool,
}

type State = Stored<AdminConsent, AdminConsentPrivate>;

impl Resource for AdminConsent {
    const NAME: &'static str = "m365_admin_consent";
    type Services = Services;
    type Key = AdminConsentKey;
    type Private = AdminConsentPrivate;

    fn validate(&self, cx: &Cx) -> Result<()> {
        self.permissions.known().map_or(Ok(()), |keys| resolve_all(keys, "permissions", cx.catalog()).map(|_| ()))
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        state.value.status = match state.value.permissions.known() {
            None => Computed::Unknown,
            Some(keys) => {
                resolve_all(keys, "permissions", cx.catalog())?;
                planned_status(keys, state.value.exclusive, before).into()
            }
        };
        Ok(())
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(&state.value.tenant_id, &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        let client = state.value.service_principal_id.get()?.clone();
        let principal = graph.service_principal(&client).await?;
        let Some(principal) = principal else { return Err(no_such_principal(&graph, &client).await?) };
        state.value.consent_url = consent_url(cx, &tenant, &principal.app_id)?.into();
        state.private.incomplete = true;
        let refuse_undeclared = state.value.exclusive;
        grant(state, &graph, &tenant, &BTreeSet::new(), refuse_undeclared, cx).await?;
        state.private.incomplete = false;
        Ok(())
    }

    async fn read(key: AdminConsentKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let tenant = resolve_tenant(&key.tenant_id.clone().into(), &graph).await?;
        let client = &key.service_principal_id;
        let Some(granted) = Granted::read(&graph, &tenant, client, cx).await? else { return Ok(None) };
        let mut state = match prior {
            Some(prior) => prior,
            None => {
                let Some(principal) = graph.service_principal(client).await? else { return Ok(None) };
                let mut state = AdminConsent::imported(&tenant, client);
                state.value.consent_url = consent_url(cx, &tenant, &principal.app_id)?.into();
                state.private.declared = granted.keys().map(ToString::to_string).collect();
                state
            }
        };
        state.value.observe(&granted, &state.private, cx)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(&state.value.tenant_id, &graph).await?;
        // Only what the plan showed is revoked: a grant that appeared since then shows in the next plan.
        let shown = prior.value.permissions.get()?;
        let may_revoke = |key: &&String| state.value.exclusive || prior.private.added.contains(*key);
        let revoke = shown.iter().chain(&prior.private.added).filter(may_revoke).cloned().collect();
        grant(state, &graph, &tenant, &revoke, false, cx).await
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(&prior.value.tenant_id, &graph).await?;
        let revoke = match prior.value.exclusive && !prior.private.incomplete {
            true => prior.value.permissions.get()?.clone(),
            false => prior.private.added.clone(),
        };
        let mut state = prior;
        state.value.permissions = BTreeSet::new().into();
        grant(&mut state, &graph, &tenant, &revoke, false, cx).await
    }
}

impl AdminConsent {
    /// Nothing but defaults: what an import starts from.
    fn imported(tenant: &str, client: &str) -> State {
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            service_principal_id: client.to_owned().into(),
            permissions: BTreeSet::new().into(),
            exclusive: true,
            timeouts: None,
            status: Computed::Null,
            consent_url: Computed::Null,
        };
        Stored { value, private: AdminConsentPrivate::default(), exists: true }
    }

    /// Replaces `permissions` by what is granted in fact, spelled as declared, and says what is true of each.
    fn observe(&mut self, granted: &Granted, private: &AdminConsentPrivate, cx: &Cx) -> Result<()> {
        let declared = resolve_all(&private.declared, "permissions", cx.catalog())?;
        let (mut permissions, mut status) = (BTreeSet::new(), BTreeMap::new());
        for key in granted.keys() {
            match declared.get(key) {
                Some(spelling) => {
                    permissions.insert(spelling.clone());
                    status.insert(spelling.clone(), "granted".to_owned());
                }
                None if self.exclusive => {
                    permissions.insert(key.to_string());
                    status.insert(key.to_string(), "excess".to_owned());
                }
                None => {
                    status.insert(key.to_string(), "foreign".to_owned());
                }
            }
        }
        for (key, spelling) in &declared {
            if !granted.contains(key) {
                status.insert(spelling.clone(), "missing".to_owned());
            }
        }
        self.permissions = permissions.into();
        self.status = status.into();
        Ok(())
    }
}

/// What will be true after apply: everything declared is granted; in shared mode what is not ours stays as it was seen.
fn planned_status(keys: &BTreeSet<String>, exclusive: bool, before: Option<&AdminConsent>) -> BTreeMap<String, String> {
    let seen = before.and_then(|before| before.status.known()).into_iter().flatten();
    let foreign = seen
        .filter(|(key, status)| !exclusive && *status == "foreign" && !keys.contains(*key))
        .map(|(key, status)| (key.clone(), status.clone()));
    keys.iter().map(|key| (key.clone(), "granted".to_owned())).chain(foreign).collect()
}

/// What a service principal holds, found by permission key.
struct Granted {
    /// Assignment id of each application permission.
    roles: BTreeMap<PermissionKey, String>,
    /// Grant of each API for everybody, by object id of the API's principal.
    grants: BTreeMap<String, PermissionGrant>,
    /// Delegated permissions, with the API's principal.
    scopes: BTreeMap<PermissionKey, String>,
}

/// The default role: holding it permits nothing. Source: Graph's documentation of `appRoleAssignment`.
const DEFAULT_ROLE: &str = "00000000-0000-0000-0000-000000000000";

impl Granted {
    /// `None` where the principal is gone. Grants to single users are not an administrator's consent and are left out.
    async fn read(graph: &Graph, tenant: &str, client: &str, cx: &Cx) -> Result<Option<Self>> {
        let (assignments, grants) =
            futures_util::future::join(graph.app_role_assignments(client), graph.permission_grants(client)).await;
        let Some(assignments) = assignments? else { return Ok(None) };
        let mut granted = Self { roles: BTreeMap::new(), grants: BTreeMap::new(), scopes: BTreeMap::new() };
        for assignment in assignments.iter().filter(|one| one.app_role_id != DEFAULT_ROLE) {
            let app_id = api_of(graph, tenant, &assignment.resource_id, cx).await?;
            let key = cx
                .apis()?
                .key_of(graph, tenant, cx.catalog(), &app_id, Kind::Application, &assignment.app_role_id)
                .await?;
            granted.roles.insert(key, assignment.id.clone());
        }
        for grant in grants?.into_iter().filter(PermissionGrant::is_for_all) {
            let app_id = api_of(graph, tenant, &grant.resource_id, cx).await?;
            for scope in grant.scopes() {
                let key = PermissionKey { api: app_id.clone(), kind: Kind::Delegated, value: scope.to_owned() };
                granted.scopes.insert(cx.catalog().canonical(&key), grant.resource_id.clone());
            }
            granted.grants.insert(grant.resource_id.clone(), grant);
        }
        Ok(Some(granted))
    }

    fn keys(&self) -> impl Iterator<Item = &PermissionKey> {
        self.roles.keys().chain(self.scopes.keys())
    }

    fn contains(&self, key: &PermissionKey) -> bool {
        self.roles.contains_key(key) || self.scopes.contains_key(key)
    }
}

/// Client id of the API whose principal has this object id.
async fn api_of(graph: &Graph, tenant: &str, resource_id: &str, cx: &Cx) -> Result<String> {
    match cx.apis()?.of_object(graph, tenant, resource_id).await? {
        Some(principal) => Ok(principal.app_id.clone()),
        // The API's principal went away and left the grant behind: name it by what is there.
        None => Ok(resource_id.to_owned()),
    }
}

/// Grants what is declared and missing, revokes what `revoke` names and is not declared, on a fresh read, under the principal's lock.
async fn grant(
    state: &mut State,
    graph: &Graph,
    tenant: &str,
    revoke: &BTreeSet<String>,
    refuse_undeclared: bool,
    cx: &Cx,
) -> Result<()> {
    let client = state.value.service_principal_id.get()?.clone();
    let declared = resolve_all(state.value.permissions.get()?, "permissions", cx.catalog())?;
    let _guard = cx.lock(&client).await?;
    let Some(granted) = Granted::read(graph, tenant, &client, cx).await? else {
        // Nothing is granted to a principal that is gone.
        return if declared.is_empty() { Ok(()) } else { Err(no_such_principal(graph, &client).await?) };
    };
    if refuse_undeclared {
        refuse(&granted, &declared, &client)?;
    }
    let missing: Vec<_> = declared.iter().filter(|(key, _)| !granted.contains(key)).collect();
    for (key, spelling) in missing.iter().filter(|(key, _)| key.kind == Kind::Application) {
        let api = api_principal(key, graph, tenant, cx).await?;
        graph.grant_app_role(&client, &api, &role_id(key, graph, tenant, cx).await?).await?;
        added(state, spelling);
    }
    let going: BTreeSet<PermissionKey> = resolve_all(revoke, "permissions", cx.catalog())?
        .into_keys()
        .filter(|key| !declared.contains_key(key))
        .collect();
    for assignment in going.iter().filter_map(|key| granted.roles.get(key)) {
        graph.revoke_app_role(&client, assignment).await?;
    }
    let new_scopes: Vec<_> = missing.into_iter().filter(|(key, _)| key.kind == Kind::Delegated).collect();
    write_scopes(state, graph, tenant, &granted, &new_scopes, &going, cx).await?;
    state.exists = true;
    let spelled: BTreeSet<String> = declared.into_values().collect();
    state.private.added.retain(|key| spelled.contains(key));
    let keys = state.value.permissions.get()?;
    let foreign = granted.keys().filter(|key| !state.value.exclusive && !going.contains(key)).map(ToString::to_string);
    let foreign: BTreeMap<String, String> =
        foreign.filter(|key| !keys.contains(key)).map(|key| (key, "foreign".to_owned())).collect();
    state.value.status = match &state.value.status {
        Computed::Known(planned) => planned.clone().into(),
        _ => {
            keys.iter().map(|key| (key.clone(), "granted".to_owned())).chain(foreign).collect::<BTreeMap<_, _>>().into()
        }
    };
    state.private.declared = spelled;
    Ok(())
}

/// Remembers a grant of ours: from the first one on there is something to store.
fn added(state: &mut State, spelling: &str) {
    state.exists = true;
    state.private.added.insert(spelling.to_owned());
}

/// One grant per API holds all its scopes: merged, and deleted where none is left.
async fn write_scopes(
    state: &mut State,
    graph: &Graph,
    tenant: &str,
    granted: &Granted,
    missing: &[(&PermissionKey, &String)],
    going: &BTreeSet<PermissionKey>,
    cx: &Cx,
) -> Result<()> {
    let client = state.value.service_principal_id.get()?.clone();
    let mut by_api: BTreeMap<String, (Vec<&PermissionKey>, Vec<&PermissionKey>)> = BTreeMap::new();
    for (key, _) in missing {
        by_api.entry(api_principal(key, graph, tenant, cx).await?).or_default().0.push(key);
    }
    for key in going {
        if let Some(resource) = granted.scopes.get(key) {
            by_api.entry(resource.clone()).or_default().1.push(key);
        }
    }
    for (resource, (new, old)) in by_api {
        let present = granted.grants.get(&resource);
        let mut scopes: Vec<&str> = present.into_iter().flat_map(PermissionGrant::scopes).collect();
        scopes.retain(|scope| !old.iter().any(|key| key.value == *scope));
        scopes.extend(new.iter().map(|key| key.value.as_str()));
        match (present, scopes.is_empty()) {
            (Some(grant), true) => graph.delete_permission_grant(&grant.id).await?,
            (Some(grant), false) => graph.update_permission_grant(&grant.id, &scopes.join(" ")).await?,
            (None, _) => graph.create_permission_grant(&client, &resource, &scopes.join(" ")).await?,
        }
        for (_, spelling) in missing.iter().filter(|(key, _)| new.contains(key)) {
            added(state, spelling);
        }
    }
    Ok(())
}

/// Object id of the principal of the key's API, made where the tenant lacks it.
async fn api_principal(key: &PermissionKey, graph: &Graph, tenant: &str, cx: &Cx) -> Result<String> {
    let app_id = cx.catalog().api(&key.api).map_or(key.api.as_str(), |api| api.app_id.as_str());
    Ok(cx.apis()?.present(graph, tenant, cx.catalog(), app_id).await?.id.clone())
}

async fn role_id(key: &PermissionKey, graph: &Graph, tenant: &str, cx: &Cx) -> Result<String> {
    let ids_hold = cx.services()?.catalogue_ids_hold();
    cx.apis()?.id_of(graph, tenant, cx.catalog(), ids_hold, key).await?.ok_or_else(|| {
        Diagnostic::error(format!("The tenant has no permission {key}"))
            .at("permissions")
            .help("Its API does not offer the name here. Check the name, or give the permission's id.")
            .into()
    })
}

/// An exclusive consent that finds grants which nobody declared would revoke them without any plan having shown it.
fn refuse(granted: &Granted, declared: &Spellings, client: &str) -> Result<()> {
    let undeclared: Vec<_> = granted.keys().filter(|key| !declared.contains_key(key)).collect();
    if undeclared.is_empty() {
        return Ok(());
    }
    Err(Diagnostic::error("The service principal already holds grants that are not declared")
        .at("exclusive")
        .help(format!("An exclusive consent would revoke these without the plan having shown it:\n{}", listed(undeclared)))
        .help(format!("Declare them, import the consent with the id `{client}` so that a plan shows what will change, or set `exclusive = false`."))
        .into())
}

async fn no_such_principal(graph: &Graph, id: &str) -> Result<crate::framework::Diagnostics> {
    let error =
        Diagnostic::error(format!("There is no service principal with the object id {id}")).at("service_principal_id");
    let Some(principal) = graph.service_principal_by_app_id(id).await? else {
        return Ok(error.help("Use the `service_principal_id` of an `m365_connector_app`.").into());
    };
    let name = principal.display_name.as_deref().unwrap_or("an application");
    Ok(error
        .help(format!("{id} is the client id of \"{name}\"; its service principal has the object id {}.", principal.id))
        .into())
}
