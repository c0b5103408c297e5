//! Connector profiles: what a vendor's document lists, as data. The built-in ones are parsed when they are first asked for.

mod format;
mod old_form;
mod version;

pub use format::{
    Alternative, App, Cloud, CredentialKind, Discrepancy, Existing, Feature, Lists, Names, OlderVersion, OwnApi,
    Prerequisite, PrerequisiteKind, Profile, ProfileKind, Source, VariableError,
};
pub use version::{Asked, Listed, Need, ProfileVersion, ROLE_KEY, Selection};

use super::CatalogError;
use std::collections::BTreeMap;
use std::sync::OnceLock;

// Slug and text of every file of `catalog/profiles`, as the build script finds them.
include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// Profiles by slug.
pub(super) struct Profiles {
    built_in: BTreeMap<&'static str, (&'static str, OnceLock<Option<Profile>>)>,
    further: BTreeMap<String, Profile>,
}

impl Profiles {
    pub(super) fn built_in() -> Self {
        let built_in = FILES.iter().map(|(slug, text)| (*slug, (*text, OnceLock::new()))).collect();
        Self { built_in, further: BTreeMap::new() }
    }

    /// Adds one of the user's own. `false`: its slug is taken.
    pub(super) fn add(&mut self, profile: Profile) -> bool {
        let free = !self.built_in.contains_key(profile.slug.as_str()) && !self.further.contains_key(&profile.slug);
        if free {
            self.further.insert(profile.slug.clone(), profile);
        }
        free
    }

    pub(super) fn slugs(&self) -> impl Iterator<Item = &str> {
        self.built_in.keys().copied().chain(self.further.keys().map(String::as_str))
    }

    pub(super) fn get(&self, slug: &str) -> Option<&Profile> {
        if let Some(own) = self.further.get(slug) {
            return Some(own);
        }
        let (text, slot) = self.built_in.get(slug)?;
        // A file that does not parse is a fault of the build, which a test finds.
        slot.get_or_init(|| parse(slug, text).ok()).as_ref()
    }
}

/// Name and text of the built-in files.
pub(super) fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied()
}

/// A profile file's contents. `name` is for the error.
pub(super) fn parse(name: &str, text: &str) -> Result<Profile, CatalogError> {
    toml::from_str(text).map_err(|why| {
        let why = old_form::rewritten(text).map_or_else(|| why.to_string(), |new| old_form::advice(&new));
        CatalogError::Invalid { file: name.to_owned(), why }
    })
}

