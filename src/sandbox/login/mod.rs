//! Signing in: Entra's token endpoint, what proves who a client is, and the platforms that hand out tokens themselves.

mod assertions;
mod bearer;
mod machine;
mod oidc;
pub(super) mod platforms;
mod refusal;
mod service;
pub(super) mod token;

pub(super) use bearer::caller;
pub(super) use service::Service;
