//! What is wrong with a profile beyond its syntax: findings, each with its place in the file. `form` and `names` find what keeps a
//! profile from being used, `lints` what a reader of the document should know.

mod files;
mod form;
mod lints;
mod names;
mod place;

pub use files::{Located, check_built_in, check_files};
pub use place::Place;

use super::permissions::Kind;
use super::profiles::{Lists, Names, Profile, ROLE_KEY};
use super::{Catalog, CatalogError, PermissionKey};
use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The profile cannot stay so.
    Error,
    /// Somebody should decide, and write the decision down as a discrepancy.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if *self == Self::Error { "error" } else { "warning" })
    }
}

/// Sort of a finding; its name is also the `kind` of the discrepancy that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sort {
    /// One word.
    pub name: &'static str,
    /// What it says, for lists of rules.
    pub meaning: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Whether a profile with it cannot be used at all.
    pub(super) blocks: bool,
}

macro_rules! sorts {
    ($($constant:ident $name:literal $severity:ident $blocks:literal $meaning:literal;)*) => {
        impl Sort {
            $(
                #[doc = $meaning]
                pub const $constant: Sort = Sort { name: $name, meaning: $meaning, severity: Severity::$severity, blocks: $blocks };
            )*
            /// All of them.
            pub const ALL: &'static [Sort] = &[$(Sort::$constant),*];
        }
    };
}
sorts! {
    SYNTAX "syntax" Error true "The file is no profile.";
    FORM "form" Error true "Something refers to what is not there, or has a form that cannot be used.";
    MISSING "missing" Error true "The document lists no permission.";
    NAME "name" Error true "No API has a permission of this name.";
    API "api" Error true "The API is not known, or has no permission of this name while another one has.";
    KIND "kind" Error true "The name exists only as the other kind, or the document does not say which kind is meant.";
    CASE "case" Error true "The name is spelled with other capital letters.";
    FORMATTING "formatting" Error true "Several names are run together, or a name is broken.";
    DISABLED "disabled" Error true "Microsoft has switched the permission off.";
    USER_ROLE "user-role" Error true "The name is a role for people, not a permission.";
    FORBIDDEN "forbidden" Error true "The profile asks for what it forbids.";
    RETIRED "retired" Error false "Microsoft has announced the end of the permission or of its API.";
    HIDDEN "hidden" Error false "Microsoft does not offer the permission in its portals.";
    COUNT "count" Error false "The document announces another number of permissions than it lists.";
    ROLE "role" Error false "A role that is named for the consent cannot give it.";
    LIMIT "limit" Error false "Graph allows an application less.";
    UNLISTED "unlisted" Warning false "The permission is on the live API, but missing in Microsoft's published list.";
    REDUNDANT "redundant" Warning false "Another permission of the list covers this one wholly.";
    PARTLY "partly" Warning false "Another permission of the list covers a part of what this one allows.";
    FLOW "flow" Warning false "Delegated permissions of a connector that signs in only as itself.";
    BOTH_KINDS "both-kinds" Warning false "The same name is asked for as both kinds.";
    DUPLICATE "duplicate" Warning false "The same is listed twice.";
    OVERLAP "overlap" Warning false "The permission serves an API that another one replaces.";
    AMBIGUITY "ambiguity" Warning false "The same name is asked for from two APIs, where it has different ids.";
    PRIVILEGE "privilege" Warning false "The required part asks for more than a connector should have without a switch.";
    DIRECTORY_ROLE "directory-role" Warning false "A permission that gives nothing without a directory role, or a role that gives the tenant away.";
    LICENCE "licence" Warning false "Licences are missing, or contradict each other.";
    SERVICE "service" Warning false "A service that has to be on is not mentioned.";
    MENTION "mention" Warning false "The document speaks of an API and lists none of its permissions.";
    SCOPE "scope" Warning false "The document adds to an application that another document makes.";
    NAMING "naming" Warning false "The application's name misleads.";
    AUDIENCE "audience" Warning false "Accounts of other tenants may sign in.";
    UNSPECIFIED "unspecified" Warning false "The document leaves open what a registration needs.";
    INCOMPLETE "incomplete" Warning false "The list was not seen whole.";
}

impl fmt::Display for Sort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

/// Something wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What sort of thing.
    pub sort: Sort,
    /// What it is about: a permission key as it stands in the file, or an attribute such as `app.display_name`.
    pub subject: String,
    /// What is wrong, why, and how to mend it.
    pub message: String,
    /// What may be written instead.
    pub suggestions: Vec<String>,
    /// Where in the file.
    pub place: Place,
}

/// Everything wrong with a profile, except what its discrepancies answer. The catalogue has to know its APIs.
pub fn findings(profile: &Profile, catalog: &Catalog) -> Vec<Finding> {
    let mut found = form::find(profile, catalog);
    found.extend(names::find(profile, catalog));
    found.extend(lints::find(profile, catalog));
    found.retain(|one| !answered(profile, one));
    found
}

