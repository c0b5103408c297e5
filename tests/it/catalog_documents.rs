//! The built-in profiles against the documents that they are from: what is wrong in one is found when it is written down as it stands.

use std::collections::BTreeSet;
use std::path::PathBuf;
use terraform_provider_m365::catalog::checks::{self, Finding, Severity};
use terraform_provider_m365::catalog::{
    Catalog, Discrepancy, Holds, Lists, Profile, ProfileKind, Selection, directory_role,
};

#[test]
fn the_check_of_the_built_in_profiles_is_silent() {
    let (found, count) = checks::check_built_in();
    assert_eq!(found, []);
    assert_eq!(count, 62);
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/catalog/profiles"));
    let (found, again) = checks::check_files(&[folder]).unwrap();
    assert_eq!((found, again), (Vec::new(), count), "the files that they are made from may be checked by name");
}

/// Every discrepancy that no person had to read is a finding of its kind once the profile is as the document.
#[test]
fn each_defect_of_a_document_is_found_when_it_is_written_down_as_it_stands() {
    let catalog = Catalog::built_in();
    let (mut tried, mut missed) = (0, Vec::new());
    for profile in catalog.profiles() {
        for one in profile.discrepancies.iter().filter(|one| !one.by_reading) {
            let found = checks::findings(&as_the_document(profile, one), catalog);
            let mut of_kind = found.iter().filter(|finding| finding.sort.name == one.kind);
            if !of_kind.any(|finding| concerns(one, finding)) {
                missed.push(format!("{}: {} {:?}", profile.slug, one.kind, one.about));
            }
            tried += 1;
        }
    }
    assert_eq!(missed, Vec::<String>::new());
    assert!(tried > 200, "only {tried} defects were tried");
}

/// What the five documents that the project began with get wrong, by the kind of finding that shows it: facts read in these documents
/// when they were resolved against the catalogue. The test above tries each of them, since no person has to read for it.
#[test]
fn no_defect_of_the_first_documents_is_left_to_a_reader() {
    let documents: [(&str, &[(&str, &str)]); 5] = [
        (
            "defense-com-users",
            &[
                ("role", "consent_roles"),
                ("scope", "app.existing"),
                ("privilege", "microsoft_graph/application/User.ReadWrite.All"),
                ("formatting", "microsoft_graph/application/User.RevokeSessions.All"),
            ],
        ),
        (
            "securends-office365",
            &[
                ("mention", "source.mentions"),
                ("flow", "microsoft_graph/delegated/*"),
                ("privilege", "microsoft_graph/delegated/Directory.AccessAsUser.All"),
                ("partly", "microsoft_graph/delegated/User.ReadBasic.All"),
                ("role", "consent_roles"),
                ("unspecified", "app.sign_in_audience"),
            ],
        ),
        (
            "md-eco-m365-defender",
            &[
                ("count", "source.counts"),
                ("ambiguity", "*/application/User.Read.All"),
                ("naming", "app.display_name"),
                ("licence", "prerequisites.Defender for Endpoint"),
                ("privilege", "microsoft_graph/application/SecurityIncident.ReadWrite.All"),
            ],
        ),
        (
            "threatdefence-ms365",
            &[
                ("missing", "permissions"),
                ("licence", "prerequisites.any licence"),
                ("role", "consent_roles"),
                ("service", "prerequisites.unified audit log"),
                ("mention", "source.mentions"),
                ("unspecified", "app.display_name"),
            ],
        ),
        (
            "threatdefence-graph",
            &[
                ("name", "microsoft_graph/application/DeviceManagementApps.Read.All"),
                ("duplicate", "features.response"),
                ("licence", "prerequisites.Entra ID P1 or P2"),
                ("licence", "prerequisites.Entra ID P2"),
                ("formatting", "microsoft_graph/application/User.EnableDisableAccount.All"),
                ("partly", "microsoft_graph/application/Application.Read.All"),
                ("overlap", "microsoft_graph/application/SecurityEvents.Read.All"),
                ("unspecified", "consent_roles"),
            ],
        ),
    ];
    let catalog = Catalog::built_in();
    for (slug, defects) in documents {
        let profile = &catalog.profile(slug).unwrap().profile;
        for (kind, about) in defects {
            let there = profile
                .discrepancies
                .iter()
                .find(|one| !one.by_reading && one.kind == *kind && one.about.iter().any(|subject| subject == about));
            assert!(there.is_some(), "{slug}: {kind} of {about}");
        }
    }
}

