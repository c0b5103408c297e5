//! What the functions on permissions share: the kinds of key, and how a permission is found.

use crate::catalog::{Api, Catalog, Kind, LookupError, Permission};
use crate::framework::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds that stand in a permission key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Works without a user.
    Application,
    /// Works on behalf of a user.
    Delegated,
    /// A directory role, of the API `directory`.
    Role,
}

/// The API of the keys of directory roles.
pub(super) const DIRECTORY: &str = "directory";

impl KeyKind {
    /// The kind of permission. Fails for a role, which belongs to `directory` alone.
    pub(super) fn of_permission(self, api: &str) -> Result<Kind> {
        match (self, api) {
            (Self::Application, _) => Ok(Kind::Application),
            (Self::Delegated, _) => Ok(Kind::Delegated),
            (Self::Role, _) => Err(Diagnostic::error(format!("The API \"{api}\" has no roles of the directory"))
                .at("kind")
                .help("Its permissions are of the kind \"application\" or \"delegated\". The key of a directory role is `directory/role/<name>`.")
                .into()),
        }
    }
}

/// The permission that the built-in catalogue has. The error is at the argument at fault, and says where else to look.
pub(super) fn found(api: &str, kind: KeyKind, value: &str) -> Result<(&'static Api, &'static Permission)> {
    let (catalog, kind) = (Catalog::built_in(), kind.of_permission(api)?);
    let elsewhere = "Functions know the built-in catalogue only; the data source `m365_api_permissions` with `live = true` reads what the tenant itself has.";
    let Some(api) = catalog.api(api) else {
        return Err(Diagnostic::error(format!("There is no API \"{api}\""))
            .at("api")
            .help(LookupError::no_such_api(catalog, api).advice())
            .help(elsewhere)
            .into());
    };
    match catalog.find(api, kind, value) {
        Ok(permission) => Ok((api, permission)),
        Err(why) => Err(Diagnostic::error(format!("{} has no {kind} permission \"{value}\"", api.key))
            .at("value")
            .help(why.advice())
            .help(elsewhere)
            .into()),
    }
}
