//! `m365_admin_consent`: what the tenant has granted to a service principal.

use super::missing::{deleted_principal, no_such_principal};
use super::permissions::{Spellings, listed, resolve, resolve_all, stored};
use super::{plan_tenant, target, today};
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{
    Computed, Diagnostic, Diagnostics, Path, Resource, Result, Step, Stored, Timeouts, Value, configurable,
    forces_replacement, guid, keeps_state,
};
use crate::graph::{Graph, PermissionGrant};
use crate::provider::{Cx, Planned, Services, Writes, resolve_tenant};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An administrator's consent: the permissions that the tenant has granted to a connector's service principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdminConsent {
    /// Tenant (GUID) that grants. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the service principal that is granted to: `service_principal_id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub service_principal_id: Value<String>,
    /// Permission keys to grant, normally `permissions` of an `m365_connector_permission_set`. After a refresh: what is granted in
    /// fact, so that a plan shows `+` for what is missing and `-` for what will be revoked.
    pub permissions: Value<BTreeSet<String>>,
    /// Whether these are all that may be granted (default `true`); else other grants are left alone.
    #[serde(default = "yes")]
    pub exclusive: bool,
    /// Grants beyond `permissions` that are tolerated for a while, by permission key.
    pub exceptions: Option<BTreeMap<String, Exception>>,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// What is true of each permission: `granted`, `missing`, `excess`, `excepted`, or `foreign` for one that is not ours in shared
    /// mode.
    pub status: Computed<BTreeMap<String, String>>,
    /// Page on which an administrator can consent to what the application asks for.
    #[schemars(transform = keeps_state)]
    pub consent_url: Computed<String>,
}

/// Why and how long a grant that nobody declared is tolerated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// Last day on which it is tolerated, such as `2027-01-31`, in UTC and by the server's clock at the last refresh.
    pub until: String,
    /// Why, for those who read the plan.
    #[schemars(length(min = 1))]
    pub reason: String,
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
    /// The server's day (UTC) when the tenant was last looked at: what has expired by then is decided by it.
    #[serde(default)]
    seen_on: Option<Date>,
    /// What we wrote a moment ago.
    #[serde(default)]
    writes: Writes,
}

type State = Stored<AdminConsent, AdminConsentPrivate>;

/// How often what another process has undone is merged and written again.
const MERGES: u32 = 6;

const GRANTED: &str = "granted";
const MISSING: &str = "missing";
const EXCESS: &str = "excess";
const EXCEPTED: &str = "excepted";
const FOREIGN: &str = "foreign";

impl Resource for AdminConsent {
    const NAME: &'static str = "m365_admin_consent";
    type Services = Services;
    type Key = AdminConsentKey;
    type Private = AdminConsentPrivate;

    fn validate(&self, cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        if let Some(keys) = self.permissions.known() {
            found.take(resolve_all(keys, "permissions", cx));
        }
        found.take(self.exceptions(cx));
        if !self.exclusive && self.exceptions.as_ref().is_some_and(|exceptions| !exceptions.is_empty()) {
            found.push(
                Diagnostic::error("`exceptions` need an exclusive consent")
                    .at("exceptions")
                    .help("With `exclusive = false` every other grant is left alone anyway. Remove `exceptions`, or set `exclusive = true`."),
            );
        }
        found.into_result()
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        state.plan_among_others(cx)?;
        let Some(keys) = state.value.permissions.known().cloned() else {
            state.value.status = Computed::Unknown;
            return Ok(());
        };
        let declared = resolve_all(&keys, "permissions", cx)?;
        state.warn_of_exceptions(&declared, cx)?;
        match prior {
            Some(prior) => {
                let planned = state.planned_status(prior, &declared, cx)?;
                warn_of_kept(prior, &planned, cx);
                state.value.status = planned.into();
            }
            None => {
                state.value.status =
                    keys.iter().map(|key| (key.clone(), GRANTED.to_owned())).collect::<BTreeMap<_, _>>().into();
                state.look_before_create(&declared, cx).await?;
            }
        }
        Ok(())
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        let client = state.value.service_principal_id.get()?.clone();
        let Some(principal) = graph.service_principal(&client).await? else {
            return Err(no_such_principal(&graph, &client).await?);
        };
        state.value.consent_url = cx.consent_url(&tenant, &principal.app_id)?.into();
        state.private.incomplete = true;
        grant(state, &graph, &tenant, &BTreeSet::new(), true, cx).await?;
        state.private.incomplete = false;
        cx.run()?.take(target::<Self>(&tenant, &client), state.value.permissions.get()?.iter().cloned());
        Ok(())
    }