/// Whether a finding is about what the discrepancy names, as it is now or as it was written.
fn concerns(one: &Discrepancy, finding: &Finding) -> bool {
    let names = |about: &String| checks::matches(about, &finding.subject);
    let attribute = |about: &String| !about.contains('/');
    one.about.iter().chain(&one.as_written).any(names) || one.about.iter().any(attribute)
}

/// The profile without discrepancies, and with what the document has in the place of what this one is about.
fn as_the_document(profile: &Profile, one: &Discrepancy) -> Profile {
    let mut written = Profile { discrepancies: Vec::new(), ..profile.clone() };
    for about in one.about.iter().filter(|about| !about.contains('/')) {
        attribute(&mut written, about, one);
    }
    let of_names = one.about.iter().all(|about| about.contains('/'));
    if of_names && !one.as_written.is_empty() {
        let features = written.features.values_mut().map(|feature| &mut feature.permissions);
        for lists in [&mut written.permissions, &mut written.optional].into_iter().chain(features) {
            rewrite(lists, one);
        }
        written.prerequisites.clear();
    }
    written
}

fn attribute(written: &mut Profile, about: &str, one: &Discrepancy) {
    let (as_written, left_open) = (&one.as_written, one.kind == "unspecified");
    match about.split_once('.').unwrap_or((about, "")) {
        ("permissions", _) => {
            written.permissions.clear();
            written.features.clear();
            written.prerequisites.clear();
        }
        ("consent_roles", _) if !as_written.is_empty() => written.consent_roles.clone_from(as_written),
        ("outputs", _) if left_open => written.outputs.clear(),
        ("app", "display_name") if left_open => written.app.display_name = None,
        ("app", "display_name") if !as_written.is_empty() => written.app.display_name = as_written.first().cloned(),
        ("app", "sign_in_audience") if left_open => written.app.sign_in_audience = None,
        ("app", "credentials") if left_open => written.app.credentials.clear(),
        ("prerequisites", name) if name != "any licence" => written.prerequisites.retain(|one| one.name != name),
        // Stays as it is: the document's own fact.
        _ => {}
    }
}

/// Takes what the discrepancy is about out of the lists where it stands whole, and puts in what was written; `*` stands for the name.
fn rewrite(lists: &mut Lists, one: &Discrepancy) {
    let mut taken = Vec::new();
    for (api, names) in lists.iter_mut() {
        for (kind, values) in [("application", &mut names.application), ("delegated", &mut names.delegated)] {
            values.retain(|value| {
                let key = format!("{api}/{kind}/{value}");
                let gone = one.about.iter().any(|about| checks::matches(about, &key));
                if gone {
                    taken.push(value.clone());
                }
                !gone
            });
        }
    }
    if taken.is_empty() {
        return;
    }
    for text in &one.as_written {
        let names =
            if text.ends_with('*') { taken.clone() } else { vec![text.splitn(3, '/').nth(2).unwrap().to_owned()] };
        let mut parts = text.split('/');
        let (api, kind) = (parts.next().unwrap(), parts.next().unwrap());
        let list = lists.entry(api.to_owned()).or_default();
        match kind {
            "application" => list.application.extend(names),
            "delegated" => list.delegated.extend(names),
            _ => list.unstated.extend(names),
        }
    }
}

#[test]
fn every_profile_says_where_it_is_from_and_who_may_consent() {
    for profile in Catalog::built_in().profiles() {
        let version = Catalog::built_in().profile(&profile.slug).unwrap();
        assert!(!version.consent_roles().is_empty(), "{}", profile.slug);
        assert!(profile.about.is_some() && profile.source.complete, "{}", profile.slug);
        let mut sources = profile.features.values().filter_map(|one| one.source.as_ref()).chain([&profile.source]);
        // The five documents that the project began with have no public address.
        let first_ones = ["Defense.com", "MD.ECO", "SecurEnds", "ThreatDefence"];
        assert!(
            sources.any(|one| one.url.is_some()) || first_ones.contains(&profile.vendor.as_str()),
            "{}",
            profile.slug
        );
        let registers = profile.kind == ProfileKind::OwnRegistration;
        assert_eq!(registers, profile.app != Default::default(), "{}", profile.slug);
    }
}

