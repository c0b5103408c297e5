//! `m365_connector_app`: an application and its service principal, as one thing.

use super::{plan_tenant, resolve_tenant};
use crate::catalog::ProfileVersion;
use crate::framework::{
    Computed, Diagnostic, Resource, Result, Stored, Timeouts, configurable, forces_replacement, keeps_state,
};
use crate::graph::{
    Application, ApplicationPatch, Graph, NewApplication, Patch, ServicePrincipal, ServicePrincipalPatch,
};
use crate::provider::{Cx, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Tag of an application whose creation has not been confirmed by a later write: it lets a repeated create know its own.
pub(crate) const MARKER: &str = "terraform-provider-m365:created";
/// Tag of every application that this provider made.
pub(crate) const OURS: &str = "terraform-provider-m365";
/// Tag with which the portal lists a service principal among the enterprise applications.
const PORTAL_TAG: &str = "WindowsAzureActiveDirectoryIntegratedApp";

/// The Entra application registration of one vendor connector, together with its service principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorApp {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state)]
    #[schemars(regex(pattern = GUID))]
    pub tenant_id: Computed<String>,
    /// Key by which a repeated creation finds its own application again: Graph's `uniqueName`. Derived from the profile or the
    /// display name where not given, then kept. A changed name replaces the application.
    #[schemars(transform = configurable, transform = keeps_state, length(min = 1, max = 256))]
    pub unique_name: Computed<String>,
    /// Connector profile to take defaults from, such as `md-eco-m365-defender` or `md-eco-m365-defender@1`.
    pub profile: Option<String>,
    /// Name that administrators see. From the profile where not given, else required.
    #[schemars(transform = configurable, length(min = 1, max = 256))]
    pub display_name: Computed<String>,
    /// Description of the application. Left alone while not given; `""` clears it.
    #[schemars(transform = configurable, transform = keeps_state)]
    pub description: Computed<String>,
    /// Notes for administrators. Left alone while not given; `""` clears them.
    #[schemars(transform = configurable, transform = keeps_state)]
    pub notes: Computed<String>,
    /// Reference into a service or asset database. Left alone while not given; `""` clears it.
    #[schemars(transform = configurable, transform = keeps_state)]
    pub service_management_reference: Computed<String>,
    /// Whose accounts may sign in: `AzureADMyOrg` (default), `AzureADMultipleOrgs`, `AzureADandPersonalMicrosoftAccount` or
    /// `PersonalMicrosoftAccount`.
    #[schemars(transform = configurable, regex(pattern = AUDIENCES))]
    pub sign_in_audience: Computed<String>,
    /// Redirect URIs of the web platform. The profile's or none where not given.
    #[schemars(transform = configurable)]
    pub web_redirect_uris: Computed<BTreeSet<String>>,
    /// Redirect URIs of the single-page platform. The profile's or none where not given.
    #[schemars(transform = configurable)]
    pub spa_redirect_uris: Computed<BTreeSet<String>>,
    /// Redirect URIs of the public client platform. The profile's or none where not given.
    #[schemars(transform = configurable)]
    pub public_client_redirect_uris: Computed<BTreeSet<String>>,
    /// Tags of the application. Left alone while not given; `[]` clears them. The provider's own tags are not shown.
    #[schemars(transform = configurable, transform = keeps_state)]
    pub tags: Computed<BTreeSet<String>>,
    /// Whether the service principal may sign in. Default `true`.
    #[serde(default = "yes")]
    pub account_enabled: bool,
    /// Whether users need an assignment to use the application. Default `false`.
    #[serde(default)]
    pub assignment_required: bool,
    /// Whether the properties of service principals of this application are locked against changes. Default `true`.
    #[serde(default = "yes")]
    pub lock_instance_properties: bool,
    /// What to do when another application already has the `unique_name`: `error` (default) or `adopt`.
    #[serde(default)]
    pub on_existing: OnExisting,
    /// How to delete: `soft` (default), which can be undone for 30 days, or `permanent`.
    #[serde(default)]
    pub deletion: Deletion,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// Object id of the application, which Graph uses in its URLs.
    #[schemars(transform = keeps_state)]
    pub id: Computed<String>,
    /// Application (client) id, which the vendor asks for.
    #[schemars(transform = keeps_state)]
    pub client_id: Computed<String>,
    /// Object id of the service principal, which grants are made to.
    #[schemars(transform = keeps_state)]
    pub service_principal_id: Computed<String>,
    /// Page on which an administrator can consent to what the application asks for.
    #[schemars(transform = keeps_state)]
    pub consent_url: Computed<String>,
    /// When the application was made, in RFC 3339.
    #[schemars(transform = keeps_state)]
    pub created_date_time: Computed<String>,
    /// Verified domain of the publisher.
    #[schemars(transform = keeps_state)]
    pub publisher_domain: Computed<String>,
}

