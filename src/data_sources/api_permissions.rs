//! `m365_api_permissions`: what an API offers.

use crate::catalog::{Kind, LookupError};
use crate::framework::{Computed, DataSource, Diagnostic, ReadTimeout, Result, configurable, guid, is_guid};
use crate::graph::ServicePrincipal;
use crate::provider::apis::offered;
use crate::provider::{Cx, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The permissions of an API with their ids: the catalogue's, or those that the tenant's own service principal of the API offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiPermissions {
    /// The API's short name in the catalogue, such as `microsoft_graph`, or its client id.
    #[schemars(length(min = 1))]
    pub api: String,
    /// Whether to ask the tenant instead of the catalogue (default `false`): for clouds where ids differ, and for APIs that the
    /// catalogue lacks.
    #[serde(default)]
    pub live: bool,
    /// Tenant (GUID) to ask. The provider's own where not given.
    #[schemars(transform = configurable, transform = guid)]
    pub tenant_id: Computed<String>,
    /// How long reading may take.
    pub timeouts: Option<ReadTimeout>,
    /// Client id of the API.
    pub app_id: Computed<String>,
    /// Name of the API.
    pub display_name: Computed<String>,
    /// Ids of application permissions by name. A name that stands for several is given by each id.
    pub application: Computed<BTreeMap<String, String>>,
    /// Ids of delegated permissions by name. A name that stands for several is given by each id.
    pub delegated: Computed<BTreeMap<String, String>>,
}

impl DataSource for ApiPermissions {
    const NAME: &'static str = "m365_api_permissions";
    type Services = Services;

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        if self.live { self.ask_the_tenant(cx).await } else { self.look_up(cx) }
    }
}

impl ApiPermissions {
    fn look_up(&mut self, cx: &Cx) -> Result<()> {
        let Some(api) = cx.catalog().api(&self.api) else {
            return Err(Diagnostic::error(format!("There is no API \"{}\"", self.api))
                .at("api")
                .help(LookupError::no_such_api(cx.catalog(), &self.api).to_string())
                .help("With `live = true` the tenant is asked for an API outside the catalogue.")
                .into());
        };
        self.app_id = api.app_id.clone().into();
        self.display_name = api.display_name.clone().into();
        self.tenant_id = self.tenant_id.known().cloned().into();
        let of = |kind| {
            api.permissions().filter(move |one| one.kind == kind).map(|one| (one.value.as_str(), one.id.as_str()))
        };
        self.application = by_name(of(Kind::Application)).into();
        self.delegated = by_name(of(Kind::Delegated)).into();
        Ok(())
    }

    async fn ask_the_tenant(&mut self, cx: &Cx) -> Result<()> {
        let app_id = match cx.catalog().api(&self.api) {
            Some(api) => api.app_id.clone(),
            None if is_guid(&self.api) => self.api.to_lowercase(),
            None => return self.look_up(cx),
        };
        let graph = cx.graph(self.tenant_id.known().map(String::as_str))?;
        let Some(principal) = graph.api_by_app_id(&app_id).await? else {
            return Err(Diagnostic::error(format!("The tenant has no service principal of the API {app_id}"))
                .at("api")
                .help("Its product brings it: check the licence, or make the service principal first.")
                .into());
        };
        self.tenant_id = crate::provider::resolve_tenant(self.tenant_id.known(), &graph).await?.into();
        self.show(&principal);
        Ok(())
    }

    fn show(&mut self, principal: &ServicePrincipal) {
        self.app_id = principal.app_id.clone().into();
        self.display_name = principal.display_name.clone().into();
        // What nobody can be granted, such as a role for people, is no permission.
        let of = |kind| {
            let all = offered(principal, kind).into_iter().filter(|one| one.is_enabled && one.is_permission);
            by_name(all.filter_map(|one| Some((one.name?, one.id))))
        };
        self.application = of(Kind::Application).into();
        self.delegated = of(Kind::Delegated).into();
    }
}

/// Name → id; a name with two ids is keyed by each id.
fn by_name<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, id) in all.filter(|(name, _)| !name.is_empty()) {
        ids.entry(name).or_default().push(id.to_lowercase());
    }
    ids.into_iter()
        .flat_map(|(name, ids)| match ids.as_slice() {
            [one] => vec![(name.to_owned(), one.clone())],
            several => several.iter().map(|id| (id.clone(), id.clone())).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::by_name;

    #[test]
    fn a_name_with_two_ids_is_keyed_by_each_id() {
        let all = by_name([("a", "1"), ("b", "2"), ("b", "3"), ("", "4")].into_iter());
        assert_eq!(all, [("1", "a"), ("2", "2"), ("3", "3")].map(|(id, key)| (key.to_owned(), id.to_owned())).into());
    }
}
