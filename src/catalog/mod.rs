//! Permission and profile catalogue: types, loading, look-up with nearest names. Data lives in `catalog/`.

pub mod checks;
mod consent_roles;
mod directory_roles;
mod implied;
mod permissions;
mod profiles;
mod risk;

pub use directory_roles::{DirectoryRole, Holds, NoSuchRole, RoleStatus, directory_role, directory_roles};
pub use permissions::{Api, KeyError, Kind, LookupError, Permission, PermissionKey, nearest};
pub use profiles::{
    Alternative, App, Asked, Cloud, CredentialKind, Discrepancy, Existing, Feature, Listed, Lists, Names, Need,
    OlderVersion, Prerequisite, PrerequisiteKind, Profile, ProfileKind, ProfileVersion, ROLE_KEY, Selection, Source,
    VariableError, schema,
};
pub use risk::{Rating, Risk, role_rating};

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Everything known of APIs and connectors.
pub struct Catalog {
    apis: permissions::Apis,
    profiles: profiles::Profiles,
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// No profile of that slug.
    #[error("There is no profile \"{name}\".{}", did_you_mean(nearest))]
    NoSuchProfile {
        /// As asked for.
        name: String,
        /// Slugs that look alike.
        nearest: Vec<String>,
    },
    /// The profile has no such version.
    #[error("The profile \"{slug}\" has no version {version}; it has {available}.")]
    NoSuchVersion {
        /// The profile.
        slug: String,
        /// As asked for.
        version: String,
        /// All versions, for people.
        available: String,
    },
    /// The profile has no such feature.
    #[error("The profile \"{slug}\" has no feature \"{feature}\"; {available}")]
    NoSuchFeature {
        /// The profile.
        slug: String,
        /// As asked for.
        feature: String,
        /// All features, for people.
        available: String,
    },
    /// The profile has no such alternative, or it does not count.
    #[error("The profile \"{slug}\" has no alternative \"{name}\" to choose: {why}")]
    NoSuchAlternative {
        /// The profile.
        slug: String,
        /// As asked for.
        name: String,
        /// All alternatives, or the feature that is off, for people.
        why: String,
    },
    /// The alternative has no such choice.
    #[error("The alternative \"{name}\" has no choice \"{choice}\"; one of {available} is enough.")]
    NoSuchChoice {
        /// The alternative.
        name: String,
        /// As asked for.
        choice: String,
        /// All choices, for people.
        available: String,
    },
    /// The connector, or a feature of it, does not work in this cloud.
    #[error("{} is not supported in the cloud {cloud}. {detail}", not_supported(slug, feature.as_deref()))]
    NotInCloud {
        /// The profile.
        slug: String,
        /// The feature; none: the whole connector.
        feature: Option<String>,
        /// The cloud.
        cloud: String,
        /// What the profile says of it.
        detail: String,
    },
    /// A profile file that is not one.
    #[error("{file}: {why}")]
    Invalid {
        /// File name.
        file: String,
        /// With line and column where TOML gives them.
        why: String,
    },
}