/// The JSON Schema of a profile file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Profile).to_value()
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;
    use std::collections::BTreeSet;

    fn ids(profile: &str, features: &[&str]) -> BTreeMap<String, String> {
        let catalog = Catalog::built_in();
        let features = features.iter().map(|one| (*one).to_owned()).collect();
        let keys = catalog.profile(profile).unwrap().permissions(&features, false).unwrap();
        keys.iter()
            .map(|key| (key.to_string(), catalog.api(&key.api).unwrap().find(key.kind, &key.value).unwrap().id.clone()))
            .collect()
    }

    /// Source: the vendors' documents, with ids of the permission catalogue.
    #[test]
    fn each_document_s_permissions_have_the_documented_ids() {
        let values = |profile, features: &[&str]| ids(profile, features).into_values().collect::<BTreeSet<_>>();
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        let defense = set(&["741f803b-c850-494e-b5df-cde7c675a1ca", "77f3a031-c388-4f99-b373-dc68676a979e"]);
        assert_eq!(values("defense-com-users", &[]), defense);
        let securends = ids("securends-office365", &[]);
        let expected = [
            ("microsoft_graph/application/Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
            ("microsoft_graph/application/User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
            ("microsoft_graph/delegated/Directory.AccessAsUser.All", "0e263e50-5827-48a4-b97c-d940288653c7"),
            ("microsoft_graph/delegated/Directory.Read.All", "06da0dbc-49e2-44d2-8312-53f166ab848a"),
            ("microsoft_graph/delegated/User.Read", "e1fe6dd8-ba31-4d61-89e7-88639da4683d"),
            ("microsoft_graph/delegated/User.Read.All", "a154be20-db9c-4678-8ab7-66f6cc099a59"),
            ("microsoft_graph/delegated/User.ReadBasic.All", "b340eb25-3456-403f-be2f-af7a0d370277"),
        ];
        assert_eq!(securends, expected.map(|(key, id)| (key.to_owned(), id.to_owned())).into());
        let remediation = set(&[
            "741f803b-c850-494e-b5df-cde7c675a1ca",
            "7e4e1300-e1b9-4102-88ba-f0cb6e6d5974",
            "a86d9824-b2b6-45f8-b042-16bc4922ed4e",
        ]);
        assert_eq!(values("md-eco-m365-defender-remediation", &[]), remediation);
        let feed = "594c1fb6-4f81-4475-ae41-0c394909246c";
        assert_eq!(values("threatdefence-ms365", &[]), set(&[feed]));
        assert_eq!(values("threatdefence-ms365", &["dlp"]), set(&[feed, "4807a72c-ad38-4250-94c9-4eabfe26cd55"]));
        let required = set(&[
            "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
            "1260ad83-98fb-4785-abbb-d6cc1806fd41",
            "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
            "472e4a4d-bb4a-4026-98d1-0b0d74cb74a5",
            "45cc0394-e837-488b-a098-1918f48d186c",
            "dc5007c0-2d7d-4c42-879c-2dab87571379",
            "607c7344-0eed-41e5-823a-9695ebe1b7b0",
            "6e472fd1-ad78-48da-a0f0-97ab2c6b769e",
            "df021288-bdef-4463-88db-98f22de89214",
            "7438b122-aefc-4978-80ed-43db9fcc7715",
            "230c1aed-a721-4c5d-9cb4-a90514e508ef",
            "bf394140-e372-4bf9-a898-299cfc7564e5",
            "b0afded3-3588-46d8-8b3d-9842eff778da",
        ]);
        let graph = "threatdefence-graph";
        assert_eq!(values(graph, &[]), required);
        let beyond = |features: &[&str]| &values(graph, features) - &required;
        let intune = set(&[
            "7a6ee1e7-141e-4cec-ae74-d9db155731ff",
            "dc377aa6-52d8-4e23-b271-2a7ae04cedf3",
            "2f51be20-0bb4-4fed-bf7b-db946066c75e",
        ]);
        let response = set(&["3011c876-62b7-4ada-afa2-506cbbecc68c", "77f3a031-c388-4f99-b373-dc68676a979e"]);
        let isolator = &response | &set(&["cc117bb9-00cf-4eb8-b580-ea2a878fe8f7"]);
        assert_eq!(
            (beyond(&["intune"]), beyond(&["response"]), beyond(&["user-isolator"])),
            (intune, response, isolator)
        );
    }

    #[test]
    fn md_eco_asks_for_two_of_graph_and_five_of_defender() {
        let base = ids("md-eco-m365-defender", &[]);
        let expected = [
            ("microsoft_graph/application/SecurityIncident.ReadWrite.All", "34bf0e97-1971-4929-b999-9e2442d941d7"),
            ("microsoft_graph/application/User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
            ("windows_defender_atp/application/AdvancedQuery.Read.All", "93489bf5-0fbc-4f2d-b901-33f2fe08ff05"),
            ("windows_defender_atp/application/Machine.Read.All", "ea8291d3-4b9a-44b5-bc3a-6cea3026dc79"),
            ("windows_defender_atp/application/Software.Read.All", "37f71c98-d198-41ae-964d-2c49aab74926"),
            ("windows_defender_atp/application/User.Read.All", "a833834a-4cf1-4732-8acf-bbcfa13fb610"),
            ("windows_defender_atp/application/Vulnerability.Read.All", "41269fc5-d04d-4bfd-bce7-43a51cea049a"),
        ];
        assert_eq!(base, expected.map(|(key, id)| (key.to_owned(), id.to_owned())).into());
        let with_remediation = ids("md-eco-m365-defender", &["remediation"]);
        let added: Vec<_> =
            with_remediation.iter().filter(|(key, _)| !base.contains_key(*key)).map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            added,
            [
                "microsoft_graph/application/User.ReadWrite.All",
                "windows_defender_atp/application/Machine.Isolate",
                "windows_defender_atp/application/Machine.Scan"
            ]
        );
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let catalog = Catalog::built_in();
        assert!(
            catalog
                .profile("md-eco-m365-defendr")
                .unwrap_err()
                .to_string()
                .contains("Did you mean md-eco-m365-defender")
        );
        assert!(
            catalog.profile("md-eco-m365-defender@7").unwrap_err().to_string().contains("has no version 7; it has 1")
        );
        let features = BTreeSet::from(["remedation".to_owned()]);
        let text =
            catalog.profile("md-eco-m365-defender").unwrap().permissions(&features, false).unwrap_err().to_string();
        assert!(text.contains("it has remediation. Did you mean remediation?"), "{text}");
    }

    #[test]
    fn every_built_in_file_parses_under_its_slug() {
        for (slug, text) in files() {
            assert_eq!(parse(slug, text).map(|profile| profile.slug), Ok(slug.to_owned()));
        }
    }

    #[test]
    fn an_unknown_attribute_in_a_profile_is_refused_with_its_line() {
        let text =
            "slug = \"x\"\nversion = 1\nvendor = \"v\"\ntitle = \"t\"\ncolour = \"red\"\nsource = { title = \"s\" }\n";
        let error = parse("x.toml", text).unwrap_err().to_string();
        assert!(error.contains("line 5") && error.contains("colour"), "{error}");
    }

    #[test]
    fn a_file_of_the_old_form_is_refused_with_what_to_write() {
        let old = r#"
slug = "x"
version = 2
vendor = "v"
title = "t"
source = "The document"

[app]
display_name = "X"
credential = "one secret"

[features.f]
title = "F"

[[permissions]]
api = "microsoft_graph"
kind = "application"
value = "User.Read.All"

[[permissions]]
api = "microsoft_graph"
kind = "delegated"
value = "offline_access"
optional = true

[[permissions]]
api = "microsoft_graph"
kind = "application"
value = "Mail.Read"
features = ["f"]

[[versions]]
version = 1

[[versions.permissions]]
api = "microsoft_graph"
kind = "application"
value = "Group.Read.All"
"#;
        let error = parse("x.toml", old).unwrap_err().to_string();
        let (said, new) = error.split_once("Write:").unwrap();
        assert!(said.contains("form of earlier versions"), "{error}");
        let profile = parse("x.toml", new).unwrap();
        let all = |version: Option<&str>, features: &[&str], include_optional| {
            let features = features.iter().map(|one| (*one).to_owned()).collect();
            let keys = profile.version(version).unwrap().permissions(&features, include_optional).unwrap();
            keys.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let (user, mail) = ("microsoft_graph/application/User.Read.All", "microsoft_graph/application/Mail.Read");
        assert_eq!(all(None, &[], false), [user]);
        assert_eq!(all(None, &["f"], true), [mail, user, "microsoft_graph/delegated/offline_access"]);
        assert_eq!(all(Some("1"), &[], false), ["microsoft_graph/application/Group.Read.All"]);
        assert_eq!((profile.app.credentials.len(), profile.source.title.as_str()), (1, "The document"));
        // What is of neither form keeps the message of the present one.
        let neither = parse("x.toml", "slug = 1\nsource = { title = \"s\" }").unwrap_err().to_string();
        assert!(neither.contains("expected a string"), "{neither}");
    }

    #[test]
    fn redirect_uris_take_just_the_variables_that_they_name() {
        let uris = vec!["https://{region}.example.com/{path}".to_owned(), "https://example.com".to_owned()];
        let app = App { web_redirect_uris: uris, ..App::default() };
        let given =
            |all: &[(&str, &str)]| all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let filled = app.filled(&given(&[("region", "eu"), ("path", "callback")])).unwrap();
        assert_eq!(filled.web_redirect_uris, ["https://eu.example.com/callback", "https://example.com"]);
        assert_eq!(app.filled(&given(&[("path", "x")])), Err(VariableError::Missing(vec!["region".to_owned()])));
        let more = given(&[("region", "eu"), ("path", "x"), ("colour", "red")]);
        assert_eq!(app.filled(&more), Err(VariableError::Unused(vec!["colour".to_owned()])));
    }

    #[test]
    fn a_choice_falls_on_the_first_unless_another_is_named() {
        let text = r#"
slug = "x"
version = 1
vendor = "v"
title = "t"
directory_roles = ["Global Reader"]
source = { title = "s" }

[features.mail]
title = "Mail"

[[alternatives]]
name = "mail"
title = "How mail is read"
feature = "mail"
one_of = ["microsoft_graph/application/Mail.Read", "microsoft_graph/application/Mail.ReadBasic.All"]

[[alternatives]]
name = "role"
title = "Which role"
one_of = ["directory/role/Security Reader", "directory/role/Exchange Administrator"]

[clouds.china]
replace = { "microsoft_graph/application/Mail.Read" = "microsoft_graph/application/Mail.ReadWrite" }

[clouds.usgovernment]
without = ["mail"]
detail = "Mail is not read there."
"#;
        let version = parse("x", text).unwrap().version(None).unwrap();
        let selected = |features: &[&str], choose: &[(&str, &str)], cloud: Option<&str>| {
            let asked = version.select(&Selection {
                features: features.iter().map(|one| (*one).to_owned()).collect(),
                choose: choose.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect(),
                cloud: cloud.map(str::to_owned),
                include_optional: false,
            });
            asked.map(|asked| {
                let permissions: Vec<_> = asked.permissions.into_iter().map(|key| key.value).collect();
                (permissions.join(" "), asked.directory_roles.into_iter().collect::<Vec<_>>().join(", "))
            })
        };
        let both = |permission: &str, roles: &str| Ok((permission.to_owned(), roles.to_owned()));
        assert_eq!(selected(&[], &[], None), both("", "Global Reader, Security Reader"));
        assert_eq!(selected(&["mail"], &[], None), both("Mail.Read", "Global Reader, Security Reader"));
        let chosen = [
            ("mail", "microsoft_graph/application/mail.readbasic.all"),
            ("role", "directory/role/Exchange Administrator"),
        ];
        assert_eq!(
            selected(&["mail"], &chosen, None),
            both("Mail.ReadBasic.All", "Exchange Administrator, Global Reader")
        );
        assert_eq!(selected(&["mail"], &[], Some("china")), both("Mail.ReadWrite", "Global Reader, Security Reader"));
        let refused = |features: &[&str], choose: &[(&str, &str)], cloud: Option<&str>| {
            selected(features, choose, cloud).unwrap_err().to_string()
        };
        assert!(refused(&[], &chosen[..1], None).contains("counts only with the feature \"mail\""));
        assert!(refused(&[], &[("roles", "x")], None).contains("it has mail, role. Did you mean role?"));
        assert!(
            refused(&[], &[("role", "x")], None).contains("has no choice \"x\"; one of directory/role/Security Reader")
        );
        assert!(
            refused(&["mail"], &[], Some("usgovernment"))
                .ends_with("in the cloud usgovernment. Mail is not read there.")
        );
        assert!(selected(&[], &[], Some("usgovernment")).is_ok());
    }

    #[test]
    fn the_committed_json_schema_is_current() {
        let committed: serde_json::Value =
            serde_json::from_str(include_str!("../../../catalog/profile.schema.json")).unwrap();
        assert_eq!(committed, schema(), "run `cargo run -- catalog schema > catalog/profile.schema.json`");
    }
}
