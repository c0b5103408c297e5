//! `m365_connector_credentials_exclusive`: a guard over everything that can sign in as an application. Whoever wants to use a connector
//! for something else plants a credential of their own, on the application or on its service principal, where no portal page shows it.

use super::missing::{deleted_application, no_such_application};
use super::{DOUBT, doubted_until, plan_tenant, target};
use crate::framework::{
    Computed, Diagnostic, Resource, Result, Stored, Timeouts, Value, configurable, forces_replacement, guid,
    keeps_state,
};
use crate::graph::{Credential, Credentials, Graph, GraphError, Holder, KeyCredential};
use crate::provider::{Cx, Planned, Services, resolve_tenant};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The only credentials that may exist on an application and on its service principal. Whatever else is there shows in a plan as
/// removed, and apply removes it. Destroying the guard removes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorCredentialsExclusive {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the application: `id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub application_id: Value<String>,
    /// Ids of the secrets and certificates that may exist, such as `key_ids` of an `m365_connector_secret` and `key_id` of an
    /// `m365_connector_certificate`; `setunion` combines them. None by default. After a refresh: those that exist.
    #[serde(default = "none")]
    #[schemars(transform = guid)]
    pub key_ids: Value<BTreeSet<String>>,
    /// Names of the federated credentials that may exist. None by default. After a refresh: those that exist.
    #[serde(default = "none")]
    pub federated_credential_names: Value<BTreeSet<String>>,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
}

fn none() -> Value<BTreeSet<String>> {
    BTreeSet::new().into()
}

/// Identity of a guard: the application that it guards.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorCredentialsExclusiveKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the application.
    pub application_id: String,
}

/// What only we remember of a guard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorCredentialsExclusivePrivate {
    /// Secrets and certificates at the last refresh, by key id.
    #[serde(default)]
    keys: BTreeMap<String, Seen>,
    /// Declared key ids that did not exist at the last apply: they are no drift while that is so.
    #[serde(default)]
    absent_keys: BTreeSet<String>,
    /// The same for names of federated credentials.
    #[serde(default)]
    absent_names: BTreeSet<String>,
    /// When it was last applied.
    #[serde(default)]
    wrote_at: Option<Timestamp>,
    /// Key ids and names that were removed then.
    #[serde(default)]
    removed: BTreeSet<String>,
}

/// A secret or certificate, as much as is said of it in warnings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    kind: Kind,
    on: On,
    name: Option<String>,
    end: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Secret,
    Certificate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum On {
    Application,
    ServicePrincipal,
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Secret => "secret",
            Kind::Certificate => "certificate",
        };
        let on = match self.on {
            On::Application => "application",
            On::ServicePrincipal => "service principal",
        };
        write!(out, "{kind} \"{}\" on the {on}", self.name.as_deref().unwrap_or_default())?;
        self.end.as_ref().map_or(Ok(()), |end| write!(out, ", valid until {end}"))
    }
}

type State = Stored<ConnectorCredentialsExclusive, ConnectorCredentialsExclusivePrivate>;

