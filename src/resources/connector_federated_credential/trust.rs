//! What a federated credential may say. Entra accepts nearly any text and then matches it exactly, so a mistake shows only when the
//! vendor cannot sign in, or when more can than was meant.

use crate::framework::{Diagnostic, Diagnostics};
use crate::provider::config::Environment;
use std::collections::BTreeSet;
use url::Url;

const GITHUB: &str = "token.actions.githubusercontent.com";
/// Longest issuer, subject, audience and description. Source: Microsoft's documentation of `federatedIdentityCredential`.
const LONGEST: usize = 600;

/// Issuers whose `iss` is known to end without a slash, or with one. Source: each platform's documentation of its OIDC tokens.
const WITHOUT_SLASH: &[&str] = &[
    GITHUB,
    "gitlab.com",
    "vstoken.dev.azure.com",
    "accounts.google.com",
    "app.terraform.io",
    "login.microsoftonline.com",
];
const WITH_SLASH: &[&str] = &[".oic.prod-aks.azure.com"];

/// Checks of the issuer. The warning, where there is one, is about what Entra would accept.
pub(super) fn check_issuer(issuer: &str, found: &mut Diagnostics) -> Option<Diagnostic> {
    let error = |why: &str| {
        Diagnostic::error(format!("\"{issuer}\" is no issuer of tokens")).at("issuer").help(why).help(
            "It has to be exactly what the tokens say in `iss`, such as `https://token.actions.githubusercontent.com`.",
        )
    };
    if issuer.trim() != issuer || issuer.chars().any(char::is_whitespace) {
        found.push(error("It holds blanks."));
        return None;
    }
    if issuer.len() > LONGEST {
        found.push(error("It is longer than 600 characters."));
        return None;
    }
    let url = match Url::parse(issuer) {
        Ok(url) if url.scheme() == "https" && url.host_str().is_some() => url,
        _ => {
            found.push(error("An issuer is an `https` URL: Entra fetches its keys from there."));
            return None;
        }
    };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        found.push(error("An issuer has neither a query nor a fragment nor a user."));
        return None;
    }
    let host = url.host_str().unwrap_or_default();
    let slash = issuer.ends_with('/');
    let is = |hosts: &[&str]| hosts.iter().any(|one| host == *one || (one.starts_with('.') && host.ends_with(one)));
    if slash && is(WITHOUT_SLASH) {
        found.push(error("The tokens of this platform name their issuer without a slash at the end."));
    } else if !slash && is(WITH_SLASH) {
        found.push(error("The tokens of this platform name their issuer with a slash at the end."));
    } else if slash && !is(WITH_SLASH) {
        return Some(Diagnostic::warning("The issuer ends with a slash").at("issuer").help(format!(
            "Entra compares \"{issuer}\" with the `iss` of the tokens character by character. Check that the platform really writes the slash: `issuer` in its `/.well-known/openid-configuration`."
        )));
    }
    None
}

/// Checks of the subject, given the issuer where that is known.
pub(super) fn check_subject(subject: &str, issuer: Option<&str>, found: &mut Diagnostics) -> Option<Diagnostic> {
    let error = |why: String| Diagnostic::error(format!("\"{subject}\" is no usable subject")).at("subject").help(why);
    if subject.is_empty() || subject.trim() != subject {
        found.push(error("It is empty, or begins or ends with a blank: no token has such a subject.".to_owned()));
        return None;
    }
    if subject.len() > LONGEST {
        found.push(error("It is longer than 600 characters.".to_owned()));
        return None;
    }
    if subject.contains('*') {
        found.push(error(
            "Entra compares it with the `sub` of the tokens character by character, in the same case: `*` stands for itself. Declare one federated credential for each subject; an application can have 20."
                .to_owned(),
        ));
        return None;
    }
    let host = issuer.and_then(|issuer| Url::parse(issuer).ok()?.host_str().map(str::to_owned));
    if host.as_deref() == Some(GITHUB) {
        return check_github(subject, &error, found);
    }
    if let Some(account) = subject.strip_prefix("system:serviceaccount:")
        && (account.split(':').count() != 2 || account.split(':').any(str::is_empty))
    {
        found.push(error(
            "A Kubernetes service account is written `system:serviceaccount:<namespace>:<name>`.".to_owned(),
        ));
    }
    None
}

