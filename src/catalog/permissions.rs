//! The permissions of each API with their real ids. Source: `catalog/permissions`, each file with its own sources.

use super::{Catalog, did_you_mean};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// Whether a permission works without or on behalf of a signed-in user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Without a user: an app role of the API.
    Application,
    /// On behalf of a user: a scope of the API.
    Delegated,
}

impl Kind {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Application => Self::Delegated,
            Self::Delegated => Self::Application,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Application => "application",
            Self::Delegated => "delegated",
        })
    }
}

/// The one name of a permission in plans, states and reports: `<api>/<application|delegated>/<value>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionKey {
    /// Short name in the catalogue, or the API's client id.
    pub api: String,
    /// Application or delegated.
    pub kind: Kind,
    /// Name, or GUID where no name is known or the name is not unique.
    pub value: String,
}

impl fmt::Display for PermissionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.api, self.kind, self.value)
    }
}

/// A text that is no permission key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "A permission key has the form <api>/<application or delegated>/<name>, such as microsoft_graph/application/User.Read.All."
)]
pub struct KeyError;

impl FromStr for PermissionKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '/');
        let (Some(api), Some(kind), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError);
        };
        let kind = match kind {
            "application" => Kind::Application,
            "delegated" => Kind::Delegated,
            _ => return Err(KeyError),
        };
        if api.is_empty() || value.is_empty() {
            return Err(KeyError);
        }
        Ok(Self { api: api.to_owned(), kind, value: value.to_owned() })
    }
}

/// One permission of an API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Permission {
    /// Name.
    pub value: String,
    /// Application or delegated.
    pub kind: Kind,
    /// GUID, lower case. Unique per kind.
    pub id: String,
    /// Whether only an administrator may consent. `None` where no source says.
    #[serde(default)]
    pub admin_consent_required: Option<bool>,
    /// `false`: cannot be granted at present.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// An app role for people, not a permission.
    #[serde(default)]
    pub user_role: bool,
    /// Not offered in Microsoft's portals.
    #[serde(default)]
    pub hidden: bool,
    /// Marked as deprecated by Microsoft.
    #[serde(default)]
    pub deprecated: bool,
    /// `false`: on the live service principal, but missing in Microsoft's published list.
    #[serde(default = "yes")]
    pub listed: bool,
}

fn yes() -> bool {
    true
}

/// An API and its permissions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Api {
    /// Short name.
    #[serde(skip)]
    pub key: String,
    /// Client id.
    pub app_id: String,
    /// Name that administrators see.
    pub display_name: String,
    /// Products with which a tenant gets it; `None` where every tenant has it or no source says.
    #[serde(default)]
    pub brought_by: Option<String>,
    /// Microsoft has announced its end.
    #[serde(default, deserialize_with = "is_there")]
    pub retired: bool,
    pub(super) permissions: Vec<Permission>,
}

/// The files say when and why; here it only matters that they say so.
fn is_there<'de, D: serde::Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(input)?;
    Ok(!matches!(value, serde_json::Value::Null | serde_json::Value::Bool(false)))
}

/// Why a permission cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The API has no such permission.
    #[error("{}", no_such_permission(.api, *.kind, .value, .nearest, *.other_kind, .other_apis))]
    NoSuchPermission {
        /// The API's short name.
        api: String,
        /// As asked for.
        kind: Kind,
        /// As asked for.
        value: String,
        /// Names that look alike.
        nearest: Vec<String>,
        /// The kind under which this API has the name.
        other_kind: Option<Kind>,
        /// Other APIs that have it.
        other_apis: Vec<String>,
    },
    /// No API of that name.
    #[error("The catalogue has no API \"{name}\".{} An API outside the catalogue is named by its client id.", did_you_mean(.nearest))]
    NoSuchApi {
        /// As asked for.
        name: String,
        /// Names that look alike.
        nearest: Vec<String>,
    },
    /// The name stands for several permissions.
    #[error("\"{value}\" names {} permissions of {api}. Use the id of the one that is meant: {}.", .ids.len(), .ids.join(" or "))]
    Ambiguous {
        /// The API's short name.
        api: String,
        /// As asked for.
        value: String,
        /// All ids of the name.
        ids: Vec<String>,
    },
}

