//! Signing in: Entra's token endpoint, what clients read before they ask it, what proves who a client is, and the platforms that hand out
//! tokens themselves.

mod assertions;
mod bearer;
pub(super) mod documents;
pub(super) mod endpoints;
mod keys;
mod machine;
mod oidc;
pub(super) mod platforms;
mod refusal;
mod service;
mod token;

pub(super) use bearer::caller;
pub(super) use service::Service;
