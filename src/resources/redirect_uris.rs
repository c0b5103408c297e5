//! What Entra accepts as a redirect URI. Source: Microsoft's restrictions and limitations of reply URLs.

use crate::framework::{Computed, Diagnostic, Diagnostics};
use std::collections::BTreeSet;
use url::{Host, Url};

/// Checks all of one platform, each finding at the attribute: a set's elements have no address.
pub(super) fn check(attribute: &str, uris: &Computed<BTreeSet<String>>, found: &mut Diagnostics) {
    let native = attribute == "public_client_redirect_uris";
    for uri in uris.known().into_iter().flatten() {
        if let Some(why) = fault(uri, native) {
            found.push(
                Diagnostic::error(format!("\"{uri}\" cannot be a redirect URI"))
                    .at(attribute)
                    .help(why)
                    .help("Such a URI looks like `https://vendor.example/auth`; plain `http` is for `localhost` only."),
            );
        }
    }
}

/// Why Entra would refuse it. `native`: an installed application may have a scheme of its own.
fn fault(uri: &str, native: bool) -> Option<String> {
    let url = match Url::parse(uri) {
        Ok(url) => url,
        Err(why) => return Some(format!("It is no absolute URL: {why}.")),
    };
    if uri.chars().count() > 256 {
        return Some("It has more than 256 characters.".to_owned());
    }
    if url.fragment().is_some() {
        return Some("It has a fragment (`#…`).".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("It has a user name.".to_owned());
    }
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => None,
        "http" if local => None,
        "http" => Some("It is plain `http`, so that anybody on the way could read what is sent there.".to_owned()),
        _ if native => None,
        scheme => Some(format!("The scheme `{scheme}` is for installed applications (`public_client_redirect_uris`).")),
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn what_entra_refuses_is_refused_with_the_reason() {
        for (uri, native) in [
            ("https://vendor.example/auth", false),
            ("http://localhost:8080/x", false),
            ("http://127.0.0.1/", false),
            ("myapp://auth", true),
            ("urn:ietf:wg:oauth:2.0:oob", true),
        ] {
            assert_eq!(fault(uri, native), None, "{uri}");
        }
        for (uri, reason) in [
            ("vendor.example/auth", "no absolute URL"),
            ("http://vendor.example/", "plain `http`"),
            ("https://vendor.example/#x", "fragment"),
            ("https://me@vendor.example/", "user name"),
            ("myapp://auth", "installed applications"),
        ] {
            assert!(fault(uri, false).unwrap().contains(reason), "{uri}");
        }
    }
}
