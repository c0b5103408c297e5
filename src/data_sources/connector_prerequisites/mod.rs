//! `m365_connector_prerequisites`: what has to be in the tenant before a connector works, and what of it is there.

mod judgement;
mod model;

pub use model::{ConnectorPrerequisites, PrerequisiteItem};

use super::selection::Selected;
use crate::catalog::{PermissionKey, Prerequisite, PrerequisiteKind};
use crate::framework::{DataSource, Diagnostic, Result};
use crate::graph::{GraphError, RoleHolder};
use crate::provider::{Cx, Services, Tenant};
use judgement::{Seen, Status};
use std::collections::{BTreeMap, BTreeSet};

impl DataSource for ConnectorPrerequisites {
    const NAME: &'static str = "m365_connector_prerequisites";
    type Services = Services;

    fn validate(&self, cx: &Cx) -> Result<()> {
        self.selected().checked(cx).map(|_| ())
    }

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        let (version, asked) = self.selected().known(cx)?;
        let asked: BTreeSet<PermissionKey> = asked.permissions.iter().map(|key| cx.catalog().canonical(key)).collect();
        let relevant: Vec<_> =
            version.profile.prerequisites.iter().filter_map(|one| Some((one, needed_by(one, &asked, cx)?))).collect();
        let tenant = cx.tenant(self.tenant_id.known().map(String::as_str)).await?;
        let seen = look(&relevant, &tenant, cx).await?;
        let mut satisfied = true;
        let mut items = BTreeMap::new();
        for (one, keys) in relevant {
            let (status, why) = seen.judge(one, &apis_of(&keys, cx));
            let kind = one.kind.to_string();
            satisfied &= kind == "step" || status == Status::Satisfied;
            let item = PrerequisiteItem {
                kind,
                status: status.name().to_owned(),
                needed_by: keys.iter().map(ToString::to_string).collect(),
                detail: format!("{} {why}", one.detail),
            };
            items.insert(one.name.clone(), item);
        }
        self.items = items.into();
        self.satisfied = satisfied.into();
        if self.tenant_id.known().is_none() {
            self.tenant_id = tenant.id.into();
        }
        Ok(())
    }
}

impl ConnectorPrerequisites {
    fn selected(&self) -> Selected<'_> {
        Selected {
            profile: &self.profile,
            features: &self.features,
            include_optional: self.include_optional,
            choose: self.choose.as_ref(),
        }
    }
}

/// What of it is asked for; `None` where only features that are off need it.
fn needed_by(one: &Prerequisite, asked: &BTreeSet<PermissionKey>, cx: &Cx) -> Option<BTreeSet<PermissionKey>> {
    let keys = one.needed_by.iter().filter_map(|text| text.parse().ok());
    let keys: BTreeSet<PermissionKey> =
        keys.map(|key| cx.catalog().canonical(&key)).filter(|key| asked.contains(key)).collect();
    (one.needed_by.is_empty() || !keys.is_empty()).then_some(keys)
}

fn apis_of(keys: &BTreeSet<PermissionKey>, cx: &Cx) -> BTreeSet<String> {
    keys.iter().filter_map(|key| cx.catalog().api(&key.api)).map(|api| api.app_id.clone()).collect()
}

/// Asks for no more than the prerequisites need.
async fn look(relevant: &[(&Prerequisite, BTreeSet<PermissionKey>)], tenant: &Tenant, cx: &Cx) -> Result<Seen> {
    let of = |kind| relevant.iter().filter(move |(one, _)| one.kind == kind);
    let (graph, mut seen) = (&tenant.graph, Seen::default());
    if of(PrerequisiteKind::Licence).next().is_some() {
        seen.skus = allowed(graph.subscribed_skus().await, "the tenant's subscriptions", cx)?;
    }
    let roles: BTreeSet<_> = of(PrerequisiteKind::Role).flat_map(|(one, _)| &one.any_of).collect();
    for role in roles {
        let holders = allowed(graph.role_holders(role).await, "who holds directory roles", cx)?;
        let is_refused = holders.is_none();
        let held = holders.map(|all| all.iter().any(RoleHolder::is_tenant_wide));
        seen.held.insert(role.clone(), held);
        if is_refused {
            break;
        }
    }
    let apis: BTreeSet<_> = of(PrerequisiteKind::Service).flat_map(|(_, keys)| apis_of(keys, cx)).collect();
    for app_id in apis {
        let principal = allowed(graph.service_principal_by_app_id(&app_id).await, "service principals", cx)?;
        seen.apis.insert(app_id, principal.map(|found| found.is_some()));
    }
    Ok(seen)
}

/// What the run's identity may not read is unknown, and a warning says what it lacks. Any other failure is one.
fn allowed<T>(answer: std::result::Result<T, GraphError>, what: &str, cx: &Cx) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_forbidden() => {
            let refusal = Diagnostic::from(error);
            cx.warn(
                Diagnostic::warning(format!("The provider's identity may not see {what}"))
                    .help(refusal.detail)
                    .help("What it would show is `unknown` in `items`, so that `satisfied` is false."),
            );
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
