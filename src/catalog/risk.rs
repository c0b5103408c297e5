//! How much a permission gives away, and why. Source: `catalog/risk.json`, made by `tools/risk.rs` from named sources, one rule and
//! decisions made by hand.

use super::directory_roles::{DirectoryRole, directory_role};
use super::{Catalog, Kind, PermissionKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

/// Class of a permission or directory role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Reads little.
    Low,
    /// Reads broadly.
    Medium,
    /// Reads mail, files or secrets; or writes. What nobody has rated counts as this.
    High,
    /// Can grant itself more, take over accounts, or lock every administrator out.
    Critical,
}

impl fmt::Display for Risk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// A class with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// The class.
    pub risk: Risk,
    /// What a holder can do: of critical ones only.
    pub why: Option<String>,
    /// What the class rests on: the step of the rule with the sources' ratings, or the decision made by hand.
    pub basis: String,
}

/// The file. A class is `<class>|<step>|<ratings>`.
#[derive(Deserialize)]
struct Table {
    steps: Vec<String>,
    classes: BTreeMap<String, BTreeMap<String, String>>,
    decided: BTreeMap<String, String>,
    critical: BTreeMap<String, String>,
}

fn table() -> Option<&'static Table> {
    static TABLE: OnceLock<Option<Table>> = OnceLock::new();
    // A file that does not parse is a fault of the build, which a test finds; then everything is unknown, which counts as high.
    TABLE.get_or_init(|| serde_json::from_str(include_str!("../../catalog/risk.json")).ok()).as_ref()
}

/// Exchange's permissions that act with the directory role of their holder.
const MANAGE_AS_APP: [&str; 3] = ["Exchange.ManageAsApp", "Exchange.ManageAsAppV2", "Exchange.AdminAPI.ManageAsApp"];
/// Directory roles with which these own every mailbox.
const OWNS_EXCHANGE: [&str; 2] = ["Exchange Administrator", "Global Administrator"];

impl Catalog {
    /// The rating of a permission, in any spelling of its key.
    pub fn rating(&self, key: &PermissionKey) -> Rating {
        let Some(api) = self.api(&key.api) else {
            return Rating::unknown("its API is not in the catalogue");
        };
        match api.find(key.kind, &key.value) {
            Ok(permission) => rated(&api.key, key.kind, &permission.value),
            Err(_) => rated(&api.key, key.kind, &key.value),
        }
    }

    /// The same for a connector with these directory roles, by name or id: together with some of them a permission gives more.
    pub fn rating_with_roles<'a>(&self, key: &PermissionKey, roles: impl IntoIterator<Item = &'a str>) -> Rating {
        let rating = self.rating(key);
        let exchange = self.canonical(key);
        if exchange.kind != Kind::Application || !MANAGE_AS_APP.contains(&exchange.value.as_str()) {
            return rating;
        }
        let named = roles.into_iter().filter_map(|role| directory_role(role).ok());
        let Some(role) = named.map(|role| &role.name).find(|name| OWNS_EXCHANGE.contains(&name.as_str())) else {
            return rating;
        };
        Rating {
            risk: Risk::Critical,
            why: Some(format!("owns every mailbox, by the role {role}")),
            basis: format!("the permission gives what the holder's directory role gives, here {role}"),
        }
    }
}

fn rated(api: &str, kind: Kind, value: &str) -> Rating {
    let Some(table) = table() else { return Rating::unknown("the table is not there") };
    let line = table.classes.get(&format!("{api}/{kind}")).and_then(|list| list.get(value));
    let Some((class, step, ratings)) = line.and_then(|line| {
        let mut parts = line.splitn(3, '|');
        Some((parts.next()?, parts.next()?.parse::<usize>().ok()?, parts.next()?))
    }) else {
        return Rating::unknown("nobody has rated it");
    };
    let risk = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical].into_iter().find(|one| one.to_string() == class);
    let Some(risk) = risk else { return Rating::unknown("its class is unknown") };
    let ratings = if ratings.is_empty() { "by its name alone".to_owned() } else { ratings.to_owned() };
    let rule = table.steps.get(step.wrapping_sub(1)).map_or("", String::as_str);
    let basis = match table.decided.get(&format!("{api}/{kind}/{value}")) {
        Some(reason) => format!("decided by hand: {reason} ({ratings})"),
        None => format!("{rule} ({ratings})"),
    };
    let why = table.critical.get(value).filter(|_| risk == Risk::Critical).cloned();
    Rating { risk, why, basis }
}

