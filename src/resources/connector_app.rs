//! `m365_connector_app`: an application and its service principal, as one thing.

use super::{plan_tenant, redirect_uris, target};
use crate::catalog::{Existing, ProfileVersion};
use crate::framework::{
    Computed, Diagnostic, Diagnostics, Resource, Result, Stored, Timeouts, configurable, forces_replacement, guid,
    is_guid, keeps_state,
};
use crate::graph::{
    Application, ApplicationPatch, Graph, NewApplication, Patch, ServicePrincipal, ServicePrincipalPatch,
};
use crate::provider::{Cx, Planned, Services, Writes, resolve_tenant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Start of the tag of an application whose creation has not been confirmed by a later write; the time of the create follows. It lets
/// a repeated create know its own.
const MARKER: &str = "terraform-provider-m365:created:";
/// Tag of every application that this provider made.
const OURS: &str = "terraform-provider-m365";
/// Tag with which the portal lists a service principal among the enterprise applications.
const PORTAL_TAG: &str = "WindowsAzureActiveDirectoryIntegratedApp";

/// The Entra application registration of one vendor connector, together with its service principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorApp {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state)]
    #[schemars(transform = guid)]
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
    /// Object ids of users and service principals that own the application. Left alone while not given; `[]` removes all. Whoever made
    /// the application and whoever runs the provider are neither shown nor removed unless they are listed.
    #[schemars(transform = configurable, transform = keeps_state, transform = guid, length(max = 100))]
    pub owners: Computed<BTreeSet<String>>,
    /// Tags of the application. Left alone while not given; `[]` clears them. The provider's own tags are not shown.
    #[schemars(transform = configurable, transform = keeps_state, inner(regex(pattern = r"^\S{1,256}$")))]
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
    /// Whether a create that meets a deleted application of its own, which still holds the `unique_name`, restores it (default `true`)
    /// without its old credentials, owners, permissions and grants; else it is purged and made anew.
    #[serde(default = "yes")]
    pub restore_deleted: bool,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// Object id of the application, which Graph uses in its URLs.
    #[schemars(transform = keeps_state, transform = guid)]
    pub id: Computed<String>,
    /// Application (client) id, which the vendor asks for.
    #[schemars(transform = keeps_state, transform = guid)]
    pub client_id: Computed<String>,
    /// Object id of the service principal, which grants are made to.
    #[schemars(transform = keeps_state, transform = guid)]
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
    /// When the application, or its service principal alone, was deleted by somebody else; null while it lives. An apply restores what
    /// was deleted under its former ids.
    pub deleted_date_time: Computed<String>,
}

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
    /// Object id of whoever made it: Graph made that an owner, unasked.
    #[serde(default)]
    creator: Option<String>,
    /// Owners as last configured.
    #[serde(default)]
    owners: BTreeSet<String>,
    /// What we wrote a moment ago.
    #[serde(default)]
    writes: Writes,
}

type State = Stored<ConnectorApp, ConnectorAppPrivate>;

