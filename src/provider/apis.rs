//! The tenant's service principals of APIs, each looked up once per process: which principal an API has, and which permissions it offers.

use crate::catalog::{Api, Kind};
use crate::framework::{Diagnostic, Result};
use crate::graph::{Graph, GraphError, ServicePrincipal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// An API's principal in one tenant. Roles and scopes are there only when they had to be read.
pub type Principal = Arc<ServicePrincipal>;

/// What was looked up so far. Only what was found is kept: an absent one may be made at any time.
#[derive(Default)]
pub struct ApiPrincipals {
    by_object_id: LookUps,
    offering: LookUps,
}

/// A look-up of one principal, answered once.
type LookUp = Arc<OnceCell<Principal>>;

/// Look-ups by tenant and id. Callers that ask for the same share one request; whoever makes it may give up, and the next one goes on.
#[derive(Default)]
struct LookUps(Mutex<HashMap<(String, String), LookUp>>);

impl LookUps {
    async fn get<F: Future<Output = std::result::Result<Option<ServicePrincipal>, GraphError>>>(
        &self,
        graph: &Graph,
        tenant: &str,
        id: &str,
        look: impl FnOnce() -> F,
    ) -> std::result::Result<Option<Principal>, GraphError> {
        let slot = {
            // Nothing is left half-written here by a panic elsewhere.
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry((tenant.to_lowercase(), id.to_lowercase())).or_default().clone()
        };
        let asked = slot.get_or_try_init(|| async {
            match look().await {
                Ok(Some(found)) => Ok(Arc::new(found)),
                Ok(None) => Err(None),
                Err(why) => Err(Some(why)),
            }
        });
        match graph.bounded(&format!("GET /servicePrincipals, {id}"), asked).await? {
            Ok(found) => Ok(Some(found.clone())),
            Err(None) => Ok(None),
            Err(Some(why)) => Err(why),
        }
    }
}

impl ApiPrincipals {
    /// The principal with this object id; `None` where it is gone.
    pub async fn of_object(&self, graph: &Graph, tenant: &str, object_id: &str) -> Result<Option<Principal>> {
        let look = || graph.service_principal(object_id);
        Ok(self.by_object_id.get(graph, tenant, object_id, look).await?)
    }

    /// The principal of the API with this client id, with its roles and scopes; `None` where the tenant lacks it.
    pub async fn offering(&self, graph: &Graph, tenant: &str, app_id: &str) -> Result<Option<Principal>> {
        let look = || graph.api_by_app_id(app_id);
        Ok(self.offering.get(graph, tenant, app_id, look).await?)
    }

    /// The same, made where the tenant lacks it and Graph allows that. `api` is what the catalogue knows of it.
    pub async fn present(&self, graph: &Graph, tenant: &str, app_id: &str, api: Option<&Api>) -> Result<Principal> {
        if let Some(found) = self.offering(graph, tenant, app_id).await? {
            return Ok(found);
        }
        let name = api.map_or(app_id, |api| api.display_name.as_str());
        match graph.add_service_principal(app_id).await {
            Ok(_) => {}
            // Somebody else made it meanwhile.
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_no_such_application() => {
                let brought_by = match api.and_then(|api| api.brought_by.as_deref()) {
                    Some(products) => format!("It comes with {products}: check that the tenant is licensed for it."),
                    None => "Check the client id, and that the tenant is licensed for the product that brings it."
                        .to_owned(),
                };
                let summary = format!("The API {name} is not in this tenant");
                let found = Diagnostic { summary, ..Diagnostic::from(error) };
                return Err(found
                    .help(format!("It has no service principal, and Graph does not make one here. {brought_by}"))
                    .into());
            }
            Err(error) => {
                return Err(Diagnostic::from(error)
                    .help(format!("The tenant has no service principal of the API {name}, and making one failed."))
                    .into());
            }
        }
        graph.until_found(|| graph.service_principal_by_app_id(app_id)).await?;
        self.offering(graph, tenant, app_id).await?.ok_or_else(|| {
            Diagnostic::error(format!("The new service principal of {name} cannot be read yet"))
                .help("The directory is still replicating. Apply again in a minute.")
                .into()
        })
    }
}

/// A permission as the tenant's own principal of its API offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered<'a> {
    /// GUID.
    pub id: &'a str,
    /// Name; roles may have none.
    pub name: Option<&'a str>,
    /// Whether it can be granted at present.
    pub is_enabled: bool,
    /// Whether it is a permission, and not a role for people.
    pub is_permission: bool,
}