impl Resource for ConnectorCredentialsExclusive {
    const NAME: &'static str = "m365_connector_credentials_exclusive";
    type Services = Services;
    type Key = ConnectorCredentialsExclusiveKey;
    type Private = ConnectorCredentialsExclusivePrivate;

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        state.plan_among_others(cx)?;
        match prior {
            Some(prior) => {
                prior.warn_of_removal(&state.value, cx);
                Ok(())
            }
            None => state.value.look_before_create(cx).await,
        }
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        let app = state.value.application_id.get()?.clone();
        let _guard = cx.lock(&app).await?;
        let Some(present) = state.value.present_once_declared(&app, &state.private, &graph).await? else {
            return Err(no_such_application(&graph, &app).await?);
        };
        let destroyed_first = cx.run()?.in_state::<serde_json::Value>(&target::<Self>(&tenant, &app)).is_some();
        state.value.refuse_undeclared(&present, destroyed_first, cx)?;
        state.exists = true;
        state.private.wrote_at = Some(graph.now());
        state.remember(&present, cx)
    }

    async fn read(key: ConnectorCredentialsExclusiveKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let tenant = resolve_tenant(key.tenant_id.as_ref(), &graph).await?;
        let app = &key.application_id;
        let believed = |found: &Option<(Present, bool)>| match (&prior, found) {
            // A replica may neither have what the run made nor lack what it removed.
            (Some(prior), Some((present, false))) => prior.value.is_met_by(present, &prior.private),
            (Some(_), None) => false,
            (Some(_), Some((_, true))) | (None, _) => true,
        };
        let until = doubted_until(prior.as_ref().and_then(|prior| prior.private.wrote_at));
        let Some((mut present, is_deleted)) =
            graph.read_until(until, || Present::read_anywhere(&graph, app), believed).await?
        else {
            return Ok(None);
        };
        // Graph does not show federated credentials of a deleted application; they are there again once it is restored.
        if let (true, Some(names)) =
            (is_deleted, prior.as_ref().and_then(|prior| prior.value.federated_credential_names.known()))
        {
            present.names = names.clone();
        }
        let mut state = prior.unwrap_or_else(|| Self::imported(&tenant, app));
        state.observe(present);
        cx.run()?.found_in_state(target::<Self>(&tenant, app), &state.private)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let app = state.value.application_id.get()?.clone();
        let _guard = cx.lock(&app).await?;
        let Some(present) = state.value.present_once_declared(&app, &state.private, &graph).await? else {
            return Err(no_such_application(&graph, &app).await?);
        };
        // Only what the plan showed goes: what appeared since then shows in the next plan.
        let shown = |before: &Value<BTreeSet<String>>, now: &Value<BTreeSet<String>>| {
            Ok::<BTreeSet<String>, crate::framework::Diagnostics>(missing(before.get()?, now.get()?))
        };
        let keys = shown(&prior.value.key_ids, &state.value.key_ids)?;
        let names = shown(&prior.value.federated_credential_names, &state.value.federated_credential_names)?;
        present.remove(&keys, &names, &app, &graph).await?;
        let present = present.but(&keys, &names);
        state.private.removed = &keys | &names;
        state.private.wrote_at = Some(graph.now());
        let new = state.value.undeclared(&present)?;
        if !new.is_empty() {
            cx.warn(
                Diagnostic::warning("Credentials that nobody declared appeared since the plan")
                    .help(format!("They stay for now, and the next plan shows them as removed:\n{}", new.join("\n"))),
            );
        }
        state.remember(&present, cx)
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        // A replacement of the guard in this run meets what the plan showed.
        let tenant = prior.value.tenant_id.get()?;
        cx.run()?.found_in_state(target::<Self>(tenant, prior.value.application_id.get()?), &prior.private)
    }
}

/// Those of `all` that are not in `kept`. Ids compare without regard to case.
fn missing(all: &BTreeSet<String>, kept: &BTreeSet<String>) -> BTreeSet<String> {
    all.iter().filter(|one| !contains(kept, one)).cloned().collect()
}

fn contains(set: &BTreeSet<String>, one: &str) -> bool {
    set.contains(one) || set.iter().any(|other| other.eq_ignore_ascii_case(one))
}

/// Everything that can sign in as an application.
struct Present {
    /// Object id of the service principal, where there is one that lives.
    principal: Option<String>,
    keys: BTreeMap<String, Seen>,
    /// Federated credentials.
    names: BTreeSet<String>,
    /// Their ids, by name.
    ids: BTreeMap<String, String>,
}

impl Present {
    /// `None` where there is no such application.
    async fn read(graph: &Graph, app: &str) -> std::result::Result<Option<Self>, GraphError> {
        let Some(application) = graph.application(app).await? else { return Ok(None) };
        let (own, principal, federated) = futures_util::future::join3(
            graph.application_credentials(app),
            graph.service_principal_by_app_id(&application.app_id),
            graph.federated_credentials(app),
        )
        .await;
        let mut found = Self::of(&own?.unwrap_or_default(), On::Application);
        match principal? {
            Some(principal) => {
                let credentials = graph.service_principal_credentials(&principal.id).await?.unwrap_or_default();
                found.keys.extend(Self::of(&credentials, On::ServicePrincipal).keys);
                found.principal = Some(principal.id);
            }
            None => found.add_deleted_principal(&application.app_id, graph).await?,
        }
        found.ids = federated?.into_iter().map(|one| (one.name, one.id)).collect();
        found.names = found.ids.keys().cloned().collect();
        Ok(Some(found))
    }

    /// With whether the application is deleted.
    async fn read_anywhere(graph: &Graph, app: &str) -> std::result::Result<Option<(Self, bool)>, GraphError> {
        match Self::read(graph, app).await? {
            Some(present) => Ok(Some((present, false))),
            None => Ok(Self::read_deleted(graph, app).await?.map(|present| (present, true))),
        }
    }

