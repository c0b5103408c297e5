//! What resources are given: Graph clients by tenant, the catalogue, the tenants' API principals, and the locks that serialise
//! writes to one object.

use super::config::{Environment, Settings};
use super::run::Run;
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
    pub preflight: super::preflight::Preflight,
    clients: Mutex<HashMap<String, Graph>>,
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
            preflight: super::preflight::Preflight::new(settings.preflight),
            settings,
            catalog,
            run: Run::default(),
            clients: Mutex::default(),
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
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(tenant) {
            return Ok(client.clone());
        }
        let client = self.sign_in(tenant)?;
        clients.insert(tenant.to_owned(), client.clone());
        Ok(client)
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
        let limits = Limits { deadline: self.deadline, cancelled: self.cancelled.clone() };
        let graph = self.services()?.client(tenant)?.within(limits);
        Ok(if self.is_refresh() { graph.for_refresh() } else { graph })
    }

    /// The tenant with this id, or the provider's own where none is given.
    pub async fn tenant(&self, tenant: Option<&str>) -> Result<Tenant> {
        let graph = self.graph(tenant)?;
        let id = resolve_tenant(tenant.map(str::to_owned).as_ref(), &graph).await?;
        Ok(Tenant { graph, id })
    }

    /// Signs in as somebody else in `tenant`, or in the provider's own where none is given, to the API of `scope`.
    pub fn graph_as(&self, source: Arc<dyn TokenSource>, tenant: Option<&str>, scope: String) -> Result<Graph> {
        let services = self.services()?;
        let limits = Limits { deadline: self.deadline, cancelled: self.cancelled.clone() };
        Ok(Graph::with_scope(services.options(services.tenant(tenant)?), source, scope)?.within(limits))
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

    /// Page where an administrator consents. Source: Entra's admin consent endpoint, version 1, which asks for everything in
    /// `requiredResourceAccess`.
    pub fn consent_url(&self, tenant: &str, client_id: &str) -> Result<String> {
        Ok(format!("{}/{tenant}/adminconsent?client_id={client_id}", self.services()?.settings.endpoints.login))
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

/// The tenant's id (GUID): the given one, else what the provider's own token says, which may be signed in by a domain.
pub async fn resolve_tenant(tenant: Option<&String>, graph: &Graph) -> Result<String> {
    if let Some(tenant) = tenant {
        return Ok(tenant.to_lowercase());
    }
    if let Some(tenant) = graph.token_claims().await?.tid {
        return Ok(tenant.to_lowercase());
    }
    Ok(graph.organization().await?.id.to_lowercase())
}
