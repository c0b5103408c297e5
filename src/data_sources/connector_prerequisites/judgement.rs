//! What a tenant shows comes to. Asks nobody; what was not seen is unknown.

use crate::catalog::{Prerequisite, PrerequisiteKind};
use crate::graph::SubscribedSku;
use std::collections::{BTreeMap, BTreeSet};

/// What is true of a prerequisite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Satisfied,
    Missing,
    Unknown,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// What the tenant shows. `None`: it could not be looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// All subscriptions.
    pub skus: Option<Vec<SubscribedSku>>,
    /// Whether somebody holds the role of this template for the whole tenant.
    pub held: BTreeMap<String, Option<bool>>,
    /// Whether the tenant has a service principal of the API with this client id.
    pub apis: BTreeMap<String, Option<bool>>,
}

impl Seen {
    /// `apis`: client ids of the APIs whose permissions need it.
    pub(super) fn judge(&self, one: &Prerequisite, apis: &BTreeSet<String>) -> (Status, &'static str) {
        match one.kind {
            PrerequisiteKind::Licence => self.licence(&one.any_of),
            PrerequisiteKind::Role => self.role(&one.any_of),
            PrerequisiteKind::Service => self.service(apis),
            PrerequisiteKind::Step
            | PrerequisiteKind::AzureRole
            | PrerequisiteKind::ExchangeRole
            | PrerequisiteKind::ServiceAccount => (Status::Unknown, "Only a person can see to this."),
        }
    }

    /// A plan counts where it is provisioned in a subscription that runs. Source: Graph's documentation of `servicePlanInfo`.
    fn licence(&self, any_of: &[String]) -> (Status, &'static str) {
        let Some(skus) = &self.skus else {
            return (Status::Unknown, "The tenant's subscriptions cannot be read.");
        };
        let active: Vec<_> = skus.iter().filter(|sku| sku.is_active()).collect();
        if any_of.is_empty() {
            return match active.is_empty() {
                true => (Status::Missing, "The tenant has no active subscription."),
                false => (Status::Satisfied, "The tenant has an active subscription."),
            };
        }
        let plans = active.iter().flat_map(|sku| &sku.service_plans);
        let wanted: Vec<_> =
            plans.filter(|plan| any_of.iter().any(|id| id.eq_ignore_ascii_case(&plan.service_plan_id))).collect();
        let is = |status: &str| wanted.iter().any(|plan| plan.provisioning_status.eq_ignore_ascii_case(status));
        if is("Success") {
            return (Status::Satisfied, "An active subscription includes it.");
        }
        // Whether it works before somebody has activated it depends on the product.
        if ["PendingInput", "PendingActivation", "PendingProvisioning"].into_iter().any(is) {
            return (Status::Unknown, "A subscription includes it, and it is not activated yet.");
        }
        match wanted.iter().all(|plan| ["Disabled", "Error"].iter().any(|one| plan.provisioning_status == *one)) {
            true => (Status::Missing, "No active subscription includes it."),
            false => (Status::Unknown, "A subscription includes it in a state that is not known here."),
        }
    }

    fn role(&self, any_of: &[String]) -> (Status, &'static str) {
        let held: Vec<_> = any_of.iter().map(|id| self.held.get(id).copied().flatten()).collect();
        if held.contains(&Some(true)) {
            return (Status::Satisfied, "Somebody holds it for the whole tenant.");
        }
        match held.is_empty() || held.contains(&None) {
            true => (Status::Unknown, "Who holds it cannot be read."),
            false => (
                Status::Missing,
                "Nobody holds it for the whole tenant at present; who is only eligible activates it first.",
            ),
        }
    }

