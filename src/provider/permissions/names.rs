//! A permission by meaning, and what it is called. An id decides, whatever somebody wrote: the catalogue knows most, the tenant's own
//! principal of an API knows the rest, and a state remembers what it was told.

use crate::catalog::{Catalog, KeyError, Kind, PermissionKey};
use crate::framework::{Result, is_guid};
use crate::provider::apis::{Principal, offered};
use crate::provider::services::{Cx, Tenant};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// Entries with all spellings in which they are declared.
pub(crate) type Declared<E> = BTreeMap<E, BTreeSet<String>>;

/// A permission by meaning: the client id of its API, its kind and its id. Where nobody knows an id, such as for a scope that is granted
/// but not offered any more, the text stands for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PermissionId(PermissionKey);

impl PermissionId {
    /// A permission as Graph names it.
    pub(crate) fn of(app_id: &str, kind: Kind, id: &str) -> Self {
        Self(PermissionKey { api: app_id.to_lowercase(), kind, value: id.to_lowercase() })
    }

    /// Client id of the API.
    pub(crate) fn app_id(&self) -> &str {
        &self.0.api
    }

    /// Application or delegated.
    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The permission's id; `None` where nobody knows it.
    pub(crate) fn id(&self) -> Option<&str> {
        Some(self.0.value.as_str()).filter(|value| is_guid(value))
    }
}

impl fmt::Display for PermissionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Reads what was stored, which may be a permission key in any spelling: [`Names::again`] knows what it means.
impl FromStr for PermissionId {
    type Err = KeyError;

    fn from_str(text: &str) -> std::result::Result<Self, KeyError> {
        text.parse().map(Self)
    }
}

/// An API (client id), a kind, and a name in lower case.
type Name = (String, Kind, String);

/// What is known of permissions' names.
#[derive(Clone)]
pub(crate) struct Names<'a> {
    catalog: &'a Catalog,
    ids_hold: bool,
    /// Ids of names that a state remembers.
    remembered: BTreeMap<Name, String>,
    /// The tenant's principals that were asked for, by client id; `None` where the tenant lacks one.
    asked: BTreeMap<String, Option<Principal>>,
}

impl<'a> Names<'a> {
    /// What the catalogue knows.
    pub(crate) fn new(cx: &'a Cx) -> Self {
        Self {
            catalog: cx.catalog(),
            ids_hold: cx.catalogue_ids_hold(),
            remembered: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// And what a state remembers of what it declares.
    #[must_use]
    pub(crate) fn remembering(mut self, declared: &Declared<PermissionId>) -> Self {
        for (permission, spellings) in declared {
            let Some(id) = permission.id() else { continue };
            for key in spellings.iter().filter_map(|text| text.parse::<PermissionKey>().ok()) {
                self.remembered.insert(name(permission.app_id(), key.kind, &key.value), id.to_owned());
            }
        }
        self
    }

    /// Asks the tenant for what these APIs offer.
    pub(crate) async fn ask(&mut self, tenant: &Tenant, apis: BTreeSet<String>, cx: &Cx) -> Result<()> {
        for app_id in apis.into_iter().filter(|app_id| is_guid(app_id)) {
            if let Entry::Vacant(unasked) = self.asked.entry(app_id) {
                let principal = cx.apis()?.offering(&tenant.graph, &tenant.id, unasked.key()).await?;
                unasked.insert(principal);
            }
        }
        Ok(())
    }

    /// Asks the tenant about the keys whose ids nobody here knows.
    pub(crate) async fn ask_about(
        &mut self,
        keys: impl IntoIterator<Item = &PermissionKey>,
        tenant: &Tenant,
        cx: &Cx,
    ) -> Result<()> {
        let unknown = keys.into_iter().map(|key| self.id(key)).filter(|permission| permission.id().is_none());
        let apis = unknown.map(|permission| permission.app_id().to_owned()).collect();
        self.ask(tenant, apis, cx).await
    }

    /// Asks the tenant what the permissions are called that neither the catalogue knows nor `declared` spells.
    pub(crate) async fn ask_what_is_called<'p>(
        &mut self,
        permissions: impl IntoIterator<Item = &'p PermissionId>,
        declared: &Declared<PermissionId>,
        tenant: &Tenant,
        cx: &Cx,
    ) -> Result<()> {
        let nameless = permissions.into_iter().filter(|one| !declared.contains_key(*one) && self.name(one).is_none());
        let apis = nameless.map(|one| one.app_id().to_owned()).collect();
        self.ask(tenant, apis, cx).await
    }

    /// What the tenant's principal of the API offers; `None` where it was not asked, or lacks it.
    pub(crate) fn principal(&self, app_id: &str) -> Option<&Principal> {
        self.asked.get(app_id).and_then(Option::as_ref)
    }

    /// Client id of an API: what it is called by those who know it, else the name as it stands.
    pub(crate) fn app_id(&self, api: &str) -> String {
        self.catalog.api(api).map_or_else(|| api.to_lowercase(), |api| api.app_id.to_lowercase())
    }

    /// What a key means.
    pub(crate) fn id(&self, key: &PermissionKey) -> PermissionId {
        let app_id = self.app_id(&key.api);
        if is_guid(&key.value) {
            return PermissionId::of(&app_id, key.kind, &key.value);
        }
        let known = self.in_catalogue(&app_id, key.kind, &key.value).or_else(|| {
            let offered = self.offered_id(&app_id, key.kind, &key.value);
            offered.or_else(|| self.remembered.get(&name(&app_id, key.kind, &key.value)).cloned())
        });
        match known {
            Some(id) => PermissionId::of(&app_id, key.kind, &id),
            None => PermissionId(PermissionKey { api: app_id, ..key.clone() }),
        }
    }

    /// What a stored permission is today: somebody may have learnt its id since.
    pub(crate) fn again(&self, stored: &PermissionId) -> PermissionId {
        self.id(&stored.0)
    }

    /// What texts of a state mean, those that are no keys left out.
    pub(crate) fn ids<'t>(&self, texts: impl IntoIterator<Item = &'t String>) -> BTreeSet<PermissionId> {
        texts.into_iter().filter_map(|text| Some(self.id(&text.parse().ok()?))).collect()
    }

