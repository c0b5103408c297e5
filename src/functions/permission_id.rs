//! `permission_id`: the GUID of a permission.

use super::kind::{KeyKind, found};
use crate::framework::{Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The function.
pub struct PermissionId;

/// The id (GUID) of a permission in the built-in catalogue.
///
/// Resources of other providers, and Graph itself, name permissions by it.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// API: a short name of the catalogue, such as `microsoft_graph`, or the API's client id.
    api: String,
    /// `application` or `delegated`.
    kind: KeyKind,
    /// Name of the permission, such as `User.Read.All`.
    value: String,
}

impl Function for PermissionId {
    const NAME: &'static str = "permission_id";
    type Arguments = Arguments;
    type Output = String;

    fn call(arguments: Arguments) -> Result<String> {
        let (_, permission) = found(&arguments.api, arguments.kind, &arguments.value)?;
        Ok(permission.id.clone())
    }
}