    /// Secrets and certificates of a deleted application, which can sign in again once it is restored.
    async fn read_deleted(graph: &Graph, app: &str) -> std::result::Result<Option<Self>, GraphError> {
        let Some(application) = graph.deleted_application(app).await? else { return Ok(None) };
        let own = graph.deleted_credentials(app).await?.unwrap_or_default();
        let mut found = Self::of(&own, On::Application);
        found.add_deleted_principal(&application.app_id, graph).await?;
        Ok(Some(found))
    }

    /// A deleted service principal comes back with what was planted on it. Of several, the last one deleted is what is restored.
    async fn add_deleted_principal(&mut self, client_id: &str, graph: &Graph) -> std::result::Result<(), GraphError> {
        let all = graph.deleted_service_principals_of(client_id).await?;
        if let Some(last) = all.into_iter().max_by(|one, other| one.deleted_date_time.cmp(&other.deleted_date_time)) {
            let credentials = graph.deleted_credentials(&last.id).await?.unwrap_or_default();
            self.keys.extend(Self::of(&credentials, On::ServicePrincipal).keys);
        }
        Ok(())
    }

    fn of(credentials: &Credentials, on: On) -> Self {
        let seen = |kind: Kind| {
            move |one: &Credential| {
                let seen = Seen { kind, on, name: one.display_name.clone(), end: one.end_date_time.clone() };
                (one.key_id.to_lowercase(), seen)
            }
        };
        let secrets = credentials.password_credentials.iter().map(seen(Kind::Secret));
        let certificates = credentials.key_credentials.iter().map(seen(Kind::Certificate));
        Self {
            principal: None,
            keys: secrets.chain(certificates).collect(),
            names: BTreeSet::new(),
            ids: BTreeMap::new(),
        }
    }

    async fn remove(&self, keys: &BTreeSet<String>, names: &BTreeSet<String>, app: &str, graph: &Graph) -> Result<()> {
        for (id, seen) in self.keys.iter().filter(|(id, _)| contains(keys, id)) {
            match (seen.kind, seen.on, &self.principal) {
                (Kind::Secret, On::Application, _) => graph.remove_password(app, id).await?,
                (Kind::Secret, On::ServicePrincipal, Some(principal)) => {
                    graph.remove_service_principal_password(principal, id).await?;
                }
                // A deleted principal cannot be changed.
                (_, On::ServicePrincipal, None) => {
                    return Err(Diagnostic::error("The service principal is deleted, and holds a credential that is to be removed")
                        .help(format!("{id}: {seen}. Restore the service principal first (apply its `m365_connector_app`), then apply again."))
                        .into());
                }
                (Kind::Certificate, ..) => {}
            }
        }
        let of_holder = |on: On| {
            let gone = move |one: &&KeyCredential| {
                let id = one.key_id.as_deref().unwrap_or_default();
                contains(keys, id) && self.keys.get(&id.to_lowercase()).is_some_and(|seen| seen.on == on)
            };
            move |present: &[KeyCredential]| {
                let kept: Vec<_> = present.iter().filter(|one| !gone(one)).cloned().collect();
                (kept.len() < present.len()).then_some(kept)
            }
        };
        let has = |on: On| {
            self.keys.iter().any(|(id, seen)| seen.kind == Kind::Certificate && seen.on == on && contains(keys, id))
        };
        if has(On::Application) {
            graph.change_key_credentials(&Holder::Application(app.to_owned()), of_holder(On::Application)).await?;
        }
        if let (Some(principal), true) = (&self.principal, has(On::ServicePrincipal)) {
            let holder = Holder::ServicePrincipal(principal.clone());
            graph.change_key_credentials(&holder, of_holder(On::ServicePrincipal)).await?;
        }
        for (_, id) in self.ids.iter().filter(|(name, _)| names.contains(*name)) {
            graph.delete_federated_credential(app, id).await?;
        }
        Ok(())
    }

    /// The same after a removal.
    fn but(mut self, keys: &BTreeSet<String>, names: &BTreeSet<String>) -> Self {
        self.keys.retain(|id, _| !contains(keys, id));
        self.names.retain(|name| !names.contains(name));
        self
    }
}

