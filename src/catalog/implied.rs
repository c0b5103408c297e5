//! Which permission wholly implies which. Source: `catalog/implied.json`, from Microsoft's own lists of operations and descriptions.

use super::{Catalog, PermissionKey};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

#[derive(Deserialize)]
struct File {
    pairs: Vec<Basis>,
    /// The wider one's key → name of the other → how many of its operations it has.
    partly: BTreeMap<String, BTreeMap<String, String>>,
}

fn file() -> Option<&'static File> {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    // A file that does not parse is a fault of the build, which a test finds.
    FILE.get_or_init(|| serde_json::from_str(include_str!("../../catalog/implied.json")).ok()).as_ref()
}

/// Pairs that rest on the same kind of source.
#[derive(Deserialize)]
struct Basis {
    /// The wider one's key → names of the narrower ones, of the same API and kind.
    implies: BTreeMap<String, Vec<String>>,
}

/// Narrower key → wider keys.
fn wider() -> &'static BTreeMap<String, Vec<String>> {
    static WIDER: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    WIDER.get_or_init(|| {
        let mut all = BTreeMap::<String, Vec<String>>::new();
        for (wider, names) in file().into_iter().flat_map(|file| &file.pairs).flat_map(|basis| &basis.implies) {
            let Some((before, _)) = wider.rsplit_once('/') else { continue };
            for name in names {
                all.entry(format!("{before}/{name}")).or_default().push(wider.clone());
            }
        }
        all
    })
}

impl Catalog {
    /// The permissions of which each alone allows all that `key` allows, so that `key` is not needed beside it.
    pub fn implied_by(&self, key: &PermissionKey) -> Vec<PermissionKey> {
        let wider = wider().get(&self.canonical(key).to_string());
        wider.into_iter().flatten().filter_map(|text| text.parse().ok()).collect()
    }

    /// The permissions that are often taken for wider ones of `key` and have a good part of its operations, with how many, such as
    /// `67 of 110`.
    pub fn implied_in_part_by(&self, key: &PermissionKey) -> Vec<(PermissionKey, &'static str)> {
        let key = self.canonical(key);
        let prefix = format!("{}/{}/", key.api, key.kind);
        let partly = file().into_iter().flat_map(|file| &file.partly).filter(|(wider, _)| wider.starts_with(&prefix));
        partly.filter_map(|(wider, names)| Some((wider.parse().ok()?, names.get(&key.value)?.as_str()))).collect()
    }

    /// Whether `wider` alone allows all that `key` allows. Keys in any spelling.
    pub fn implies(&self, wider: &PermissionKey, key: &PermissionKey) -> bool {
        self.implied_by(key).contains(&self.canonical(wider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_of_real_permissions_and_the_wider_one_is_in_no_lower_class() {
        let catalog = Catalog::built_in();
        let mut pairs = 0;
        for (narrower, all) in wider() {
            let narrower: PermissionKey = narrower.parse().unwrap();
            for wider in all {
                let wider: PermissionKey = wider.parse().unwrap();
                for key in [&narrower, &wider] {
                    assert!(catalog.api(&key.api).unwrap().find(key.kind, &key.value).is_ok(), "{key}");
                }
                let (less, more) = (catalog.rating(&narrower).risk, catalog.rating(&wider).risk);
                assert!(more >= less, "{wider} ({more}) implies {narrower} ({less})");
                pairs += 1;
            }
        }
        assert_eq!(pairs, 686);
    }

    #[test]
    fn what_is_implied_rests_on_the_table_and_not_on_names() {
        let catalog = Catalog::built_in();
        let key = |text: &str| -> PermissionKey { text.parse().unwrap() };
        let implies = |wider: &str, narrower: &str| catalog.implies(&key(wider), &key(narrower));
        let (read, basic) =
            ("microsoft_graph/application/User.Read.All", "microsoft_graph/application/User.ReadBasic.All");
        assert!(implies(read, basic) && !implies(basic, read));
        assert!(implies("microsoft_graph/application/User.ReadWrite.All", read));
        let incident = |name| format!("microsoft_threat_protection/application/Incident.{name}.All");
        assert!(
            implies(&incident("ReadWrite"), &incident("Read")) && !implies(&incident("Read"), &incident("ReadWrite"))
        );
        assert!(implies(
            "00000003-0000-0000-c000-000000000000/application/df021288-bdef-4463-88db-98f22de89214",
            basic
        ));
        assert!(!implies("microsoft_graph/delegated/User.ReadWrite.All", read));
        assert!(!implies(
            "microsoft_graph/application/Application.ReadWrite.All",
            "microsoft_graph/application/Application.ReadWrite.OwnedBy"
        ));
    }

    #[test]
    fn what_is_often_taken_for_wider_says_how_much_it_covers() {
        let directory: PermissionKey = "microsoft_graph/application/Directory.Read.All".parse().unwrap();
        let user = "microsoft_graph/application/User.Read.All".parse().unwrap();
        assert_eq!(Catalog::built_in().implied_in_part_by(&user), [(directory, "56 of 122")]);
    }
}