    async fn read(key: AdminConsentKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let tenant = resolve_tenant(key.tenant_id.as_ref(), &graph).await?;
        let client = &key.service_principal_id;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let look = async || match Granted::read(&graph, &tenant, client, cx).await? {
            Some(granted) => Ok(Seen::Granted(granted)),
            // Nothing is granted to a deleted principal; restored under its former id, it is granted to again.
            None if prior.is_some() && graph.deleted_service_principal(client).await?.is_some() => Ok(Seen::Deleted),
            None => Ok(Seen::Nothing),
        };
        let granted = match writes.settled(&graph, look, Seen::view).await? {
            Seen::Granted(granted) => granted,
            Seen::Deleted => Granted::default(),
            Seen::Nothing => return Ok(None),
        };
        let mut state = match prior {
            Some(prior) => prior,
            None => {
                let Some(principal) = graph.service_principal(client).await? else { return Ok(None) };
                let mut state = AdminConsent::imported(&tenant, client);
                state.value.consent_url = cx.consent_url(&tenant, &principal.app_id)?.into();
                state.private.declared = granted.keys().map(ToString::to_string).collect();
                state
            }
        };
        state.private.seen_on = Some(today(&graph));
        state.observe(&granted, cx)?;
        cx.run()?.found_in_state(target::<Self>(&tenant, client), &state.private)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        let shown = prior.value.permissions.get()?.iter();
        let mut revoke: BTreeSet<String> = match state.value.exclusive {
            // Only what the plan showed is revoked: a grant that appeared since then shows in the next plan.
            true => {
                shown.chain(prior.value.status.known().into_iter().flatten().map(|(key, _)| key)).cloned().collect()
            }
            false => BTreeSet::new(),
        };
        revoke.extend(prior.private.added.iter().cloned());
        let excepted = state.value.status.known().into_iter().flatten().filter(|(_, status)| *status == EXCEPTED);
        for (key, _) in excepted {
            revoke.remove(key);
        }
        grant(state, &graph, &tenant, &revoke, false, cx).await
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(prior.value.tenant_id.known(), &graph).await?;
        let mut revoke = match prior.value.exclusive && !prior.private.incomplete && !cx.is_tainted() {
            true => prior.value.permissions.get()?.clone(),
            false => prior.private.added.clone(),
        };
        let target = target::<Self>(&tenant, prior.value.service_principal_id.get()?);
        if let Some(taken) = cx.run()?.taken(&target) {
            let kept: Vec<_> = revoke.intersection(&taken).cloned().collect();
            if !kept.is_empty() {
                cx.warn(
                    Diagnostic::warning("Grants were not revoked, because a create in the same run declares them")
                        .help(listed(kept)),
                );
            }
            revoke.retain(|key| !taken.contains(key));
        }
        cx.run()?.found_in_state(target, &prior.private)?;
        let mut state = prior;
        state.value.permissions = BTreeSet::new().into();
        grant(&mut state, &graph, &tenant, &revoke, false, cx).await
    }
}