    /// What texts mean; `None` where one of them is no key.
    pub(crate) fn meant<'t>(&self, texts: impl IntoIterator<Item = &'t String>) -> Option<BTreeSet<PermissionId>> {
        texts.into_iter().map(|text| Some(self.id(&text.parse().ok()?))).collect()
    }

    /// Keys as they are declared, by what they mean; what is no key is left out.
    pub(crate) fn declared<'t>(&self, texts: impl IntoIterator<Item = &'t String>) -> Declared<PermissionId> {
        let mut declared = Declared::new();
        for text in texts {
            if let Ok(key) = text.parse() {
                declared.entry(self.id(&key)).or_default().insert(text.clone());
            }
        }
        declared
    }

    /// The one spelling of what the provider makes: the catalogue's name, else the tenant's, else the id.
    pub(crate) fn key(&self, permission: &PermissionId) -> PermissionKey {
        let PermissionKey { api, kind, value } = &permission.0;
        let known = self.catalog.api(api);
        if let (Some(api), Some(id)) = (known, permission.id())
            && let Some(found) = api.by_id(*kind, id)
        {
            return api.key_of(found);
        }
        let api = known.map_or_else(|| api.clone(), |api| api.key.clone());
        let unique = |name: &String| {
            let same = |one: &crate::provider::apis::Offered<'_>| one.name == Some(name.as_str());
            self.principal(permission.app_id())
                .is_some_and(|principal| offered(principal, *kind).into_iter().filter(same).count() == 1)
        };
        let value = self.offered_name(permission).filter(unique).unwrap_or_else(|| value.clone());
        PermissionKey { api, kind: *kind, value }
    }

    /// The permission in the spelling in which it is declared, else in the one of the provider.
    pub(crate) fn spelled(&self, permission: &PermissionId, declared: &Declared<PermissionId>) -> BTreeSet<String> {
        let spellings = declared.get(permission).filter(|all| !all.is_empty()).cloned();
        spellings.unwrap_or_else(|| BTreeSet::from([self.key(permission).to_string()]))
    }

    /// The same for people.
    pub(crate) fn listed<'p>(
        &self,
        permissions: impl IntoIterator<Item = &'p PermissionId>,
        declared: &Declared<PermissionId>,
    ) -> Vec<String> {
        permissions.into_iter().flat_map(|one| self.spelled(one, declared)).collect()
    }

    /// The name that a grant of a delegated permission is made by; `None` where only an id is known.
    pub(crate) fn name(&self, permission: &PermissionId) -> Option<String> {
        let Some(id) = permission.id() else { return Some(permission.0.value.clone()) };
        let (app_id, kind) = (permission.app_id(), permission.kind());
        let known = self.catalog.api(app_id).and_then(|api| api.by_id(kind, id)).map(|found| found.value.clone());
        known.or_else(|| self.offered_name(permission))
    }

    fn in_catalogue(&self, app_id: &str, kind: Kind, name: &str) -> Option<String> {
        let api = self.catalog.api(app_id).filter(|_| self.ids_hold)?;
        api.get(kind, name).map(|found| found.id.clone())
    }

    fn offered_id(&self, app_id: &str, kind: Kind, name: &str) -> Option<String> {
        let all = offered(self.principal(app_id)?, kind);
        let exact = all.iter().filter(|one| one.name == Some(name));
        let alike = all.iter().filter(|one| one.name.is_some_and(|one| one.eq_ignore_ascii_case(name)));
        let ids: Vec<_> = exact.map(|one| one.id).collect();
        let ids = if ids.is_empty() { alike.map(|one| one.id).collect() } else { ids };
        match ids.as_slice() {
            [one] => Some(one.to_lowercase()),
            _ => None,
        }
    }

    fn offered_name(&self, permission: &PermissionId) -> Option<String> {
        let (principal, id) = (self.principal(permission.app_id())?, permission.id()?);
        let all = offered(principal, permission.kind());
        let found = all.into_iter().find(|one| one.id.eq_ignore_ascii_case(id))?;
        found.name.map(str::to_owned)
    }
}