impl ConnectorCredentialsExclusive {
    /// Nothing but defaults: what an import starts from.
    fn imported(tenant: &str, application: &str) -> State {
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            application_id: application.to_owned().into(),
            key_ids: none(),
            federated_credential_names: none(),
            timeouts: None,
        };
        Stored { value, private: ConnectorCredentialsExclusivePrivate::default(), exists: true }
    }

    /// What exists, once it shows what is declared: a run that has just made some of it waits for the directory to replicate.
    async fn present_once_declared(
        &self,
        app: &str,
        before: &ConnectorCredentialsExclusivePrivate,
        graph: &Graph,
    ) -> Result<Option<Present>> {
        let until = if graph.has_written() { graph.now() + DOUBT } else { Timestamp::MIN };
        let complete = |found: &Option<Present>| found.as_ref().is_some_and(|present| self.is_met_by(present, before));
        Ok(graph.read_until(until, || Present::read(graph, app), complete).await?)
    }

    /// Whether everything that is in here exists, but for what did not when it was declared, and nothing that was removed.
    fn is_met_by(&self, present: &Present, private: &ConnectorCredentialsExclusivePrivate) -> bool {
        let exists = |id: &&String| present.keys.contains_key(&id.to_lowercase()) || contains(&private.absent_keys, id);
        let is_named = |name: &&String| present.names.contains(*name) || private.absent_names.contains(*name);
        self.key_ids.known().into_iter().flatten().all(|id| exists(&id))
            && self.federated_credential_names.known().into_iter().flatten().all(|name| is_named(&name))
            && !private
                .removed
                .iter()
                .any(|one| present.keys.contains_key(&one.to_lowercase()) || present.names.contains(one))
    }

    /// What exists and is not declared, a line for each. Fails while a part of what is declared is unknown.
    fn undeclared(&self, present: &Present) -> Result<Vec<String>> {
        let (keys, names) = (self.key_ids.get()?, self.federated_credential_names.get()?);
        let others =
            present.keys.iter().filter(|(id, _)| !contains(keys, id)).map(|(id, seen)| format!("- {id}: {seen}"));
        let federated = present.names.iter().filter(|name| !names.contains(*name)).map(|name| federated_line(name));
        Ok(others.chain(federated).collect())
    }

    /// What exists already decides whether a create can succeed: better said before anything is written.
    async fn look_before_create(&self, cx: &Cx) -> Result<()> {
        let tenant_id = self.tenant_id.known().cloned();
        let Some(app) = self.application_id.known() else { return Ok(()) };
        let Some(graph) = cx.graph_for_plan(tenant_id.as_deref())? else { return Ok(()) };
        let Some(present) = Present::read(&graph, app).await? else {
            return deleted_application(&graph, app, cx).await.map(|_| ());
        };
        // A credential that is unknown yet may be one that exists, such as a certificate that is taken over: apply knows.
        if self.key_ids.known().is_none() || self.federated_credential_names.known().is_none() {
            return Ok(());
        }
        let replaced = target::<Self>(tenant_id.as_deref().unwrap_or_default(), app);
        let destroyed_first = cx.is_second_plan() || cx.run()?.in_state::<serde_json::Value>(&replaced).is_some();
        self.refuse_undeclared(&present, destroyed_first, cx)
    }

    /// A guard that finds what nobody declared would remove it without any plan having shown it. Where a guard of this application is
    /// destroyed first, a plan has shown it before: then it is only said.
    fn refuse_undeclared(&self, present: &Present, destroyed_first: bool, cx: &Cx) -> Result<()> {
        let undeclared = self.undeclared(present)?;
        if undeclared.is_empty() {
            return Ok(());
        }
        if destroyed_first {
            cx.warn(Diagnostic::warning("The application has credentials that are not declared").help(format!(
                "They stay for now, and the next plan shows them as removed:\n{}",
                undeclared.join("\n")
            )));
            return Ok(());
        }
        let app = self.application_id.get()?;
        Err(Diagnostic::error("The application already has credentials that are not declared")
            .at("application_id")
            .help(format!("The guard would remove these without the plan having shown it:\n{}", undeclared.join("\n")))
            .help(format!("Declare them in `key_ids` and `federated_credential_names`, or import the guard with the id `{app}` so that a plan shows what will be removed."))
            .into())
    }
}

fn federated_line(name: &str) -> String {
    format!("- federated credential \"{name}\"")
}

impl State {
    /// A second guard of the same application would remove what this one allows.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let Some(application) = self.value.application_id.known() else { return Ok(()) };
        let target = target::<ConnectorCredentialsExclusive>(
            self.value.tenant_id.known().map_or("", String::as_str),
            application,
        );
        if cx.run()?.plan(target, Planned { exclusive: true, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error("Two guards watch over the credentials of one application")
            .at("application_id")
            .help(format!("Each would remove what the other one allows on the application {application}. Put all credentials into one."))
            .into())
    }

