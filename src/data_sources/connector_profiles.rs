//! `m365_connector_profiles`: which connectors the catalogue knows.

use crate::framework::{Computed, DataSource, Result};
use crate::provider::{Cx, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All connector profiles: the built-in ones and those of `catalog_paths`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorProfiles {
    /// The profiles, by slug.
    pub profiles: Computed<BTreeMap<String, Summary>>,
}

/// What a list tells of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// What the connector is called.
    pub title: String,
    /// Who makes the product.
    pub vendor: String,
    /// Version of the permission list.
    pub version: u32,
}

impl DataSource for ConnectorProfiles {
    const NAME: &'static str = "m365_connector_profiles";
    type Services = Services;

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        let summaries = cx.catalog().profiles().map(|profile| {
            let (title, vendor) = (profile.title.clone(), profile.vendor.clone());
            (profile.slug.clone(), Summary { title, vendor, version: profile.version })
        });
        self.profiles = summaries.collect::<BTreeMap<_, _>>().into();
        Ok(())
    }
}
