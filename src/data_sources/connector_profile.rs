//! `m365_connector_profile`: what a vendor documents, as the catalogue has it.

use crate::catalog::{Asked, PermissionKey, ProfileVersion, Selection};
use crate::framework::{Computed, DataSource, Diagnostic, Result};
use crate::provider::risk::RiskSummary;
use crate::provider::{Cx, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A connector as its vendor documents it: permissions, prerequisites, what the vendor wants to be told, and the defects of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorProfile {
    /// Connector profile, such as `md-eco-m365-defender` or `md-eco-m365-defender@1`.
    pub profile: String,
    /// Features of the profile to switch on.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Whether to include what the document marks as optional outside any feature. Default `false`.
    #[serde(default)]
    pub include_optional: bool,
    /// Name of the profile, without a version.
    pub slug: Computed<String>,
    /// Version of the permission list.
    pub version: Computed<u32>,
    /// Who makes the product.
    pub vendor: Computed<String>,
    /// What the connector is called.
    pub title: Computed<String>,
    /// The document that the facts are from.
    pub source: Computed<String>,
    /// Display name of the application. Null where the connector uses an application that somebody else made.
    pub display_name: Computed<String>,
    /// Whose accounts may sign in: Graph's value, such as `AzureADMyOrg`.
    pub sign_in_audience: Computed<String>,
    /// Permission keys with these features on.
    pub permissions: Computed<BTreeSet<String>>,
    /// Id of each permission, by permission key: the public cloud's.
    pub permission_ids: Computed<BTreeMap<String, String>>,
    /// How much these permissions let their holder do, by the provider's own table.
    pub risk: Computed<RiskSummary>,
    /// What each feature of the profile is for, by its name.
    pub features_available: Computed<BTreeMap<String, String>>,
    /// What has to be there before the connector works, by name.
    pub prerequisites: Computed<BTreeMap<String, Prerequisite>>,
    /// Roles of which one may give the consent.
    pub consent_roles: Computed<Vec<String>>,
    /// What the vendor wants to be told, such as `client_id`.
    pub outputs: Computed<Vec<String>>,
    /// Defects of the document, and how this profile resolves them.
    pub discrepancies: Computed<Vec<Discrepancy>>,
}

/// Something that has to be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prerequisite {
    /// `licence`, `role`, `service` or `step`.
    pub kind: String,
    /// What it means.
    pub detail: String,
    /// Ids of which one is enough: service plans of a licence, templates of a role.
    pub any_of: Vec<String>,
    /// Permission keys that need it; empty: the connector as a whole.
    pub needed_by: Vec<String>,
}

/// A defect of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Discrepancy {
    /// Sort, one word.
    pub kind: String,
    /// What is wrong.
    pub text: String,
    /// What the profile does about it.
    pub resolution: String,
}

impl DataSource for ConnectorProfile {
    const NAME: &'static str = "m365_connector_profile";
    type Services = Services;

    fn validate(&self, cx: &Cx) -> Result<()> {
        match cx.profile(&self.profile)? {
            Some(profile) => self.wanted(&profile).map(|_| ()),
            None => Ok(()),
        }
    }

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        let Some(version) = cx.profile(&self.profile)? else {
            return Err(Diagnostic::error(format!("The profile \"{}\" is not known yet", self.profile))
                .at("profile")
                .help("`catalog_paths` of the provider block depends on something that this run still has to make.")
                .into());
        };
        let asked = self.wanted(&version)?;
        let keys: BTreeSet<_> = asked.permissions.iter().map(|key| cx.catalog().canonical(key)).collect();
        let id =
            |key: &PermissionKey| cx.catalog().api(&key.api)?.find(key.kind, &key.value).ok().map(|one| one.id.clone());
        self.permission_ids =
            keys.iter().filter_map(|key| Some((key.to_string(), id(key)?))).collect::<BTreeMap<_, _>>().into();
        let texts: BTreeSet<_> = keys.iter().map(ToString::to_string).collect();
        self.risk = RiskSummary::of(&texts, &asked.directory_roles, cx).into();
        self.permissions = texts.into();
        self.describe(&version);
        Ok(())
    }
}

impl ConnectorProfile {
    fn wanted(&self, profile: &ProfileVersion) -> Result<Asked> {
        let (features, include_optional) = (self.features.clone(), self.include_optional);
        profile.select(&Selection { features, include_optional, ..Selection::default() }).map_err(|why| {
            Diagnostic::error(format!("The profile \"{}\" has no such feature", self.profile))
                .at("features")
                .help(why.to_string())
                .into()
        })
    }

    fn describe(&mut self, version: &ProfileVersion) {
        let profile = &version.profile;
        self.slug = version.slug.clone().into();
        self.version = version.version.into();
        self.vendor = profile.vendor.clone().into();
        self.title = profile.title.clone().into();
        self.source = profile.source.to_string().into();
        self.display_name = version.app.display_name.clone().into();
        self.sign_in_audience = version.app.sign_in_audience.clone().into();
        let features = version.features().iter().map(|(name, feature)| (name.clone(), feature.title.clone()));
        self.features_available = features.collect::<BTreeMap<_, _>>().into();
        let prerequisites = profile.prerequisites.iter().map(|one| {
            let shown = Prerequisite {
                kind: one.kind.to_string(),
                detail: one.detail.clone(),
                any_of: one.any_of.clone(),
                needed_by: one.needed_by.clone(),
            };
            (one.name.clone(), shown)
        });
        self.prerequisites = prerequisites.collect::<BTreeMap<_, _>>().into();
        self.consent_roles = version.consent_roles().into();
        self.outputs = profile.outputs.clone().into();
        let discrepancies = profile.discrepancies.iter().map(|one| Discrepancy {
            kind: one.kind.clone(),
            text: one.text.clone(),
            resolution: one.resolution.clone(),
        });
        self.discrepancies = discrepancies.collect::<Vec<_>>().into();
    }
}