fn name(app_id: &str, kind: Kind, text: &str) -> Name {
    (app_id.to_owned(), kind, text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const API: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
    const ROLE: &str = "aaaaaaaa-0000-4000-8000-000000000001";

    fn names(asked: Option<&str>) -> Names<'static> {
        let principal = asked.map(|roles| {
            let text = format!(r#"{{"id":"o","appId":"{API}","appRoles":{roles}}}"#);
            Arc::new(serde_json::from_str(&text).unwrap())
        });
        Names {
            catalog: Catalog::built_in(),
            ids_hold: true,
            remembered: BTreeMap::new(),
            asked: BTreeMap::from([(API.to_owned(), principal)]),
        }
    }

    fn id(names: &Names<'_>, text: &str) -> String {
        names.id(&text.parse().unwrap()).to_string()
    }

    #[test]
    fn one_permission_is_the_same_in_every_spelling() {
        let names = names(None);
        let meant = "00000003-0000-0000-c000-000000000000/application/df021288-bdef-4463-88db-98f22de89214";
        for spelling in [
            "microsoft_graph/application/User.Read.All",
            "microsoft_graph/application/user.read.all",
            "00000003-0000-0000-C000-000000000000/application/User.Read.All",
            "microsoft_graph/application/DF021288-BDEF-4463-88DB-98F22DE89214",
        ] {
            assert_eq!(id(&names, spelling), meant);
        }
        let key = names.key(&meant.parse().unwrap());
        assert_eq!(key.to_string(), "microsoft_graph/application/User.Read.All");
    }

    #[test]
    fn what_only_the_tenant_knows_is_the_same_by_name_and_by_id() {
        let names = names(Some(&format!(r#"[{{"id":"{ROLE}","value":"API.All"}}]"#)));
        let meant = format!("{API}/application/{ROLE}");
        assert_eq!(id(&names, &format!("{API}/application/API.All")), meant);
        assert_eq!(id(&names, &meant.to_uppercase().replace("APPLICATION", "application")), meant);
        assert_eq!(names.key(&meant.parse().unwrap()).to_string(), format!("{API}/application/API.All"));
    }

    #[test]
    fn a_state_remembers_what_it_was_told_and_the_tenant_need_not_be_asked() {
        let text = format!("{API}/application/API.All");
        let declared: Declared<PermissionId> =
            BTreeMap::from([(format!("{API}/application/{ROLE}").parse().unwrap(), BTreeSet::from([text.clone()]))]);
        let names = names(None).remembering(&declared);
        assert_eq!(id(&names, &text), format!("{API}/application/{ROLE}"));
        assert_eq!(names.declared([&text]), declared);
    }

    #[test]
    fn what_nobody_knows_is_its_text() {
        let names = names(None);
        let text = "00000003-0000-0000-c000-000000000000/delegated/Tasks.OldScope.Read";
        assert_eq!(id(&names, "microsoft_graph/delegated/Tasks.OldScope.Read"), text);
        assert_eq!(names.key(&text.parse().unwrap()).to_string(), "microsoft_graph/delegated/Tasks.OldScope.Read");
        assert_eq!(names.name(&text.parse().unwrap()).as_deref(), Some("Tasks.OldScope.Read"));
    }

    #[test]
    fn a_name_that_stands_for_two_permissions_means_neither() {
        let other = "aaaaaaaa-0000-4000-8000-000000000002";
        let names = names(Some(&format!(r#"[{{"id":"{ROLE}","value":"A"}},{{"id":"{other}","value":"A"}}]"#)));
        assert_eq!(id(&names, &format!("{API}/application/A")), format!("{API}/application/A"));
        let key = names.key(&format!("{API}/application/{ROLE}").parse().unwrap());
        assert_eq!(key.value, ROLE, "and is written by its id");
    }
}
