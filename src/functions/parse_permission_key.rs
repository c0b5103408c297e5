//! `parse_permission_key`: a permission key in its parts.

use super::kind::{DIRECTORY, KeyKind};
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{Diagnostic, Function, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The function.
pub struct ParsePermissionKey;

/// The parts of a permission key: an object with `api`, `kind` and `value`.
///
/// The parts are as they are written; whether the permission exists is not looked up.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// Permission key, such as `microsoft_graph/application/User.Read.All` or `directory/role/Global Reader`.
    key: String,
}

/// The parts.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Parts {
    /// Short name or client id of the API.
    api: String,
    /// `application`, `delegated` or `role`.
    kind: KeyKind,
    /// Name or id.
    value: String,
}

impl Function for ParsePermissionKey {
    const NAME: &'static str = "parse_permission_key";
    type Arguments = Arguments;
    type Output = Parts;

    fn call(Arguments { key }: Arguments) -> Result<Parts> {
        let role = key.strip_prefix(DIRECTORY).and_then(|rest| rest.strip_prefix("/role/"));
        if let Some(name) = role.filter(|name| !name.is_empty()) {
            return Ok(Parts { api: DIRECTORY.to_owned(), kind: KeyKind::Role, value: name.to_owned() });
        }
        let key = key.parse::<PermissionKey>().map_err(|why| {
            Diagnostic::error(format!("\"{key}\" is no permission key")).at("key").help(why.to_string())
        })?;
        let kind = match key.kind {
            Kind::Application => KeyKind::Application,
            Kind::Delegated => KeyKind::Delegated,
        };
        Ok(Parts { api: key.api, kind, value: key.value })
    }
}