const GUID: &str = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
const AUDIENCES: &str =
    r"^(AzureADMyOrg|AzureADMultipleOrgs|AzureADandPersonalMicrosoftAccount|PersonalMicrosoftAccount)$";

fn yes() -> bool {
    true
}

/// What to do with an application that already has the name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExisting {
    /// Refuse.
    #[default]
    Error,
    /// Manage it from now on.
    Adopt,
}

/// How an application is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// Into the directory's deleted items, for 30 days.
    #[default]
    Soft,
    /// For good.
    Permanent,
}

/// Identity of an application.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorAppKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id; an import by id also takes the client id or the `unique_name`.
    pub id: String,
}

/// What only we remember of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorAppPrivate {
    /// The create did not end: what it left is purged by a delete, so that the next create finds no deleted items.
    #[serde(default)]
    incomplete: bool,
}

impl Resource for ConnectorApp {
    const NAME: &'static str = "m365_connector_app";
    type Services = Services;
    type Key = ConnectorAppKey;
    type Private = ConnectorAppPrivate;

    fn validate(&self, cx: &Cx) -> Result<()> {
        let Some(profile) = &self.profile else {
            if matches!(self.display_name, Computed::Null) {
                return Err(Diagnostic::error("The application needs a name")
                    .at("display_name")
                    .help("Set `display_name`, or name a `profile` that brings one.")
                    .into());
            }
            return Ok(());
        };
        profile_of(profile, cx).map(|_| ())
    }

    async fn plan(
        state: &mut Stored<Self, ConnectorAppPrivate>,
        prior: Option<&Stored<Self, ConnectorAppPrivate>>,
        cx: &Cx,
    ) -> Result<()> {
        let app = &mut state.value;
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut app.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        let profile = app.profile.as_deref().map(|name| profile_of(name, cx)).transpose()?;
        app.fill_from(profile.as_ref(), cx);
        app.plan_unique_name(profile.as_ref(), before, cx);
        if let Some(before) = before {
            // A deleted service principal comes back under a new id.
            if before.service_principal_id.known().is_none() {
                app.service_principal_id = Computed::Unknown;
            }
        }
        Ok(())
    }

    async fn create(state: &mut Stored<Self, ConnectorAppPrivate>, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(&state.value.tenant_id, &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        let app = match graph.create_application(&state.value.to_graph()?).await {
            Ok(app) => app,
            Err(error) if error.is_unique_name_taken() => state.value.take_over(&graph, cx).await?,
            Err(error) => return Err(error.into()),
        };
        // The id first: whatever fails after this is not lost.
        state.exists = true;
        state.private.incomplete = true;
        state.value.computed_from(&app, cx)?;
        let principal = state.value.make_principal(&graph, &app.app_id).await?;
        state.value.service_principal_id = principal.id.into();
        state.private.incomplete = false;
        Ok(())
    }

    async fn read(
        key: ConnectorAppKey,
        prior: Option<Stored<Self, ConnectorAppPrivate>>,
        cx: &Cx,
    ) -> Result<Option<Stored<Self, ConnectorAppPrivate>>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let imported = prior.is_none();
        let mut state = match prior {
            Some(prior) => prior,
            None => Stored {
                value: Self::imported(resolve_tenant(&key.tenant_id.clone().into(), &graph).await?),
                private: ConnectorAppPrivate::default(),
                exists: true,
            },
        };
        let app = if imported { find(&graph, &key.id).await? } else { graph.application(&key.id).await? };
        let Some(app) = app else { return Ok(None) };
        let principal = graph.service_principal_by_app_id(&app.app_id).await?;
        state.value.observe(&app, principal.as_ref(), cx)?;
        Ok(Some(state))
    }

