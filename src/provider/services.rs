//! What resources are given: Graph clients by tenant, the catalogue, the tenants' API principals, and the locks that serialise
//! writes to one object.

use super::config::{Environment, Settings};
use super::run::Run;
use super::tenants::Tenants;
use crate::catalog::{Catalog, CatalogError, ProfileVersion};
use crate::framework::{Context, Diagnostic, Diagnostics, Result, is_guid};
use crate::graph::{Graph, Limits, Options, TokenSource};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// Shared by all calls of one provider configuration.
pub struct Services {
    /// As configured.
    pub settings: Settings,
    /// The catalogue with what `catalog_paths` adds; `None` where it adds nothing.
    catalog: Option<Catalog>,
    /// What this run has seen and done.
    pub run: Run,
    /// Whether its identity may do what is planned.
    pub preflight: super::preflight::model::Preflight,
    tenants: Tenants,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    apis: super::apis::ApiPrincipals,
    policies: super::policies::Policies,
}

/// One tenant, as a call may use it.
#[derive(Clone)]
pub struct Tenant {
    /// Graph in it, bound to the call's time limit and cancellation.
    pub graph: Graph,
    /// Its id: a GUID in lower case, also where the provider is configured with a domain.
    pub id: String,
}

/// What the hooks of this provider's resources are given.
pub type Cx = Context<Services>;

impl Services {
    /// Without network: clients are made when a resource first needs one.
    /// Fails where a file of `catalog_paths` is wrong.
    pub fn new(settings: Settings) -> Result<Self> {
        let catalog = catalog(&settings)?;
        if !settings.unknown.contains(&"catalog_paths") {
            settings.guardrails.check(catalog.as_ref().unwrap_or_else(|| Catalog::built_in()))?;
        }
        Ok(Self {
            preflight: super::preflight::model::Preflight::new(settings.preflight),
            settings,
            catalog,
            run: Run::default(),
            tenants: Tenants::default(),
            locks: Mutex::default(),
            apis: super::apis::ApiPrincipals::default(),
            policies: super::policies::Policies::default(),
        })
    }

    /// Whether the tenant can be reached: false while the provider block has values that are known only after apply.
    pub fn is_known(&self) -> bool {
        self.settings.unknown.is_empty()
    }

    /// The configured tenant where it is given as a GUID.
    pub fn tenant_guid(&self) -> Option<String> {
        self.settings.tenant.as_ref().filter(|tenant| is_guid(tenant)).map(|tenant| tenant.to_lowercase())
    }

    /// Whether the catalogue's ids hold in this cloud.
    pub fn catalogue_ids_hold(&self) -> bool {
        matches!(self.settings.environment, Environment::Public | Environment::Sandbox)
    }

    /// The tenant to work in. Fails while the provider block is not wholly known.
    fn tenant<'a>(&'a self, tenant: Option<&'a str>) -> Result<&'a str> {
        if !self.settings.unknown.is_empty() {
            let names = self.settings.unknown.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(Diagnostic::error("The provider's configuration is not known yet")
                .help(format!(
                    "{names} of the provider block depends on something that this run still has to make, so nothing can be read from the tenant. \
                     Apply that part first (`-target`), or give the value directly."
                ))
                .into());
        }
        tenant.or(self.settings.tenant.as_deref()).ok_or_else(|| {
            Diagnostic::error("No tenant is given")
                .at("tenant_id")
                .help("Set `tenant_id` in the provider block, or the variable `M365_TENANT_ID`.")
                .into()
        })
    }

    fn client(&self, tenant: Option<&str>) -> Result<Graph> {
        let tenant = self.tenant(tenant)?;
        self.tenants.client(tenant, || self.sign_in(tenant))
    }

    /// The GUID of the tenant to work in. The provider's own domain is resolved first, also where a GUID is asked for: mostly it is the
    /// same tenant, and then one client serves both.
    async fn tenant_id(&self, tenant: Option<&str>, limits: Limits) -> Result<String> {
        let wanted = self.tenant(tenant)?;
        if let Some(own) = self.settings.tenant.as_deref().filter(|own| *own != wanted && !is_guid(own))
            && !self.tenants.knows(own)
            && !self.tenants.knows(wanted)
        {
            // A domain that cannot be resolved is no obstacle to whoever needs it not.
            self.tenants.id_of(own, limits.clone(), || self.sign_in(own)).await.ok();
        }
        self.tenants.id_of(wanted, limits, || self.sign_in(wanted)).await
    }

    fn sign_in(&self, tenant: &str) -> Result<Graph> {
        let Some(method) = &self.settings.method else {
            return Err(Diagnostic::error("No credentials are given")
                .help(
                    "Set `client_id` and `client_secret` in the provider block, or the variables `M365_CLIENT_ID` and `M365_CLIENT_SECRET`. \
                     A certificate, an OIDC token (`use_oidc`), a managed identity (`use_msi`) and the Azure CLI's login (`use_cli`) serve as well: \
                     see the guide \"Signing in\". For the simulated tenant set `environment = \"sandbox\"`, which needs none.",
                )
                .into());
        };
        let source = method.source(self.settings.client_id.as_deref())?;
        Ok(Graph::new(self.options(tenant), source)?)
    }

