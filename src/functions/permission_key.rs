//! `permission_key`: the one spelling of a permission.

use super::kind::{KeyKind, found};
use crate::framework::{Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The function.
pub struct Key;

/// The permission key of a permission in the built-in catalogue: `<api>/<application or delegated>/<name>`.
///
/// Plans, states, reports, `acknowledge` and `exceptions` name permissions by it. The key of a directory role is `directory/role/<name>`,
/// with the role's present name, or the id of a custom one's definition.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// API: a short name of the catalogue, such as `microsoft_graph`, or the API's client id. `directory` for a directory role.
    api: String,
    /// `application` or `delegated`; `role` for a directory role.
    kind: KeyKind,
    /// Name or id of the permission, such as `User.Read.All`, or of the role, such as `Global Reader`.
    value: String,
}

impl Function for Key {
    const NAME: &'static str = "permission_key";
    type Arguments = Arguments;
    type Output = String;

    fn call(Arguments { api, kind, value }: Arguments) -> Result<String> {
        found(&api, kind, &value).map(|found| found.key)
    }
}
