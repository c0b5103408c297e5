//! The tenants' app management policies, looked up once per process: whether a secret may be made, said before anything is written.

use crate::framework::{Diagnostic, Result, Severity};
use crate::graph::{AppManagementPolicy, Date, Graph, PasswordLimit, PasswordRule};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// A tenant's own policy; `None` where it may not be read.
type OfTenant = OnceCell<Option<AppManagementPolicy>>;

/// The tenants' own policies. Callers of one tenant share one look-up, and no tenant waits for another.
#[derive(Default)]
pub struct Policies {
    by_tenant: Mutex<HashMap<String, Arc<OfTenant>>>,
}

impl Policies {
    async fn of_tenant(&self, graph: &Graph, tenant: &str) -> Result<Option<AppManagementPolicy>> {
        let cell = {
            let mut known = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(tenant.to_lowercase()).or_default().clone()
        };
        let look = async || graph.default_app_management_policy().await;
        // Who waits for another's look-up is bound by its own limits.
        Ok(graph.bounded("GET /policies/defaultAppManagementPolicy", cell.get_or_try_init(look)).await??.clone())
    }

    /// Fails where a policy forbids a new secret of this lifetime on the application, or on one that is still to be made; a warning where
    /// the policy leaves some callers out, of which this one may be. What may not be read is no obstacle: Graph has the last word.
    pub async fn allow_secret(
        &self,
        graph: &Graph,
        tenant: &str,
        application: Option<&str>,
        lifetime: SignedDuration,
    ) -> Result<Option<Diagnostic>> {
        let Some(policy) = self.of_tenant(graph, tenant).await?.filter(AppManagementPolicy::restricts) else {
            return Ok(None);
        };
        let created = match application {
            Some(id) => graph.application(id).await?.and_then(|app| Date::new(app.created_date_time?).time()),
            None => None,
        };
        let created = created.unwrap_or_else(|| graph.now());
        let found = refusals(&policy, created, lifetime);
        if found.is_empty() {
            return Ok(None);
        }
        let own = match application {
            Some(id) => graph.app_management_policies_of(id).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        // A policy that is assigned to the application itself counts instead of the tenant's.
        let found = match own.is_empty() {
            true => found,
            false => own.iter().flat_map(|one| refusals(one, created, lifetime)).collect(),
        };
        verdict(found)
    }
}

/// A rule that a secret breaks.
struct Refusal {
    why: Diagnostic,
    may_be_exempt: bool,
}

fn refusals(policy: &AppManagementPolicy, created: Timestamp, lifetime: SignedDuration) -> Vec<Refusal> {
    let named = format!("It is the app management policy \"{}\" ({}).", policy.name, policy.id);
    let broken = |rule: PasswordRule| {
        let why = match rule.limit {
            PasswordLimit::Forbidden => Diagnostic::error("The tenant's policy forbids secrets")
                .help("Use a certificate (`m365_connector_certificate`) or a federated credential (`m365_connector_federated_credential`) instead, or have the policy changed."),
            PasswordLimit::Lifetime(_, longest) if lifetime <= longest => return None,
            PasswordLimit::Lifetime(text, _) => Diagnostic::error(format!("The tenant's policy allows secrets to live for {text} at most"))
                .at("valid_for")
                .help("Shorten `valid_for`, or have the policy changed."),
        };
        Some(Refusal { why: why.help(&named), may_be_exempt: rule.has_exemptions })
    };
    policy.of_passwords(created).into_iter().filter_map(broken).collect()
}

/// What the provider's identity bears is not read: where it may be exempt, Graph decides, and the plan warns.
fn verdict(found: Vec<Refusal>) -> Result<Option<Diagnostic>> {
    let mut warning = None;
    for refusal in found {
        if !refusal.may_be_exempt {
            return Err(refusal.why.into());
        }
        warning.get_or_insert_with(|| Diagnostic { severity: Severity::Warning, ..refusal.why }.help(
            "The policy leaves out identities with certain custom security attributes (`excludeActors`). If the provider's own is none of them, Graph refuses the secret in apply.",
        ));
    }
    Ok(warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(may_be_exempt: bool) -> Refusal {
        Refusal { why: Diagnostic::error("The tenant's policy forbids secrets"), may_be_exempt }
    }

    #[test]
    fn a_policy_with_exemptions_warns_and_one_without_refuses() {
        assert!(verdict(Vec::new()).unwrap().is_none());
        assert!(verdict(vec![refusal(true)]).unwrap().is_some());
        assert!(verdict(vec![refusal(true), refusal(false)]).is_err());
    }
}
