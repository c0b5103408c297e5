//! An application as Graph shows it: read, imported, compared entry by entry, and what has to be written so that it is as planned.

use super::marker::{confirmed_tags, visible_tags};
use super::model::{ConnectorApp, ConnectorAppKey, ConnectorAppPrivate, Deletion, OnExisting, State};
use super::owners::{self, owners_of};
use super::properties::PROPERTIES;
use crate::framework::{Computed, Diagnostic, Result, Stored, is_guid};
use crate::graph::{
    Application, ApplicationPatch, Graph, ServicePrincipal, ServicePrincipalPatch, Shows, View, Writes,
};
use crate::provider::{Cx, resolve_tenant};
use crate::resources::target;
use serde_json::json;
use std::collections::BTreeSet;

impl State {
    /// The same as Graph shows it, once that shows our recent writes; `None` where it is gone for good.
    pub(super) async fn refresh(self, key: &ConnectorAppKey, graph: &Graph, cx: &Cx) -> Result<Option<State>> {
        let look = || self.clone().refreshed(key, graph, cx);
        let view = |seen: &Option<State>| seen.as_ref().map_or_else(View::new, |seen| seen.value.view());
        let settled = graph.settled_read(&self.private.writes, look, view).await?;
        if settled.stale.is_empty() {
            return Ok(settled.seen);
        }
        cx.warn(Diagnostic::warning("The tenant does not show the last change of the application everywhere yet").help(format!(
            "These are still shown as they were before: {}. The change was accepted and stands; the next refresh settles it.",
            settled.stale.iter().cloned().collect::<Vec<_>>().join(", ")
        )));
        Ok(Some(match settled.seen {
            Some(seen) if !settled.stale.contains(APPLICATION) => seen.with_entries_of(&settled.stale, &self),
            _ => self,
        }))
    }

    /// The same with these entries as `prior` has them.
    fn with_entries_of(mut self, entries: &BTreeSet<String>, prior: &State) -> State {
        let has = |name: &str| entries.contains(name);
        for one in PROPERTIES.iter().filter(|one| entries.contains(&property(one.name))) {
            (one.keep)(&mut self.value, &prior.value);
        }
        if has(DELETED) {
            self.value.deleted_date_time.clone_from(&prior.value.deleted_date_time);
        }
        if has(PRINCIPAL) {
            self.value.service_principal_id.clone_from(&prior.value.service_principal_id);
        }
        if has(PRINCIPAL) || has(ENABLED) {
            self.value.account_enabled = prior.value.account_enabled;
        }
        if has(PRINCIPAL) || has(ASSIGNMENT) {
            self.value.assignment_required = prior.value.assignment_required;
        }
        if let Computed::Known(all) = &mut self.value.owners {
            let before: BTreeSet<_> = prior.value.owners.known().cloned().unwrap_or_default();
            all.retain(|owner| !has(&owners::entry(owner)) || before.contains(owner));
            all.extend(before.into_iter().filter(|owner| has(&owners::entry(owner))));
        }
        self
    }

    /// The same as Graph shows it now; `None` where it is gone for good.
    async fn refreshed(mut self, key: &ConnectorAppKey, graph: &Graph, cx: &Cx) -> Result<Option<State>> {
        let client_id = self.value.client_id.get()?.clone();
        let (app, principal, owners) = futures_util::future::join3(
            graph.application(&key.id),
            graph.service_principal_by_app_id(&client_id),
            owners_of(graph, &key.id),
        )
        .await;
        let (app, mut principal) = (app?, principal?);
        self.value.deleted_date_time = Computed::Null;
        let app = match app {
            Some(app) => app,
            None => match graph.deleted_application(&key.id).await? {
                None => return Ok(None),
                Some(app) => {
                    self.value.deleted_date_time = app.deleted_date_time.clone().into();
                    app
                }
            },
        };
        if principal.is_none()
            && let Some(id) = self.value.service_principal_id.known()
        {
            principal = graph.deleted_service_principal(id).await?;
            if let (Some(deleted), Computed::Null) = (&principal, &self.value.deleted_date_time) {
                self.value.deleted_date_time = deleted.deleted_date_time.clone().into();
            }
        }
        self.value.observe(&app, principal.as_ref(), cx)?;
        self.observe_owners(owners?, graph).await?;
        Ok(Some(self))
    }