    async fn update(
        state: &mut Stored<Self, ConnectorAppPrivate>,
        prior: Stored<Self, ConnectorAppPrivate>,
        cx: &Cx,
    ) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let id = prior.value.id.get()?.clone();
        let _guard = cx.lock(&id).await?;
        if let Some(patch) = state.value.difference(&prior.value, &graph, &id).await? {
            graph.update_application(&id, &patch).await?;
        }
        match prior.value.service_principal_id.known() {
            None => {
                state.value.service_principal_id =
                    state.value.make_principal(&graph, prior.value.client_id.get()?).await?.id.into();
            }
            Some(principal) => {
                if let Some(patch) = state.value.principal_difference(&prior.value) {
                    graph.update_service_principal(principal, &patch).await?;
                }
            }
        }
        Ok(())
    }

    async fn delete(prior: Stored<Self, ConnectorAppPrivate>, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let id = prior.value.id.get()?;
        let _guard = cx.lock(id).await?;
        graph.delete_application(id).await?;
        if prior.value.deletion == Deletion::Permanent || prior.private.incomplete {
            // Graph deletes the home tenant's principal with its application; it stays among the deleted items by itself.
            if let Some(principal) = prior.value.service_principal_id.known() {
                graph.purge_deleted_item(principal).await?;
            }
            graph.purge_deleted_item(id).await?;
        }
        Ok(())
    }
}

