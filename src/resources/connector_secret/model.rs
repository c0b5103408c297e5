//! The secret as users see it, and what is remembered of it.

use crate::framework::{
    Computed, Diagnostic, Diagnostics, Result, Secret, Stored, Timeouts, Value, configurable, forces_replacement, guid,
    keeps_state,
};
use crate::graph::{Date, Writes};
use crate::provider::Target;
use crate::provider::lifetime::lifetime;
use crate::resources::target;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A client secret of an application, which the vendor signs in with. It is rotated in place before it ends; the previous one keeps
/// working until the next rotation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorSecret {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the application: `id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub application_id: Value<String>,
    /// Name of the secret, 1 to 80 characters, of which an application has one of each name. A change rotates the secret.
    pub display_name: Value<String>,
    /// How long a new secret is valid, in ISO 8601 with days or weeks, such as `P180D` (default) or `P26W`. A change counts from the
    /// next rotation.
    #[serde(default = "half_a_year")]
    pub valid_for: String,
    /// How long before its end a plan rotates the secret, in ISO 8601 with days or weeks, such as `P30D` (default). Shorter than
    /// `valid_for`.
    #[serde(default = "a_month")]
    pub rotate_before: String,
    /// Whether a rotation keeps the previous secret until the next one (default `true`), so that the vendor can change over in peace;
    /// else it removes it at once.
    #[serde(default = "yes")]
    pub keep_previous: bool,
    /// Age public key, such as `age1…`, that the value is encrypted to. Then the state holds only `encrypted_value`. A change rotates
    /// the secret.
    pub recipient: Option<Value<String>>,
    /// Anything: a change rotates the secret.
    pub rotation_triggers: Option<Value<BTreeMap<String, String>>>,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// Key id of the secret.
    #[schemars(transform = guid)]
    pub key_id: Computed<String>,
    /// The secret itself; null with a `recipient`.
    pub value: Computed<Secret>,
    /// The secret for the `recipient` alone, as an armoured age file; null without one.
    pub encrypted_value: Computed<String>,
    /// First characters of the secret, as the portal shows them.
    pub hint: Computed<String>,
    /// When the secret became valid, in RFC 3339.
    pub start_date_time: Computed<String>,
    /// When the secret ends, in RFC 3339.
    pub end_date_time: Computed<String>,
    /// Key id of the secret before this one.
    #[schemars(transform = guid)]
    pub previous_key_id: Computed<String>,
    /// Key ids of this resource's secrets that are still on the application, expired or not.
    #[schemars(transform = guid)]
    pub key_ids: Computed<BTreeSet<Value<String>>>,
}

pub(super) fn half_a_year() -> String {
    "P180D".to_owned()
}

pub(super) fn a_month() -> String {
    "P30D".to_owned()
}

fn yes() -> bool {
    true
}

/// Identity of a secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorSecretKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the application.
    pub application_id: String,
    /// Key id of the secret.
    pub key_id: String,
}

/// What only we remember of a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorSecretPrivate {
    /// The server's time when the application was last looked at: what a plan takes for now.
    #[serde(default)]
    pub(super) observed_at: Option<Timestamp>,
    /// What was made and removed of late.
    #[serde(default)]
    pub(super) writes: Writes,
    /// Secrets that could not be removed.
    #[serde(default)]
    pub(super) unremoved: BTreeSet<String>,
    /// Only in a plan: the keys of the object that this one may take the place of.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) replaces: BTreeSet<String>,
    /// Only in the plan of a create: what it takes for its own that a lost answer left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<BTreeSet<String>>,
}

pub(super) type State = Stored<ConnectorSecret, ConnectorSecretPrivate>;

/// A set of which everything is known.
pub(super) fn known<'a>(ids: impl IntoIterator<Item = &'a String>) -> Computed<BTreeSet<Value<String>>> {
    ids.into_iter().cloned().map(Value::Known).collect::<BTreeSet<_>>().into()
}

/// The age public key. A secret key is refused without a path: the CLI would print the line that holds it.
pub(super) fn age_key(text: &str) -> Result<age::x25519::Recipient> {
    let shouted = text.to_ascii_uppercase();
    if ["SECRET-KEY", "PRIVATE KEY", "AGE-PLUGIN-"].iter().any(|mark| shouted.contains(mark)) {
        return Err(Diagnostic::error("`recipient` holds a secret key")
            .help("Only the public part belongs here: the line that starts with `age1`, which `age-keygen -y` prints for a key file. Whoever saw this configuration can read what was encrypted to that key: make a new one.")
            .into());
    }
    text.parse().map_err(|why: &str| {
        Diagnostic::error("`recipient` is not an age public key")
            .at("recipient")
            .help(format!("It should look like `age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`, as `age-keygen` prints it: {why}. Keys of plug-ins, of passphrases and of SSH are not supported."))
            .into()
    })
}

impl State {
    /// What is to be on the application between two rotations.
    pub(super) fn held(&self) -> BTreeSet<String> {
        self.value.slots().filter(|id| !self.private.unremoved.contains(*id)).cloned().collect()
    }

    /// Every secret that this resource knows to be its own, be it still there or not.
    pub(super) fn own(&self) -> BTreeSet<String> {
        let slots = self.value.slots().cloned();
        slots.chain(self.value.listed()).chain(self.private.unremoved.iter().cloned()).collect()
    }
}

impl ConnectorSecret {
    /// `valid_for` and `rotate_before`, all findings at once.
    pub(super) fn lifetimes(&self) -> Result<(SignedDuration, SignedDuration)> {
        let mut found = Diagnostics::default();
        let valid_for = found.take(lifetime(&self.valid_for, "valid_for"));
        let rotate_before = found.take(lifetime(&self.rotate_before, "rotate_before"));
        let (Some(valid_for), Some(rotate_before)) = (valid_for, rotate_before) else { return Err(found) };
        if rotate_before < valid_for {
            return Ok((valid_for, rotate_before));
        }
        Err(Diagnostic::error("`rotate_before` is not shorter than `valid_for`")
            .at("rotate_before")
            .help(format!(
                "A secret that is valid for {} and rotated {} before its end would be rotated by every plan.",
                self.valid_for, self.rotate_before
            ))
            .into())
    }

    /// Whom the value is for, where not for the state itself.
    pub(super) fn recipient(&self) -> Result<Option<age::x25519::Recipient>> {
        self.recipient.as_ref().map(|recipient| age_key(recipient.get()?)).transpose()
    }

    /// The present key and the one before it.
    pub(super) fn slots(&self) -> impl Iterator<Item = &String> {
        self.key_id.known().into_iter().chain(self.previous_key_id.known())
    }

    /// Keys that the state shows on the application.
    pub(super) fn listed(&self) -> BTreeSet<String> {
        self.key_ids.known().into_iter().flatten().filter_map(Value::known).cloned().collect()
    }

    pub(super) fn end(&self) -> Option<Timestamp> {
        Date::new(self.end_date_time.known()?.as_str()).time()
    }

    /// A name on an application, for the run's memory.
    pub(super) fn name_target(&self) -> Option<Target> {
        let (app, name) = (self.application_id.known()?, self.display_name.known()?);
        let mut target = target::<Self>(self.tenant_id.known().map_or("", String::as_str), app);
        // Unlike ids, names differ by case.
        target.id = format!("{}/{name}", target.id);
        Some(target)
    }

    /// A key, for the run's memory.
    pub(super) fn key_target(&self, key_id: &str) -> Target {
        target::<Self>(self.tenant_id.known().map_or("", String::as_str), key_id)
    }
}