/// The server's day, in UTC.
impl AdminConsent {
    /// Nothing but defaults: what an import starts from.
    fn imported(tenant: &str, client: &str) -> State {
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            service_principal_id: client.to_owned().into(),
            permissions: BTreeSet::new().into(),
            exclusive: true,
            exceptions: None,
            timeouts: None,
            status: Computed::Null,
            consent_url: Computed::Null,
        };
        Stored { value, private: AdminConsentPrivate::default(), exists: true }
    }

    /// Last day of each exception; all faults at once, each at its entry.
    fn exceptions(&self, cx: &Cx) -> Result<BTreeMap<PermissionKey, Date>> {
        let (mut days, mut found) = (BTreeMap::new(), Diagnostics::default());
        for (text, exception) in self.exceptions.iter().flatten() {
            let at = Path::attribute("exceptions").then(Step::Key(text.clone()));
            let key = resolve(text, cx).map_err(|why| found.push(why.at(at.clone()))).ok();
            match (key, exception.until.parse::<Date>()) {
                (Some(key), Ok(until)) if exception.until.len() == 10 => {
                    days.insert(key, until);
                }
                (None, Ok(_)) => {}
                _ => found.push(
                    Diagnostic::error(format!("\"{}\" is no day", exception.until))
                        .at(at)
                        .help("`until` is the last day of the exception, such as `2027-01-31`."),
                ),
            }
        }
        found.into_result().map(|()| days)
    }
}

impl State {
    /// An exclusive consent beside another one on the same service principal would undo its work.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let Some(client) = self.value.service_principal_id.known() else { return Ok(()) };
        let target = target::<AdminConsent>(self.value.tenant_id.known().map_or("", String::as_str), client);
        if cx.run()?.plan(target, Planned { exclusive: self.value.exclusive, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error("Two consents grant to one service principal, and one of them is exclusive")
            .at("service_principal_id")
            .help(format!("An exclusive consent is all that the service principal {client} may hold: it would revoke what the other one grants."))
            .help("Put all permissions into one consent, or set `exclusive = false` on all of them.")
            .into())
    }

    /// An exception that does nothing, or no more, misleads whoever reads the configuration.
    fn warn_of_exceptions(&self, declared: &Spellings, cx: &Cx) -> Result<()> {
        for (key, until) in self.value.exceptions(cx)? {
            let at = Path::attribute("exceptions");
            if declared.contains_key(&key) {
                cx.warn(Diagnostic::warning(format!("The exception for {key} has no effect")).at(at).help(
                    "The permission is declared: it is granted, and not only tolerated. Remove it from `exceptions` or from `permissions`.",
                ));
            } else if self.private.seen_on.is_some_and(|seen_on| seen_on > until) {
                cx.warn(Diagnostic::warning(format!("The exception for {key} has ended")).at(at).help(format!(
                    "Its last day was {until}. The grant is revoked like any other that nobody declared; remove the exception, or give it a later day."
                )));
            }
        }
        Ok(())
    }

    /// Keys that are excepted on the day on which the tenant was last looked at.
    fn excepted(&self, cx: &Cx) -> Result<BTreeSet<PermissionKey>> {
        let seen_on = self.private.seen_on;
        let holds = |until: &Date| seen_on.is_none_or(|seen_on| seen_on <= *until);
        Ok(self.value.exceptions(cx)?.into_iter().filter(|(_, until)| holds(until)).map(|(key, _)| key).collect())
    }

    /// What will be true after apply, from configuration and prior alone: everything declared is granted, what is excepted stays, and
    /// in shared mode everything that this resource did not grant.
    fn planned_status(&self, prior: &State, declared: &Spellings, cx: &Cx) -> Result<BTreeMap<String, String>> {
        let mut planned: BTreeMap<_, _> = declared.values().map(|key| (key.clone(), GRANTED.to_owned())).collect();
        let excepted = self.excepted(cx)?;
        let seen = prior.value.status.known().into_iter().flatten().filter(|(_, status)| *status != MISSING);
        for (key, text) in stored(seen.map(|(key, _)| key), cx) {
            if declared.contains_key(&key) {
                continue;
            }
            if self.value.exclusive && excepted.contains(&key) {
                planned.insert(text, EXCEPTED.to_owned());
            } else if !self.value.exclusive && !prior.private.added.contains(&text) {
                planned.insert(text, FOREIGN.to_owned());
            }
        }
        Ok(planned)
    }