    /// Without its API's service principal a service is not there. With it, whether it is switched on is nothing that Graph shows.
    fn service(&self, apis: &BTreeSet<String>) -> (Status, &'static str) {
        match apis.iter().any(|app_id| self.apis.get(app_id).copied().flatten() == Some(false)) {
            true => (Status::Missing, "The tenant has no service principal of its API."),
            false => (Status::Unknown, "Microsoft Graph does not show whether it is on."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ServicePlan;

    const PLAN: &str = "c1ec4a95-1f05-45b3-a911-aa3fa01094f5";
    const OTHER: &str = "871d91ec-ec1a-452b-a83f-bd76c7d770ef";

    fn sku(status: &str, plans: &[(&str, &str)]) -> SubscribedSku {
        let plan = |(id, status): &(&str, &str)| ServicePlan {
            service_plan_id: (*id).to_owned(),
            provisioning_status: (*status).to_owned(),
        };
        SubscribedSku {
            sku_part_number: "X".to_owned(),
            capability_status: status.to_owned(),
            service_plans: plans.iter().map(plan).collect(),
        }
    }

    fn of(kind: PrerequisiteKind, any_of: &[&str]) -> Prerequisite {
        Prerequisite {
            name: "it".to_owned(),
            kind,
            detail: String::new(),
            any_of: any_of.iter().map(|id| (*id).to_owned()).collect(),
            needed_by: Vec::new(),
        }
    }

    #[test]
    fn a_licence_is_a_provisioned_plan_in_a_subscription_that_runs() {
        let judge = |any_of: &[&str], skus: Option<Vec<SubscribedSku>>| {
            let seen = Seen { skus, ..Seen::default() };
            seen.judge(&of(PrerequisiteKind::Licence, any_of), &BTreeSet::new()).0
        };
        for (subscription, plan, expected) in [
            ("Enabled", "Success", Status::Satisfied),
            ("Warning", "Success", Status::Satisfied),
            ("Suspended", "Success", Status::Missing),
            ("Deleted", "Success", Status::Missing),
            ("LockedOut", "Success", Status::Missing),
            ("", "Success", Status::Missing),
            ("Enabled", "Disabled", Status::Missing),
            ("Enabled", "Error", Status::Missing),
            ("Enabled", "PendingActivation", Status::Unknown),
            ("Enabled", "PendingInput", Status::Unknown),
            ("Enabled", "PendingProvisioning", Status::Unknown),
            ("Enabled", "Something", Status::Unknown),
        ] {
            assert_eq!(
                judge(&[PLAN], Some(vec![sku(subscription, &[(PLAN, plan)])])),
                expected,
                "{subscription} {plan}"
            );
        }
        let both = vec![sku("Suspended", &[(PLAN, "Success")]), sku("Enabled", &[(OTHER, "Success")])];
        assert_eq!(judge(&[PLAN], Some(both.clone())), Status::Missing);
        assert_eq!(judge(&[PLAN, OTHER], Some(both)), Status::Satisfied, "alternatives are one item");
        assert_eq!(judge(&[&PLAN.to_uppercase()], Some(vec![sku("Enabled", &[(PLAN, "Success")])])), Status::Satisfied);
        assert_eq!(judge(&[PLAN], Some(Vec::new())), Status::Missing);
        assert_eq!(judge(&[PLAN], None), Status::Unknown);
        assert_eq!(judge(&[], None), Status::Unknown);
        assert_eq!(judge(&[], Some(vec![sku("Suspended", &[])])), Status::Missing);
    }

    #[test]
    fn a_role_is_satisfied_where_anybody_was_seen_to_hold_one_of_them() {
        let judge = |all: &[Option<bool>]| {
            let ids: Vec<String> = (0..all.len()).map(|number| number.to_string()).collect();
            let seen = Seen { held: ids.iter().cloned().zip(all.iter().copied()).collect(), ..Seen::default() };
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            seen.judge(&of(PrerequisiteKind::Role, &ids), &BTreeSet::new()).0
        };
        assert_eq!(judge(&[Some(false), Some(true)]), Status::Satisfied);
        assert_eq!(judge(&[None, Some(true)]), Status::Satisfied);
        assert_eq!(judge(&[Some(false), Some(false)]), Status::Missing);
        assert_eq!(judge(&[Some(false), None]), Status::Unknown);
        assert_eq!(judge(&[]), Status::Unknown);
    }

    #[test]
    fn a_service_is_never_satisfied_and_a_step_is_nobody_s_guess() {
        let apis = BTreeSet::from(["api".to_owned()]);
        for (there, expected) in
            [(Some(false), Status::Missing), (Some(true), Status::Unknown), (None, Status::Unknown)]
        {
            let seen = Seen { apis: BTreeMap::from([("api".to_owned(), there)]), ..Seen::default() };
            assert_eq!(seen.judge(&of(PrerequisiteKind::Service, &[]), &apis).0, expected);
        }
        for kind in [
            PrerequisiteKind::Step,
            PrerequisiteKind::AzureRole,
            PrerequisiteKind::ExchangeRole,
            PrerequisiteKind::ServiceAccount,
        ] {
            assert_eq!(Seen::default().judge(&of(kind, &[]), &apis).0, Status::Unknown);
        }
    }
}
