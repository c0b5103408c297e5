//! Graph's `keyCredential`: a certificate of an application or a service principal.

use super::http::escaped;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What has credentials, by object id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// An application.
    Application(String),
    /// A service principal.
    ServicePrincipal(String),
}

impl Holder {
    pub(super) fn path(&self) -> String {
        match self {
            Self::Application(id) => format!("/applications/{}", escaped(id)),
            Self::ServicePrincipal(id) => format!("/servicePrincipals/{}", escaped(id)),
        }
    }
}

/// A certificate that signs in, or for an application that signs with one, a key of either kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCredential {
    /// GUID. A client may choose it; [`Graph::write_key_credentials`](super::Graph::write_key_credentials) does for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `AsymmetricX509Cert` for what signs in.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `Verify` for what signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The thumbprint unless somebody chose otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_key_identifier: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<String>,
    /// The certificate, DER in base64. Null unless `keyCredentials` is selected by name on a single object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl KeyCredential {
    /// SHA-1 of the certificate, upper-case hex; from the key identifier where the key was not read. `None` for what is no certificate
    /// that signs in.
    pub fn thumbprint(&self) -> Option<String> {
        if self.kind.as_deref() != Some("AsymmetricX509Cert") || self.usage.as_deref() != Some("Verify") {
            return None;
        }
        if let Some(der) = self.der() {
            return Some(thumbprint(&der));
        }
        // Hex in what Graph writes itself; the bytes in base64 in what some clients wrote.
        let identifier = self.custom_key_identifier.as_deref()?;
        if identifier.len() == 40 && identifier.chars().all(|digit| digit.is_ascii_hexdigit()) {
            return Some(identifier.to_uppercase());
        }
        STANDARD.decode(identifier).ok().filter(|bytes| bytes.len() == 20).map(|bytes| hex(&bytes))
    }

    /// The certificate itself, where it was read.
    pub fn der(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.key.as_deref()?).ok()
    }

    /// As it is sent back: Graph keeps the key of a known `keyId` when it is told none, and refuses another one.
    /// Source: microsoft-graph-docs#3579, and what azuread sends.
    pub(super) fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    /// The same certificate as a new key of another name. Graph keeps a stored key as it is ("Update to existing credential with KeyId
    /// … is not allowed", azure-powershell#6784): a change is an exchange, in one write. Needs the certificate itself, as it was read.
    #[must_use]
    pub fn exchanged(&self, display_name: Option<String>) -> Self {
        Self { key_id: None, display_name, ..self.clone() }
    }

    /// Its id in lower case; ids compare without regard to case. Empty where it has none.
    pub fn id(&self) -> String {
        self.key_id.as_deref().unwrap_or_default().to_lowercase()
    }
}

/// SHA-1 in upper-case hex, by which the portal shows a certificate.
pub fn thumbprint(der: &[u8]) -> String {
    hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02X}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifying(identifier: &str) -> KeyCredential {
        KeyCredential {
            kind: Some("AsymmetricX509Cert".to_owned()),
            usage: Some("Verify".to_owned()),
            custom_key_identifier: Some(identifier.to_owned()),
            ..KeyCredential::default()
        }
    }

    #[test]
    fn a_thumbprint_is_read_in_both_of_its_spellings() {
        let hex = "52ED9B5038A47B9E2E2190715CC238359D4F8F73";
        assert_eq!(verifying(&hex.to_lowercase()).thumbprint().as_deref(), Some(hex));
        assert_eq!(verifying("Uu2bUDike54uIZBxXMI4NZ1Pj3M=").thumbprint().as_deref(), Some(hex));
        assert_eq!(verifying("somebody's own").thumbprint(), None);
    }

    #[test]
    fn the_key_itself_counts_more_than_what_somebody_wrote_beside_it() {
        let key = KeyCredential { key: Some(STANDARD.encode(b"abc")), ..verifying(&"0".repeat(40)) };
        assert_eq!(key.thumbprint().as_deref(), Some("A9993E364706816ABA3E25717850C26C9CD0D89D"));
        let signing = KeyCredential { usage: Some("Sign".to_owned()), ..key };
        assert_eq!(signing.thumbprint(), None);
    }
}
