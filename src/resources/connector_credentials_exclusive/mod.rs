//! `m365_connector_credentials_exclusive`: a guard over everything that can sign in as an application. Whoever wants to use a connector
//! for something else plants a credential of their own, on the application or on its service principal, where no portal page shows it.

mod present;

use super::connector_app::confirm_create;
use super::{not_replicated, ownership, plan_tenant, target};
use crate::framework::{
    Computed, Diagnostic, Diagnostics, Resource, Result, Stored, Timeouts, Value, configurable, forces_replacement,
    guid, ignores_case, keeps_state,
};
use crate::graph::{Graph, Settled, View, WINDOW, Writes};
use crate::provider::missing::{deleted_application, no_such_application};
use crate::provider::{Claim, CredentialKey, Cx, Planned, Services, Target};
use present::{Going, Present, Seen, key_entry, name_entry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

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
    /// `m365_connector_certificate`; `setunion` combines them. None by default. After a refresh: those that exist. An id allows one
    /// credential: the application's secret of that id, else its certificate, else the service principal's. A further one of the same
    /// id is written `certificate@service_principal/<id>` (`secret` or `certificate`, `application` or `service_principal`).
    #[serde(default = "none")]
    #[schemars(transform = ignores_case)]
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
    /// Secrets and certificates at the last refresh, as `key_ids` names them.
    #[serde(default)]
    keys: BTreeMap<String, Seen>,
    /// Declared key ids that did not exist at the last apply: they are no drift while that is so.
    #[serde(default)]
    absent_keys: BTreeSet<String>,
    /// The same for names of federated credentials.
    #[serde(default)]
    absent_names: BTreeSet<String>,
    /// What was removed of late, and what was there then.
    #[serde(default)]
    writes: Writes,
}

impl ConnectorCredentialsExclusivePrivate {
    /// Secrets and certificates at the last refresh.
    fn keys(&self) -> BTreeMap<CredentialKey, Seen> {
        let key = |text: &str, seen: &Seen| {
            CredentialKey::new(seen.on, seen.kind, text.rsplit('/').next().unwrap_or_default())
        };
        self.keys.iter().map(|(text, seen)| (key(text, seen), seen.clone())).collect()
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
        check_names(cx)?;
        state.value.plan_among_others(cx)?;
        // A create only looks; what it finds beyond the declared is refused.
        if before.is_some_and(|before| *before != state.value) {
            let application = state.value.application_id.known().map(String::as_str);
            cx.preflight_application(&state.value.tenant_id, application).await?;
        }
        match prior {
            Some(prior) => {
                prior.warn_of_removal(&state.value, cx);
                Ok(())
            }
            None => state.value.look_before_create(cx).await,
        }
    }

    async fn plan_destroy(prior: &State, cx: &Cx) -> Result<()> {
        match prior.value.target() {
            Some(target) => ownership::plan_destroy(&target, cx),
            None => Ok(()),
        }
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let app = state.value.application_id.get()?.clone();
        let mut claim = cx.claim_create::<Self>(&state.value.tenant_id, &app).await?;
        state.value.tenant_id = claim.tenant.id.clone().into();
        let Some(present) = state.value.present_once_declared(&app, &state.private, &mut claim).await? else {
            return Err(no_such_application(&claim.tenant.graph, &app).await?);
        };
        let undeclared = state.value.undeclared(&present)?;
        if !undeclared.is_empty() {
            // A delete of this run has been here: what it guarded, a plan showed before.
            if claim.left()?.is_none() {
                return Err(state.value.refusal(&undeclared).into());
            }
            cx.warn(stays_for_now(&undeclared));
        }
        confirm_create(&claim.tenant.graph, &app, None).await?;
        state.exists = true;
        state.remember(&present, &Going::default(), &claim.tenant.graph, cx)?;
        claim.took([])
    }

    async fn read(key: ConnectorCredentialsExclusiveKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let tenant = cx.tenant(key.tenant_id.as_deref()).await?;
        let app = &key.application_id;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        // Of an application that is gone or deleted nothing is missed.
        let hidden: BTreeSet<String> = match &prior {
            Some(prior) => prior.value.federated_credential_names.known().cloned().unwrap_or_default(),
            None => BTreeSet::new(),
        };
        let view = |found: &Option<Present>| match found {
            Some(present) if present.is_deleted => {
                hidden.iter().map(|name| (name_entry(name), json!(true))).chain(present.view()).collect()
            }
            Some(present) => present.view(),
            None => View::new(),
        };
        let Settled { seen, stale } =
            tenant.graph.settled_read(&writes, || Present::read_anywhere(&tenant.graph, app), view).await?;
        let Some(mut present) = seen else {
            // The same as a replica may say of an application that was made a moment ago.
            return Ok(prior.filter(|_| !stale.is_empty()));
        };
        // Graph does not show federated credentials of a deleted application; they are there again once it is restored.
        if present.is_deleted {
            present.names.clone_from(&hidden);
        }
        let mut state = prior.unwrap_or_else(|| Self::imported(&tenant.id, app));
        if !stale.is_empty() {
            cx.warn(not_replicated("the credentials of an application"));
            present.settle(&stale, &state.private.keys(), &hidden);
        }
        state.observe(&present);
        cx.run()?.found_in_state(target::<Self>(&tenant.id, app), &state.private)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let app = state.value.application_id.get()?.clone();
        let mut claim = cx.claim_update::<Self>(&state.value.tenant_id, &app).await?;
        let Some(present) = state.value.present_once_declared(&app, &state.private, &mut claim).await? else {
            return Err(no_such_application(&claim.tenant.graph, &app).await?);
        };
        // Only what the plan showed goes: what appeared since then shows in the next plan.
        let going = prior.shown_but_not_declared(&state.value)?;
        let graph = claim.tenant.graph.clone();
        present.remove(&going, &app, &graph).await?;
        let present = present.but(&going);
        let new = state.value.undeclared(&present)?;
        if !new.is_empty() {
            cx.warn(
                Diagnostic::warning("Credentials that nobody declared appeared since the plan")
                    .help(format!("They stay for now, and the next plan shows them as removed:\n{}", new.join("\n"))),
            );
        }
        state.remember(&present, &going, &graph, cx)
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        // Nothing is removed; a guard that takes its place in this run meets what the plan showed.
        let app = prior.value.application_id.get()?;
        cx.claim_delete::<Self>(&prior.value.tenant_id, app).await?.leave([])
    }
}

/// Those of `all` that are not in `kept`.
fn missing(all: &BTreeSet<String>, kept: &BTreeSet<String>) -> BTreeSet<String> {
    all.iter().filter(|one| !kept.iter().any(|other| other.eq_ignore_ascii_case(one))).cloned().collect()
}

/// The credentials of `all` that `texts` name.
fn named<'a, V>(texts: &BTreeSet<String>, all: &'a BTreeMap<CredentialKey, V>) -> BTreeSet<&'a CredentialKey> {
    texts.iter().filter_map(|text| CredentialKey::named(text, all)).collect()
}

/// What no credential is called by.
fn check_names(cx: &Cx) -> Result<()> {
    let wrong = cx.configured_texts("key_ids").into_iter().filter(|text| !CredentialKey::is_name(text));
    let found = wrong.map(|text| {
        Diagnostic::error(format!("\"{text}\" names no credential")).at("key_ids").help(
            "A secret or certificate is named by its key id, a GUID; a further one of the same id as `certificate@service_principal/<key id>`, with its kind (`secret` or `certificate`) and what it is on (`application` or `service_principal`).",
        )
    });
    Diagnostics(found.collect()).into_result()
}