    /// What is granted already decides whether a create can succeed: better said before anything is written.
    async fn look_before_create(&mut self, declared: &Spellings, cx: &Cx) -> Result<()> {
        let tenant_id = self.value.tenant_id.known().cloned();
        let Some(client) = self.value.service_principal_id.known().cloned() else { return Ok(()) };
        let replaced = target::<AdminConsent>(tenant_id.as_deref().unwrap_or_default(), &client);
        let in_state = cx.run()?.in_state(&replaced);
        if let (Some(private), false) = (&in_state, cx.is_second_plan()) {
            // A tainted consent: its delete has to know what a refresh knew.
            self.private = AdminConsentPrivate::clone(private);
        }
        let Some(graph) = cx.graph_for_plan(tenant_id.as_deref())? else { return Ok(()) };
        let tenant = resolve_tenant(self.value.tenant_id.known(), &graph).await?;
        let Some(granted) = Granted::read(&graph, &tenant, &client, cx).await? else {
            // Nothing is granted to it meanwhile.
            return deleted_principal(&graph, &client, cx).await.map(|_| ());
        };
        if !self.value.exclusive {
            return Ok(());
        }
        let destroyed_first = cx.is_second_plan() || in_state.is_some();
        self.refuse_undeclared(&granted, declared, &graph, destroyed_first, cx)
    }

    /// An exclusive consent that finds grants which nobody declared would revoke them without any plan having shown it. Where a consent
    /// on this principal is destroyed first, what it held is on its way out: then it is only said.
    fn refuse_undeclared(
        &self,
        granted: &Granted,
        declared: &Spellings,
        graph: &Graph,
        destroyed_first: bool,
        cx: &Cx,
    ) -> Result<()> {
        let day = today(graph);
        let exceptions = self.value.exceptions(cx)?;
        let excepted = |key: &PermissionKey| exceptions.get(key).is_some_and(|until| day <= *until);
        let undeclared: Vec<_> = granted.keys().filter(|key| !declared.contains_key(*key) && !excepted(key)).collect();
        if undeclared.is_empty() {
            return Ok(());
        }
        if destroyed_first {
            cx.warn(
                Diagnostic::warning("The service principal holds grants that are not declared").at("exclusive").help(
                    format!(
                        "What the destroyed consent does not revoke of these shows as drift in the next plan:\n{}",
                        listed(undeclared)
                    ),
                ),
            );
            return Ok(());
        }
        let client = self.value.service_principal_id.get()?;
        Err(Diagnostic::error("The service principal already holds grants that are not declared")
            .at("exclusive")
            .help(format!("An exclusive consent would revoke these without the plan having shown it:\n{}", listed(undeclared)))
            .help(format!("Declare them, import the consent with the id `{client}` so that a plan shows what will change, or set `exclusive = false`."))
            .into())
    }

    /// Replaces `permissions` by what is granted in fact, spelled as declared, and says what is true of each.
    fn observe(&mut self, granted: &Granted, cx: &Cx) -> Result<()> {
        let declared = stored(&self.private.declared, cx);
        let excepted = self.excepted(cx)?;
        let spelled = stored(self.value.exceptions.iter().flatten().map(|(key, _)| key), cx);
        let (mut permissions, mut status) = (BTreeSet::new(), BTreeMap::new());
        for key in granted.keys() {
            let (text, is) = match declared.get(key) {
                Some(spelling) => (spelling.clone(), GRANTED),
                None if !self.value.exclusive => (key.to_string(), FOREIGN),
                None if excepted.contains(key) => (spelled.get(key).unwrap_or(&key.to_string()).clone(), EXCEPTED),
                None => (key.to_string(), EXCESS),
            };
            if is == GRANTED || is == EXCESS {
                permissions.insert(text.clone());
            }
            status.insert(text, is.to_owned());
        }
        for (_, spelling) in declared.iter().filter(|(key, _)| !granted.contains(key)) {
            status.insert(spelling.clone(), MISSING.to_owned());
        }
        self.value.permissions = permissions.into();
        self.value.status = status.into();
        Ok(())
    }
}

/// What `permissions` shows as removed and the apply keeps: where the plan itself makes the consent shared, or excepts a grant.
fn warn_of_kept(prior: &State, planned: &BTreeMap<String, String>, cx: &Cx) {
    let shown = prior.value.permissions.known().into_iter().flatten();
    let kept: Vec<_> =
        shown.filter(|key| planned.get(*key).is_some_and(|status| status == EXCEPTED || status == FOREIGN)).collect();
    if !kept.is_empty() {
        cx.warn(Diagnostic::warning("The plan shows grants as removed that are kept").at("permissions").help(format!(
            "With the changed configuration these are tolerated; the planned `status` says so:\n{}",
            listed(kept)
        )));
    }
}

