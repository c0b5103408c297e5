//! Permissions that a configuration names and that a reader of the plan should question: retired, hidden or unlisted ones, what another
//! one implies, what a connector of its kind cannot use, and what breaks the vendor's service. Pure: catalogue and profile decide.

use crate::catalog::{Api, Catalog, Kind, Permission, PermissionKey, ProfileKind, ProfileVersion};
use crate::framework::{Diagnostic, Path, Severity};
use std::collections::BTreeSet;

/// What is looked at.
pub(crate) struct Doubts<'a> {
    pub catalog: &'a Catalog,
    /// All that is asked for, in canonical form.
    pub all: &'a BTreeSet<PermissionKey>,
    /// What the configuration names itself, and where. What a profile brings is its document's, whose defects the profile records.
    pub written: &'a [(PermissionKey, Path)],
    pub profile: Option<&'a ProfileVersion>,
    /// Keys, in canonical form, that are there already.
    pub held: &'a BTreeSet<PermissionKey>,
}

/// Why one named permission is doubtful, if it is: summary and advice.
type Rule = fn(&Doubts<'_>, &PermissionKey, &Permission) -> Option<(String, &'static str)>;

const RULES: &[Rule] = &[retired, hidden, unlisted, implied, of_both_kinds, unusable];

impl Doubts<'_> {
    /// All findings: warnings, and errors for what the profile forbids and is not there yet.
    pub(crate) fn all(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut retired_apis = BTreeSet::new();
        for (key, at) in self.written {
            let Some(api) = self.catalog.api(&key.api) else { continue };
            if api.retired && retired_apis.insert(&api.key) {
                found.push(retired_api(api).at(at.clone()));
            }
            let Some(permission) = api.get(key.kind, &key.value) else { continue };
            let doubts = RULES.iter().filter_map(|rule| rule(self, key, permission));
            found.extend(doubts.map(|(summary, why)| Diagnostic::warning(summary).at(at.clone()).help(why)));
        }
        found.extend(self.forbidden());
        found
    }

    fn is_written(&self, key: &PermissionKey) -> bool {
        self.written.iter().any(|(one, _)| one == key)
    }

    /// What the vendor's document says would break its service.
    fn forbidden(&self) -> Vec<Diagnostic> {
        let Some(profile) = self.profile else { return Vec::new() };
        let keys = profile.profile.forbidden.iter().filter_map(|text| text.parse::<PermissionKey>().ok());
        let asked = keys.map(|key| self.catalog.canonical(&key)).filter(|key| self.all.contains(key));
        let one = |key: PermissionKey| {
            let at = self
                .written
                .iter()
                .find(|(one, _)| *one == key)
                .map_or(Path::attribute("profile"), |(_, at)| at.clone());
            let severity = if self.held.contains(&key) { Severity::Warning } else { Severity::Error };
            let found = Diagnostic::error(format!("{key} breaks the connector \"{}\"", profile.slug)).at(at);
            Diagnostic { severity, ..found }
                .help("The vendor's document says that its service does not work with this permission. Leave it out.")
        };
        asked.map(one).collect()
    }
}

fn retired_api(api: &Api) -> Diagnostic {
    Diagnostic::warning(format!("{} is retired", api.display_name))
        .help("Microsoft has announced the end of this API; Microsoft Graph takes its place.")
}

fn retired(_: &Doubts<'_>, key: &PermissionKey, permission: &Permission) -> Option<(String, &'static str)> {
    permission.deprecated.then(|| {
        (format!("{key} is retired"), "Microsoft marks the permission as deprecated: check what takes its place.")
    })
}

fn hidden(_: &Doubts<'_>, key: &PermissionKey, permission: &Permission) -> Option<(String, &'static str)> {
    permission.hidden.then(|| {
        (
            format!("{key} is hidden"),
            "Microsoft does not offer the permission in its portals; it may change or go without notice.",
        )
    })
}

fn unlisted(_: &Doubts<'_>, key: &PermissionKey, permission: &Permission) -> Option<(String, &'static str)> {
    // One reason is enough: hidden and retired ones are seldom in the list.
    (!permission.listed && !permission.hidden && !permission.deprecated).then(|| {
        (
            format!("{key} is not in Microsoft's published list"),
            "The API offers it, but Microsoft documents it nowhere: nobody can say what it allows, and it may go without notice.",
        )
    })
}

fn implied(doubts: &Doubts<'_>, key: &PermissionKey, _: &Permission) -> Option<(String, &'static str)> {
    const ADVICE: &str = "The application can do without it: leave out the narrower one, or the wider one.";
    let wider = doubts.catalog.implied_by(key).into_iter().find(|wider| doubts.all.contains(wider));
    if let Some(wider) = wider {
        return Some((format!("{key} is included in {wider}"), ADVICE));
    }
    // What is named here may include what the profile brings.
    let narrower = doubts.all.iter().find(|one| !doubts.is_written(one) && doubts.catalog.implies(key, one))?;
    Some((format!("{narrower} is included in {key}"), ADVICE))
}

fn of_both_kinds(doubts: &Doubts<'_>, key: &PermissionKey, _: &Permission) -> Option<(String, &'static str)> {
    let other = PermissionKey { kind: key.kind.other(), ..key.clone() };
    // Said once: at the delegated one where both are named here.
    let is_said_elsewhere = key.kind == Kind::Application && doubts.is_written(&other);
    (doubts.all.contains(&other) && !is_said_elsewhere).then(|| {
        (
            format!("{}/{} is asked for as both kinds", key.api, key.value),
            "A connector that signs in as itself uses the application permission, one that signs people in the delegated one. Ask for both only if it does both.",
        )
    })
}

