//! The tenants' app management policies, looked up once per process: whether a secret may be made, said before anything is written.

use crate::framework::{Diagnostic, Result};
use crate::graph::{AppManagementPolicy, Graph, PasswordRule};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use tokio::sync::Mutex;

/// The tenants' own policies; `None` for one that may not be read.
#[derive(Default)]
pub struct Policies {
    by_tenant: Mutex<HashMap<String, Option<AppManagementPolicy>>>,
}

impl Policies {
    async fn of_tenant(&self, graph: &Graph, tenant: &str) -> Result<Option<AppManagementPolicy>> {
        // Held over the request on purpose: callers of one tenant share one look-up.
        let mut known = self.by_tenant.lock().await;
        if let Some(policy) = known.get(tenant) {
            return Ok(policy.clone());
        }
        let policy = graph.default_app_management_policy().await?;
        known.insert(tenant.to_owned(), policy.clone());
        Ok(policy)
    }

    /// Fails where a policy forbids a new secret of this lifetime on the application, or on one that is still to be made. What may not
    /// be read is no obstacle: Graph has the last word.
    pub async fn allow_secret(
        &self,
        graph: &Graph,
        tenant: &str,
        application: Option<&str>,
        lifetime: SignedDuration,
    ) -> Result<()> {
        let Some(policy) = self.of_tenant(graph, tenant).await?.filter(AppManagementPolicy::restricts) else {
            return Ok(());
        };
        let created = match application {
            Some(id) => graph.application(id).await?.and_then(|app| app.created_date_time?.parse::<Timestamp>().ok()),
            None => None,
        };
        let created = created.unwrap_or_else(|| graph.now());
        let Err(found) = check(&policy, created, lifetime) else { return Ok(()) };
        let own = match application {
            Some(id) => graph.app_management_policies_of(id).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        // A policy that is assigned to the application itself counts instead of the tenant's.
        if own.is_empty() {
            Err(found.into())
        } else {
            own.iter().try_for_each(|one| Ok(check(one, created, lifetime)?))
        }
    }
}

fn check(
    policy: &AppManagementPolicy,
    created: Timestamp,
    lifetime: SignedDuration,
) -> std::result::Result<(), Diagnostic> {
    for rule in policy.of_passwords(created) {
        let refusal = match rule {
            PasswordRule::Forbidden => Diagnostic::error("The tenant's policy forbids secrets")
                .help("Use a certificate (`m365_connector_certificate`) or a federated credential (`m365_connector_federated_credential`) instead, or have the policy changed."),
            PasswordRule::Limited(_, limit) if lifetime <= limit => continue,
            PasswordRule::Limited(limit, _) => Diagnostic::error(format!("The tenant's policy allows secrets to live for {limit} at most"))
                .at("valid_for")
                .help("Shorten `valid_for`, or have the policy changed."),
        };
        return Err(refusal.help(format!("It is the app management policy \"{}\" ({}).", policy.name, policy.id)));
    }
    Ok(())
}