    fn options(&self, tenant: &str) -> Options {
        Options {
            tenant: tenant.to_owned(),
            endpoints: self.settings.endpoints.clone(),
            ca_certificate: self.settings.ca_certificate.clone(),
            max_retries: self.settings.max_retries,
            request_timeout: self.settings.request_timeout,
            user_agent: format!("terraform-provider-m365/{}", env!("CARGO_PKG_VERSION")),
        }
    }
}

fn catalog(settings: &Settings) -> Result<Option<Catalog>> {
    if settings.catalog_paths.is_empty() {
        return Ok(None);
    }
    Catalog::with_paths(&settings.catalog_paths).map(Some).map_err(|all| {
        let found = all.into_iter().map(|why| {
            Diagnostic::error("A connector profile cannot be used").at("catalog_paths").help(why.to_string())
        });
        Diagnostics(found.collect())
    })
}

impl Context<Services> {
    /// Graph in `tenant`, or in the provider's own where none is given; bound to this call's time limit and cancellation.
    pub fn graph(&self, tenant: Option<&str>) -> Result<Graph> {
        let graph = self.services()?.client(tenant)?.within(self.limits());
        Ok(if self.is_refresh() { graph.for_refresh() } else { graph })
    }

    /// The tenant with this id, or the provider's own where none is given.
    pub async fn tenant(&self, tenant: Option<&str>) -> Result<Tenant> {
        let id = self.services()?.tenant_id(tenant, self.limits()).await?;
        Ok(Tenant { graph: self.graph(Some(&id))?, id })
    }

    /// The same for a look-up while planning: `None` where the tenant cannot be reached yet, and while applying, where what a plan could
    /// find out has been said already.
    pub async fn tenant_for_plan(&self, tenant: Option<&str>) -> Result<Option<Tenant>> {
        if !self.configured_services().is_some_and(Services::is_known) {
            return Ok(None);
        }
        let found = self.tenant(tenant).await?;
        Ok((!found.graph.has_written()).then_some(found))
    }

    fn limits(&self) -> Limits {
        Limits { deadline: self.deadline, cancelled: self.cancelled.clone() }
    }

    /// Signs in as somebody else in `tenant`, or in the provider's own where none is given, to the API of `scope`.
    pub fn graph_as(&self, source: Arc<dyn TokenSource>, tenant: Option<&str>, scope: String) -> Result<Graph> {
        let services = self.services()?;
        Ok(Graph::with_scope(services.options(services.tenant(tenant)?), source, scope)?.within(self.limits()))
    }

    /// Graph, for a look-up while planning: `None` where the tenant cannot be reached yet, and while applying, where what a plan could
    /// find out has been said already.
    pub fn graph_for_plan(&self, tenant: Option<&str>) -> Result<Option<Graph>> {
        if !self.configured_services().is_some_and(Services::is_known) {
            return Ok(None);
        }
        let graph = self.graph(tenant)?;
        Ok((!graph.has_written()).then_some(graph))
    }

    /// The catalogue; the built-in one while the provider is not configured.
    pub fn catalog(&self) -> &Catalog {
        self.configured_services().and_then(|services| services.catalog.as_ref()).unwrap_or_else(|| Catalog::built_in())
    }

    /// Whether the catalogue is all there is: not while the provider is not configured, or its `catalog_paths` are unknown.
    pub fn catalog_is_complete(&self) -> bool {
        self.configured_services().is_some_and(|services| !services.settings.unknown.contains(&"catalog_paths"))
    }

    /// The profile of this name; `None` while `catalog_paths`, which may bring it, are not known.
    pub fn profile(&self, name: &str) -> Result<Option<ProfileVersion>> {
        match self.catalog().profile(name) {
            Ok(profile) => Ok(Some(profile)),
            Err(CatalogError::NoSuchProfile { .. }) if !self.catalog_is_complete() => Ok(None),
            Err(why) => Err(Diagnostic::error(format!("There is no usable profile \"{name}\""))
                .at("profile")
                .help(why.to_string())
                .into()),
        }
    }

    /// Page where an administrator consents.
    pub fn consent_url(&self, tenant: &str, client_id: &str) -> Result<String> {
        Ok(super::config::consent_url(&self.services()?.settings.endpoints, tenant, client_id))
    }

    /// What this run has seen and done.
    pub fn run(&self) -> Result<&Run> {
        Ok(&self.services()?.run)
    }

    /// The tenant's API principals, each looked up once.
    pub fn apis(&self) -> Result<&super::apis::ApiPrincipals> {
        Ok(&self.services()?.apis)
    }