/// Source: GitHub's documentation of the OIDC subject claim. A customised claim may begin with something else than `repo:`.
fn check_github(subject: &str, error: &impl Fn(String) -> Diagnostic, found: &mut Diagnostics) -> Option<Diagnostic> {
    const FORMS: &str = "GitHub writes `repo:<owner>/<repository>:environment:<environment>`, `repo:<owner>/<repository>:ref:refs/heads/<branch>` or `repo:<owner>/<repository>:pull_request`.";
    let Some(rest) = subject.strip_prefix("repo:") else {
        if !subject.contains("repository") && !subject.contains("repo:") && !subject.contains("job_workflow_ref:") {
            found.push(error(format!("It names no repository. {FORMS}")));
        }
        return None;
    };
    let (repository, filter) = rest.split_once(':').unwrap_or((rest, ""));
    let names_one = repository
        .split_once('/')
        .is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'));
    if !names_one {
        found.push(error(format!("It names no repository of an owner. {FORMS}")));
        return None;
    }
    match filter.split_once(':').unwrap_or((filter, "")) {
        ("", _) => found.push(error(format!("It names neither an environment nor a branch or tag. {FORMS}"))),
        ("environment", "") => found.push(error(format!("It names no environment. {FORMS}"))),
        ("ref", name) if !name.starts_with("refs/") => found.push(error(format!(
            "A branch is written `ref:refs/heads/<branch>` and a tag `ref:refs/tags/<tag>`, in full. {FORMS}"
        ))),
        ("pull_request", "") => {
            return Some(Diagnostic::warning("Every pull request of the repository can sign in").at("subject").help(format!(
                "With the subject \"{subject}\" whoever can open a pull request from a branch of {repository} can run a workflow as this application. An `environment` with reviewers is narrower."
            )));
        }
        _ => {}
    }
    None
}

/// Checks of the audiences, of which Graph takes just one. `expected`: the one that Entra's login of the cloud asks for, where known.
pub(super) fn check_audiences(
    audiences: &BTreeSet<String>,
    expected: Option<&str>,
    found: &mut Diagnostics,
) -> Option<Diagnostic> {
    let fits = |one: &String| !one.is_empty() && one.trim() == one && one.len() <= LONGEST;
    if audiences.len() != 1 || !audiences.iter().all(fits) {
        found.push(Diagnostic::error("A federated credential has exactly one audience").at("audiences").help(
            "It is what the tokens say in `aud`, of at most 600 characters and without blanks around it; for Entra `api://AzureADTokenExchange`. Leave `audiences` out, or list one.",
        ));
        return None;
    }
    let (expected, given) = (expected?, audiences.first()?);
    (given != expected).then(|| {
        Diagnostic::warning(format!("Tokens for \"{given}\" are unusual")).at("audiences").help(format!(
            "In this cloud Entra, and every platform's own login for it, asks for tokens with the audience \"{expected}\". Keep \"{given}\" only where the vendor's tokens really say it in `aud`."
        ))
    })
}

/// What tokens for Entra say in `aud`, by cloud. Source: Microsoft's documentation of workload identity federation, and the
/// audiences in azure-sdk-for-js (`ManagedIdentityCredential` as an assertion).
pub(super) fn expected_audience(environment: Environment) -> &'static str {
    match environment {
        Environment::Public | Environment::Sandbox => "api://AzureADTokenExchange",
        Environment::UsGovernment | Environment::UsGovernmentDod => "api://AzureADTokenExchangeUSGov",
        Environment::China => "api://AzureADTokenExchangeChina",
    }
}