impl LookupError {
    /// How to mend it, for a message that has said already what is wrong.
    pub fn advice(&self) -> String {
        match self {
            Self::NoSuchPermission { api, nearest, other_kind, other_apis, .. } => {
                instead(api, nearest, *other_kind, other_apis)
            }
            other => other.to_string(),
        }
    }

    /// The error for an API that `catalog` lacks.
    pub fn no_such_api(catalog: &Catalog, name: &str) -> Self {
        Self::NoSuchApi { name: name.to_owned(), nearest: nearest(name, catalog.api_keys()) }
    }
}

fn no_such_permission(
    api: &str,
    kind: Kind,
    value: &str,
    nearest: &[String],
    other_kind: Option<Kind>,
    other_apis: &[String],
) -> String {
    format!("{api} has no {kind} permission \"{value}\". {}", instead(api, nearest, other_kind, other_apis))
}

/// What may have been meant instead.
fn instead(api: &str, nearest: &[String], other_kind: Option<Kind>, other_apis: &[String]) -> String {
    let mut hints = Vec::new();
    if let Some(other) = other_kind {
        hints.push(format!("It has a {other} permission of that name."));
    }
    if !other_apis.is_empty() {
        hints.push(format!("The name exists in {}.", other_apis.join(", ")));
    }
    if !nearest.is_empty() {
        hints.push(did_you_mean(nearest).trim_start().to_owned());
    }
    if hints.is_empty() {
        hints.push(format!("`terraform-provider-m365 catalog show {api}` lists all that there are."));
    }
    hints.join(" ")
}

impl Api {
    /// The permission of this name (in any case, as Entra compares scopes) or id. `None` also where a name stands for several.
    /// As cheap on a miss as on a hit; [`Api::find`] says what may have been meant.
    pub fn get(&self, kind: Kind, value: &str) -> Option<&Permission> {
        let only = |all: &dyn Fn(&Permission) -> bool| {
            let mut found = self.permissions().filter(|one| one.kind == kind && all(one));
            found.next().filter(|_| found.next().is_none())
        };
        let is_name = |one: &Permission| one.value == value;
        // An exact name counts before one that differs in case, also where it stands for several.
        match self.permissions().any(|one| one.kind == kind && is_name(one)) {
            true => only(&is_name),
            false => self.by_id(kind, value).or_else(|| only(&|one| one.value.eq_ignore_ascii_case(value))),
        }
    }

    /// The permission of this name or id, or why there is none.
    pub fn find(&self, kind: Kind, value: &str) -> Result<&Permission, LookupError> {
        if let Some(found) = self.get(kind, value) {
            return Ok(found);
        }
        let named = |one: &&Permission| one.kind == kind && one.value.eq_ignore_ascii_case(value);
        let ids: Vec<_> = self.permissions().filter(named).map(|one| one.id.clone()).collect();
        if !ids.is_empty() {
            return Err(LookupError::Ambiguous { api: self.key.clone(), value: value.to_owned(), ids });
        }
        let name = bare(value);
        let nearest = match self.get(kind, name) {
            Some(meant) => vec![meant.value.clone()],
            None => nearest(name, self.permissions().filter(|one| one.kind == kind).map(|one| one.value.as_str())),
        };
        Err(LookupError::NoSuchPermission {
            api: self.key.clone(),
            kind,
            value: value.to_owned(),
            nearest,
            other_kind: self.get(kind.other(), name).map(|_| kind.other()),
            other_apis: Vec::new(),
        })
    }