    /// The tenants' policies, each looked up once.
    pub fn policies(&self) -> Result<&super::policies::Policies> {
        Ok(&self.services()?.policies)
    }

    /// Longest lifetime that the provider block allows a secret; `None` where it says nothing, or is not known yet.
    pub fn max_secret_lifetime(&self) -> Option<&str> {
        self.configured_services()?.settings.max_secret_lifetime.as_deref()
    }

    /// What the provider block allows plans to ask for; `None` while it is not known: then a plan in apply judges.
    pub fn guardrails(&self) -> Option<&super::guardrails::Guardrails> {
        let settings = &self.configured_services()?.settings;
        (!settings.unknown.contains(&"guardrails")).then_some(&settings.guardrails)
    }

    /// Whether the catalogue's ids hold in the configured cloud; assumed while the provider is not configured.
    pub fn catalogue_ids_hold(&self) -> bool {
        self.configured_services().is_none_or(Services::catalogue_ids_hold)
    }

    /// Waits until no other call of this process writes to the object, and keeps others out until dropped.
    pub async fn lock(&self, object: &str) -> Result<OwnedMutexGuard<()>> {
        let lock = {
            let mut locks = self.services()?.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Ids compare without regard to case, as Graph's do.
            locks.entry(object.to_lowercase()).or_default().clone()
        };
        self.unless_stopped(lock.lock_owned()).await
    }

    /// What another call of this process does to the same object is waited for: within this call's time, and until the CLI asks to stop.
    pub(super) async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Diagnostic::error("Interrupted while waiting for another change to the same object").into()),
            done = wait => Ok(done),
            () = tokio::time::sleep_until(self.deadline) => Err(Diagnostic::error("Ran out of time while waiting for another change to the same object")
                .help("Raise `timeouts`, or lower the CLI's `-parallelism`.").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Endpoints;
    use crate::provider::ProviderConfig;
    use axum::extract::State;
    use axum::http::Uri;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use std::time::Duration;
    use tokio_util::sync::CancellationToken;

    const HOME: &str = "11111111-1111-4111-8111-111111111111";
    const OTHER: &str = "22222222-2222-4222-8222-222222222222";

    type Asked = Arc<Mutex<Vec<String>>>;

    /// A login service whose domain belongs to [`HOME`].
    async fn token(State(asked): State<Asked>, uri: Uri) -> String {
        let tenant = uri.path().split('/').nth(1).unwrap_or_default().to_owned();
        let id = if is_guid(&tenant) { tenant.as_str() } else { HOME };
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{ "tid": "{}" }}"#, id.to_uppercase()));
        asked.lock().unwrap().push(tenant);
        format!(r#"{{ "access_token": "a.{claims}.c", "expires_in": 3600 }}"#)
    }

    async fn services(tenant: &str) -> (Services, Asked) {
        let asked = Asked::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(token).with_state(asked.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let variables = [("M365_TENANT_ID", tenant), ("M365_CLIENT_ID", OTHER), ("M365_CLIENT_SECRET", "a secret")];
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let mut settings = ProviderConfig::default().resolve(&lookup).unwrap();
        settings.endpoints = Endpoints { login: base.clone(), graph: base };
        (Services::new(settings).unwrap(), asked)
    }

    fn limits() -> Limits {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        Limits { deadline, cancelled: CancellationToken::new() }
    }

    #[tokio::test]
    async fn a_domain_and_its_guid_are_one_client_with_one_sign_in() {
        let (services, asked) = services("Contoso.onmicrosoft.com").await;
        // As resources ask at once: of a state, which holds the GUID, and to be made.
        let (of_state, made) =
            tokio::join!(services.tenant_id(Some(HOME), limits()), services.tenant_id(None, limits()));
        assert_eq!((of_state.unwrap(), made.unwrap()), (HOME.to_owned(), HOME.to_owned()));
        for name in [None, Some(HOME), Some("contoso.ONMICROSOFT.com")] {
            services.client(name).unwrap().within(limits()).token_claims().await.unwrap();
        }
        services.client(Some(HOME)).unwrap().remember_principal("x");
        assert_eq!(*asked.lock().unwrap(), ["Contoso.onmicrosoft.com"]);
        assert_eq!(services.tenant_id(Some(OTHER), limits()).await.unwrap(), OTHER);
        services.client(Some(OTHER)).unwrap().within(limits()).token_claims().await.unwrap();
        assert_eq!(*asked.lock().unwrap(), ["Contoso.onmicrosoft.com", OTHER]);
    }

    #[tokio::test]
    async fn one_tenant_in_two_spellings_is_one_client() {
        let (services, asked) = services(HOME).await;
        for name in [None, Some(HOME.to_uppercase().as_str())] {
            let id = services.tenant_id(name, limits()).await.unwrap();
            services.client(Some(&id)).unwrap().within(limits()).token_claims().await.unwrap();
        }
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
}