    /// For the plans of this run: the state holds it.
    pub(super) fn note_in_run(&self, cx: &Cx) -> Result<()> {
        let Some(name) = self.value.unique_name.known() else { return Ok(()) };
        cx.run()?.found_in_state(target::<ConnectorApp>(self.value.tenant_id.get()?, name), &self.private)
    }

    /// An application that some other way made, by object id, client id or unique name.
    pub(super) async fn import(key: &ConnectorAppKey, graph: &Graph, cx: &Cx) -> Result<Option<State>> {
        let tenant = resolve_tenant(key.tenant_id.as_ref(), graph).await?;
        let Some(app) = find(graph, &key.id).await? else {
            if is_guid(&key.id)
                && let Some(deleted) = graph.deleted_application(&key.id).await?
            {
                return Err(Diagnostic::error(format!("The application \"{}\" is deleted", deleted.display_name))
                    .help("Restore it first (Entra admin center, App registrations, Deleted applications), then import it.")
                    .into());
            }
            return Ok(None);
        };
        let principal = graph.service_principal_by_app_id(&app.app_id).await?;
        let mut state =
            Stored { value: ConnectorApp::imported(tenant), private: ConnectorAppPrivate::default(), exists: true };
        state.value.observe(&app, principal.as_ref(), cx)?;
        state.observe_owners(owners_of(graph, &app.id).await?, graph).await?;
        Ok(Some(state))
    }
}

/// Names of entries in a view.
const APPLICATION: &str = "application";
const DELETED: &str = "deleted";
const PRINCIPAL: &str = "service_principal";
const ENABLED: &str = "principal:account_enabled";
const ASSIGNMENT: &str = "principal:assignment_required";

fn property(name: &str) -> String {
    format!("property:{name}")
}

impl ConnectorApp {
    /// Nothing but defaults: what an import starts from.
    pub(super) fn imported(tenant: String) -> Self {
        Self {
            tenant_id: tenant.into(),
            unique_name: Computed::Null,
            profile: None,
            display_name: Computed::Null,
            description: Computed::Null,
            notes: Computed::Null,
            service_management_reference: Computed::Null,
            sign_in_audience: Computed::Null,
            web_redirect_uris: Computed::Null,
            spa_redirect_uris: Computed::Null,
            public_client_redirect_uris: Computed::Null,
            owners: Computed::Null,
            tags: Computed::Null,
            account_enabled: true,
            assignment_required: false,
            lock_instance_properties: true,
            on_existing: OnExisting::default(),
            deletion: Deletion::default(),
            restore_deleted: true,
            timeouts: None,
            id: Computed::Null,
            client_id: Computed::Null,
            service_principal_id: Computed::Null,
            consent_url: Computed::Null,
            created_date_time: Computed::Null,
            publisher_domain: Computed::Null,
            deleted_date_time: Computed::Null,
        }
    }

    /// Everything that a read can show, entry by entry: of the application, of its principal, and its owners.
    pub(super) fn view(&self) -> View {
        let mut view: View = PROPERTIES.iter().map(|one| (property(one.name), (one.shown)(self))).collect();
        let mut show = |name: &str, value| view.insert(name.to_owned(), value);
        show(APPLICATION, json!(self.id.known()));
        show(DELETED, json!(self.deleted_date_time.known().is_some()));
        if let Some(principal) = self.service_principal_id.known() {
            show(PRINCIPAL, json!(principal));
            show(ENABLED, json!(self.account_enabled));
            show(ASSIGNMENT, json!(self.assignment_required));
        }
        for owner in self.owners.known().into_iter().flatten() {
            show(&owners::entry(owner), json!(true));
        }
        view
    }