    /// The app role for people of this name or id: no permission, and nothing that an application can hold.
    pub fn role_for_people(&self, value: &str) -> Option<&Permission> {
        let is_it = |one: &&Permission| one.user_role && (one.value == value || one.id.eq_ignore_ascii_case(value));
        self.permissions.iter().find(is_it)
    }

    /// The permission of this id.
    pub fn by_id(&self, kind: Kind, id: &str) -> Option<&Permission> {
        self.permissions().find(|one| one.kind == kind && one.id.eq_ignore_ascii_case(id))
    }

    /// The canonical key of one of its permissions.
    pub fn key_of(&self, permission: &Permission) -> PermissionKey {
        let unique =
            self.permissions().filter(|one| one.kind == permission.kind && one.value == permission.value).count() == 1;
        let value = if unique { &permission.value } else { &permission.id };
        PermissionKey { api: self.key.clone(), kind: permission.kind, value: value.clone() }
    }

    /// All that the API offers, roles for people too.
    pub(super) fn all(&self) -> impl Iterator<Item = &Permission> {
        self.permissions.iter()
    }

    /// All permissions; roles for people are none.
    pub fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.permissions.iter().filter(|one| !one.user_role)
    }
}

macro_rules! files {
    ($($name:literal => $app_id:literal),* $(,)?) => {
        /// Short name, client id and text of every file. The ids stand here too, so that a look-up by id parses one file only; a test
        /// compares them.
        const FILES: &[(&str, &str, &str)] = &[$(($name, $app_id, include_str!(concat!("../../catalog/permissions/", $name, ".json")))),*];
    };
}
files! {
    "application_insights" => "f5c26e74-f226-4ae8-85f0-b4af0080ac9e",
    "azure_advanced_threat_protection" => "7b7531ad-5926-4f2d-8a1d-38495ad33e17",
    "azure_key_vault" => "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    "azure_service_management" => "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    "azure_storage" => "e406a681-f3d4-42a8-90b6-c2b029497af1",
    "exchange_online_protection" => "00000007-0000-0ff1-ce00-000000000000",
    "intune" => "c161e42e-d4df-4a3d-9b42-e7a3c31f59d4",
    "log_analytics" => "ca7f3f0b-7d91-482c-8e09-c5d840d0eac5",
    "microsoft_cloud_app_security" => "05a65629-4c1b-48c1-a78b-804c4abdd4af",
    "microsoft_graph" => "00000003-0000-0000-c000-000000000000",
    "microsoft_information_protection" => "40775b29-2688-46b6-a3b5-b256bd04df9f",
    "microsoft_information_protection_sync" => "870c4f2e-85b6-4d43-bdda-6ed9a579b725",
    "microsoft_rights_management" => "00000012-0000-0000-c000-000000000000",
    "microsoft_threat_protection" => "8ee8fdad-f234-4243-8f3b-15c294843740",
    "office_365_exchange_online" => "00000002-0000-0ff1-ce00-000000000000",
    "office_365_management" => "c5393580-f805-4401-95e8-94b7a6ef2fc2",
    "office_365_sharepoint_online" => "00000003-0000-0ff1-ce00-000000000000",
    "power_bi" => "00000009-0000-0000-c000-000000000000",
    "skype_teams_tenant_admin" => "48ac35b8-9aa8-4d74-927d-1f4a14a0b239",
    "windows_azure_active_directory" => "00000002-0000-0000-c000-000000000000",
    "windows_defender_atp" => "fc780465-2017-40d4-a0c5-307022471b92",
}

/// APIs by short name; the built-in ones are parsed when they are first asked for.
pub(super) struct Apis {
    parsed: BTreeMap<&'static str, (&'static str, &'static str, OnceLock<Option<Api>>)>,
    further: BTreeMap<String, Api>,
}

