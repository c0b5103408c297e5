//! `permission_key`: the one spelling of a permission.

use super::kind::{DIRECTORY, KeyKind, found};
use crate::framework::{Diagnostic, Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The function.
pub struct Key;

/// The permission key of a permission in the built-in catalogue: `<api>/<application or delegated>/<name>`.
///
/// Plans, states, reports, `acknowledge` and `exceptions` name permissions by it. The key of a directory role is `directory/role/<name>`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// API: a short name of the catalogue, such as `microsoft_graph`, or the API's client id. `directory` for a directory role.
    api: String,
    /// `application` or `delegated`; `role` for a directory role.
    kind: KeyKind,
    /// Name or id of the permission, such as `User.Read.All`.
    value: String,
}

impl Function for Key {
    const NAME: &'static str = "permission_key";
    type Arguments = Arguments;
    type Output = String;

    fn call(Arguments { api, kind, value }: Arguments) -> Result<String> {
        if (api.as_str(), kind) != (DIRECTORY, KeyKind::Role) {
            let (api, permission) = found(&api, kind, &value)?;
            return Ok(api.key_of(permission).to_string());
        }
        if value.trim().is_empty() {
            return Err(Diagnostic::error("The directory role has no name").at("value").into());
        }
        Ok(format!("{DIRECTORY}/role/{value}"))
    }
}
