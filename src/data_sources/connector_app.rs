//! `m365_connector_app` as a data source: an application that something else made, and what can sign in as it.

use crate::framework::{Computed, DataSource, Diagnostic, ReadTimeout, Result, configurable, guid};
use crate::graph::{Application, Credentials, Graph, ServicePrincipal};
use crate::provider::credential_key::{Kind, On};
use crate::provider::{CredentialKey, Cx, Services, resolve_tenant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An application and its service principal, found by client id, unique name or display name. Where the application lives in another
/// tenant there is only the service principal: then `id` is null and `owner_tenant_id` says where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorAppSource {
    /// Tenant (GUID) to look in. The provider's own where not given.
    #[schemars(transform = configurable, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Application (client) id. One of `client_id`, `unique_name` and `display_name` is given.
    #[schemars(transform = configurable, transform = guid)]
    pub client_id: Computed<String>,
    /// Graph's `uniqueName`.
    #[schemars(transform = configurable, length(min = 1))]
    pub unique_name: Computed<String>,
    /// Name that administrators see. Two applications of the name are an error.
    #[schemars(transform = configurable, length(min = 1))]
    pub display_name: Computed<String>,
    /// How long reading may take.
    pub timeouts: Option<ReadTimeout>,
    /// Object id of the application. Null where it lives in another tenant.
    pub id: Computed<String>,
    /// Object id of the service principal. Null where there is none.
    pub service_principal_id: Computed<String>,
    /// Tenant (GUID) that the application lives in, where that is another one.
    pub owner_tenant_id: Computed<String>,
    /// Description.
    pub description: Computed<String>,
    /// Notes for administrators.
    pub notes: Computed<String>,
    /// Reference into a service or asset database.
    pub service_management_reference: Computed<String>,
    /// Whose accounts may sign in.
    pub sign_in_audience: Computed<String>,
    /// Redirect URIs of the web platform.
    pub web_redirect_uris: Computed<BTreeSet<String>>,
    /// Redirect URIs of the single-page platform.
    pub spa_redirect_uris: Computed<BTreeSet<String>>,
    /// Redirect URIs of the public client platform.
    pub public_client_redirect_uris: Computed<BTreeSet<String>>,
    /// Object ids of the application's owners.
    pub owners: Computed<BTreeSet<String>>,
    /// Tags of the application.
    pub tags: Computed<BTreeSet<String>>,
    /// Whether the service principal may sign in.
    pub account_enabled: Computed<bool>,
    /// Whether users need an assignment to use the application.
    pub assignment_required: Computed<bool>,
    /// Whether the properties of service principals of the application are locked.
    pub lock_instance_properties: Computed<bool>,
    /// Page on which an administrator can consent to what the application asks for.
    pub consent_url: Computed<String>,
    /// When the application was made, in RFC 3339.
    pub created_date_time: Computed<String>,
    /// Verified domain of the publisher.
    pub publisher_domain: Computed<String>,
    /// What can sign in as the application, by key id; a further one of an id that is met before as
    /// `certificate@service_principal/<id>`.
    pub credentials: Computed<BTreeMap<String, CredentialSummary>>,
}

/// A credential without its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CredentialSummary {
    /// `secret`, `certificate` or `federated`.
    pub kind: String,
    /// Name. Null where it has none.
    pub name: Option<String>,
    /// When it ends, in RFC 3339. Null where it does not.
    pub end_date_time: Option<String>,
    /// What it is on: `application` or `service_principal`.
    pub on: String,
}

impl DataSource for ConnectorAppSource {
    const NAME: &'static str = "m365_connector_app";
    type Services = Services;

    fn validate(&self, _: &Cx) -> Result<()> {
        let given = [&self.client_id, &self.unique_name, &self.display_name];
        // What is unknown may still turn out to be null.
        let (known, unknown) = (
            given.iter().filter(|one| one.known().is_some()).count(),
            given.iter().filter(|one| one.is_unknown()).count(),
        );
        if known > 1 || known + unknown == 0 {
            return Err(Diagnostic::error(
                "One of `client_id`, `unique_name` and `display_name` names the application",
            )
            .help(format!("{known} of them are given; set just one."))
            .into());
        }
        Ok(())
    }

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        let graph = cx.graph(self.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(self.tenant_id.known(), &graph).await?;
        let (app, principal) = self.find(&graph).await?;
        if self.tenant_id.known().is_none() {
            self.tenant_id = tenant.clone().into();
        }
        let client_id = match (&app, &principal) {
            (Some(app), _) => app.app_id.clone(),
            (None, Some(principal)) => principal.app_id.clone(),
            (None, None) => return Err(self.not_found(&tenant).into()),
        };
        self.credentials = credentials(&graph, app.as_ref(), principal.as_ref()).await?.into();
        self.consent_url = cx.consent_url(&tenant, &client_id)?.into();
        if self.client_id.known().is_none() {
            self.client_id = client_id.into();
        }
        self.owners = match &app {
            Some(app) => graph.application_owners(&app.id).await?.into_iter().collect::<BTreeSet<_>>().into(),
            None => Computed::Null,
        };
        self.show_application(app);
        self.show_principal(principal, &tenant);
        Ok(())
    }
}

impl ConnectorAppSource {
    async fn find(&self, graph: &Graph) -> Result<(Option<Application>, Option<ServicePrincipal>)> {
        if let Some(name) = self.display_name.known() {
            return self.find_by_display_name(name, graph).await;
        }
        let app = match (self.client_id.known(), self.unique_name.known()) {
            (Some(client_id), _) => graph.application_by_app_id(client_id).await?,
            (None, Some(name)) => graph.application_by_unique_name(name).await?,
            (None, None) => None,
        };
        let principal = match app.as_ref().map(|app| &app.app_id).or(self.client_id.known()) {
            Some(client_id) => graph.service_principal_by_app_id(client_id).await?,
            None => None,
        };
        Ok((app, principal))
    }