/// What keeps profiles from being used. `catalog` knows all of them and their APIs.
pub(super) fn faults(files: &[(String, String, Profile)], catalog: &Catalog) -> Vec<CatalogError> {
    let mut all = Vec::new();
    for (file, text, profile) in files {
        let found = form::find(profile, catalog).into_iter().chain(names::find(profile, catalog));
        let blocking = found.filter(|one| one.sort.blocks && !answered(profile, one));
        all.extend(blocking.map(|one| {
            let (line, column) = one.place.find(text);
            CatalogError::Invalid { file: file.clone(), why: format!("line {line}, column {column}: {}", one.message) }
        }));
    }
    all
}

/// Whether a discrepancy of the profile names what was found.
fn answered(profile: &Profile, finding: &Finding) -> bool {
    let names = |about: &String| matches(about, &finding.subject);
    profile.discrepancies.iter().any(|one| one.kind == finding.sort.name && one.about.iter().any(names))
}

/// Whether `pattern`, in which `*` stands for any letters, fits the whole text, without case.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// One list of a profile: where it stands and on what it depends.
struct Listing<'a> {
    lists: &'a Lists,
    place: Place,
    feature: Option<&'a str>,
    optional: bool,
}

/// One name of a list.
struct Entry<'a> {
    api: &'a str,
    /// `None`: the document does not say.
    kind: Option<Kind>,
    value: &'a str,
    place: Place,
    feature: Option<&'a str>,
    optional: bool,
}

impl Entry<'_> {
    fn key(&self) -> Option<PermissionKey> {
        Some(PermissionKey { api: self.api.to_owned(), kind: self.kind?, value: self.value.to_owned() })
    }

    fn subject(&self) -> String {
        let kind = self.kind.map_or("unstated".to_owned(), |kind| kind.to_string());
        format!("{}/{kind}/{}", self.api, self.value)
    }

    fn finding(&self, sort: Sort, message: String, suggestions: Vec<String>) -> Finding {
        Finding { sort, subject: self.subject(), message, suggestions, place: self.place.clone() }
    }
}

/// Keys that alternatives offer, with their places; those of directory roles left out.
fn chosen(profile: &Profile) -> Vec<(PermissionKey, Place)> {
    let keys = profile.alternatives.iter().enumerate().flat_map(|(number, one)| {
        let place = Place::at(&["alternatives", &number.to_string(), "one_of"]);
        one.one_of.iter().enumerate().filter_map(move |(number, text)| {
            let key = text.parse().ok().filter(|_| !text.starts_with(ROLE_KEY))?;
            Some((key, place.then(&[&number.to_string()])))
        })
    });
    keys.collect()
}

/// The same as entries of a list.
fn chosen_entries(chosen: &[(PermissionKey, Place)]) -> impl Iterator<Item = Entry<'_>> {
    chosen.iter().map(|(key, place)| Entry {
        api: &key.api,
        kind: Some(key.kind),
        value: &key.value,
        place: place.clone(),
        feature: None,
        optional: false,
    })
}

/// The lists of the present version.
fn listings(profile: &Profile) -> Vec<Listing<'_>> {
    let plain = |lists, name: &str, optional| Listing { lists, place: Place::at(&[name]), feature: None, optional };
    let features = profile.features.iter().map(|(name, feature)| Listing {
        lists: &feature.permissions,
        place: Place::at(&["features", name, "permissions"]),
        feature: Some(name),
        optional: false,
    });
    let own = [plain(&profile.permissions, "permissions", false), plain(&profile.optional, "optional", true)];
    own.into_iter().chain(features).collect()
}

/// Those of older versions.
fn older_listings(profile: &Profile) -> Vec<Listing<'_>> {
    let older = profile.versions.iter().enumerate().flat_map(|(number, older)| {
        let place = move |more: &[&str]| Place::at(&["versions", &number.to_string()]).then(more);
        let plain =
            move |lists, name: &str, optional| Listing { lists, place: place(&[name]), feature: None, optional };
        let features = older.features.iter().map(move |(name, feature)| Listing {
            lists: &feature.permissions,
            place: place(&["features", name, "permissions"]),
            feature: Some(name),
            optional: false,
        });
        [plain(&older.permissions, "permissions", false), plain(&older.optional, "optional", true)]
            .into_iter()
            .chain(features)
    });
    older.collect()
}

fn entries<'a>(listings: &[Listing<'a>]) -> Vec<Entry<'a>> {
    let of = |listing: &Listing<'a>| {
        let mut all = Vec::new();
        for (api, names) in listing.lists {
            for (name, kind, values) in kinds(names) {
                for (number, value) in values.iter().enumerate() {
                    all.push(Entry {
                        api,
                        kind,
                        value,
                        place: listing.place.then(&[api, name, &number.to_string()]),
                        feature: listing.feature,
                        optional: listing.optional,
                    });
                }
            }
        }
        all
    };
    listings.iter().flat_map(of).collect()
}

fn kinds(names: &Names) -> [(&'static str, Option<Kind>, &[String]); 3] {
    [
        ("application", Some(Kind::Application), &names.application),
        ("delegated", Some(Kind::Delegated), &names.delegated),
        ("unstated", None, &names.unstated),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, text, fits) in [
            ("a/b", "A/B", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b/c", true),
            ("*/application/User.*", "microsoft_graph/application/User.Read.All", true),
            ("*.ReadWrite.*", "x/delegated/User.Read.All", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