/// What a service principal holds, found by permission key.
#[derive(Default)]
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
        let mut granted = Self::default();
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

/// What a read of the principal can find.
enum Seen {
    Granted(Granted),
    Deleted,
    Nothing,
}

impl Seen {
    /// Roles and scopes. A deleted principal looks like nothing else: it is no sign of a replica that lags.
    fn view(&self) -> Vec<serde_json::Value> {
        match self {
            Self::Granted(granted) => Written::new(granted).view(),
            Self::Deleted => vec!["deleted".into(), "deleted".into()],
            Self::Nothing => vec![serde_json::Value::Null, serde_json::Value::Null],
        }
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
    is_create: bool,
    cx: &Cx,
) -> Result<()> {
    let client = state.value.service_principal_id.get()?.clone();
    let declared = resolve_all(state.value.permissions.get()?, "permissions", cx)?;
    let _guard = cx.lock(&client).await?;
    let Some(granted) = Granted::read(graph, tenant, &client, cx).await? else {
        // Nothing is granted to a principal that is gone.
        return if declared.is_empty() { Ok(()) } else { Err(no_such_principal(graph, &client).await?) };
    };
    if is_create {
        state.meet(&granted, &declared, graph, tenant, cx)?;
    }
    let missing: Vec<_> = declared.iter().filter(|(key, _)| !granted.contains(key)).collect();
    let mut written = Written::new(&granted);
    if is_create {
        // The principal may be new itself.
        state.private.writes.wrote(graph, &Seen::Nothing.view(), &written.view());
    }
    // Whether every API and every role is there is asked before the first grant: what fails then has changed nothing.
    let (mut roles, mut new_scopes) = (Vec::new(), Vec::new());
    for (key, spelling) in missing {
        let api = api_principal(key, graph, tenant, cx).await?;
        match key.kind {
            Kind::Application => roles.push((key, spelling, api, role_id(key, graph, tenant, cx).await?)),
            Kind::Delegated => new_scopes.push((key, spelling, api)),
        }
    }
    for (key, spelling, api, role) in roles {
        graph.grant_app_role(&client, &api, &role).await?;
        added(state, spelling);
        written.change(&[key], &[], &mut state.private.writes, graph);
    }
    let going: BTreeSet<PermissionKey> =
        stored(revoke, cx).into_keys().filter(|key| !declared.contains_key(key)).collect();
    for (key, assignment) in going.iter().filter_map(|key| Some((key, granted.roles.get(key)?))) {
        graph.revoke_app_role(&client, assignment).await?;
        written.change(&[], &[key], &mut state.private.writes, graph);
    }
    write_scopes(state, graph, &granted, (&new_scopes, &going), &mut written).await?;
    state.exists = true;
    let spelled: BTreeSet<String> = declared.into_values().collect();
    state.private.added.retain(|key| spelled.contains(key));
    state.private.declared = spelled;
    state.private.seen_on = Some(today(graph));
    if state.value.status.is_unknown() {
        let keys = state.value.permissions.get()?;
        state.value.status =
            keys.iter().map(|key| (key.clone(), GRANTED.to_owned())).collect::<BTreeMap<_, _>>().into();
    }
    Ok(())
}

impl State {
    /// What a create does about grants that are there already.
    fn meet(&self, granted: &Granted, declared: &Spellings, graph: &Graph, tenant: &str, cx: &Cx) -> Result<()> {
        let target = target::<AdminConsent>(tenant, self.value.service_principal_id.get()?);
        if self.value.exclusive {
            let destroyed_first = cx.run()?.in_state::<serde_json::Value>(&target).is_some();
            return self.refuse_undeclared(granted, declared, graph, destroyed_first, cx);
        }
        let found: Vec<_> = declared.iter().filter(|(key, _)| granted.contains(key)).map(|(key, _)| key).collect();
        if !found.is_empty() {
            cx.warn(Diagnostic::warning("The service principal held some of these permissions already").help(format!(
                "They are used as they are, and stay when this consent is destroyed:\n{}",
                listed(found)
            )));
        }
        Ok(())
    }
}

/// What reads show from write to write of one change.
struct Written {
    roles: BTreeSet<String>,
    scopes: BTreeSet<String>,
}

impl Written {
    fn new(granted: &Granted) -> Self {
        Self {
            roles: granted.roles.keys().map(ToString::to_string).collect(),
            scopes: granted.scopes.keys().map(ToString::to_string).collect(),
        }
    }