/// Nothing, each feature alone, everything at once, and every choice of every alternative.
#[test]
fn every_selection_of_every_profile_resolves_to_permissions_that_can_be_granted() {
    let catalog = Catalog::built_in();
    for slug in catalog.slugs() {
        let version = catalog.profile(slug).unwrap();
        let every: BTreeSet<String> = version.features().keys().cloned().collect();
        let alone = every.iter().map(|one| BTreeSet::from([one.clone()]));
        let mut selections: Vec<_> = [BTreeSet::new(), every.clone()]
            .into_iter()
            .chain(alone)
            .map(|features| Selection { features, include_optional: true, ..Selection::default() })
            .collect();
        for alternative in version.alternatives() {
            for key in &alternative.one_of {
                let choose = [(alternative.name.clone(), key.clone())].into();
                selections.push(Selection { features: every.clone(), choose, ..Selection::default() });
            }
        }
        for selection in selections {
            let asked = version.select(&selection).unwrap();
            for key in &asked.permissions {
                let permission = catalog.api(&key.api).unwrap().find(key.kind, &key.value);
                assert!(permission.is_ok_and(|one| one.enabled), "{slug}: {key}");
            }
            for role in &asked.directory_roles {
                assert!(directory_role(role).is_ok_and(|role| role.application != Holds::No), "{slug}: {role}");
            }
        }
        for cloud in version.profile.clouds.keys() {
            let selection = Selection { cloud: Some(cloud.clone()), ..Selection::default() };
            assert!(version.select(&selection).is_ok(), "{slug}: {cloud}");
        }
    }
}

/// What was found in vendors' lists before they were written down as profiles, one of each sort.
#[test]
fn a_document_written_down_as_it_stands_gets_every_repair() {
    let text = r#"
slug = "as-it-stands"
version = 1
vendor = "Contoso"
title = "SIEM"
consent_roles = ["Application Developer", "Account Administrator"]
directory_roles = ["Global Administrator"]
forbidden = ["*/delegated/offline_access"]

[source]
title = "Guide"
complete = false
counts = { total = 3 }
mentions = ["intune"]

[app]
display_name = "Microsoft Defender"
sign_in_audience = "AzureADMultipleOrgs"

[permissions.microsoft_graph]
application = [
  "Group.Read.Write.All",
  "Machine.Read.All",
  "user.read.all",
  "User.Read.All",
  "User.ReadBasic.All",
  "IdentityRiskyUser.Read.All",
  "User.RevokeSessions.All, User.EnableDisableAccount.All",
  "InformationProtectionPolicy.Read",
  "SecurityEvents.Read.All",
  "User.EnableDisableAccount.All",
]
delegated = ["offline_access", "User.Read.All"]
unstated = ["AuditLog.Read.All", "ProvisioningLog.Read.All"]

[permissions.office_365_management]
application = ["ActivityFeed.Read"]

[permissions.windows_azure_active_directory]
application = ["Directory.Read.All"]

[permissions.unstated]
application = ["Incident.Read.All"]

[optional.microsoft_graph]
application = ["User.Read.All"]
"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("as-it-stands.toml");
    std::fs::write(&file, text).unwrap();
    let (found, _) = checks::check_files(&[file]).unwrap();
    let line = |line: usize| {
        found.iter().filter(|one| one.line == line).map(|one| one.finding.sort.name).collect::<BTreeSet<_>>()
    };
    let lines: [(usize, &[&str]); 23] = [
        (6, &["role"]),
        (7, &["directory-role"]),
        (12, &["incomplete"]),
        (13, &["count"]),
        (14, &["mention"]),
        (16, &["unspecified"]),
        (17, &["naming"]),
        (18, &["audience"]),
        (22, &["name"]),
        (23, &["api"]),
        (24, &["case"]),
        (26, &["redundant"]),
        (27, &["licence"]),
        (28, &["formatting"]),
        (29, &["kind"]),
        (30, &["overlap"]),
        (31, &["privilege"]),
        (33, &["flow", "forbidden"]),
        (34, &["kind", "licence", "redundant"]),
        (37, &["service"]),
        (40, &["retired"]),
        (43, &["api"]),
        (46, &["duplicate"]),
    ];
    for (number, kinds) in lines {
        let there = line(number);
        assert!(kinds.iter().all(|kind| there.contains(kind)), "line {number}: {kinds:?} in {there:?}");
    }
    let suggests = |at: usize, text: &str| {
        found.iter().any(|one| one.line == at && one.finding.suggestions.iter().any(|one| one == text))
    };
    assert!(suggests(22, "Group.ReadWrite.All") && suggests(23, "windows_defender_atp/application/Machine.Read.All"));
    assert!(suggests(24, "User.Read.All") && suggests(28, "User.RevokeSessions.All"));
    assert!(suggests(43, "microsoft_threat_protection"));
    assert!(found.iter().any(|one| one.finding.sort.severity == Severity::Error));
}