fn stays_for_now(undeclared: &[String]) -> Diagnostic {
    Diagnostic::warning("The application has credentials that are not declared")
        .help(format!("They stay for now, and the next plan shows them as removed:\n{}", undeclared.join("\n")))
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

    /// The application, for the run's memory.
    fn target(&self) -> Option<Target> {
        let tenant = self.tenant_id.known().map_or("", String::as_str);
        self.application_id.known().map(|app| target::<Self>(tenant, app))
    }

    /// A second guard of the same application would remove what this one allows.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let (Some(target), Some(app)) = (self.target(), self.application_id.known()) else { return Ok(()) };
        if cx.run()?.plan(target, Planned { exclusive: true, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error("Two guards watch over the credentials of one application")
            .at("application_id")
            .help(format!(
                "Each would remove what the other one allows on the application {app}. Put all credentials into one."
            ))
            .into())
    }

    /// What exists, once it shows what is declared: a run that has just made some of it waits for the directory to replicate, and lets
    /// others write meanwhile.
    async fn present_once_declared(
        &self,
        app: &str,
        before: &ConnectorCredentialsExclusivePrivate,
        claim: &mut Claim<'_>,
    ) -> Result<Option<Present>> {
        let graph = claim.tenant.graph.clone();
        if graph.has_written() {
            claim.release();
            let complete =
                |found: &Option<Present>| found.as_ref().is_some_and(|present| self.is_met_by(present, before));
            graph.read_until(graph.now() + WINDOW, || Present::read(&graph, app), complete).await?;
            claim.lock(app).await?;
        }
        Ok(Present::read(&graph, app).await?)
    }

    /// Whether everything that is in here exists, but for what did not when it was declared.
    fn is_met_by(&self, present: &Present, private: &ConnectorCredentialsExclusivePrivate) -> bool {
        let exists = |id: &&String| {
            CredentialKey::named(id, &present.keys).is_some()
                || private.absent_keys.iter().any(|absent| absent.eq_ignore_ascii_case(id))
        };
        let is_named = |name: &&String| present.names.contains(*name) || private.absent_names.contains(*name);
        self.key_ids.known().into_iter().flatten().all(|id| exists(&id))
            && self.federated_credential_names.known().into_iter().flatten().all(|name| is_named(&name))
    }

    /// What exists and is not declared, a line for each. Fails while a part of what is declared is unknown.
    fn undeclared(&self, present: &Present) -> Result<Vec<String>> {
        let (declared, names) = (named(self.key_ids.get()?, &present.keys), self.federated_credential_names.get()?);
        let others = present.keys.iter().filter(|(key, _)| !declared.contains(key));
        let others = others.map(|(key, seen)| key_line(&key.spelled_among(&present.keys), seen));
        let federated = present.names.iter().filter(|name| !names.contains(*name)).map(|name| federated_line(name));
        Ok(others.chain(federated).collect())
    }

    /// What exists already decides whether a create can succeed: better said before anything is written. A guard that finds what nobody
    /// declared would remove it without any plan having shown it; where a guard of this application is destroyed first, a plan has.
    async fn look_before_create(&self, cx: &Cx) -> Result<()> {
        let (Some(app), Some(target)) = (self.application_id.known(), self.target()) else { return Ok(()) };
        let Some(graph) = cx.graph_for_plan(self.tenant_id.known().map(String::as_str))? else { return Ok(()) };
        let Some(present) = Present::read_anywhere(&graph, app).await? else {
            return Err(no_such_application(&graph, app).await?);
        };
        if present.is_deleted {
            deleted_application(&graph, app, cx).await?;
        }
        // A credential that is unknown yet may be one that exists, such as a certificate that is taken over: apply knows.
        if self.key_ids.known().is_none() || self.federated_credential_names.known().is_none() {
            return Ok(());
        }
        let undeclared = self.undeclared(&present)?;
        if undeclared.is_empty() {
            return Ok(());
        }
        let error = self.refusal(&undeclared);
        if cx.is_second_plan() || cx.run()?.excuse(&target, &error) {
            cx.warn(stays_for_now(&undeclared));
            return Ok(());
        }
        Err(error.into())
    }

    fn refusal(&self, undeclared: &[String]) -> Diagnostic {
        let app = self.application_id.known().map_or("", String::as_str);
        Diagnostic::error("The application already has credentials that are not declared")
            .at("application_id")
            .help(format!("The guard would remove these without the plan having shown it:\n{}", undeclared.join("\n")))
            .help(format!("Declare them in `key_ids` and `federated_credential_names`, or import the guard with the id `{app}` so that a plan shows what will be removed."))
            .help("Where another address of this configuration guarded the application until now, say with a `moved` block that the guard has only been renamed. Under `create_before_destroy` apply once without a replacement first.")
    }
}

