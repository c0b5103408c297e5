//! Typed Microsoft Graph client. Knows neither Terraform nor the sandbox.
//!
//! One file per entity holds its shapes and calls; [`transport`] sends, retries and ends in time; [`auth`] signs in.

mod app_management_policy;
mod app_role_assignment;
mod application;
pub mod auth;
mod azure_cli;
mod client_assertion;
mod client_certificate;
mod client_secret;
mod convergence;
mod credentials;
mod deleted_items;
mod endpoints;
mod errors;
mod federated_credential;
mod key_credential;
mod managed_identity;
pub mod needed;
mod oauth2_permission_grant;
mod organization;
mod password;
mod service_principal;
mod snapshot;
mod transport;

pub use app_management_policy::{AppManagementPolicy, PasswordRule};
pub use app_role_assignment::AppRoleAssignment;
pub use application::{Application, ApplicationPatch, Patch, RequiredResourceAccess, ResourceAccess};
pub use auth::{AccessToken, AuthError, Claims, TokenRequest, TokenSource};
pub use azure_cli::AzureCli;
pub use client_assertion::{Assertion, ClientAssertion};
pub use client_certificate::{Certificate, CertificateError, ClientCertificate};
pub use client_secret::ClientSecret;
pub use convergence::{Settled, Shows, View, WINDOW, Writes};
pub use credentials::{Credential, Credentials};
pub use endpoints::{EndpointError, Endpoints};
pub use errors::{ApiError, GraphError};
pub use federated_credential::{FederatedCredential, FederatedCredentialPatch, NewFederatedCredential};
pub use key_credential::{Holder, KeyCredential, thumbprint};
pub use managed_identity::{IMDS, IdentityService, ManagedIdentity};
pub use oauth2_permission_grant::PermissionGrant;
pub use organization::{Organization, VerifiedDomain};
pub use password::{AddedPassword, NewPassword, Password};
pub use service_principal::{AppRole, PermissionScope, ServicePrincipal, ServicePrincipalPatch};
pub use transport::{Graph, Limits, Options};