impl Resource for ConnectorApp {
    const NAME: &'static str = "m365_connector_app";
    const ALSO_NAMED_BY: &'static [&'static str] = &["client_id", "unique_name"];
    type Services = Services;
    type Key = ConnectorAppKey;
    type Private = ConnectorAppPrivate;

    fn validate(&self, cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        let profile = self.profile.as_deref().and_then(|name| found.take(cx.profile(name))).flatten();
        let named = profile.as_ref().is_some_and(|profile| profile.app.display_name.is_some());
        let may_be_named = self.profile.is_some() && profile.is_none();
        if matches!(self.display_name, Computed::Null) && !named && !may_be_named {
            found.push(
                Diagnostic::error("The application needs a name")
                    .at("display_name")
                    .help(match profile.as_ref().map(|profile| profile.app.existing) {
                        Some(Existing::Required) => "This connector uses an application that somebody else made: look it up with the data source `m365_connector_app`, and add to it with `exclusive = false`. Set `display_name` to make one nevertheless.",
                        _ => "Set `display_name`, or name a `profile` that brings one.",
                    }),
            );
        }
        if let Some(name) = self.display_name.known().filter(|name| name.chars().count() > 120) {
            cx.warn(Diagnostic::warning("The display name may be too long").at("display_name").help(format!(
                "It has {} characters. Microsoft documents a limit of 120 in one place, and of 256 in another.",
                name.chars().count()
            )));
        }
        redirect_uris::check("web_redirect_uris", &self.web_redirect_uris, &mut found);
        redirect_uris::check("spa_redirect_uris", &self.spa_redirect_uris, &mut found);
        redirect_uris::check("public_client_redirect_uris", &self.public_client_redirect_uris, &mut found);
        found.into_result()
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let app = &mut state.value;
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut app.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        let profile = app.profile.as_deref().map(|name| cx.profile(name)).transpose()?;
        // A profile that cannot be known yet leaves open what comes from it.
        match profile {
            Some(None) => {}
            profile => {
                let profile = profile.flatten();
                app.fill_from(profile.as_ref(), cx);
                app.plan_unique_name(profile.as_ref(), before, cx)?;
            }
        }
        app.deleted_date_time = Computed::Null;
        if let Some(before) = before {
            // A purged service principal comes back under a new id.
            if before.service_principal_id.known().is_none() {
                app.service_principal_id = Computed::Unknown;
            }
        }
        // Look-ups decide no value: whether anything changes is clear by now.
        if before.is_none_or(|before| *before != state.value) {
            let application = before.and_then(|before| before.id.known()).map(String::as_str);
            cx.preflight_application(&state.value.tenant_id, application).await?;
        }
        state.plan_among_others(prior.is_none(), cx).await
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        state.private.creator = graph.token_claims().await?.oid;
        let made = state.value.make(&graph, cx).await?;
        // The id first: whatever fails after this is not lost.
        let app = made.application();
        graph.remember(&[&app.id, &app.app_id]);
        state.exists = true;
        state.private.incomplete = true;
        state.value.computed_from(app, cx)?;
        match &made {
            Made::New(_) => {}
            Made::Ours(app) => state.value.start_afresh(app, state.private.creator.as_deref(), &graph).await?,
            Made::Adopted(app) => {
                let mut as_it_is = Self::imported(tenant.clone());
                as_it_is.observe_application(app);
                if let Some(patch) = state.value.difference(&as_it_is, &graph, &app.id).await? {
                    graph.update_application(&app.id, &patch).await?;
                }
            }
        }
        let present = match made {
            Made::Adopted(_) => owners_of(&graph, &app.id).await?,
            _ => BTreeSet::new(),
        };
        state.write_owners(&app.id, &present, &graph, cx).await?;
        state.value.service_principal_id = state.value.make_principal(&graph, &app.app_id).await?.id.into();
        state.value.deleted_date_time = Computed::Null;
        state.private.incomplete = false;
        state.private.writes.wrote(&graph, &Self::nothing(), &state.value.view());
        if !matches!(made, Made::New(_)) {
            cx.run()?.take(target::<Self>(&tenant, &app.id), []);
        }
        Ok(())
    }

    async fn read(key: ConnectorAppKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let Some(prior) = prior else { return Self::import(&key, &graph, cx).await };
        let writes = prior.private.writes.clone();
        let look = || prior.clone().refreshed(&key, &graph, cx);
        let view = |seen: &Option<State>| seen.as_ref().map_or_else(Self::nothing, |seen| seen.value.view());
        let state = writes.settled(&graph, look, view).await?;
        if let Some(state) = &state {
            state.note_in_run(cx)?;
        }
        Ok(state)
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let id = prior.value.id.get()?.clone();
        let _guard = cx.lock(&id).await?;
        if prior.value.deleted_date_time.known().is_some() {
            restore(&prior.value, &graph).await?;
        }
        if let Some(patch) = state.value.difference(&prior.value, &graph, &id).await? {
            graph.update_application(&id, &patch).await?;
        }
        if state.value.owners != prior.value.owners {
            let present = owners_of(&graph, &id).await?;
            state.write_owners(&id, &present, &graph, cx).await?;
        }
        state.private.owners = state.declared_owners(cx);
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
        state.private.writes.wrote(&graph, &prior.value.view(), &state.value.view());
        Ok(())
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let id = prior.value.id.get()?;
        if cx.run()?.taken(&target::<Self>(prior.value.tenant_id.get()?, id)).is_some() {
            cx.warn(
                Diagnostic::warning(format!("The application {id} was not deleted"))
                    .help("A create in the same run has taken it over."),
            );
            return Ok(());
        }
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

/// Where a create got its application from.
enum Made {
    /// Made just now.
    New(Application),
    /// Ours, from a create that did not end or from before it was deleted: what is left on it has to go.
    Ours(Application),
    /// Somebody else's, and wanted as it is.
    Adopted(Application),
}

/// Who has a unique name.
enum Holder {
    Living(Application),
    Deleted(Application),
}

impl Made {
    fn application(&self) -> &Application {
        match self {
            Self::New(app) | Self::Ours(app) | Self::Adopted(app) => app,
        }
    }
}

impl State {
    /// What only the run as a whole, and the tenant, can tell of a plan: errors and warnings, never a value.
    async fn plan_among_others(&mut self, is_create: bool, cx: &Cx) -> Result<()> {
        let Some(name) = self.value.unique_name.known().cloned() else { return Ok(()) };
        let tenant = self.value.tenant_id.known().cloned().unwrap_or_default();
        let target = target::<ConnectorApp>(&tenant, &name);
        let (run, second) = (cx.run()?, cx.is_second_plan());
        if !run.plan(target.clone(), Planned { exclusive: true, second }) {
            return Err(Diagnostic::error(format!("Two applications of this configuration have the unique name \"{name}\""))
                .at("unique_name")
                .help("The name is the key by which a repeated run finds its application again: it is used once in a tenant.")
                .help("Give one of them another `unique_name`. Where two have the same profile or display name it has to be written out.")
                .into());
        }
        if !is_create || second {
            return Ok(());
        }
        if let Some(private) = run.in_state(&target) {
            // A tainted application: its delete has to know what a refresh knew.
            self.private = private;
            return Ok(());
        }
        let Some(graph) = cx.graph_for_plan(self.value.tenant_id.known().map(String::as_str))? else { return Ok(()) };
        let there = match graph.application_by_unique_name(&name).await {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(()),
            // An identity that may only make applications of its own cannot look at others': the create will tell.
            Err(error) if error.is_forbidden() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let unfinished = is_unfinished(&there, &graph).await?;
        if !unfinished {
            self.value.may_adopt(&there)?;
        }
        cx.warn(
            Diagnostic::warning(format!("The existing application \"{}\" will be taken over", there.display_name))
                .at("on_existing")
                .help(format!("Client id {}, object id {}. {}", there.app_id, there.id, why_taken(unfinished))),
        );
        Ok(())
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

    fn note_in_run(&self, cx: &Cx) -> Result<()> {
        let Some(name) = self.value.unique_name.known() else { return Ok(()) };
        cx.run()?.found_in_state(target::<ConnectorApp>(self.value.tenant_id.get()?, name), &self.private)
    }

    /// Owners without those that came by themselves, unless they were asked for; in the spelling in which they were asked for.
    async fn observe_owners(&mut self, all: BTreeSet<String>, graph: &Graph) -> Result<()> {
        let unasked = self.unasked_owners(graph).await?;
        let spelled = |owner: String| {
            let declared = self.private.owners.iter().find(|declared| declared.eq_ignore_ascii_case(&owner));
            declared.cloned().or_else(|| (!unasked.contains(&owner)).then_some(owner))
        };
        self.value.owners = all.into_iter().filter_map(spelled).collect::<BTreeSet<_>>().into();
        Ok(())
    }

    /// Who owns the application without having been asked for: whoever made it, and whoever runs the provider now.
    async fn unasked_owners(&self, graph: &Graph) -> Result<BTreeSet<String>> {
        let runner = graph.token_claims().await?.oid;
        Ok(runner.into_iter().chain(self.private.creator.clone()).map(|owner| owner.to_lowercase()).collect())
    }

    fn declared_owners(&self, cx: &Cx) -> BTreeSet<String> {
        self.value.owners.known().filter(|_| cx.is_configured("owners")).into_iter().flatten().cloned().collect()
    }

    /// Adds the owners that are planned, and removes those of `present` that are neither planned nor unasked for.
    async fn write_owners(&mut self, id: &str, present: &BTreeSet<String>, graph: &Graph, cx: &Cx) -> Result<()> {
        self.private.owners = self.declared_owners(cx);
        if !cx.is_configured("owners") {
            return self.observe_owners(present.clone(), graph).await;
        }
        let planned: BTreeSet<String> = self.private.owners.iter().map(|owner| owner.to_lowercase()).collect();
        for owner in planned.difference(present) {
            graph.add_application_owner(id, owner).await.map_err(|error| {
                Diagnostic::from(error).at("owners").help(format!("The owner that could not be added is {owner}."))
            })?;
        }
        let unasked = self.unasked_owners(graph).await?;
        for owner in present.difference(&planned).filter(|owner| !unasked.contains(*owner)) {
            graph.remove_application_owner(id, owner).await?;
        }
        Ok(())
    }
}

/// Restores what was deleted of an application: itself, its service principal, or both.
async fn restore(prior: &ConnectorApp, graph: &Graph) -> Result<()> {
    let purged = |what: &str, id: &str| {
        Diagnostic::error(format!("The deleted {what} {id} is gone for good"))
            .help("It was purged after the plan was made. Plan again: it will be made anew.")
    };
    let id = prior.id.get()?;
    // Looked for once more after a failure: a restoration may have been done before its answer was lost.
    if graph.application(id).await?.is_none()
        && !graph.restore_deleted_item(id).await?
        && graph.application(id).await?.is_none()
    {
        return Err(purged("application", id).into());
    }
    if let Some(principal) = prior.service_principal_id.known()
        && graph.service_principal(principal).await?.is_none()
        && !graph.restore_deleted_item(principal).await?
        && graph.service_principal(principal).await?.is_none()
    {
        return Err(purged("service principal", principal).into());
    }
    Ok(())
}

/// Owners of an application; none of one that is deleted, whose owners Graph does not tell.
async fn owners_of(graph: &Graph, id: &str) -> std::result::Result<BTreeSet<String>, crate::graph::GraphError> {
    match graph.application_owners(id).await {
        Ok(all) => Ok(all.into_iter().map(|owner| owner.to_lowercase()).collect()),
        Err(error) if error.is_not_found() => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Whether a create of ours made or restored this application and did not end: it carries the marker and is young, or it is ours and
/// nobody can use it for want of a service principal, which is how an interrupted restore leaves it.
async fn is_unfinished(app: &Application, graph: &Graph) -> Result<bool> {
    let marked = app.tags.iter().filter_map(|tag| tag.strip_prefix(MARKER)).filter_map(|at| at.parse().ok());
    let young = |at: jiff::Timestamp| graph.now().duration_since(at).as_hours() < 24;
    if marked.into_iter().any(young) {
        return Ok(true);
    }
    Ok(is_ours(app) && graph.service_principal_by_app_id(&app.app_id).await?.is_none())
}

fn why_taken(unfinished: bool) -> &'static str {
    if unfinished {
        "An earlier create of this provider made it and did not end: whatever is on it by now is removed."
    } else {
        "`on_existing` is \"adopt\"."
    }
}

/// What an application of ours will be once it has been emptied: nothing that was left on it is read back as if it were wanted.
fn emptied(app: Application) -> Application {
    Application { description: None, notes: None, service_management_reference: None, tags: Vec::new(), ..app }
}

fn is_ours(app: &Application) -> bool {
    app.tags.iter().any(|tag| tag == OURS)
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

    /// An application that some other way made, by object id, client id or unique name.
    async fn import(key: &ConnectorAppKey, graph: &Graph, cx: &Cx) -> Result<Option<State>> {
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
        let mut state = Stored { value: Self::imported(tenant), private: ConnectorAppPrivate::default(), exists: true };
        state.value.observe(&app, principal.as_ref(), cx)?;
        state.observe_owners(owners_of(graph, &app.id).await?, graph).await?;
        state.note_in_run(cx)?;
        Ok(Some(state))
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

    fn plan_unique_name(&mut self, profile: Option<&ProfileVersion>, before: Option<&Self>, cx: &Cx) -> Result<()> {
        match before {
            None if !cx.is_configured("unique_name") => {
                let name = profile
                    .map(|profile| profile.slug.clone())
                    .or_else(|| self.display_name.known().map(|name| slug(name)));
                match name {
                    // A name in another script has no letter of the slug's alphabet: two of them must not meet in one key.
                    Some(name) if name.is_empty() => {
                        return Err(Diagnostic::error("No `unique_name` can be derived from the display name")
                            .at("unique_name")
                            .help("It has no letter from a to z and no digit. Set `unique_name`, such as `acme-siem`.")
                            .into());
                    }
                    Some(name) => self.unique_name = name.into(),
                    None => {}
                }
            }
            // An application without one, such as an imported one, may be given one: Graph lets it be set once.
            Some(before) if before.unique_name.known().is_some() && before.unique_name != self.unique_name => {
                cx.requires_replacement("unique_name");
            }
            _ => {}
        }
        Ok(())
    }

    fn to_graph(&self, graph: &Graph) -> Result<NewApplication> {
        Ok(NewApplication {
            display_name: self.display_name.get()?.clone(),
            unique_name: Some(self.unique_name.get()?.clone()),
            sign_in_audience: self.sign_in_audience.get()?.clone(),
            description: text(&self.description),
            notes: text(&self.notes),
            service_management_reference: text(&self.service_management_reference),
            tags: self.new_tags(graph),
            web_redirect_uris: uris(&self.web_redirect_uris),
            spa_redirect_uris: uris(&self.spa_redirect_uris),
            public_client_redirect_uris: uris(&self.public_client_redirect_uris),
            lock_instance_properties: self.lock_instance_properties,
        })
    }

    /// The planned tags, our own, and the marker with the server's time.
    fn new_tags(&self, graph: &Graph) -> Vec<String> {
        let marker = format!("{MARKER}{}", graph.now().strftime("%Y-%m-%dT%H:%M:%SZ"));
        self.tags.known().into_iter().flatten().cloned().chain([OURS.to_owned(), marker]).collect()
    }

    /// Makes the application, or takes the one that has its name already where that may be.
    async fn make(&self, graph: &Graph, cx: &Cx) -> Result<Made> {
        let taken = match graph.create_application(&self.to_graph(graph)?).await {
            Ok(app) => return Ok(Made::New(app)),
            Err(error) if error.is_unique_name_taken() => error,
            Err(error) => return Err(error.into()),
        };
        let name = self.unique_name.get()?;
        // Somebody holds the name, though the directory may not show yet who.
        let look = async || match graph.application_by_unique_name(name).await? {
            Some(found) => Ok(Some(Holder::Living(found))),
            None => Ok(graph.deleted_application_by_unique_name(name).await?.map(Holder::Deleted)),
        };
        let deleted = match graph.until_found(look).await? {
            Some(Holder::Living(found)) => return self.take_over(found, graph, cx).await,
            Some(Holder::Deleted(deleted)) => Some(deleted),
            None => None,
        };
        let Some(deleted) = deleted else {
            return Err(Diagnostic::from(taken)
                .at("unique_name")
                .help(format!("The unique name \"{name}\" is taken, but neither an application nor a deleted one with it can be seen. Try again in a minute, or choose another `unique_name`."))
                .into());
        };
        if !is_ours(&deleted) {
            return Err(Diagnostic::error(format!("A deleted application still holds the unique name \"{name}\""))
                .at("unique_name")
                .help(format!("It is \"{}\" with object id {}, and this provider did not make it.", deleted.display_name, deleted.id))
                .help(format!("To go on with it, restore it (Entra admin center, App registrations, Deleted applications) and import it with the id `{}`. Else delete it there permanently, or choose another `unique_name`.", deleted.id))
                .into());
        }
        if !self.restore_deleted {
            return self.make_anew(&deleted, graph).await;
        }
        // It is there already where this was done before its answer was lost.
        if !graph.restore_deleted_item(&deleted.id).await? && graph.application(&deleted.id).await?.is_none() {
            return Err(Diagnostic::error(format!("The deleted application {} was purged meanwhile", deleted.id))
                .help("Apply again.")
                .into());
        }
        cx.warn(Diagnostic::warning(format!("The deleted application \"{}\" was restored", deleted.display_name)).help(format!(
            "It held the unique name \"{name}\": client id {}, object id {}. Its old credentials, owners, permissions and grants did not come back. \
             Set `restore_deleted = false` to have such an application purged and made anew.",
            deleted.app_id, deleted.id
        )));
        Ok(Made::Ours(emptied(deleted)))
    }

    async fn take_over(&self, found: Application, graph: &Graph, cx: &Cx) -> Result<Made> {
        let unfinished = is_unfinished(&found, graph).await?;
        if !unfinished {
            self.may_adopt(&found)?;
        }
        cx.warn(
            Diagnostic::warning(format!("The existing application \"{}\" was taken over", found.display_name))
                .help(format!("Client id {}, object id {}. {}", found.app_id, found.id, why_taken(unfinished))),
        );
        Ok(if unfinished { Made::Ours(emptied(found)) } else { Made::Adopted(found) })
    }

    /// Fails where `found`, which has our name, is not to be adopted.
    fn may_adopt(&self, found: &Application) -> Result<()> {
        if self.on_existing == OnExisting::Adopt {
            return Ok(());
        }
        Err(Diagnostic::error(format!("Another application already has the unique name \"{}\"", self.unique_name.get()?))
            .at("unique_name")
            .help(format!("It is \"{}\" with client id {} and object id {}.", found.display_name, found.app_id, found.id))
            .help(format!("To manage that one, import it with the id `{}`, or set `on_existing = \"adopt\"`; else choose another `unique_name`.", found.id))
            .into())
    }

    /// Purges a deleted application of ours and makes a new one in its place.
    async fn make_anew(&self, deleted: &Application, graph: &Graph) -> Result<Made> {
        for principal in graph.deleted_service_principals_of(&deleted.app_id).await? {
            graph.purge_deleted_item(&principal.id).await?;
        }
        graph.purge_deleted_item(&deleted.id).await?;
        Ok(Made::New(graph.create_application(&self.to_graph(graph)?).await?))
    }

    /// Takes from an application of ours all that is left from before: nothing that once let somebody in may come back unseen. The
    /// first write carries the marker, so that a create that ends half-way is taken up again.
    async fn start_afresh(&self, app: &Application, creator: Option<&str>, graph: &Graph) -> Result<()> {
        let new = self.to_graph(graph)?;
        let or_null = |text: Option<String>| text.map_or(Patch::Null, Patch::Value);
        let patch = ApplicationPatch {
            display_name: Some(new.display_name),
            unique_name: None,
            sign_in_audience: Some(new.sign_in_audience),
            description: or_null(new.description),
            notes: or_null(new.notes),
            service_management_reference: or_null(new.service_management_reference),
            tags: Some(new.tags),
            web_redirect_uris: Some(new.web_redirect_uris),
            spa_redirect_uris: Some(new.spa_redirect_uris),
            public_client_redirect_uris: Some(new.public_client_redirect_uris),
            required_resource_access: Some(Vec::new()),
            lock_instance_properties: Some(new.lock_instance_properties),
            clear_key_credentials: true,
        };
        graph.update_application(&app.id, &patch).await?;
        for secret in graph.application_credentials(&app.id).await?.unwrap_or_default().password_credentials {
            graph.remove_password(&app.id, &secret.key_id).await?;
        }
        for federated in graph.federated_credentials(&app.id).await? {
            graph.delete_federated_credential(&app.id, &federated.id).await?;
        }
        let kept = |owner: &&String| creator.is_some_and(|creator| creator.eq_ignore_ascii_case(owner));
        for owner in owners_of(graph, &app.id).await?.iter().filter(|owner| !kept(owner)) {
            graph.remove_application_owner(&app.id, owner).await?;
        }
        for principal in graph.deleted_service_principals_of(&app.app_id).await? {
            graph.purge_deleted_item(&principal.id).await?;
        }
        Ok(())
    }

    async fn make_principal(&self, graph: &Graph, app_id: &str) -> Result<ServicePrincipal> {
        let properties = ServicePrincipalPatch {
            account_enabled: Some(self.account_enabled),
            app_role_assignment_required: Some(self.assignment_required),
            tags: Some(vec![PORTAL_TAG.to_owned()]),
        };
        let found = match graph.create_service_principal(app_id, &properties).await {
            Ok(made) => return Ok(made),
            Err(error) if error.is_conflict() => {
                match graph.until_found(|| graph.service_principal_by_app_id(app_id)).await? {
                    Some(found) => found,
                    None => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let patch = ServicePrincipalPatch {
            account_enabled: (found.account_enabled != Some(self.account_enabled)).then_some(self.account_enabled),
            app_role_assignment_required: (found.app_role_assignment_required != Some(self.assignment_required))
                .then_some(self.assignment_required),
            tags: (!found.tags.iter().any(|tag| tag == PORTAL_TAG))
                .then(|| found.tags.iter().cloned().chain([PORTAL_TAG.to_owned()]).collect()),
        };
        graph.remember(&[&found.id]);
        if patch != ServicePrincipalPatch::default() {
            graph.update_service_principal(&found.id, &patch).await?;
        }
        Ok(found)
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
            _ => fresh.iter().filter(|tag| !is_marker(tag)).cloned().collect(),
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
        self.consent_url = cx.consent_url(self.tenant_id.get()?, &app.app_id)?.into();
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
        self.consent_url = cx.consent_url(self.tenant_id.get()?, &app.app_id)?.into();
        self.service_principal_id = principal.map(|principal| principal.id.clone()).into();
        if let Some(principal) = principal {
            self.account_enabled = principal.account_enabled.unwrap_or(true);
            self.assignment_required = principal.app_role_assignment_required.unwrap_or(false);
        }
        Ok(())
    }

    /// Everything that a read can show, for telling one answer from another: of the application, of its principal, and its owners.
    fn view(&self) -> Vec<Value> {
        let texts = [
            &self.id,
            &self.unique_name,
            &self.display_name,
            &self.description,
            &self.notes,
            &self.service_management_reference,
            &self.sign_in_audience,
            &self.deleted_date_time,
        ];
        let uris = [&self.web_redirect_uris, &self.spa_redirect_uris, &self.public_client_redirect_uris];
        let principal = match self.service_principal_id.known() {
            Some(id) => json!([id, self.account_enabled, self.assignment_required, self.deleted_date_time.known()]),
            None => Value::Null,
        };
        let texts = texts.map(Computed::known);
        vec![
            json!([texts, uris.map(Computed::known), self.tags.known(), self.lock_instance_properties]),
            principal,
            json!(self.owners.known().cloned().unwrap_or_default()),
        ]
    }

    /// The same where there is no application yet.
    fn nothing() -> Vec<Value> {
        vec![Value::Null, Value::Null, json!([])]
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
    if !is_guid(named) {
        return Ok(graph.application_by_unique_name(named).await?);
    }
    match graph.application(named).await? {
        Some(app) => Ok(Some(app)),
        None => Ok(graph.application_by_app_id(named).await?),
    }
}

fn visible_tags(app: &Application) -> BTreeSet<String> {
    app.tags.iter().filter(|tag| *tag != OURS && !is_marker(tag)).cloned().collect()
}

/// Whether a tag marks an application whose creation has not been confirmed by a later write.
pub(crate) fn is_marker(tag: &str) -> bool {
    tag.starts_with(MARKER)
}

/// Confirms a create by a later write of ours: takes the marker off. Nothing is asked where `tags`, as read a moment ago, show none;
/// `None` where they have not been read. The application's lock is held by the caller. Best done before what makes it certain that the
/// application is in use; an identity that may not write applications confirms by that use alone.
pub(crate) async fn confirm_create(
    graph: &Graph,
    application: &str,
    tags: Option<&[String]>,
) -> std::result::Result<(), crate::graph::GraphError> {
    if tags.is_some_and(|tags| !tags.iter().any(|tag| is_marker(tag))) {
        return Ok(());
    }
    // Tags are one collection that holds ours too: merged on a fresh read, so that none of anybody's is lost.
    let Some(fresh) = graph.application(application).await?.map(|app| app.tags) else { return Ok(()) };
    let kept: Vec<String> = fresh.iter().filter(|tag| !is_marker(tag)).cloned().collect();
    if kept == fresh {
        return Ok(());
    }
    let patch = ApplicationPatch { tags: Some(kept), ..ApplicationPatch::default() };
    match graph.update_application(application, &patch).await {
        Err(error) if error.is_forbidden() || error.is_not_found() => Ok(()),
        other => other,
    }
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
