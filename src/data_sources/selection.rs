//! What `profile`, `features`, `include_optional` and `choose` of a data source ask for.

use crate::catalog::{Asked, CatalogError, ProfileVersion, Selection};
use crate::framework::{Diagnostic, Result};
use crate::provider::Cx;
use std::collections::{BTreeMap, BTreeSet};

/// As it is configured.
pub(super) struct Selected<'a> {
    pub profile: &'a str,
    pub features: &'a BTreeSet<String>,
    pub include_optional: bool,
    pub choose: Option<&'a BTreeMap<String, String>>,
}

impl Selected<'_> {
    /// The profile and what it asks for; `None` while `catalog_paths`, which may bring it, are not known.
    pub(super) fn checked(&self, cx: &Cx) -> Result<Option<(ProfileVersion, Asked)>> {
        let Some(profile) = cx.profile(self.profile)? else { return Ok(None) };
        let selection = Selection {
            features: self.features.clone(),
            include_optional: self.include_optional,
            choose: self.choose.cloned().unwrap_or_default(),
            ..Selection::default()
        };
        let asked = profile.select(&selection).map_err(|why| {
            let at = match why {
                CatalogError::NoSuchAlternative { .. } | CatalogError::NoSuchChoice { .. } => "choose",
                _ => "features",
            };
            Diagnostic::error(format!("The profile \"{}\" has no such choice", self.profile))
                .at(at)
                .help(why.to_string())
        })?;
        Ok(Some((profile, asked)))
    }

    /// The same once everything is known.
    pub(super) fn known(&self, cx: &Cx) -> Result<(ProfileVersion, Asked)> {
        self.checked(cx)?.ok_or_else(|| {
            Diagnostic::error(format!("The profile \"{}\" is not known yet", self.profile))
                .at("profile")
                .help("`catalog_paths` of the provider block depends on something that this run still has to make.")
                .into()
        })
    }
}
