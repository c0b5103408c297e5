//! The list of everything that is served, above all of it.

use crate::data_sources::{
    ApiPermissions, ClientConfig, ConnectorAppSource, ConnectorPrerequisites, ConnectorProfile, ConnectorProfiles,
    ConsentStatus, Tenant,
};
use crate::ephemeral::ConnectorToken;
use crate::framework::{Registry, Server};
use crate::functions::admin_consent_url::AdminConsentUrl;
use crate::functions::parse_permission_key::ParsePermissionKey;
use crate::functions::permission_id::PermissionId;
use crate::functions::permission_key;
use crate::functions::profile_permissions::ProfilePermissions;
use crate::provider::{M365, Services};
use crate::resources::{
    AdminConsent, ConnectorApp, ConnectorCertificate, ConnectorCredentialsExclusive, ConnectorFederatedCredential,
    ConnectorPermissionSet, ConnectorSecret,
};

/// Everything that this provider serves.
pub fn registry() -> Registry<Services> {
    Registry::default()
        .resource::<ConnectorApp>()
        .resource::<ConnectorPermissionSet>()
        .resource::<AdminConsent>()
        .resource::<ConnectorSecret>()
        .resource::<ConnectorCertificate>()
        .resource::<ConnectorFederatedCredential>()
        .resource::<ConnectorCredentialsExclusive>()
        .data_source::<ApiPermissions>()
        .data_source::<ClientConfig>()
        .data_source::<ConnectorAppSource>()
        .data_source::<ConnectorPrerequisites>()
        .data_source::<ConnectorProfile>()
        .data_source::<ConnectorProfiles>()
        .data_source::<ConsentStatus>()
        .data_source::<Tenant>()
        .ephemeral::<ConnectorToken>()
        .function::<AdminConsentUrl>()
        .function::<ParsePermissionKey>()
        .function::<PermissionId>()
        .function::<permission_key::Key>()
        .function::<ProfilePermissions>()
}

/// The provider, ready to be served.
pub fn server() -> Server<M365> {
    Server::new(M365, registry())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_model_is_a_schema() {
        assert_eq!(super::registry().faults(), Vec::<String>::new());
    }
}