/// Checks of a new name: what Graph calls URL-friendly, of 3 to 120 characters. Source: Microsoft's documentation of
/// `federatedIdentityCredential`, and of its portal for the least length and the first character.
pub(super) fn check_name(name: &str, found: &mut Diagnostics) {
    let fits = |one: char| one.is_ascii_alphanumeric() || "-._~".contains(one);
    let first = name.chars().next().is_some_and(|one| one.is_ascii_alphanumeric());
    if !first || !(3..=120).contains(&name.len()) || !name.chars().all(fits) {
        found.push(
            Diagnostic::error(format!("\"{name}\" is no usable name of a federated credential"))
                .at("name")
                .help("It has 3 to 120 letters, digits, `-`, `.`, `_` and `~`, and begins with a letter or digit."),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(text: &str) -> (Vec<String>, bool) {
        let mut found = Diagnostics::default();
        let warned = check_issuer(text, &mut found).is_some();
        (found.0.iter().map(|one| one.detail.clone()).collect(), warned)
    }

    fn subject(text: &str) -> (Vec<String>, bool) {
        let mut found = Diagnostics::default();
        let warned = check_subject(text, Some("https://token.actions.githubusercontent.com"), &mut found).is_some();
        (found.0.iter().map(|one| one.detail.clone()).collect(), warned)
    }

    #[test]
    fn issuers_that_tokens_really_name() {
        for fine in [
            "https://token.actions.githubusercontent.com",
            "https://token.actions.githubusercontent.com/octo-enterprise",
            "https://eastus.oic.prod-aks.azure.com/11111111-2222-3333-4444-555555555555/66666666-7777-8888-9999-000000000000/",
            "https://oidc.example.com:8443/realms/x",
        ] {
            assert_eq!(issuer(fine), (Vec::new(), false), "{fine}");
        }
        assert_eq!(issuer("https://oidc.example.com/"), (Vec::new(), true));
    }

    #[test]
    fn issuers_that_no_token_matches() {
        for (wrong, why) in [
            ("http://oidc.example.com", "`https` URL"),
            ("token.actions.githubusercontent.com", "`https` URL"),
            ("https://", "`https` URL"),
            ("https://token.actions.githubusercontent.com/", "without a slash"),
            ("https://gitlab.com/", "without a slash"),
            ("https://eastus.oic.prod-aks.azure.com/a/b", "with a slash"),
            (" https://oidc.example.com", "blanks"),
            ("https://oidc.example.com?x=1", "query"),
        ] {
            let (found, _) = issuer(wrong);
            assert!(found.len() == 1 && found[0].contains(why), "{wrong}: {found:?}");
        }
    }

    #[test]
    fn subjects_that_github_writes() {
        for fine in [
            "repo:octo/app:environment:production",
            "repo:octo/app:ref:refs/heads/main",
            "repo:octo@12/app@34:environment:production",
            "repository_owner_id:1234:repository_id:5678",
            "repo:octo/app:job_workflow_ref:octo/flows/.github/workflows/a.yml@refs/heads/main",
        ] {
            assert_eq!(subject(fine), (Vec::new(), false), "{fine}");
        }
        assert_eq!(subject("repo:octo/app:pull_request"), (Vec::new(), true));
    }

    #[test]
    fn subjects_that_match_nothing_or_anything() {
        for (wrong, why) in [
            ("repo:octo/*:environment:x", "stands for itself"),
            ("repo:octo:environment:x", "no repository of an owner"),
            ("repo:octo/:environment:x", "no repository of an owner"),
            ("repo:octo/app", "neither an environment"),
            ("repo:octo/app:", "neither an environment"),
            ("repo:octo/app:environment:", "names no environment"),
            ("repo:octo/app:ref:main", "ref:refs/heads/<branch>"),
            ("environment:production", "names no repository"),
            ("repo:octo/app:environment:x ", "with a blank"),
            ("", "empty"),
        ] {
            let (found, _) = subject(wrong);
            assert!(found.len() == 1 && found[0].contains(why), "{wrong}: {found:?}");
        }
        let mut found = Diagnostics::default();
        check_subject("system:serviceaccount:namespace", Some("https://x.example"), &mut found);
        assert_eq!(found.0.len(), 1);
    }

    #[test]
    fn one_audience_and_the_expected_one() {
        let count = |audiences: &[&str]| {
            let mut found = Diagnostics::default();
            let all = audiences.iter().map(|one| (*one).to_owned()).collect();
            let warned = check_audiences(&all, Some("api://AzureADTokenExchange"), &mut found).is_some();
            (found.0.len(), warned)
        };
        assert_eq!(count(&["api://AzureADTokenExchange"]), (0, false));
        assert_eq!(count(&["api://AzureADTokenExchangeUSGov"]), (0, true));
        assert_eq!((count(&[]), count(&["a", "b"]), count(&["a "])), ((1, false), (1, false), (1, false)));
    }

    #[test]
    fn names_that_fit_into_a_url() {
        let fits = |name: &str| {
            let mut found = Diagnostics::default();
            check_name(name, &mut found);
            found.0.is_empty()
        };
        let longest = "n".repeat(120);
        for fine in ["abc", "0.1", "octo-org.app_1~x", &longest] {
            assert!(fits(fine), "{fine}");
        }
        for wrong in ["", "ab", ".abc", "a b", "a/b", "äbc", &format!("{longest}n")] {
            assert!(!fits(wrong), "{wrong}");
        }
    }
}