/// All that the principal offers of one kind, with what nobody can be granted.
pub fn offered(principal: &ServicePrincipal, kind: Kind) -> Vec<Offered<'_>> {
    match kind {
        Kind::Application => principal
            .app_roles
            .iter()
            .map(|role| Offered {
                id: &role.id,
                name: role.value.as_deref().filter(|name| !name.is_empty()),
                is_enabled: role.is_enabled != Some(false),
                is_permission: role.is_for_applications(),
            })
            .collect(),
        Kind::Delegated => principal
            .oauth2_permission_scopes
            .iter()
            .map(|scope| Offered {
                id: &scope.id,
                name: scope.value.as_deref().filter(|name| !name.is_empty()),
                is_enabled: scope.is_enabled != Some(false),
                is_permission: true,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{ClientSecret, Endpoints, Limits, Options};
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::time::Duration;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    fn principal() -> ServicePrincipal {
        serde_json::from_str(r#"{"id":"o","appId":"a"}"#).unwrap()
    }

    fn graph(seconds: u64, cancelled: &CancellationToken) -> Graph {
        let options = Options {
            tenant: "t".to_owned(),
            endpoints: Endpoints { login: "http://127.0.0.1:9".to_owned(), graph: "http://127.0.0.1:9".to_owned() },
            ca_certificate: None,
            max_retries: 0,
            request_timeout: Duration::from_secs(1),
            user_agent: "test".to_owned(),
        };
        let nobody = ClientSecret::new(String::new(), String::new().into());
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let limits = Limits { deadline, cancelled: cancelled.clone() };
        Graph::new(options, Arc::new(nobody)).unwrap().within(limits)
    }

    #[tokio::test]
    async fn one_principal_is_asked_for_once_and_an_absent_one_again() {
        let (all, asked) = (LookUps::default(), AtomicU8::new(0));
        let ask = |found: bool, id: &'static str| {
            let (all, asked) = (&all, &asked);
            async move {
                let look = || async {
                    tokio::task::yield_now().await;
                    asked.fetch_add(1, Ordering::Relaxed);
                    Ok(found.then(principal))
                };
                all.get(&graph(9, &CancellationToken::new()), "T", id, look).await.unwrap().is_some()
            }
        };
        assert_eq!(tokio::join!(ask(true, "a"), ask(true, "A")), (true, true));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(!ask(false, "b").await && ask(true, "b").await);
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_holds_up_no_other_and_its_waiters_no_longer_than_they_may() {
        let (all, run) = (LookUps::default(), CancellationToken::new());
        let (patient, hasty) = (graph(60, &run), graph(1, &run));
        let silent = all.get(&patient, "t", "slow", std::future::pending);
        let waits = all.get(&hasty, "t", "slow", || async { Ok(Some(principal())) });
        let other = all.get(&hasty, "another tenant", "slow", || async { Ok(Some(principal())) });
        tokio::pin!(silent);
        assert!(futures_util::poll!(&mut silent).is_pending());
        assert!(other.await.unwrap().is_some());
        assert!(matches!(waits.await, Err(GraphError::DeadlineExceeded { .. })));
        assert!(matches!(silent.await, Err(GraphError::DeadlineExceeded { .. })));
        let again = graph(9, &run);
        assert!(all.get(&again, "t", "slow", || async { Ok(Some(principal())) }).await.unwrap().is_some());
        run.cancel();
        assert!(matches!(all.get(&again, "t", "never", std::future::pending).await, Err(GraphError::Cancelled)));
    }
}