impl ConnectorApp {
    /// Nothing but defaults: what an import starts from.
    fn imported(tenant: String) -> Self {
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
            tags: Computed::Null,
            account_enabled: true,
            assignment_required: false,
            lock_instance_properties: true,
            on_existing: OnExisting::default(),
            deletion: Deletion::default(),
            timeouts: None,
            id: Computed::Null,
            client_id: Computed::Null,
            service_principal_id: Computed::Null,
            consent_url: Computed::Null,
            created_date_time: Computed::Null,
            publisher_domain: Computed::Null,
        }
    }

    /// Plans what comes from the profile or has a default, never from the prior state: or drift would be invisible.
    fn fill_from(&mut self, profile: Option<&ProfileVersion>, cx: &Cx) {
        let app = profile.map(|profile| &profile.app);
        if !cx.is_configured("display_name")
            && let Some(name) = app.and_then(|app| app.display_name.clone())
        {
            self.display_name = name.into();
        }
        if !cx.is_configured("sign_in_audience") {
            self.sign_in_audience =
                app.and_then(|app| app.sign_in_audience.clone()).unwrap_or_else(|| "AzureADMyOrg".to_owned()).into();
        }
        let uris =
            |list: Option<&Vec<String>>| Computed::Known(list.into_iter().flatten().cloned().collect::<BTreeSet<_>>());
        if !cx.is_configured("web_redirect_uris") {
            self.web_redirect_uris = uris(app.map(|app| &app.web_redirect_uris));
        }
        if !cx.is_configured("spa_redirect_uris") {
            self.spa_redirect_uris = uris(app.map(|app| &app.spa_redirect_uris));
        }
        if !cx.is_configured("public_client_redirect_uris") {
            self.public_client_redirect_uris = uris(app.map(|app| &app.public_client_redirect_uris));
        }
    }

    fn plan_unique_name(&mut self, profile: Option<&ProfileVersion>, before: Option<&Self>, cx: &Cx) {
        match before {
            None if !cx.is_configured("unique_name") => {
                let name = profile
                    .map(|profile| profile.slug.clone())
                    .or_else(|| self.display_name.known().map(|name| slug(name)));
                if let Some(name) = name {
                    self.unique_name = name.into();
                }
            }
            // An application without one, such as an imported one, may be given one: Graph lets it be set once.
            Some(before) if before.unique_name.known().is_some() && before.unique_name != self.unique_name => {
                cx.requires_replacement("unique_name");
            }
            _ => {}
        }
    }

    fn to_graph(&self) -> Result<NewApplication> {
        let mut tags: Vec<String> = self.tags.known().into_iter().flatten().cloned().collect();
        tags.extend([OURS.to_owned(), MARKER.to_owned()]);
        Ok(NewApplication {
            display_name: self.display_name.get()?.clone(),
            unique_name: Some(self.unique_name.get()?.clone()),
            sign_in_audience: self.sign_in_audience.get()?.clone(),
            description: text(&self.description),
            notes: text(&self.notes),
            service_management_reference: text(&self.service_management_reference),
            tags,
            web_redirect_uris: uris(&self.web_redirect_uris),
            spa_redirect_uris: uris(&self.spa_redirect_uris),
            public_client_redirect_uris: uris(&self.public_client_redirect_uris),
            lock_instance_properties: self.lock_instance_properties,
        })
    }

    /// The application that has our name already: ours from a create whose answer was lost, or one to be adopted.
    async fn take_over(&self, graph: &Graph, cx: &Cx) -> Result<Application> {
        let name = self.unique_name.get()?;
        let Some(found) = graph.application_by_unique_name(name).await? else {
            return Err(self.taken_by_a_deleted_one(graph, name).await?);
        };
        let young = found
            .created_date_time
            .as_deref()
            .and_then(|made| made.parse::<jiff::Timestamp>().ok())
            .is_some_and(|made| graph.now().duration_since(made).as_hours() < 24);
        let ours = young && found.tags.iter().any(|tag| tag == MARKER);
        if !ours && self.on_existing == OnExisting::Error {
            return Err(Diagnostic::error(format!("Another application already has the unique name \"{name}\""))
                .at("unique_name")
                .help(format!("It is \"{}\" with client id {} and object id {}.", found.display_name, found.app_id, found.id))
                .help(format!("To manage that one, import it with the id `{}`, or set `on_existing = \"adopt\"`; else choose another `unique_name`.", found.id))
                .into());
        }
        let why =
            if ours { "An earlier create made it, and its answer was lost." } else { "`on_existing` is \"adopt\"." };
        cx.warn(
            Diagnostic::warning(format!("The existing application \"{}\" was taken over", found.display_name))
                .help(format!("Client id {}, object id {}. {why}", found.app_id, found.id)),
        );
        let mut as_it_is = Self::imported(self.tenant_id.get()?.clone());
        as_it_is.observe_application(&found);
        if let Some(patch) = self.difference(&as_it_is, graph, &found.id).await? {
            graph.update_application(&found.id, &patch).await?;
        }
        Ok(found)
    }

    async fn taken_by_a_deleted_one(&self, graph: &Graph, name: &str) -> Result<crate::framework::Diagnostics> {
        let error = Diagnostic::error(format!("A deleted application still holds the unique name \"{name}\""))
            .at("unique_name");
        let deleted = graph.deleted_applications_by_unique_name(name).await?;
        let which = deleted.first().map_or_else(
            || "It could not be found among the deleted items.".to_owned(),
            |app| format!("It is \"{}\" with object id {}.", app.display_name, app.id),
        );
        let mend = "Purge it (Entra admin center, App registrations, Deleted applications), restore and import it, or choose another `unique_name`.";
        Ok(error.help(which).help(mend).into())
    }

    async fn make_principal(&self, graph: &Graph, app_id: &str) -> Result<ServicePrincipal> {
        let made = match graph.create_service_principal(app_id).await {
            Ok(made) => made,
            Err(error) if error.is_conflict() => match graph.service_principal_by_app_id(app_id).await? {
                Some(found) => found,
                None => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        let patch = ServicePrincipalPatch {
            account_enabled: Some(self.account_enabled),
            app_role_assignment_required: Some(self.assignment_required),
            tags: Some(vec![PORTAL_TAG.to_owned()]),
        };
        graph.update_service_principal(&made.id, &patch).await?;
        Ok(made)
    }

    /// What has to be written to turn `prior` into this; `None` when nothing has. Confirms the creation by the way.
    async fn difference(&self, prior: &Self, graph: &Graph, id: &str) -> Result<Option<ApplicationPatch>> {
        let mut patch = ApplicationPatch::default();
        let changed = |planned: &Computed<String>, before: &Computed<String>| {
            (planned != before).then(|| planned.known().cloned()).flatten()
        };
        patch.display_name = changed(&self.display_name, &prior.display_name);
        patch.unique_name = changed(&self.unique_name, &prior.unique_name);
        patch.sign_in_audience = changed(&self.sign_in_audience, &prior.sign_in_audience);
        patch.description = text_patch(&self.description, &prior.description);
        patch.notes = text_patch(&self.notes, &prior.notes);
        patch.service_management_reference =
            text_patch(&self.service_management_reference, &prior.service_management_reference);
        let uris_changed = |planned: &Computed<BTreeSet<String>>, before: &Computed<BTreeSet<String>>| {
            (planned != before && planned.known().is_some()).then(|| uris(planned))
        };
        patch.web_redirect_uris = uris_changed(&self.web_redirect_uris, &prior.web_redirect_uris);
        patch.spa_redirect_uris = uris_changed(&self.spa_redirect_uris, &prior.spa_redirect_uris);
        patch.public_client_redirect_uris =
            uris_changed(&self.public_client_redirect_uris, &prior.public_client_redirect_uris);
        patch.lock_instance_properties =
            (self.lock_instance_properties != prior.lock_instance_properties).then_some(self.lock_instance_properties);
        let tags_changed = self.tags != prior.tags && self.tags.known().is_some();
        if patch == ApplicationPatch::default() && !tags_changed {
            return Ok(None);
        }
        // Tags are one collection that holds ours too: merged on a fresh read, so that none of anybody's is lost.
        let fresh = graph.application(id).await?.map(|app| app.tags).unwrap_or_default();
        let wanted: Vec<String> = match (tags_changed, self.tags.known()) {
            (true, Some(tags)) => {
                tags.iter().cloned().chain(fresh.iter().filter(|tag| *tag == OURS).cloned()).collect()
            }
            _ => fresh.iter().filter(|tag| *tag != MARKER).cloned().collect(),
        };
        patch.tags = (wanted != fresh).then_some(wanted);
        Ok(Some(patch))
    }

    fn principal_difference(&self, prior: &Self) -> Option<ServicePrincipalPatch> {
        let patch = ServicePrincipalPatch {
            account_enabled: (self.account_enabled != prior.account_enabled).then_some(self.account_enabled),
            app_role_assignment_required: (self.assignment_required != prior.assignment_required)
                .then_some(self.assignment_required),
            tags: None,
        };
        (patch != ServicePrincipalPatch::default()).then_some(patch)
    }

    /// Fills in what only Graph decides; planned values stay as planned.
    fn computed_from(&mut self, app: &Application, cx: &Cx) -> Result<()> {
        self.id = app.id.clone().into();
        self.client_id = app.app_id.clone().into();
        self.created_date_time = app.created_date_time.clone().into();
        self.publisher_domain = app.publisher_domain.clone().into();
        self.consent_url = consent_url(cx, self.tenant_id.get()?, &app.app_id)?.into();
        let decide = |slot: &mut Computed<String>, seen: &Option<String>| {
            if slot.is_unknown() {
                *slot = seen.clone().into();
            }
        };
        decide(&mut self.description, &app.description);
        decide(&mut self.notes, &app.notes);
        decide(&mut self.service_management_reference, &app.service_management_reference);
        if self.tags.is_unknown() {
            self.tags = visible_tags(app).into();
        }
        Ok(())
    }

    /// Replaces everything that Graph stores by what it says.
    fn observe(&mut self, app: &Application, principal: Option<&ServicePrincipal>, cx: &Cx) -> Result<()> {
        self.observe_application(app);
        self.consent_url = consent_url(cx, self.tenant_id.get()?, &app.app_id)?.into();
        self.service_principal_id = principal.map(|principal| principal.id.clone()).into();
        if let Some(principal) = principal {
            self.account_enabled = principal.account_enabled.unwrap_or(true);
            self.assignment_required = principal.app_role_assignment_required.unwrap_or(false);
        }
        Ok(())
    }

    fn observe_application(&mut self, app: &Application) {
        // Null and "" are one to Graph: a configured "" is read back as such.
        let seen = |slot: &mut Computed<String>, value: &Option<String>| {
            let empty = value.as_deref().unwrap_or_default().is_empty();
            if !(empty && slot.known().is_some_and(String::is_empty)) {
                *slot = value.clone().filter(|text| !text.is_empty()).into();
            }
        };
        seen(&mut self.description, &app.description);
        seen(&mut self.notes, &app.notes);
        seen(&mut self.service_management_reference, &app.service_management_reference);
        self.id = app.id.clone().into();
        self.client_id = app.app_id.clone().into();
        self.unique_name = app.unique_name.clone().into();
        self.display_name = app.display_name.clone().into();
        self.sign_in_audience = app.sign_in_audience.clone().into();
        self.web_redirect_uris = app.web_redirect_uris.iter().cloned().collect::<BTreeSet<_>>().into();
        self.spa_redirect_uris = app.spa_redirect_uris.iter().cloned().collect::<BTreeSet<_>>().into();
        self.public_client_redirect_uris =
            app.public_client_redirect_uris.iter().cloned().collect::<BTreeSet<_>>().into();
        self.tags = visible_tags(app).into();
        self.lock_instance_properties = app.lock_instance_properties;
        self.created_date_time = app.created_date_time.clone().into();
        self.publisher_domain = app.publisher_domain.clone().into();
    }
}

/// An application by object id, client id or unique name: what an import may be given.
async fn find(graph: &Graph, named: &str) -> Result<Option<Application>> {
    if !crate::provider::config::is_guid(named) {
        return Ok(graph.application_by_unique_name(named).await?);
    }
    match graph.application(named).await? {
        Some(app) => Ok(Some(app)),
        None => Ok(graph.application_by_app_id(named).await?),
    }
}

fn profile_of(name: &str, cx: &Cx) -> Result<ProfileVersion> {
    cx.catalog().profile(name).map_err(|why| {
        Diagnostic::error(format!("There is no usable profile \"{name}\"")).at("profile").help(why.to_string()).into()
    })
}

fn visible_tags(app: &Application) -> BTreeSet<String> {
    app.tags.iter().filter(|tag| *tag != OURS && *tag != MARKER).cloned().collect()
}

/// Page where an administrator consents. Source: Entra's admin consent endpoint, version 1, which asks for everything in
/// `requiredResourceAccess`.
pub(crate) fn consent_url(cx: &Cx, tenant: &str, client_id: &str) -> Result<String> {
    Ok(format!("{}/{tenant}/adminconsent?client_id={client_id}", cx.services()?.settings.endpoints.login))
}

fn text(value: &Computed<String>) -> Option<String> {
    value.known().filter(|text| !text.is_empty()).cloned()
}

fn text_patch(planned: &Computed<String>, prior: &Computed<String>) -> Patch<String> {
    match planned.known() {
        Some(text) if Some(text) != prior.known() => {
            if text.is_empty() {
                Patch::Null
            } else {
                Patch::Value(text.clone())
            }
        }
        _ => Patch::Absent,
    }
}

fn uris(set: &Computed<BTreeSet<String>>) -> Vec<String> {
    set.known().into_iter().flatten().cloned().collect()
}

/// Lower case, with every run of anything but letters and digits as one dash.
fn slug(name: &str) -> String {
    let dashed: String =
        name.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' }).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_makes_a_readable_slug() {
        assert_eq!(slug("MD.ECO - Connector - M365 Defender"), "md-eco-connector-m365-defender");
    }
}
