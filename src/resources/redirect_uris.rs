//! What Entra accepts as a redirect URI. Source, where nothing else is said: Microsoft's "Redirect URI (reply URL) restrictions and
//! limitations".

use crate::framework::{Computed, Diagnostic, Diagnostics};
use crate::provider::Cx;
use std::collections::BTreeSet;
use url::{Host, Url};

/// Whose redirect URIs they are: what Entra accepts depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Web,
    SinglePage,
    /// An installed application, which may have a scheme of its own.
    Native,
}

/// What is wrong, or doubtful.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Refused(String),
    Doubtful(String),
}

/// Checks all of one platform, each finding at the attribute: a set's elements have no address. What the application has already
/// (`prior`) is only warned of. `personal`: personal accounts may sign in.
pub(super) fn check(
    attribute: &str,
    platform: Platform,
    uris: &Computed<BTreeSet<String>>,
    prior: Option<&Computed<BTreeSet<String>>>,
    personal: bool,
    found: &mut Diagnostics,
    cx: &Cx,
) {
    let held = prior.and_then(Computed::known);
    for uri in uris.known().into_iter().flatten() {
        let is_held = held.is_some_and(|held| held.contains(uri));
        match look(uri, platform, personal) {
            None => {}
            Some(Finding::Refused(why)) if is_held => cx.warn(
                Diagnostic::warning(format!(
                    "The application has the redirect URI {uri:?}, which could not be added today"
                ))
                .at(attribute)
                .help(why),
            ),
            Some(Finding::Refused(why)) => found.push(
                Diagnostic::error(format!("{uri:?} cannot be a redirect URI"))
                    .at(attribute)
                    .help(why)
                    .help("Such a URI looks like `https://vendor.example/auth`; plain `http` is for `localhost` only."),
            ),
            Some(Finding::Doubtful(why)) => {
                cx.warn(Diagnostic::warning(format!("The redirect URI {uri:?} is doubtful")).at(attribute).help(why));
            }
        }
    }
}

/// Checks how many there are on all platforms together.
pub(super) fn check_count(all: usize, personal: bool, found: &mut Diagnostics) {
    let most = if personal { 100 } else { 256 };
    if all > most {
        found.push(Diagnostic::error("The application has too many redirect URIs").at("web_redirect_uris").help(
            format!("There are {all} on all platforms together, and Entra allows {most} with this `sign_in_audience`."),
        ));
    }
}

fn look(uri: &str, platform: Platform, personal: bool) -> Option<Finding> {
    if let Some(why) = fault(uri, platform, personal) {
        return Some(Finding::Refused(why));
    }
    let address = uri.split('?').next().unwrap_or(uri);
    if address.contains('*') {
        return Some(Finding::Doubtful(
            "A wildcard lets everybody in who gets hold of any host or path that it covers. Write each URI out."
                .to_owned(),
        ));
    }
    if address.contains(['!', '$', '\'', '(', ')', ',', ';']) {
        return Some(Finding::Doubtful("Microsoft documents that `! $ ' ( ) , ;` are not supported in it.".to_owned()));
    }
    None
}

