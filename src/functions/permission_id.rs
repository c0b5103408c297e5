//! `permission_id`: the GUID of a permission.

use super::kind::{KeyKind, found};
use crate::framework::{Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The function.
pub struct PermissionId;

/// The id (GUID) of a permission in the built-in catalogue, or of a directory role.
///
/// Resources of other providers, and Graph itself, name permissions and roles by it.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// API: a short name of the catalogue, such as `microsoft_graph`, or the API's client id. `directory` for a directory role.
    api: String,
    /// `application` or `delegated`; `role` for a directory role.
    kind: KeyKind,
    /// Name of the permission, such as `User.Read.All`, or of the role, such as `Global Reader`.
    value: String,
}

impl Function for PermissionId {
    const NAME: &'static str = "permission_id";
    type Arguments = Arguments;
    type Output = String;

    fn call(Arguments { api, kind, value }: Arguments) -> Result<String> {
        found(&api, kind, &value).map(|found| found.id)
    }
}
