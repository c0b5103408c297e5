//! Permissions in a tenant: what they mean, what they are called, which an application asks for and which it was granted.

mod granted;
mod names;
mod requested;

pub(crate) use granted::{DEFAULT_ROLE, Granted};
pub(crate) use names::{Declared, Names, PermissionId};
pub(crate) use requested::{meant, requested};
