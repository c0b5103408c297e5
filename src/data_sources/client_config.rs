//! `m365_client_config`: who the provider is signed in as.

use crate::framework::{Computed, DataSource, ReadTimeout, Result, configurable, guid};
use crate::provider::{Cx, Services, resolve_tenant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The identity that this run uses, as its own token tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientConfig {
    /// Tenant (GUID) that the provider is signed in to.
    #[schemars(transform = configurable, transform = guid)]
    pub tenant_id: Computed<String>,
    /// How long reading may take.
    pub timeouts: Option<ReadTimeout>,
    /// Client id of the provider's own application.
    pub client_id: Computed<String>,
    /// Object id of its service principal. Null where the token cannot be read.
    pub object_id: Computed<String>,
    /// Application permissions of Microsoft Graph in the token, such as `Application.ReadWrite.All`. Null where the token cannot be read.
    pub roles: Computed<BTreeSet<String>>,
}

impl DataSource for ClientConfig {
    const NAME: &'static str = "m365_client_config";
    type Services = Services;

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        let graph = cx.graph(self.tenant_id.known().map(String::as_str))?;
        let claims = graph.token_claims().await?;
        if self.tenant_id.known().is_none() {
            self.tenant_id = resolve_tenant(None, &graph).await?.into();
        }
        self.client_id = claims.appid.or_else(|| cx.services().ok()?.settings.client_id.clone()).into();
        // A token without roles has no such claim; one that cannot be read has no object id either.
        self.roles = match (claims.roles, &claims.oid) {
            (None, None) => Computed::Null,
            (roles, _) => roles.into_iter().flatten().collect::<BTreeSet<_>>().into(),
        };
        self.object_id = claims.oid.into();
        Ok(())
    }
}
