//! One file per data source.

pub mod api_permissions;
pub mod client_config;
pub mod connector_app;
pub mod connector_prerequisites;
pub mod connector_profile;
pub mod connector_profiles;
pub mod consent_status;
mod selection;
pub mod tenant;

pub use api_permissions::ApiPermissions;
pub use client_config::ClientConfig;
pub use connector_app::ConnectorAppSource;
pub use connector_prerequisites::ConnectorPrerequisites;
pub use connector_profile::ConnectorProfile;
pub use connector_profiles::ConnectorProfiles;
pub use consent_status::ConsentStatus;
pub use tenant::Tenant;