    /// What has to be written to turn `prior` into this; `None` when nothing has. Confirms the creation by the way.
    pub(super) async fn difference(
        &self,
        prior: &Self,
        writes: &Writes,
        graph: &Graph,
        id: &str,
    ) -> Result<Option<ApplicationPatch>> {
        let mut patch = self.changes(Some(prior));
        let retagged = self.tags.known().filter(|tags| Some(*tags) != prior.tags.known());
        if patch == ApplicationPatch::default() && retagged.is_none() {
            return Ok(None);
        }
        // Tags are one collection that holds ours too: merged on a fresh read, so that none of anybody's is lost.
        let asked = graph.asks();
        let fresh = graph.application(id).await?;
        let read = graph.since(asked);
        if patch.sign_in_audience.is_some() {
            patch.access_token_version = self.token_version(fresh.as_ref());
        }
        let Some(present) = fresh.map(|fresh| fresh.tags) else { return Ok(Some(patch)) };
        let mut visible = visible_tags(&present);
        if writes.shows(read, &property("tags"), Some(&json!(visible))) == Shows::Stale {
            visible = prior.tags.known().cloned().unwrap_or_default();
        }
        let wanted = confirmed_tags(retagged.unwrap_or(&visible), &present);
        patch.tags = (wanted != present).then_some(wanted);
        Ok(Some(patch))
    }

    /// Version of access tokens that has to be asked for together with the audience: Graph refuses a personal one without version 2 in
    /// the same request. Source: azure-cli#15512, microsoft-graph-docs#21685.
    pub(super) fn token_version(&self, present: Option<&Application>) -> Option<i32> {
        let version = present.and_then(|app| app.access_token_version);
        (self.is_personal() && version != Some(2)).then_some(2)
    }

    pub(super) fn principal_difference(&self, prior: &Self) -> Option<ServicePrincipalPatch> {
        let patch = ServicePrincipalPatch {
            account_enabled: (self.account_enabled != prior.account_enabled).then_some(self.account_enabled),
            app_role_assignment_required: (self.assignment_required != prior.assignment_required)
                .then_some(self.assignment_required),
            tags: None,
        };
        (patch != ServicePrincipalPatch::default()).then_some(patch)
    }

    /// Fills in what only Graph decides; planned values stay as planned.
    pub(super) fn computed_from(&mut self, app: &Application, cx: &Cx) -> Result<()> {
        self.show_identity(app, cx)?;
        self.decide_properties(app);
        Ok(())
    }

    /// Replaces everything that Graph stores by what it says.
    fn observe(&mut self, app: &Application, principal: Option<&ServicePrincipal>, cx: &Cx) -> Result<()> {
        self.show_identity(app, cx)?;
        self.observe_properties(app);
        self.service_principal_id = principal.map(|principal| principal.id.clone()).into();
        if let Some(principal) = principal {
            self.account_enabled = principal.account_enabled.unwrap_or(true);
            self.assignment_required = principal.app_role_assignment_required.unwrap_or(false);
        }
        Ok(())
    }

    fn show_identity(&mut self, app: &Application, cx: &Cx) -> Result<()> {
        self.id = app.id.clone().into();
        self.client_id = app.app_id.clone().into();
        self.created_date_time = app.created_date_time.clone().into();
        self.publisher_domain = app.publisher_domain.clone().into();
        self.consent_url = cx.consent_url(self.tenant_id.get()?, &app.app_id)?.into();
        Ok(())
    }
}

/// An application by object id, client id or unique name: what an import may be given.
async fn find(graph: &Graph, named: &str) -> Result<Option<Application>> {
    if !is_guid(named) {
        return Ok(graph.application_by_unique_name(named).await?);
    }
    match graph.application(named).await? {
        Some(app) => Ok(Some(app)),
        None => Ok(graph.application_by_app_id(named).await?),
    }
}