fn key_line(text: &str, seen: &Seen) -> String {
    format!("- {text}: {seen}")
}

fn federated_line(name: &str) -> String {
    format!("- federated credential \"{name}\"")
}

impl State {
    /// Shows what exists, in the spelling that is declared; what was declared and did not exist then is no drift while that is so.
    fn observe(&mut self, present: &Present) {
        let declared: BTreeSet<String> =
            self.value.key_ids.known().into_iter().flatten().chain(&self.private.absent_keys).cloned().collect();
        let spelled = |key: &CredentialKey| -> BTreeSet<String> {
            let here = |text: &&String| CredentialKey::named(text, &present.keys) == Some(key);
            let texts: BTreeSet<_> = declared.iter().filter(here).cloned().collect();
            if texts.is_empty() { BTreeSet::from([key.spelled_among(&present.keys)]) } else { texts }
        };
        let keys: BTreeSet<String> = present.keys.keys().flat_map(spelled).collect();
        self.private.absent_keys = missing(&self.private.absent_keys, &keys);
        self.private.absent_names = missing(&self.private.absent_names, &present.names);
        self.private.keys = by_name(present);
        self.value.key_ids = (&keys | &self.private.absent_keys).into();
        self.value.federated_credential_names = (&present.names | &self.private.absent_names).into();
    }

    /// What the refreshed state shows, and the plan does not declare any more. By what it was when the plan showed it: an id may be
    /// another credential's by now.
    fn shown_but_not_declared(&self, planned: &ConnectorCredentialsExclusive) -> Result<Going> {
        let before = self.private.keys();
        let gone = missing(self.value.key_ids.get()?, planned.key_ids.get()?);
        let (gone, kept) = (named(&gone, &before), named(planned.key_ids.get()?, &before));
        let names = self.value.federated_credential_names.get()?;
        Ok(Going {
            keys: gone.difference(&kept).map(|key| (*key).clone()).collect(),
            names: missing(names, planned.federated_credential_names.get()?),
        })
    }