impl Rating {
    /// What nobody has rated counts as high.
    fn unknown(why: &str) -> Self {
        Self { risk: Risk::High, why: None, basis: format!("unknown: {why}") }
    }
}

/// The rating of a directory role: by name, former name or id; custom roles are unknown.
pub fn role_rating(named: &str) -> Rating {
    match directory_role(named) {
        Ok(role) => role.rating(),
        Err(_) => Rating::unknown("it is no built-in role"),
    }
}

/// Privileged roles that only read.
const READERS: [&str; 2] = ["Global Reader", "Security Reader"];

impl DirectoryRole {
    /// What Microsoft calls privileged is critical, except the two roles that read everything; every other one counts as high.
    pub fn rating(&self) -> Rating {
        let reads = READERS.contains(&self.name.as_str());
        let (risk, basis) = match self.privileged {
            Some(true) if reads => (Risk::High, "Microsoft calls the role privileged; it only reads"),
            Some(true) => (Risk::Critical, "Microsoft calls the role privileged"),
            Some(false) => (Risk::High, "a role that Microsoft does not call privileged"),
            None => (Risk::High, "unknown: no source says whether the role is privileged"),
        };
        let why = (risk == Risk::Critical).then(|| format!("has the privileges of the role {}", self.name));
        Rating { risk, why, basis: basis.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rating(key: &str) -> Rating {
        Catalog::built_in().rating(&key.parse().unwrap())
    }

    #[test]
    fn no_permission_of_a_catalogue_api_is_without_a_class() {
        let catalog = Catalog::built_in();
        for api in catalog.api_keys().filter_map(|key| catalog.api(key)) {
            for one in api.permissions() {
                let rating = catalog.rating(&api.key_of(one));
                assert!(!rating.basis.starts_with("unknown"), "{}/{}: {}", api.key, one.value, rating.basis);
                assert_eq!(rating.why.is_some(), rating.risk == Risk::Critical, "{}/{}", api.key, one.value);
            }
        }
    }

    #[test]
    fn classes_are_what_was_decided() {
        for (key, risk) in [
            ("microsoft_graph/application/User.Read.All", Risk::Medium),
            ("microsoft_graph/application/df021288-bdef-4463-88db-98f22de89214", Risk::Medium),
            ("microsoft_graph/application/User.EnableDisableAccount.All", Risk::Critical),
            ("microsoft_graph/application/ThreatHunting.Read.All", Risk::High),
            ("microsoft_graph/delegated/TeamsAppInstallation.ReadWriteAndConsentForChat", Risk::Critical),
            ("microsoft_graph/delegated/Mail.ReadWrite", Risk::Medium),
            ("microsoft_graph/delegated/Mail.ReadWrite.Shared", Risk::High),
            ("microsoft_graph/application/Mail.Read", Risk::High),
            ("microsoft_graph/delegated/offline_access", Risk::Low),
            ("microsoft_graph/application/No.Such.Permission", Risk::High),
            ("aaaaaaaa-0000-4000-8000-000000000001/application/Read.All", Risk::High),
        ] {
            assert_eq!(rating(key).risk, risk, "{key}: {}", rating(key).basis);
        }
        assert!(rating("microsoft_graph/application/Application.ReadWrite.OwnedBy").why.unwrap().contains("owns"));
        assert!(rating("skype_teams_tenant_admin/application/application_access").basis.contains("by its name alone"));
    }

    #[test]
    fn exchange_s_permission_is_as_dangerous_as_the_role_beside_it() {
        let key = "office_365_exchange_online/application/Exchange.ManageAsApp".parse().unwrap();
        let with = |roles: &[&str]| Catalog::built_in().rating_with_roles(&key, roles.iter().copied()).risk;
        assert_eq!((with(&[]), with(&["Global Reader"])), (Risk::High, Risk::High));
        assert_eq!(with(&["29232cdf-9323-42fd-ade2-1d097af3e4de"]), Risk::Critical);
        assert_eq!(with(&["company administrator"]), Risk::Critical);
    }

    #[test]
    fn privileged_roles_are_critical_except_the_two_that_read() {
        let risk = |named| role_rating(named).risk;
        assert_eq!((risk("Global Administrator"), risk("Global Reader")), (Risk::Critical, Risk::High));
        assert_eq!((risk("Security Reader"), risk("Exchange Administrator")), (Risk::High, Risk::High));
        assert_eq!(risk("Contoso custom role"), Risk::High);
    }
}