    /// Roles and scopes come by different requests.
    fn view(&self) -> Vec<serde_json::Value> {
        [&self.roles, &self.scopes].map(|keys| keys.iter().map(String::as_str).collect()).into()
    }

    /// One write was done.
    fn change(&mut self, granted: &[&PermissionKey], revoked: &[&PermissionKey], writes: &mut Writes, graph: &Graph) {
        let before = self.view();
        for (keys, present) in [(granted, true), (revoked, false)] {
            for key in keys {
                let of_kind = if key.kind == Kind::Application { &mut self.roles } else { &mut self.scopes };
                if present {
                    of_kind.insert(key.to_string());
                } else {
                    of_kind.remove(&key.to_string());
                }
            }
        }
        writes.wrote(graph, &before, &self.view());
    }
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
    granted: &Granted,
    (missing, going): (&[(&PermissionKey, &String, String)], &BTreeSet<PermissionKey>),
    written: &mut Written,
) -> Result<()> {
    let client = state.value.service_principal_id.get()?.clone();
    let mut by_api: BTreeMap<String, (Vec<&PermissionKey>, Vec<&PermissionKey>)> = BTreeMap::new();
    for (key, _, api) in missing {
        by_api.entry(api.clone()).or_default().0.push(key);
    }
    for key in going {
        if let Some(resource) = granted.scopes.get(key) {
            by_api.entry(resource.clone()).or_default().1.push(key);
        }
    }
    for (resource, (new, old)) in by_api {
        let present = granted.grants.get(&resource).cloned();
        write_scopes_of(graph, &client, &resource, present, &new, &old).await?;
        for (_, spelling, _) in missing.iter().filter(|(key, ..)| new.contains(key)) {
            added(state, spelling);
        }
        written.change(&new, &old, &mut state.private.writes, graph);
    }
    Ok(())
}

/// Merges into the one grant of an API and reads it back: another process that has read before and written after has undone what was
/// written, and it is merged once more.
async fn write_scopes_of(
    graph: &Graph,
    client: &str,
    resource: &str,
    mut present: Option<PermissionGrant>,
    new: &[&PermissionKey],
    old: &[&PermissionKey],
) -> Result<()> {
    for attempt in 0..=MERGES {
        let before: BTreeSet<&str> = present.iter().flat_map(PermissionGrant::scopes).collect();
        let mut wanted = before.clone();
        wanted.retain(|scope| !old.iter().any(|key| key.value == *scope));
        wanted.extend(new.iter().map(|key| key.value.as_str()));
        if wanted == before {
            return Ok(());
        }
        let scopes = wanted.into_iter().collect::<Vec<_>>().join(" ");
        match &present {
            Some(grant) if scopes.is_empty() => graph.delete_permission_grant(&grant.id).await?,
            Some(grant) => match graph.update_permission_grant(&grant.id, &scopes).await {
                // Somebody else has emptied it meanwhile.
                Err(error) if error.is_not_found() => {}
                other => other?,
            },
            None => match graph.create_permission_grant(client, resource, &scopes).await {
                // Somebody else has made it meanwhile: merged with it below.
                Err(error) if error.is_conflict() => {}
                other => other?,
            },
        }
        if attempt > 0 {
            graph.wait(attempt, "looking again at what was written", None).await?;
        }
        let all = graph.permission_grants(client).await?;
        present = all.into_iter().find(|grant| grant.is_for_all() && grant.resource_id == resource);
    }
    Err(Diagnostic::error("What was granted does not stay")
        .at("permissions")
        .help(format!("Something else keeps changing the delegated permissions of the service principal {client}. Find out what it is, and apply again."))
        .into())
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
