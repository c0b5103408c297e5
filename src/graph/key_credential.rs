//! Graph's `keyCredential`: certificates of an application or a service principal. Graph has no call that adds one without a proof of
//! an earlier one, so the collection is replaced whole: merged on a fresh read, and read back.

use super::errors::GraphError;
use super::transport::{Graph, escaped};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;

/// How often a change is merged and written again when others write to the same object.
const ROUNDS: u32 = 8;
/// How often a read that still shows the collection from before our write is repeated.
const STALE_READS: u32 = 6;
/// How often what is missing a moment after it was written is looked for: a replica may not have it yet.
const SECOND_LOOKS: u32 = 3;
/// How long what this process saw on an object is waited for when a read does not show it.
const REPLICATION: SignedDuration = SignedDuration::from_mins(1);

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
    /// GUID; the service chooses it.
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
    fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    fn is_new(&self) -> bool {
        self.key_id.is_none()
    }
}

fn ids(keys: &[KeyCredential]) -> BTreeSet<String> {
    keys.iter().filter_map(|one| one.key_id.as_ref()).map(|id| id.to_lowercase()).collect()
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    #[serde(default)]
    key_credentials: Vec<KeyCredential>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    key_credentials: Vec<KeyCredential>,
}

impl Graph {
    /// Certificates with their keys. `None` where there is no such object.
    pub async fn key_credentials(&self, holder: &Holder) -> Result<Option<Vec<KeyCredential>>, GraphError> {
        let found: Option<Keys> = self.find(&format!("{}?$select=keyCredentials", holder.path())).await?;
        Ok(found.map(|found| found.key_credentials))
    }

    /// Certificates of a deleted application, without their keys.
    pub async fn deleted_key_credentials(&self, application: &str) -> Result<Option<Vec<KeyCredential>>, GraphError> {
        let found: Option<Keys> = self.find(&format!("/directory/deletedItems/{}", escaped(application))).await?;
        Ok(found.map(|found| found.key_credentials))
    }

    /// Writes what `change` makes of the present collection, until a read shows that it has nothing left to change, and gives that read.
    /// A write of somebody else that came between is merged in. `None` where there is no such object.
    pub async fn change_key_credentials(
        &self,
        holder: &Holder,
        change: impl Fn(&[KeyCredential]) -> Option<Vec<KeyCredential>>,
    ) -> Result<Option<Vec<KeyCredential>>, GraphError> {
        let tried = format!("PATCH {}", holder.path());
        let mut refused = None;
        let Some(mut present) = self.key_credentials_with_seen(holder).await? else { return Ok(None) };
        for round in 0..ROUNDS {
            let Some(wanted) = change(&present) else { return Ok(Some(self.remembered(holder, present))) };
            let expected = ids(&wanted);
            let key_credentials =
                wanted.iter().map(|one| if one.is_new() { one.clone() } else { one.without_key() }).collect();
            let (path, body) = (holder.path(), Body { key_credentials });
            match self.patch(&path, &body).await {
                Ok(()) => refused = None,
                // Another write was under way, or the object is new; nothing was done.
                Err(error) if error.is_concurrent_write() || error.is_replication_delay() => {
                    refused = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            if refused.is_some() {
                self.wait(round, &tried, refused.as_ref()).await?;
            }
            let before = present;
            let mut reads = 0;
            present = loop {
                let Some(found) = self.key_credentials(holder).await? else { return Ok(None) };
                // A replica may be so far behind that it lacks what was there before the write.
                let shows = found != before && expected.is_subset(&ids(&found));
                if shows || refused.is_some() || reads == STALE_READS {
                    break found;
                }
                self.wait(reads, &tried, None).await?;
                reads += 1;
            };
        }
        match change(&present) {
            None => Ok(Some(self.remembered(holder, present))),
            Some(_) => Err(GraphError::Contended { tried, last: refused }),
        }
    }

    /// Says that a certificate is there though a replica may not show it yet: the next change waits until it is seen, for a while.
    pub fn expect_key(&self, holder: &Holder, key_id: &str) {
        self.seen_keys().entry(holder.path()).or_default().insert(key_id.to_lowercase());
    }

    /// The collection once it shows what this process saw there: merging into what a stale replica shows would drop the rest.
    async fn key_credentials_with_seen(&self, holder: &Holder) -> Result<Option<Vec<KeyCredential>>, GraphError> {
        let seen = self.seen_keys().get(&holder.path()).cloned().unwrap_or_default();
        let complete =
            |found: &Option<Vec<KeyCredential>>| found.as_ref().is_none_or(|found| seen.is_subset(&ids(found)));
        self.read_until(self.now() + REPLICATION, || self.key_credentials(holder), complete).await
    }

    fn remembered(&self, holder: &Holder, present: Vec<KeyCredential>) -> Vec<KeyCredential> {
        self.seen_keys().insert(holder.path(), ids(&present));
        present
    }

    /// Whether what was written is still there a moment later: another process that had read the collection before our write, and wrote
    /// after our read, has dropped it. Graph has no way to make a write depend on what was read.
    pub async fn keeps_key_credentials(
        &self,
        holder: &Holder,
        change: &impl Fn(&[KeyCredential]) -> Option<Vec<KeyCredential>>,
    ) -> Result<bool, GraphError> {
        for round in 0..SECOND_LOOKS {
            self.wait(round, "waiting for other changes to the same object", None).await?;
            if self.key_credentials(holder).await?.is_none_or(|present| change(&present).is_none()) {
                return Ok(true);
            }
        }
        // Somebody else decides what is there now.
        self.seen_keys().remove(&holder.path());
        Ok(false)
    }
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
