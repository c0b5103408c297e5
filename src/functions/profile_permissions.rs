//! `profile_permissions`: what a vendor's document asks for.

use crate::catalog::{Catalog, CatalogError};
use crate::framework::{Diagnostic, Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

/// The function.
pub struct ProfilePermissions;

/// The permission keys that a connector profile of the built-in catalogue asks for.
///
/// For checks and reports: a resource takes the `profile` itself.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// Profile: `slug`, or `slug@version`.
    profile: String,
    /// Features that are on; `null` or `[]` for none.
    features: Option<BTreeSet<String>>,
    /// Whether the permissions that the document marks as optional are in it; `null` for no.
    include_optional: Option<bool>,
}

impl Function for ProfilePermissions {
    const NAME: &'static str = "profile_permissions";
    type Arguments = Arguments;
    type Output = BTreeSet<String>;

    fn call(Arguments { profile, features, include_optional }: Arguments) -> Result<BTreeSet<String>> {
        let catalog = Catalog::built_in();
        let version = catalog.profile(&profile).map_err(|why| {
            Diagnostic::error(format!("There is no usable profile \"{profile}\"")).at("profile").help(why.to_string()).help(
                "Functions know the built-in catalogue only; the data source `m365_connector_profile` also knows the profiles of `catalog_paths`.",
            )
        })?;
        let permissions = version.permissions(&features.unwrap_or_default(), include_optional.unwrap_or_default());
        let permissions = permissions.map_err(|why: CatalogError| {
            Diagnostic::error("The profile has no such feature").at("features").help(why.to_string())
        })?;
        Ok(permissions.iter().map(|key| catalog.canonical(key).to_string()).collect())
    }
}
