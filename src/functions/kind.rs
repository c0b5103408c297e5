//! What the functions on permissions share: the kinds of key, and how a permission is found.

use crate::catalog::{Catalog, Kind, LookupError, ROLE_KEY, directory_role};
use crate::framework::{Diagnostic, Result, is_guid};
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

/// A permission or directory role by its one spelling and its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub key: String,
    pub id: String,
}

/// The permission or directory role that the built-in catalogue has. The error is at the argument at fault, and says where else to look.
pub(super) fn found(api: &str, kind: KeyKind, value: &str) -> Result<Found> {
    if api == DIRECTORY {
        return role(kind, value);
    }
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
        Ok(permission) => Ok(Found { key: api.key_of(permission).to_string(), id: permission.id.clone() }),
        Err(why) => Err(Diagnostic::error(format!("{} has no {kind} permission \"{value}\"", api.key))
            .at("value")
            .help(why.advice())
            .help(elsewhere)
            .into()),
    }
}

/// A directory role: a built-in one by any of its names or its id, another one by its id alone.
fn role(kind: KeyKind, value: &str) -> Result<Found> {
    if kind != KeyKind::Role {
        return Err(Diagnostic::error("The directory has no permissions")
            .at("kind")
            .help("The kind of a directory role is \"role\". Permissions belong to an API, such as `microsoft_graph`.")
            .into());
    }
    match directory_role(value) {
        Ok(role) => Ok(Found { key: format!("{ROLE_KEY}{}", role.name), id: role.id.clone() }),
        Err(_) if is_guid(value) => {
            let id = value.to_lowercase();
            Ok(Found { key: format!("{ROLE_KEY}{id}"), id })
        }
        Err(why) => Err(Diagnostic::error("There is no such directory role")
            .at("value")
            .help(why.to_string())
            .help("Functions know the built-in roles only; a custom one is named by the id of its definition.")
            .into()),
    }
}