impl Catalog {
    /// The catalogue that the binary carries. An API's file is parsed when it is first asked for.
    pub fn built_in() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(Self::fresh)
    }

    fn fresh() -> Self {
        Self { apis: permissions::Apis::built_in(), profiles: profiles::Profiles::built_in() }
    }

    /// The built-in catalogue with the profiles (`*.toml`) in these folders, or these files. Fails with everything that is wrong: a
    /// folder without profiles, a file that is none, a name that does not exist, a slug or an API that is there already.
    pub fn with_paths(paths: &[PathBuf]) -> Result<Self, Vec<CatalogError>> {
        let mut catalog = Self::fresh();
        let (read, mut found) = read(paths);
        for (file, _, profile) in &read {
            let mut say = |why: String| found.push(CatalogError::Invalid { file: file.clone(), why });
            for api in &profile.apis {
                if !catalog.apis.add(api.into()) {
                    say(format!("the API \"{}\" ({}) is defined already, and otherwise", api.key, api.app_id));
                }
            }
            if !catalog.profiles.add(profile.clone()) {
                say(format!("the profile \"{}\" is defined already: give this one another slug", profile.slug));
            }
        }
        found.extend(checks::faults(&read, &catalog));
        if found.is_empty() { Ok(catalog) } else { Err(found) }
    }

    /// The API of a short name or client id.
    pub fn api(&self, named: &str) -> Option<&Api> {
        self.apis.get(named)
    }

    /// Short names of all APIs.
    pub fn api_keys(&self) -> impl Iterator<Item = &str> {
        self.apis.keys()
    }

    /// The permission of `api`; the error says where else the name exists, and which names look alike.
    pub fn find<'a>(&'a self, api: &'a Api, kind: Kind, value: &str) -> Result<&'a Permission, LookupError> {
        api.find(kind, value).map_err(|error| match error {
            LookupError::NoSuchPermission { api: name, kind, value, nearest, other_kind, .. } => {
                let elsewhere = self.api_keys().filter(|key| *key != name).filter_map(|key| self.api(key));
                let other_apis = elsewhere
                    .filter(|other| other.get(kind, permissions::bare(&value)).is_some())
                    .map(|other| other.key.clone())
                    .collect();
                LookupError::NoSuchPermission { api: name, kind, value, nearest, other_kind, other_apis }
            }
            other => other,
        })
    }

    /// The key's one spelling: the API's short name, the permission's name (its id where the name is not unique), GUIDs in lower case.
    /// What the catalogue does not know stays as it stands.
    #[must_use]
    pub fn canonical(&self, key: &PermissionKey) -> PermissionKey {
        let Some(api) = self.api(&key.api) else {
            return PermissionKey {
                api: key.api.to_lowercase(),
                kind: key.kind,
                value: permissions::lower_guid(&key.value),
            };
        };
        match api.get(key.kind, &key.value) {
            Some(permission) => api.key_of(permission),
            None => PermissionKey { api: api.key.clone(), kind: key.kind, value: permissions::lower_guid(&key.value) },
        }
    }

    /// A profile by `slug`, or one version of it by `slug@version`.
    pub fn profile(&self, named: &str) -> Result<ProfileVersion, CatalogError> {
        let (slug, version) = named.split_once('@').map_or((named, None), |(slug, version)| (slug, Some(version)));
        let Some(profile) = self.profiles.get(slug) else {
            let nearest = permissions::nearest(slug, self.profiles.slugs());
            return Err(CatalogError::NoSuchProfile { name: slug.to_owned(), nearest });
        };
        profile.version(version)
    }

    /// Slugs of all profiles. Parses none.
    pub fn slugs(&self) -> impl Iterator<Item = &str> {
        self.profiles.slugs()
    }

    /// All profiles, by slug: parses every one.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.slugs().filter_map(|slug| self.profiles.get(slug))
    }
}

/// File, text and profile of each file that `paths` name, and what cannot be read.
fn read(paths: &[PathBuf]) -> (Vec<(String, String, Profile)>, Vec<CatalogError>) {
    let (mut found, mut read) = (Vec::new(), Vec::new());
    for path in paths {
        match files(path) {
            Ok(all) => all.into_iter().for_each(|file| match load(&file) {
                Ok(one) => read.push(one),
                Err(why) => found.push(why),
            }),
            Err(why) => found.push(why),
        }
    }
    (read, found)
}

/// The profiles in a folder, sorted; or the one file that `path` is.
fn files(path: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let fault = |why: String| CatalogError::Invalid { file: path.display().to_string(), why };
    let is_toml = |file: &Path| file.extension().is_some_and(|end| end == "toml");
    if path.is_file() {
        // Any other file may hold what no error message should repeat.
        return if is_toml(path) {
            Ok(vec![path.to_owned()])
        } else {
            Err(fault("it is no profile (`*.toml`)".to_owned()))
        };
    }
    let entries = std::fs::read_dir(path).map_err(|why| fault(format!("it cannot be read: {why}")))?;
    let mut all: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|file| is_toml(file)).collect();
    all.sort();
    if all.is_empty() {
        return Err(fault("there is no profile (`*.toml`) in it".to_owned()));
    }
    Ok(all)
}

fn load(file: &Path) -> Result<(String, String, Profile), CatalogError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|why| CatalogError::Invalid { file: name.clone(), why: format!("it cannot be read: {why}") })?;
    let profile = profiles::parse(&name, &text)?;
    Ok((name, text, profile))
}

