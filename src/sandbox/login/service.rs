//! What the login keeps besides the directory.

use super::machine::Machine;
use super::oidc::Issuer;

/// The login service's own things.
#[derive(Default)]
pub(in crate::sandbox) struct Service {
    /// For federated credentials.
    pub issuer: Issuer,
    /// Every token that was handed out and every assertion that was presented, so that a test can look for them where they should not be.
    pub tokens: Vec<String>,
    /// The machine that a client runs on.
    pub machine: Machine,
}