fn unusable(doubts: &Doubts<'_>, key: &PermissionKey, _: &Permission) -> Option<(String, &'static str)> {
    let signs_in_as_itself = doubts.profile.is_some_and(signs_in_only_as_itself);
    (key.kind == Kind::Delegated && signs_in_as_itself).then(|| {
        (
            format!("{key} cannot be used by this connector"),
            "A delegated permission counts when somebody has signed in, and the connector of this profile signs in only as itself: it has no redirect URI. Ask for the application permission, or leave it out.",
        )
    })
}

/// Whether nobody can sign in to the connector: it registers no redirect URI, and its document lists no delegated permission.
fn signs_in_only_as_itself(profile: &ProfileVersion) -> bool {
    let app = &profile.app;
    let redirects = [&app.web_redirect_uris, &app.spa_redirect_uris, &app.public_client_redirect_uris];
    let listed = profile.profile.permissions.values().chain(profile.profile.optional.values());
    let of_features = profile.features().values().flat_map(|feature| feature.permissions.values());
    profile.profile.kind == ProfileKind::OwnRegistration
        && redirects.iter().all(|all| all.is_empty())
        && listed.chain(of_features).all(|names| names.delegated.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> PermissionKey {
        text.parse().unwrap()
    }

    /// What is said of permissions that are named beside others.
    fn said(written: &[&str], beside: &[&str]) -> Vec<String> {
        let written: Vec<_> = written.iter().map(|text| (key(text), Path::attribute("apis"))).collect();
        let all = written.iter().map(|(key, _)| key.clone()).chain(beside.iter().map(|text| key(text))).collect();
        let (catalog, held) = (Catalog::built_in(), BTreeSet::new());
        let doubts = Doubts { catalog, all: &all, written: &written, profile: None, held: &held };
        doubts.all().into_iter().map(|one| one.summary).collect()
    }

    const READ: &str = "microsoft_graph/application/User.Read.All";
    const BASIC: &str = "microsoft_graph/application/User.ReadBasic.All";

    #[test]
    fn what_another_one_includes_is_said_once_wherever_the_other_one_comes_from() {
        let both = [format!("{BASIC} is included in {READ}")];
        assert_eq!(said(&[BASIC, READ], &[]), both);
        assert_eq!(said(&[BASIC], &[READ]), both);
        assert_eq!(said(&[READ], &[BASIC]), both);
        assert!(said(&[READ], &[]).is_empty() && said(&[], &[READ, BASIC]).is_empty());
    }

    #[test]
    fn both_kinds_of_one_name_are_said_once() {
        let other = "microsoft_graph/delegated/User.Read.All";
        assert_eq!(said(&[READ, other], &[]), ["microsoft_graph/User.Read.All is asked for as both kinds"]);
        assert_eq!(said(&[READ], &[other]).len(), 1);
        assert_eq!(said(&[other], &[READ]).len(), 1);
    }

    #[test]
    fn hidden_retired_and_unlisted_permissions_are_said() {
        let catalog = Catalog::built_in();
        let some = |sort: fn(&Permission) -> bool| {
            let apis = catalog.api_keys().filter_map(|key| catalog.api(key)).filter(|api| !api.retired);
            let mut all = apis.flat_map(|api| api.permissions().map(move |one| (api, one)));
            let (api, found) = all.find(|(_, one)| one.enabled && sort(one)).unwrap();
            api.key_of(found).to_string()
        };
        let (gone, unseen) = (some(|one| one.deprecated && !one.hidden), some(|one| one.hidden && !one.deprecated));
        let undocumented = some(|one| !one.listed && !one.hidden && !one.deprecated);
        assert_eq!(said(&[&gone], &[]), [format!("{gone} is retired")]);
        assert_eq!(said(&[&unseen], &[]), [format!("{unseen} is hidden")]);
        assert_eq!(said(&[&undocumented], &[]), [format!("{undocumented} is not in Microsoft's published list")]);
    }

    const PROFILE: &str = r#"
slug = "daemon"
version = 1
vendor = "v"
title = "t"
kind = "own_registration"
forbidden = ["microsoft_graph/application/Mail.Send"]
[source]
title = "s"
url = "https://example.com/s"
read_on = 2026-11-22
complete = true
[app]
display_name = "d"
credentials = ["secret"]
[permissions.microsoft_graph]
application = ["User.Read.All"]
"#;

    #[test]
    fn a_profile_says_what_breaks_its_service_and_what_it_cannot_use() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("daemon.toml"), PROFILE).unwrap();
        let catalog = Catalog::with_paths(&[folder.path().to_owned()]).unwrap();
        let profile = catalog.profile("daemon").unwrap();
        let (send, read) = (key("microsoft_graph/application/Mail.Send"), key("microsoft_graph/delegated/Mail.Read"));
        let written = [(send.clone(), Path::attribute("apis")), (read.clone(), Path::attribute("apis"))];
        let all = BTreeSet::from([send.clone(), read, key(READ)]);
        let said = |held: BTreeSet<PermissionKey>| {
            let doubts =
                Doubts { catalog: &catalog, all: &all, written: &written, profile: Some(&profile), held: &held };
            doubts.all().into_iter().map(|one| (one.severity, one.summary)).collect::<Vec<_>>()
        };
        let unusable = "microsoft_graph/delegated/Mail.Read cannot be used by this connector".to_owned();
        let breaks = "microsoft_graph/application/Mail.Send breaks the connector \"daemon\"".to_owned();
        assert_eq!(said(BTreeSet::new()), [(Severity::Warning, unusable.clone()), (Severity::Error, breaks.clone())]);
        assert_eq!(said(BTreeSet::from([send])), [(Severity::Warning, unusable), (Severity::Warning, breaks)]);
    }
}
