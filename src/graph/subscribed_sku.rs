//! Graph's `subscribedSku`: what a tenant has subscribed to.

use super::errors::GraphError;
use super::lenient::null_as_default;
use super::transport::Graph;
use serde::Deserialize;

/// A subscription as read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribedSku {
    /// Short name, such as `SPE_E5`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub sku_part_number: String,
    /// `Enabled`, `Warning`, `Suspended`, `Deleted` or `LockedOut`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub capability_status: String,
    /// What it consists of.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_plans: Vec<ServicePlan>,
}

/// A part of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePlan {
    /// GUID.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_plan_id: String,
    /// `Success`, `Disabled`, `Error`, `PendingInput`, `PendingActivation` or `PendingProvisioning`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub provisioning_status: String,
}

impl SubscribedSku {
    /// Whether its plans can be used: `Warning` is the time of grace after its end. Source: Graph's documentation of `subscribedSku`.
    pub fn is_active(&self) -> bool {
        ["Enabled", "Warning"].iter().any(|one| one.eq_ignore_ascii_case(&self.capability_status))
    }
}

impl Graph {
    /// All subscriptions of the tenant, ended ones too.
    pub async fn subscribed_skus(&self) -> Result<Vec<SubscribedSku>, GraphError> {
        self.list("/subscribedSkus").await
    }
}