    /// Notes what exists after an apply, and says which of the declared ones do not.
    fn remember(&mut self, present: &Present, gone: &Going, graph: &Graph, cx: &Cx) -> Result<()> {
        let (ids, names) = (self.value.key_ids.get()?, self.value.federated_credential_names.get()?);
        let exists = |text: &&String| CredentialKey::named(text, &present.keys).is_some();
        self.private.absent_keys = ids.iter().filter(|text| !exists(text)).cloned().collect();
        self.private.absent_names = missing(names, &present.names);
        self.private.keys = by_name(present);
        let going = gone.keys.iter().map(key_entry).chain(gone.names.iter().map(|name| name_entry(name)));
        let declared = named(ids, &present.keys).into_iter().map(key_entry);
        let declared = declared.chain(names.intersection(&present.names).map(|name| name_entry(name)));
        let view =
            |entries: &mut dyn Iterator<Item = String>| entries.map(|entry| (entry, json!(true))).collect::<View>();
        let (before, after) = (view(&mut going.into_iter()), view(&mut declared.into_iter()));
        // What is declared may have been made a moment ago by another resource: for a while its absence is no news.
        self.private.writes.wrote(graph.now(), &before, &after);
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
        let before = self.private.keys();
        let kept = named(&kept, &before);
        let going = before.iter().filter(|(key, _)| !kept.contains(key));
        let keys = going.map(|(key, seen)| key_line(&key.spelled_among(&before), seen));
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

/// Secrets and certificates as `key_ids` names them.
fn by_name(present: &Present) -> BTreeMap<String, Seen> {
    present.keys.iter().map(|(key, seen)| (key.spelled_among(&present.keys), seen.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::credential_key::{Kind, On};

    fn set(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    fn keys(all: &[(On, Kind, &str)]) -> Present {
        let seen = |kind, on| Seen { kind, on, name: None, end: None };
        let keys = all.iter().map(|(on, kind, id)| (CredentialKey::new(*on, *kind, id), seen(*kind, *on))).collect();
        Present { keys, ..Present::default() }
    }

    fn present(ids: &[&str], names: &[&str]) -> Present {
        let all: Vec<_> = ids.iter().map(|id| (On::Application, Kind::Secret, *id)).collect();
        Present { names: set(names), ..keys(&all) }
    }

    #[test]
    fn what_was_planted_under_a_declared_id_is_undeclared_and_just_that_goes() {
        let mut state = ConnectorCredentialsExclusive::imported("t", "a");
        state.value.key_ids = set(&["AA"]).into();
        let planted = (On::ServicePrincipal, Kind::Certificate, "aa");
        let present = keys(&[(On::Application, Kind::Secret, "aa"), planted]);
        let mut before = state.clone();
        before.observe(&present);
        assert_eq!(before.value.key_ids, set(&["AA", "certificate@service_principal/aa"]).into());
        assert_eq!(state.value.undeclared(&present).unwrap().len(), 1);
        let going = before.shown_but_not_declared(&state.value).unwrap();
        assert_eq!(going.keys, BTreeSet::from([CredentialKey::new(planted.0, planted.1, planted.2)]));
    }

    #[test]
    fn an_id_that_comes_to_be_another_credential_s_removes_what_the_plan_showed() {
        let mut before = ConnectorCredentialsExclusive::imported("t", "a");
        before.observe(&keys(&[(On::ServicePrincipal, Kind::Secret, "aa")]));
        let planned = ConnectorCredentialsExclusive::imported("t", "a");
        let going = before.shown_but_not_declared(&planned.value).unwrap();
        assert_eq!(going.keys, BTreeSet::from([CredentialKey::new(On::ServicePrincipal, Kind::Secret, "aa")]));
    }

    #[test]
    fn what_lags_is_as_it_was_and_what_was_removed_is_gone() {
        let mut now = keys(&[(On::Application, Kind::Secret, "removed"), (On::Application, Kind::Secret, "planted")]);
        now.names = set(&["old"]);
        let before = keys(&[(On::Application, Kind::Secret, "made")]).keys;
        let made = CredentialKey::new(On::Application, Kind::Secret, "made");
        let removed = CredentialKey::new(On::Application, Kind::Secret, "removed");
        let stale = BTreeSet::from([key_entry(&made), key_entry(&removed), name_entry("old"), name_entry("new")]);
        now.settle(&stale, &before, &set(&["new", "elsewhere"]));
        let ids: Vec<_> = now.keys.keys().map(CredentialKey::id).collect();
        assert_eq!((ids, now.names), (vec!["made", "planted"], set(&["new"])));
    }

    #[test]
    fn a_refresh_shows_what_exists_in_the_declared_spelling() {
        let mut state = ConnectorCredentialsExclusive::imported("t", "a");
        state.value.key_ids = set(&["AA", "bb"]).into();
        state.observe(&present(&["aa", "cc"], &["x"]));
        assert_eq!(state.value.key_ids, set(&["AA", "cc"]).into());
        assert_eq!(state.value.federated_credential_names, set(&["x"]).into());
    }

    #[test]
    fn what_was_declared_and_did_not_exist_is_no_drift_until_it_exists() {
        let mut state = ConnectorCredentialsExclusive::imported("t", "a");
        state.private.absent_keys = set(&["AA"]);
        state.observe(&present(&["bb"], &[]));
        assert_eq!(state.value.key_ids, set(&["AA", "bb"]).into());
        state.observe(&present(&["aa", "bb"], &[]));
        assert_eq!((state.value.key_ids.clone(), state.private.absent_keys.len()), (set(&["AA", "bb"]).into(), 0));
        state.observe(&present(&["bb"], &[]));
        assert_eq!(state.value.key_ids, set(&["bb"]).into());
    }
}