    async fn find_by_display_name(
        &self,
        name: &str,
        graph: &Graph,
    ) -> Result<(Option<Application>, Option<ServicePrincipal>)> {
        let (apps, principals) = futures_util::future::join(
            graph.applications_by_display_name(name),
            graph.service_principals_by_display_name(name),
        )
        .await;
        let (mut apps, mut principals) = (apps?, principals?);
        let clients: BTreeSet<_> =
            apps.iter().map(|app| &app.app_id).chain(principals.iter().map(|one| &one.app_id)).collect();
        if clients.len() > 1 {
            let all = clients.iter().map(|id| format!("  - {id}")).collect::<Vec<_>>().join("\n");
            return Err(Diagnostic::error(format!("{} applications are called \"{name}\"", clients.len()))
                .at("display_name")
                .help(format!(
                    "A display name need not be unique. Give the `client_id` of the one that is meant:\n{all}"
                ))
                .into());
        }
        let app = apps.pop();
        // A service principal may bear another name than its application.
        let principal = match (principals.pop(), &app) {
            (None, Some(app)) => graph.service_principal_by_app_id(&app.app_id).await?,
            (found, _) => found,
        };
        Ok((app, principal))
    }

    fn not_found(&self, tenant: &str) -> Diagnostic {
        let (attribute, value) =
            [("client_id", &self.client_id), ("unique_name", &self.unique_name), ("display_name", &self.display_name)]
                .into_iter()
                .find_map(|(name, value)| value.known().map(|value| (name, value.as_str())))
                .unwrap_or(("client_id", ""));
        Diagnostic::error(format!("No application has the `{attribute}` \"{value}\"")).at(attribute).help(format!(
            "Neither an application nor a service principal of tenant {tenant} has it. A client id is not an object id."
        ))
    }

    fn show_application(&mut self, app: Option<Application>) {
        let Some(app) = app else {
            self.id = Computed::Null;
            if self.unique_name.known().is_none() {
                self.unique_name = Computed::Null;
            }
            return;
        };
        let set = |uris: Vec<String>| Computed::from(uris.into_iter().collect::<BTreeSet<_>>());
        self.id = app.id.into();
        if self.unique_name.known().is_none() {
            self.unique_name = app.unique_name.into();
        }
        if self.display_name.known().is_none() {
            self.display_name = app.display_name.into();
        }
        self.description = app.description.into();
        self.notes = app.notes.into();
        self.service_management_reference = app.service_management_reference.into();
        self.sign_in_audience = app.sign_in_audience.into();
        self.web_redirect_uris = set(app.web_redirect_uris);
        self.spa_redirect_uris = set(app.spa_redirect_uris);
        self.public_client_redirect_uris = set(app.public_client_redirect_uris);
        self.tags = set(app.tags);
        self.lock_instance_properties = app.lock_instance_properties.into();
        self.created_date_time = app.created_date_time.into();
        self.publisher_domain = app.publisher_domain.into();
    }

    fn show_principal(&mut self, principal: Option<ServicePrincipal>, tenant: &str) {
        let Some(principal) = principal else { return };
        self.service_principal_id = principal.id.into();
        self.account_enabled = principal.account_enabled.into();
        self.assignment_required = principal.app_role_assignment_required.into();
        self.owner_tenant_id =
            principal.app_owner_organization_id.filter(|home| !home.eq_ignore_ascii_case(tenant)).into();
        if self.display_name.known().is_none() {
            self.display_name = principal.display_name.into();
        }
    }
}

/// What is on the application and on its service principal, which no page of the application shows.
async fn credentials(
    graph: &Graph,
    app: Option<&Application>,
    principal: Option<&ServicePrincipal>,
) -> Result<BTreeMap<String, CredentialSummary>> {
    let mut keys = BTreeMap::new();
    let mut add = |on: On, found: Credentials| {
        let all = [(Kind::Secret, found.password_credentials), (Kind::Certificate, found.key_credentials)];
        for (kind, one) in all.into_iter().flat_map(|(kind, all)| all.into_iter().map(move |one| (kind, one))) {
            let (name, end_date_time) = (one.display_name, one.end_date_time);
            let summary = CredentialSummary { kind: kind.to_string(), name, end_date_time, on: on.to_string() };
            keys.insert(CredentialKey::new(on, kind, &one.key_id), summary);
        }
    };
    if let Some(app) = app {
        add(On::Application, graph.application_credentials(&app.id).await?.unwrap_or_default());
    }
    if let Some(principal) = principal {
        add(On::ServicePrincipal, graph.service_principal_credentials(&principal.id).await?.unwrap_or_default());
    }
    let mut all: BTreeMap<_, _> =
        keys.iter().map(|(key, summary)| (key.spelled_among(&keys), summary.clone())).collect();
    if let Some(app) = app {
        for one in graph.federated_credentials(&app.id).await? {
            let (kind, on) = ("federated".to_owned(), On::Application.to_string());
            // A client may have chosen just this id for a certificate.
            let name = if all.contains_key(&one.id) { format!("{kind}@{on}/{}", one.id) } else { one.id };
            all.insert(name, CredentialSummary { kind, name: Some(one.name), end_date_time: None, on });
        }
    }
    Ok(all)
}
