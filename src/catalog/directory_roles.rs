//! Entra's built-in directory roles. Source: `catalog/directory_roles.json`, with its own sources.

use super::did_you_mean;
use super::permissions::nearest;
use serde::Deserialize;
use std::sync::OnceLock;

/// A built-in directory role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DirectoryRole {
    /// Present name.
    pub name: String,
    /// Id of its template, which is also the id of its definition.
    pub id: String,
    /// Whether Microsoft calls it privileged. `None` where no source says.
    pub privileged: Option<bool>,
    /// Whether it can be given to anybody.
    pub status: RoleStatus,
    /// Whether it can be given to an application.
    pub application: Holds,
    /// Earlier names, which documents still use.
    #[serde(default)]
    pub former: Vec<String>,
}

/// Whether a role can be given to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleStatus {
    /// Yes.
    Active,
    /// Not shown in the portals.
    Hidden,
    /// Not to be used any more.
    Deprecated,
}

/// Whether an application may hold a role. Microsoft publishes no list: unknown is no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Documented by Microsoft or a vendor.
    Yes,
    /// It cannot.
    No,
    /// No source says.
    Unknown,
}

/// A name that is no built-in role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("There is no built-in directory role \"{name}\".{}", did_you_mean(.nearest))]
pub struct NoSuchRole {
    /// As asked for.
    pub name: String,
    /// Names that look alike.
    pub nearest: Vec<String>,
}

/// All built-in roles.
pub fn directory_roles() -> &'static [DirectoryRole] {
    #[derive(Deserialize)]
    struct File {
        roles: Vec<DirectoryRole>,
    }
    static ROLES: OnceLock<Vec<DirectoryRole>> = OnceLock::new();
    ROLES.get_or_init(|| {
        // A file that does not parse is a fault of the build, which a test finds.
        serde_json::from_str(include_str!("../../catalog/directory_roles.json"))
            .map(|file: File| file.roles)
            .unwrap_or_default()
    })
}

/// The role of a present or former name, without case, or of a template id.
pub fn directory_role(named: &str) -> Result<&'static DirectoryRole, NoSuchRole> {
    let is = |text: &str| text.eq_ignore_ascii_case(named);
    let all = directory_roles();
    let found = all.iter().find(|one| is(&one.name) || is(&one.id));
    found.or_else(|| all.iter().find(|one| one.former.iter().any(|name| is(name)))).ok_or_else(|| NoSuchRole {
        name: named.to_owned(),
        nearest: nearest(named, all.iter().flat_map(|one| one.former.iter().chain([&one.name])).map(String::as_str)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_names_are_unique() {
        let all = directory_roles();
        assert_eq!(all.len(), 150);
        assert_eq!(all.iter().map(|one| &one.id).collect::<BTreeSet<_>>().len(), all.len());
        let names: Vec<_> = all.iter().flat_map(|one| one.former.iter().chain([&one.name])).collect();
        assert_eq!(names.iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn a_role_is_found_by_name_former_name_and_id() {
        for named in
            ["Exchange Administrator", "exchange service administrator", "29232CDF-9323-42fd-ade2-1d097af3e4de"]
        {
            assert_eq!(directory_role(named).unwrap().name, "Exchange Administrator");
        }
        let error = directory_role("Global Raeder").unwrap_err().to_string();
        assert!(error.contains("Did you mean Global Reader"), "{error}");
    }
}