    /// Shows what exists; what was declared and did not exist then is no drift while that is so.
    fn observe(&mut self, present: Present) {
        let spelled = |id: &String| {
            let before = self.value.key_ids.known().into_iter().flatten().chain(&self.private.absent_keys);
            before.into_iter().find(|one| one.eq_ignore_ascii_case(id)).unwrap_or(id).clone()
        };
        let keys: BTreeSet<String> = present.keys.keys().map(spelled).collect();
        self.private.absent_keys = missing(&self.private.absent_keys, &keys);
        self.private.absent_names = missing(&self.private.absent_names, &present.names);
        self.private.keys = present.keys;
        self.value.key_ids = (&keys | &self.private.absent_keys).into();
        self.value.federated_credential_names = (&present.names | &self.private.absent_names).into();
    }

    /// Notes what exists after an apply, and says which of the declared ones do not.
    fn remember(&mut self, present: &Present, cx: &Cx) -> Result<()> {
        let keys: BTreeSet<String> = present.keys.keys().cloned().collect();
        self.private.absent_keys = missing(self.value.key_ids.get()?, &keys);
        self.private.absent_names = missing(self.value.federated_credential_names.get()?, &present.names);
        self.private.keys = present.keys.clone();
        let names = self.private.absent_names.iter().map(|name| federated_line(name));
        let absent: Vec<_> = self.private.absent_keys.iter().map(|id| format!("- {id}")).chain(names).collect();
        if !absent.is_empty() {
            cx.warn(
                Diagnostic::warning("Credentials are declared that do not exist")
                    .at("key_ids")
                    .help(format!("They may come to be, and then stay:\n{}", absent.join("\n"))),
            );
        }
        Ok(())
    }

    /// Names and ends of what the plan shows only by id.
    fn warn_of_removal(&self, planned: &ConnectorCredentialsExclusive, cx: &Cx) {
        let kept = match planned.key_ids.known() {
            Some(keys) => keys.clone(),
            None => cx.configured_texts("key_ids"),
        };
        let kept_names = match planned.federated_credential_names.known() {
            Some(names) => names.clone(),
            None => cx.configured_texts("federated_credential_names"),
        };
        let keys =
            self.private.keys.iter().filter(|(id, _)| !contains(&kept, id)).map(|(id, seen)| format!("- {id}: {seen}"));
        let shown = self.value.federated_credential_names.known().into_iter().flatten();
        let names = shown
            .filter(|name| !kept_names.contains(*name) && !self.private.absent_names.contains(*name))
            .map(|name| federated_line(name));
        let going: Vec<_> = keys.chain(names).collect();
        if going.is_empty() {
            return;
        }
        // Nothing of such a value shows which of these it declares.
        let open = ["key_ids", "federated_credential_names"].into_iter().find(|name| cx.is_wholly_unknown(name));
        let (summary, why) = match open {
            Some(name) => (
                "Credentials may be removed",
                format!(
                    "`{name}` is not known yet: the apply removes what it will not declare of these. `setunion` keeps what is known of its parts."
                ),
            ),
            None => (
                "Credentials will be removed",
                "These are on the application or its service principal and are not declared.".to_owned(),
            ),
        };
        cx.warn(
            Diagnostic::warning(summary)
                .at(open.unwrap_or("key_ids"))
                .help(format!("{why} Who uses one of them can no longer sign in:\n{}", going.join("\n"))),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    fn present(keys: &[&str], names: &[&str]) -> Present {
        let seen = Seen { kind: Kind::Secret, on: On::Application, name: None, end: None };
        Present {
            principal: None,
            keys: keys.iter().map(|id| ((*id).to_owned(), seen.clone())).collect(),
            names: set(names),
            ids: BTreeMap::new(),
        }
    }

    #[test]
    fn a_refresh_shows_what_exists_in_the_declared_spelling() {
        let mut state = ConnectorCredentialsExclusive::imported("t", "a");
        state.value.key_ids = set(&["AA", "bb"]).into();
        state.observe(present(&["aa", "cc"], &["x"]));
        assert_eq!(state.value.key_ids, set(&["AA", "cc"]).into());
        assert_eq!(state.value.federated_credential_names, set(&["x"]).into());
    }

    #[test]
    fn what_was_declared_and_did_not_exist_is_no_drift_until_it_exists() {
        let mut state = ConnectorCredentialsExclusive::imported("t", "a");
        state.private.absent_keys = set(&["AA"]);
        state.observe(present(&["bb"], &[]));
        assert_eq!(state.value.key_ids, set(&["AA", "bb"]).into());
        state.observe(present(&["aa", "bb"], &[]));
        assert_eq!((state.value.key_ids.clone(), state.private.absent_keys.len()), (set(&["AA", "bb"]).into(), 0));
        state.observe(present(&["bb"], &[]));
        assert_eq!(state.value.key_ids, set(&["bb"]).into());
    }
}