impl Apis {
    pub(super) fn built_in() -> Self {
        let parsed = FILES.iter().map(|(key, app_id, text)| (*key, (*app_id, *text, OnceLock::new()))).collect();
        Self { parsed, further: BTreeMap::new() }
    }

    /// Adds an API from a profile's file. `false`: one of its short name or client id is there already, and is another one.
    pub(super) fn add(&mut self, api: Api) -> bool {
        let there = self.get(&api.key).or_else(|| self.get(&api.app_id));
        if let Some(there) = there {
            return *there == api;
        }
        self.further.insert(api.key.clone(), api);
        true
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.parsed.keys().copied().chain(self.further.keys().map(String::as_str))
    }

    pub(super) fn get(&self, named: &str) -> Option<&Api> {
        let further = self.further.get(named);
        if let Some(api) = further.or_else(|| self.further.values().find(|api| api.app_id.eq_ignore_ascii_case(named)))
        {
            return Some(api);
        }
        let by_id = || self.parsed.iter().find(|(_, (app_id, ..))| app_id.eq_ignore_ascii_case(named));
        let (key, (_, text, slot)) = self.parsed.get_key_value(named).or_else(by_id)?;
        // A file that does not parse is a fault of the build, which a test finds.
        slot.get_or_init(|| serde_json::from_str::<Api>(text).ok().map(|api| Api { key: (*key).to_owned(), ..api }))
            .as_ref()
    }
}

/// The name in what was pasted for one: the address of a scope (`https://graph.microsoft.com/User.Read`), or a permission key.
pub(super) fn bare(value: &str) -> &str {
    value.trim_end_matches('/').rsplit('/').next().unwrap_or(value)
}

/// The at most three names most like `name`, best first; only such as a slip of the pen explains.
pub fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: f64 = 0.6;
    let wanted = Letters::of(name);
    let mut scored: Vec<(f64, &str)> = all
        // Most names differ so much in their letters alone that no order of them helps: that is seen without comparing them.
        .filter(|one| wanted.most_alike(&Letters::of(one)) > ALIKE)
        .map(|one| (strsim::normalized_damerau_levenshtein(&wanted.text, &one.to_lowercase()), one))
        .filter(|(score, _)| *score > ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, one)| one.to_owned()).collect()
}

/// How often a name has each letter, without regard to case.
struct Letters {
    text: String,
    length: usize,
    counts: [u16; 64],
}

impl Letters {
    fn of(name: &str) -> Self {
        let text = name.to_lowercase();
        let mut counts = [0_u16; 64];
        let letters = text.chars().map(|one| one as usize % 64).collect::<Vec<_>>();
        letters.iter().for_each(|one| counts[*one] = counts[*one].saturating_add(1));
        Self { length: letters.len(), text, counts }
    }

    /// An upper bound of how alike two names are: each letter that one of them has in excess is an edit.
    fn most_alike(&self, other: &Self) -> f64 {
        let excess = |a: &Self, b: &Self| -> u32 {
            a.counts.iter().zip(&b.counts).map(|(a, b)| u32::from(a.saturating_sub(*b))).sum()
        };
        let edits = excess(self, other).max(excess(other, self));
        let longest = u32::try_from(self.length.max(other.length).max(1)).unwrap_or(u32::MAX);
        1.0 - f64::from(edits) / f64::from(longest)
    }
}