/// Why Entra would refuse it.
fn fault(uri: &str, platform: Platform, personal: bool) -> Option<String> {
    let url = match Url::parse(uri) {
        Ok(url) => url,
        Err(why) => return Some(format!("It is no absolute URL: {why}.")),
    };
    // What reads an address leniently, as browsers do, would not compare equal to it in a sign-in.
    if spelled_out(uri).as_deref() != Some(url.as_str()) {
        return Some(format!("It is not written as it is read: as {:?}.", url.as_str()));
    }
    if uri.chars().count() > 256 {
        return Some("It has more than 256 characters.".to_owned());
    }
    if url.fragment().is_some() {
        return Some("It has a fragment (`#…`).".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("It has a user name.".to_owned());
    }
    if personal && url.query().is_some() {
        return Some(
            "It has query parameters, which Entra does not accept where personal accounts may sign in.".to_owned(),
        );
    }
    if personal && uri.contains('*') {
        return Some("It has a wildcard, which Entra does not accept where personal accounts may sign in.".to_owned());
    }
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match (url.scheme(), platform) {
        ("https", _) => None,
        ("http", _) if local => None,
        ("http", _) => Some("It is plain `http`, so that anybody on the way could read what is sent there.".to_owned()),
        (_, Platform::Native) => None,
        // Source: hashicorp/terraform-provider-azuread#575.
        ("urn", Platform::Web) => None,
        // The broker of nested app authentication, with an origin alone. Source: Microsoft's "Enable SSO in an Office Add-in with nested
        // app authentication", hashicorp/terraform-provider-azuread#1600.
        (scheme, Platform::SinglePage) if scheme.starts_with("brk-") => {
            let is_origin = url.host().is_some() && ["", "/"].contains(&url.path()) && url.query().is_none();
            (!is_origin).then(|| format!("`{scheme}://` is followed by the add-in's domain alone, without a path."))
        }
        (scheme, _) if scheme.starts_with("brk-") => {
            Some(format!("The scheme `{scheme}` is for single-page applications (`spa_redirect_uris`)."))
        }
        (scheme, _) => {
            Some(format!("The scheme `{scheme}` is for installed applications (`public_client_redirect_uris`)."))
        }
    }
}

/// The same in the form of a parsed URL: scheme and host in lower case, a web address without its usual port and with a path.
fn spelled_out(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return Some(format!("{scheme}:{rest}")),
    };
    let rest = rest.strip_prefix("//")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{authority}{slash}{path}"))
}

#[cfg(test)]
mod tests {
    use super::Platform::{Native, SinglePage, Web};
    use super::{Finding, fault, look};

    #[test]
    fn what_entra_accepts_is_accepted_as_it_is_written() {
        for (uri, platform) in [
            ("https://vendor.example/auth", Web),
            ("https://Vendor.example", Web),
            ("https://vendor.example:443/auth?tenant=1", Web),
            ("https://vendor.example:8443", SinglePage),
            ("http://localhost:8080/x", Web),
            ("http://127.0.0.1/", Web),
            ("http://[::1]:7000/", Native),
            ("myapp://auth", Native),
            ("urn:ietf:wg:oauth:2.0:oob", Native),
            ("urn:ietf:wg:oauth:2.0:oob", Web),
            ("brk-multihub://add-in.example", SinglePage),
            ("brk-9199bf20-a13f-4107-85dc-02114787ef48://add-in.example", SinglePage),
        ] {
            assert_eq!(look(uri, platform, false), None, "{uri}");
        }
    }

    #[test]
    fn what_entra_refuses_is_refused_with_the_reason() {
        for (uri, reason) in [
            ("vendor.example/auth", "no absolute URL"),
            ("http://vendor.example/", "plain `http`"),
            ("https://vendor.example/#x", "fragment"),
            ("https://me@vendor.example/", "user name"),
            ("myapp://auth", "installed applications"),
            ("brk-multihub://add-in.example", "spa_redirect_uris"),
            (" https://vendor.example/cb", "as \"https://vendor.example/cb\""),
            ("https://vendor.example/cb ", "as \"https://vendor.example/cb\""),
            ("https://vendor.example/c\nb", "as \"https://vendor.example/cb\""),
            ("https:vendor.example/cb", "as \"https://vendor.example/cb\""),
            ("https:\\\\vendor.example\\cb", "as \"https://vendor.example/cb\""),
            ("https:/vendor.example/cb", "as \"https://vendor.example/cb\""),
            ("https://vendor.example/a/../cb", "as \"https://vendor.example/cb\""),
        ] {
            let why = fault(uri, Web, false).unwrap_or_else(|| panic!("{uri:?} passes"));
            assert!(why.contains(reason), "{uri:?}: {why}");
        }
        assert!(fault("brk-multihub://add-in.example/page", SinglePage, false).unwrap().contains("without a path"));
    }

    #[test]
    fn personal_accounts_allow_less() {
        for (uri, reason) in [("https://vendor.example/?a=b", "query"), ("https://*.vendor.example/", "wildcard")] {
            assert!(fault(uri, Web, true).unwrap().contains(reason), "{uri}");
            assert_eq!(fault(uri, Web, false), None, "{uri}");
        }
    }

    #[test]
    fn a_wildcard_is_warned_of() {
        let found = look("https://*.vendor.example/", Web, false);
        assert!(matches!(found, Some(Finding::Doubtful(why)) if why.contains("wildcard")));
    }
}