fn not_supported(slug: &str, feature: Option<&str>) -> String {
    feature.map_or(format!("The connector \"{slug}\""), |feature| format!("The feature \"{feature}\" of \"{slug}\""))
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        [rest @ .., last] => format!(" Did you mean {} or {last}?", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const HEAD: &str = "vendor = \"v\"\ntitle = \"t\"\nsource = { title = \"s\" }\n";

    /// A list of Graph's application permissions, in the table `of`.
    fn list(of: &str, values: &str) -> String {
        format!("[{of}.microsoft_graph]\napplication = [{values}]\n")
    }

    /// The catalogue with these files in a folder of their own.
    fn with(files: &[(&str, String)]) -> Result<Catalog, Vec<CatalogError>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Catalog::with_paths(&[folder.path().to_owned()])
    }

    #[track_caller]
    fn refused(text: String, why: &str) {
        let found = with(&[("x.toml", text)]).err().unwrap();
        assert!(found.iter().any(|one| one.to_string().contains(why)), "{why} is not in {found:?}");
    }

    #[test]
    fn older_versions_and_optional_permissions_are_there_when_asked_for() {
        let text = format!(
            "slug = \"grown\"\nversion = 2\n{HEAD}{}{}[[versions]]\nversion = 1\n{}",
            list("permissions", "\"User.Read.All\", \"AuditLog.Read.All\""),
            list("optional", "\"Mail.Read\""),
            list("versions.permissions", "\"User.Read.All\""),
        );
        let catalog = with(&[("any-name.toml", text)]).unwrap();
        let count = |named: &str, optional| {
            catalog.profile(named).unwrap().permissions(&BTreeSet::new(), optional).unwrap().len()
        };
        assert_eq!(
            (count("grown", false), count("grown", true), count("grown@1", true), count("grown@2", false)),
            (2, 3, 1, 2)
        );
        assert!(catalog.profile("securends-office365").is_ok());
    }

    #[test]
    fn every_fault_of_a_file_is_named() {
        let start = |slug: &str| format!("slug = \"{slug}\"\nversion = 1\n{HEAD}");
        let good = list("permissions", "\"User.Read.All\"");
        let with_more = |more: &str| format!("{}{good}{more}\n", start("x"));
        refused(start("x"), "it lists no permission");
        refused(format!("{}{good}", start("X y")), "lower case letters");
        refused(
            format!("{}{}", start("x"), list("permissions", "\n  \"User.Raed.All\"")),
            "line 8, column 3: microsoft_graph has no",
        );
        refused(format!("{}{}", start("x"), list("permissions", "\"User.Raed.All\"")), "Did you mean User.Read.All");
        refused(
            format!("{}{}", start("x"), good.replace("microsoft_graph", "microsoft_grap")),
            "Did you mean microsoft_graph?",
        );
        refused(format!("{}{}", start("x"), good.replace("application", "unstated")), "has both");
        refused(with_more("[features.f]\ntitle = \"t\""), "brings neither a permission nor a role");
        refused(with_more("[features.f]\ntitle = \"t\"\nown_app = \"none\""), "which does not exist");
        refused(with_more("[[versions]]\nversion = 1"), "numbers of their own below 1");
        refused(format!("{}{good}", start("securends-office365")), "is defined already");
        refused(
            with_more(
                "[[prerequisites]]\nname = \"n\"\nkind = \"step\"\ndetail = \"d\"\nneeded_by = [\"microsoft_graph/application/Mail.Read\"]",
            ),
            "is none of its permissions",
        );
        let choice = |more: &str| with_more(&format!("[[alternatives]]\nname = \"a\"\ntitle = \"t\"\n{more}"));
        refused(choice("one_of = [\"microsoft_graph/application/Mail.Read\"]"), "leaves no choice");
        refused(choice("one_of = [\"Mail.Read\", \"x\"]"), "\"Mail.Read\" of `one_of`: A permission key has the form");
        refused(choice("one_of = [\"microsoft_graph/application/Mail.Raed\", \"x\"]"), "Did you mean Mail.Read");
        refused(with_more("[clouds.mars]\nsupported = false"), "there is no cloud \"mars\"");
        refused(format!("forbidden = [\"*/User.*\"]\n{}", with_more("")), "is forbidden by");
        refused(format!("client_id = \"x\"\n{}", with_more("")), "is of a vendor's application");
        refused(format!("kind = \"vendor_app\"\n{}", with_more("[app]\ndisplay_name = \"x\"")), "leave `[app]` out");
        let api = |key: &str, app_id: &str, id: &str| {
            with_more(&format!(
                "[[apis]]\nkey = \"{key}\"\napp_id = \"{app_id}\"\ndisplay_name = \"d\"\npermissions = [{{ value = \"A\", kind = \"application\", id = \"{id}\" }}]"
            ))
        };
        let (free, fine) = ("aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002");
        refused(api("microsoft_graph", free, fine), "is defined already, and otherwise");
        refused(api("mine", "00000003-0000-0000-c000-000000000000", fine), "is defined already, and otherwise");
        refused(api("Mine", free, fine), "underscores");
        refused(api("mine", "one", fine), "\"one\" of mine is not a GUID");
        refused(api("mine", free, "two"), "\"two\" of A is not a GUID");
        assert!(with(&[("x.toml", api("mine", free, fine))]).is_ok());
    }

    #[test]
    fn what_is_no_toml_is_told_by_its_place_and_not_repeated() {
        let found =
            with(&[("x.toml", "slug = \"x\"\npassword=hunter2 not toml\n".to_owned())]).err().unwrap()[0].to_string();
        assert!(found.contains("line 2, column ") && !found.contains("hunter2"), "{found}");
    }

    #[test]
    fn a_folder_that_is_missing_or_empty_is_named() {
        let found = Catalog::with_paths(&[PathBuf::from("no-such-folder")]).err().unwrap();
        assert!(found[0].to_string().starts_with("no-such-folder: it cannot be read"), "{found:?}");
        let found = Catalog::with_paths(&[PathBuf::from("Cargo.lock")]).err().unwrap();
        assert_eq!(found[0].to_string(), "Cargo.lock: it is no profile (`*.toml`)");
        assert!(with(&[("notes.txt", String::new())]).err().unwrap()[0].to_string().contains("there is no profile"));
    }
}