/// A GUID in lower case; any other text as it is.
pub(super) fn lower_guid(text: &str) -> String {
    if uuid::Uuid::try_parse(text).is_ok() { text.to_lowercase() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_parses_under_its_client_id_without_duplicates() {
        let apis = Apis::built_in();
        for (key, app_id, _) in FILES {
            let api = apis.get(key).unwrap_or_else(|| panic!("{key} does not parse"));
            assert_eq!(api.app_id, *app_id, "{key}");
            let ids: BTreeSet<_> = api.permissions.iter().map(|one| (one.kind, &one.id)).collect();
            assert_eq!(ids.len(), api.permissions.len(), "{key}");
        }
    }

    #[test]
    fn one_name_has_different_ids_in_different_apis() {
        let catalog = Catalog::built_in();
        let id = |api: &str| catalog.api(api).unwrap().find(Kind::Application, "User.Read.All").unwrap().id.clone();
        assert_eq!(id("microsoft_graph"), "df021288-bdef-4463-88db-98f22de89214");
        assert_eq!(id("windows_defender_atp"), "a833834a-4cf1-4732-8acf-bbcfa13fb610");
    }

    #[test]
    fn a_misspelled_name_gets_the_nearest_ones_and_where_else_it_exists() {
        let catalog = Catalog::built_in();
        let defender = catalog.api("windows_defender_atp").unwrap();
        let text = catalog.find(defender, Kind::Application, "Machine.Raed.All").unwrap_err().to_string();
        assert!(text.contains("Did you mean Machine.Read.All"), "{text}");
        let text = catalog.find(defender, Kind::Application, "SecurityIncident.Read.All").unwrap_err().to_string();
        assert!(text.contains("The name exists in microsoft_graph"), "{text}");
        let graph = catalog.api("microsoft_graph").unwrap();
        let text = catalog.find(graph, Kind::Application, "Directory.AccessAsUser.All").unwrap_err().to_string();
        assert!(text.contains("It has a delegated permission of that name"), "{text}");
    }

    #[test]
    fn what_was_pasted_for_a_name_suggests_the_name_in_it() {
        let catalog = Catalog::built_in();
        let graph = catalog.api("microsoft_graph").unwrap();
        for pasted in ["https://graph.microsoft.com/User.Read.All", "microsoft_graph/application/User.Read.All"] {
            let text = catalog.find(graph, Kind::Application, pasted).unwrap_err().to_string();
            assert!(text.contains("Did you mean User.Read.All?"), "{text}");
        }
        let text = catalog.find(graph, Kind::Application, "https://api.securitycenter.microsoft.com/Machine.Read.All");
        let text = text.unwrap_err().to_string();
        assert!(text.contains("The name exists in windows_defender_atp"), "{text}");
    }

    #[test]
    fn a_name_is_found_in_any_case_and_what_is_most_alike_is_never_passed_over() {
        let graph = Catalog::built_in().api("microsoft_graph").unwrap();
        assert_eq!(graph.get(Kind::Application, "user.read.all").unwrap().value, "User.Read.All");
        assert_eq!(graph.get(Kind::Application, "User.Raed.All"), None);
        let names: Vec<&str> = graph.permissions().map(|one| one.value.as_str()).collect();
        for wrong in ["User.Raed.All", "Mail.Raed", "AuditLogs.Read.All", "ser.Read", "DeviceManagementApp.Read.Al"] {
            let alike =
                |one: &&&str| strsim::normalized_damerau_levenshtein(&wrong.to_lowercase(), &one.to_lowercase()) > 0.6;
            for name in names.iter().filter(alike) {
                assert!(Letters::of(wrong).most_alike(&Letters::of(name)) > 0.6, "{wrong} {name}");
            }
        }
    }

    #[test]
    fn keys_have_one_spelling() {
        let catalog = Catalog::built_in();
        let key: PermissionKey =
            "00000003-0000-0000-C000-000000000000/application/DF021288-BDEF-4463-88DB-98F22DE89214".parse().unwrap();
        assert_eq!(catalog.canonical(&key).to_string(), "microsoft_graph/application/User.Read.All");
        let foreign: PermissionKey = "AAAAAAAA-0000-0000-0000-000000000001/delegated/some.scope".parse().unwrap();
        assert_eq!(
            catalog.canonical(&foreign).to_string(),
            "aaaaaaaa-0000-0000-0000-000000000001/delegated/some.scope"
        );
        assert!("microsoft_graph/User.Read.All".parse::<PermissionKey>().is_err());
    }
}
