//! `m365_connector_secret`: a client secret of an application, rotated in time.
//!
//! Two slots: a rotation adds the new secret first and keeps the previous one until the next rotation. Whether to rotate is decided
//! while planning, from configuration, state and what the last refresh observed.

use super::missing::no_such_application;
use super::{DOUBT, plan_tenant, target};
use crate::framework::{
    Computed, Diagnostic, Diagnostics, Resource, Result, Secret, Severity, Stored, Timeouts, Value, configurable,
    forces_replacement, guid, keeps_state,
};
use crate::graph::{AddedPassword, Date, Graph, NewPassword, Password};
use crate::provider::lifetime::{days, lifetime};
use crate::provider::{Cx, Planned, Services, resolve_tenant};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
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
    /// Name of the secret, of which an application has one of each name. A change rotates the secret.
    #[schemars(length(min = 1, max = 80))]
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

fn half_a_year() -> String {
    "P180D".to_owned()
}

fn a_month() -> String {
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
    observed_at: Option<Timestamp>,
    /// The server's time of the last write.
    #[serde(default)]
    wrote_at: Option<Timestamp>,
    /// Secrets that could not be removed.
    #[serde(default)]
    unremoved: BTreeSet<String>,
}

type State = Stored<ConnectorSecret, ConnectorSecretPrivate>;

/// Ends the name of every secret that this provider makes. A password cannot be renamed, so it stays; users never see it in
/// `display_name`.
const MARKER: &str = " (m365)";
/// Ends sooner than that, and every plan says so.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A lost create is looked for among secrets no older than this.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long after a write the new secret is waited for.
const REPLICATION: SignedDuration = SignedDuration::from_mins(2);
/// The server's dates are whole seconds, and a secret starts a second before it is made.
const COARSE: SignedDuration = SignedDuration::from_secs(2);

impl Resource for ConnectorSecret {
    const NAME: &'static str = "m365_connector_secret";
    type Services = Services;
    type Key = ConnectorSecretKey;
    type Private = ConnectorSecretPrivate;

    fn validate(&self, _cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        found.take(self.lifetimes());
        if let Some(name) = self.display_name.known().filter(|name| name.ends_with(MARKER)) {
            found.push(
                Diagnostic::error(format!("`display_name` may not end with \"{MARKER}\""))
                    .at("display_name")
                    .help(format!("The provider adds that to the name \"{name}\" in the tenant, to know its own secrets again. Leave it out.")),
            );
        }
        if let Some(Value::Known(recipient)) = &self.recipient {
            found.take(age_key(recipient));
        }
        found.into_result()
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        let (valid_for, rotate_before) = state.value.lifetimes()?;
        let rotation = match prior {
            None => {
                state.value.previous_key_id = Computed::Null;
                state.value.plan_values();
                Rotation::Certain("it is new".to_owned())
            }
            Some(prior) => {
                let rotation = state.value.rotation(prior, rotate_before);
                match &rotation {
                    Rotation::None => state.value.keep(prior),
                    Rotation::Certain(_) => state.value.plan_rotation(&prior.value),
                    Rotation::Open => state.value.plan_open(),
                }
                prior.warn_of_end(&rotation, cx);
                rotation
            }
        };
        let makes = !matches!(rotation, Rotation::None);
        let asks_for_more = makes || before.is_none_or(|before| before.valid_for != state.value.valid_for);
        state.value.within_guardrail(asks_for_more, cx)?;
        state.value.plan_among_others(cx)?;
        if makes { state.value.look_before(prior.is_none(), valid_for, cx).await } else { Ok(()) }
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        state.value.within_guardrail(true, cx)?;
        let id = state.value.application_id.get()?.clone();
        let _guard = cx.lock(&id).await?;
        state.value.remove_lost_create(&graph, &tenant, cx).await?;
        let added = state.add(None, &graph).await?;
        state.exists = true;
        state.value.previous_key_id = Computed::Null;
        state.value.key_ids = known([&added.key_id]);
        state.value.holds(&added)?;
        state.read_back(&id, &graph, cx).await;
        Ok(())
    }

    async fn read(key: ConnectorSecretKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let until = prior.as_ref().and_then(|prior| prior.private.wrote_at).map(|wrote| wrote + DOUBT);
        let shows = |all: &[Password]| all.iter().any(|one| one.is(&key.key_id));
        let found = graph.passwords_once(&key.application_id, until.unwrap_or(Timestamp::MIN), shows).await?;
        // A deleted application has its secrets back once it is restored.
        let found = match found {
            Some(found) => Some(found),
            None => graph.passwords_of_deleted(&key.application_id).await?,
        };
        let Some(mut state) = prior else { return Self::import(&key, found, &graph).await };
        let Some(found) = found else { return Ok(None) };
        let tenant = resolve_tenant(key.tenant_id.as_ref(), &graph).await?;
        state.observe(&found, &graph);
        for id in state.own() {
            cx.run()?.found_in_state(target::<Self>(&tenant, &id), &())?;
        }
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let mut remove = prior.own();
        if !state.value.key_id.is_unknown() {
            remove = &remove - &prior.held();
            if remove.is_empty() {
                return Ok(());
            }
        }
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        let id = state.value.application_id.get()?.clone();
        let _guard = cx.lock(&id).await?;
        if state.value.key_id.is_unknown() {
            state.value.within_guardrail(true, cx)?;
            let (previous, kept) = state.value.previous(&prior.value);
            remove.extend(state.lost(&prior, &tenant, &graph, cx).await?);
            remove.retain(|id| !kept.contains(id));
            let added = state.add(prior.value.key_id.known(), &graph).await?;
            // The new secret has to reach the state: what fails from here on is a warning.
            state.value.previous_key_id = previous.into();
            state.value.key_ids = known(kept.iter().chain([&added.key_id]));
            state.value.holds(&added)?;
            state.read_back(&id, &graph, cx).await;
        }
        state.remove(&id, remove, &graph, cx).await;
        Ok(())
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let id = prior.value.application_id.get()?;
        let _guard = cx.lock(id).await?;
        for key in prior.own() {
            graph.remove_password(id, &key).await?;
        }
        Ok(())
    }
}

/// Whether a plan rotates.
enum Rotation {
    /// No.
    None,
    /// Yes, and why.
    Certain(String),
    /// Something that decides it is not known yet.
    Open,
}

/// A set of which everything is known.
fn known<'a>(ids: impl IntoIterator<Item = &'a String>) -> Computed<BTreeSet<Value<String>>> {
    ids.into_iter().cloned().map(Value::Known).collect::<BTreeSet<_>>().into()
}

/// The age public key. A secret key is refused without a path: the CLI would print the line that holds it.
fn age_key(text: &str) -> Result<age::x25519::Recipient> {
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

/// A fraction of a second, in microseconds, that tells which secret a new one was to replace. The state knows the old one: by this it
/// finds its own new one again when it never learnt of it.
fn trace(replaced: &str) -> i32 {
    let number = uuid::Uuid::try_parse(replaced).map(|id| id.as_u128()).unwrap_or_default();
    i32::try_from(1 + number % 999_999).unwrap_or(1)
}

impl Password {
    fn is(&self, key_id: &str) -> bool {
        self.key_id.eq_ignore_ascii_case(key_id)
    }

    /// The name without its marker; `None` for a secret that this provider did not make.
    fn marked_name(&self) -> Option<&str> {
        self.display_name.as_deref()?.strip_suffix(MARKER)
    }

    fn replaces(&self, key_id: &str) -> bool {
        let fraction = self.start_date_time.as_ref().and_then(Date::time).map(Timestamp::subsec_microsecond);
        self.marked_name().is_some() && fraction == Some(trace(key_id))
    }

    fn starts_after(&self, time: Timestamp) -> bool {
        self.start_date_time.as_ref().and_then(Date::time).is_some_and(|start| start >= time)
    }
}

impl State {
    /// What the application holds of ours, as the refreshed state shows it.
    fn observe(&mut self, found: &[Password], graph: &Graph) {
        let own = self.own();
        let key = self.value.key_id.known().cloned().unwrap_or_default();
        let listed: Vec<_> = found
            .iter()
            .filter(|one| own.iter().any(|id| one.is(id)) || one.replaces(&key))
            .map(|one| one.key_id.clone())
            .collect();
        self.private.unremoved.retain(|id| listed.contains(id));
        self.value.key_ids = known(&listed);
        self.private.observed_at = Some(graph.now());
    }

    /// What is to be on the application between two rotations.
    fn held(&self) -> BTreeSet<String> {
        self.value.slots().filter(|id| !self.private.unremoved.contains(*id)).cloned().collect()
    }

    /// Every secret that this resource knows to be its own, be it still there or not.
    fn own(&self) -> BTreeSet<String> {
        let slots = self.value.slots().cloned();
        slots.chain(self.value.listed()).chain(self.private.unremoved.iter().cloned()).collect()
    }

    /// Secrets of an update whose answer was lost: those that were to replace the present one, and marked ones of the name that
    /// appeared since the last refresh.
    async fn lost(&self, prior: &Self, tenant: &str, graph: &Graph, cx: &Cx) -> Result<Vec<String>> {
        let found = graph.passwords(self.value.application_id.get()?).await?.unwrap_or_default();
        let own = prior.own();
        let key = prior.value.key_id.known().map(String::as_str).unwrap_or_default();
        let names = [self.value.display_name.known(), prior.value.display_name.known()];
        let since = self.private.observed_at.map(|observed| observed - COARSE);
        let mut lost = Vec::new();
        for one in found.iter().filter(|one| !own.iter().any(|id| one.is(id))) {
            let named = names.iter().flatten().any(|name| one.marked_name() == Some(name.as_str()));
            let young = since.is_some_and(|since| one.starts_after(since));
            if one.replaces(key) || (named && young && !known_to_run(tenant, one, cx)?) {
                lost.push(one.key_id.clone());
            }
        }
        Ok(lost)
    }

    /// Makes a secret; `replaced` is the one before it.
    async fn add(&mut self, replaced: Option<&String>, graph: &Graph) -> Result<AddedPassword> {
        let id = self.value.application_id.get()?.clone();
        let (valid_for, _) = self.value.lifetimes()?;
        // What could stop the encryption stops it before there is a secret.
        self.value.recipient()?;
        let now = Timestamp::from_second(graph.now().as_second()).unwrap_or_else(|_| graph.now());
        let start = match replaced {
            None => now,
            // In the past, or the secret would not be valid yet.
            Some(key) => now - SignedDuration::from_secs(1) + SignedDuration::from_micros(trace(key).into()),
        };
        let name = format!("{}{MARKER}", self.value.display_name.get()?);
        let new = NewPassword { display_name: name, start, end: start + valid_for };
        self.private.wrote_at = Some(graph.now());
        match graph.add_password(&id, &new).await {
            Ok(added) => Ok(added),
            Err(error) if error.is_not_found() => Err(no_such_application(graph, &id).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a read shows the new secret, so that the next refresh does not miss it. It is made by now: a failure is a warning.
    async fn read_back(&mut self, application: &str, graph: &Graph, cx: &Cx) {
        let key = self.value.key_id.known().cloned().unwrap_or_default();
        let shows = |all: &[Password]| all.iter().any(|one| one.is(&key));
        let why = match graph.passwords_once(application, graph.now() + REPLICATION, shows).await {
            Ok(found) if found.as_deref().is_some_and(shows) => None,
            Ok(_) => Some("Somebody removed it at once, or the directory is still replicating.".to_owned()),
            Err(why) => Some(why.to_string()),
        };
        self.private.observed_at = Some(graph.now());
        if let Some(why) = why {
            cx.warn(Diagnostic::warning("The new secret cannot be read back").help(format!(
                "Graph made the secret {key} of the application {application}, and does not show it yet. {why} Plan again in a few minutes: a secret that is gone is made anew."
            )));
        }
    }

    /// Removes what is no longer needed. A failure is no error: the new secret has to reach the state, and the next plan shows the rest.
    async fn remove(&mut self, application: &str, ids: BTreeSet<String>, graph: &Graph, cx: &Cx) {
        self.private.unremoved.clear();
        for id in ids {
            if let Err(why) = graph.remove_password(application, &id).await {
                cx.warn(
                    Diagnostic::warning("A former secret could not be removed")
                        .help(format!("The secret {id} of the application {application} still works: {why}"))
                        .help("The next plan shows it in `key_ids`, and its apply tries again."),
                );
                self.private.unremoved.insert(id);
            }
        }
    }

    /// Says what ends soon, and why a plan rotates that nobody asked for by changing the configuration.
    fn warn_of_end(&self, rotation: &Rotation, cx: &Cx) {
        let (Some(end), Some(now)) = (self.value.end(), self.private.observed_at) else { return };
        let name = self.value.display_name.known().map_or("", String::as_str);
        let when = if end <= now { format!("ended on {end}") } else { format!("ends on {end}") };
        if let Rotation::Certain(why) = rotation {
            cx.warn(Diagnostic::warning(format!("The secret \"{name}\" will be rotated: {why}")).help(format!(
                "The present one {when}. The vendor needs the new one by then{}.",
                if self.value.keep_previous { "" } else { ", or at once where `keep_previous` is off" }
            )));
        } else if end - SOON <= now {
            cx.warn(Diagnostic::warning(format!("The secret \"{name}\" {when}")).at("rotate_before").help(format!(
                "A plan rotates it from {} before its end on (`rotate_before`).",
                self.value.rotate_before
            )));
        }
    }
}

/// Whether a secret is in the state of another resource of this run.
fn known_to_run(tenant: &str, one: &Password, cx: &Cx) -> Result<bool> {
    Ok(cx.run()?.in_state::<serde_json::Value>(&target::<ConnectorSecret>(tenant, &one.key_id)).is_some())
}

impl ConnectorSecret {
    /// `valid_for` and `rotate_before`, all findings at once.
    fn lifetimes(&self) -> Result<(SignedDuration, SignedDuration)> {
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
    fn recipient(&self) -> Result<Option<age::x25519::Recipient>> {
        self.recipient.as_ref().map(|recipient| age_key(recipient.get()?)).transpose()
    }

    /// The present key and the one before it.
    fn slots(&self) -> impl Iterator<Item = &String> {
        self.key_id.known().into_iter().chain(self.previous_key_id.known())
    }

    /// Keys that the state shows on the application.
    fn listed(&self) -> BTreeSet<String> {
        self.key_ids.known().into_iter().flatten().filter_map(Value::known).cloned().collect()
    }

    fn end(&self) -> Option<Timestamp> {
        self.end_date_time.known()?.parse().ok()
    }

    fn rotation(&self, prior: &State, rotate_before: SignedDuration) -> Rotation {
        let before = &prior.value;
        let certain = |why: &str| Rotation::Certain(why.to_owned());
        if before.value.known().is_none() && before.encrypted_value.known().is_none() {
            return certain("its value is not known here");
        }
        if before.key_id.known().is_none_or(|key| !before.listed().contains(key)) {
            return certain("somebody removed it");
        }
        if let (Some(end), Some(now)) = (before.end(), prior.private.observed_at)
            && end - rotate_before <= now
        {
            return certain(if end <= now { "it has ended" } else { "it ends soon" });
        }
        let mut open = false;
        let mut changed = |before: Option<String>, now: Option<Value<String>>| match now {
            Some(Value::Unknown) => {
                open = true;
                false
            }
            Some(Value::Known(now)) => before != Some(now),
            None => before.is_some(),
        };
        let text = |one: &Value<String>| one.known().cloned();
        if changed(text(&before.display_name), Some(self.display_name.clone())) {
            return certain("its name changes");
        }
        if changed(before.recipient.as_ref().and_then(text), self.recipient.clone()) {
            return certain("its recipient changes");
        }
        let triggers = |one: &Option<Value<BTreeMap<String, String>>>| match one {
            None => Some(BTreeMap::new()),
            Some(triggers) => triggers.known().cloned(),
        };
        match triggers(&self.rotation_triggers) {
            None => Rotation::Open,
            now if now != triggers(&before.rotation_triggers) => certain("a trigger changes"),
            _ if open => Rotation::Open,
            _ => Rotation::None,
        }
    }

    /// Nothing but the configuration changes, and what is left over on the application goes.
    fn keep(&mut self, state: &State) {
        let prior = &state.value;
        self.key_id = prior.key_id.clone();
        self.value = prior.value.clone();
        self.encrypted_value = prior.encrypted_value.clone();
        self.hint = prior.hint.clone();
        self.start_date_time = prior.start_date_time.clone();
        self.end_date_time = prior.end_date_time.clone();
        self.previous_key_id = prior.previous_key_id.clone();
        self.key_ids = known(prior.listed().intersection(&state.held()));
    }

    fn plan_rotation(&mut self, prior: &Self) {
        self.plan_open();
        self.plan_values();
        let (previous, kept) = self.previous(prior);
        self.previous_key_id = previous.into();
        let kept = kept.into_iter().map(Value::Known);
        self.key_ids = kept.chain([Value::Unknown]).collect::<BTreeSet<_>>().into();
    }

    /// Which of the two texts a new secret has is known as soon as the recipient is.
    fn plan_values(&mut self) {
        (self.value, self.encrypted_value) = match self.recipient {
            None => (Computed::Unknown, Computed::Null),
            Some(Value::Known(_)) => (Computed::Null, Computed::Unknown),
            // It may turn out to be null.
            Some(Value::Unknown) => (Computed::Unknown, Computed::Unknown),
        };
    }

    fn plan_open(&mut self) {
        self.key_id = Computed::Unknown;
        self.value = Computed::Unknown;
        self.encrypted_value = Computed::Unknown;
        self.hint = Computed::Unknown;
        self.start_date_time = Computed::Unknown;
        self.end_date_time = Computed::Unknown;
        self.previous_key_id = Computed::Unknown;
        self.key_ids = Computed::Unknown;
    }

    /// What a rotation has for the previous key, and what it keeps on the application.
    fn previous(&self, prior: &Self) -> (Option<String>, BTreeSet<String>) {
        let listed = prior.listed();
        let there = |id: &&String| self.keep_previous && listed.contains(*id);
        let present = prior.key_id.known();
        // Where somebody removed the present one, the vendor can only be using the one before it.
        let survivor = prior.previous_key_id.known().filter(there).filter(|_| present.is_none_or(|id| !there(&id)));
        let previous = survivor.or(present);
        (previous.cloned(), previous.filter(there).cloned().into_iter().collect())
    }

    /// A plan that asks for a longer lifetime than the provider block allows is an error; one that leaves things as they are says so.
    fn within_guardrail(&self, asks_for_more: bool, cx: &Cx) -> Result<()> {
        let Some(most) = cx.max_secret_lifetime() else { return Ok(()) };
        if days(&self.valid_for) <= days(most) {
            return Ok(());
        }
        let found = Diagnostic::error(format!("The provider's guardrails allow a secret to live for {most} at most"))
            .at("valid_for")
            .help(format!(
                "`valid_for` is {}. Shorten it, or change `guardrails.max_secret_lifetime` in the provider block.",
                self.valid_for
            ));
        if asks_for_more {
            return Err(found.into());
        }
        cx.warn(Diagnostic { severity: Severity::Warning, ..found });
        Ok(())
    }

    /// With its application a name is one secret: two resources would take each other's for their own lost one.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let (Some(application), Some(name)) = (self.application_id.known(), self.display_name.known()) else {
            return Ok(());
        };
        let mut target = target::<Self>(self.tenant_id.known().map_or("", String::as_str), application);
        target.id = format!("{}/{name}", target.id);
        if cx.run()?.plan(target, Planned { exclusive: true, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error(format!("Two secrets of one application are called \"{name}\""))
            .at("display_name")
            .help(format!("With its name a secret of the application {application} is found again after a failure. Give each its own."))
            .into())
    }

    /// What would stop the new secret is better said before anything is written.
    async fn look_before(&self, is_create: bool, valid_for: SignedDuration, cx: &Cx) -> Result<()> {
        let tenant = self.tenant_id.known().map(String::as_str);
        let Some(graph) = cx.graph_for_plan(tenant)? else { return Ok(()) };
        let application = self.application_id.known().map(String::as_str);
        if let Some(id) = application.filter(|_| is_create)
            && graph.passwords(id).await?.is_none()
            && graph.passwords_of_deleted(id).await?.is_none()
        {
            return Err(no_such_application(&graph, id).await?);
        }
        let allowed = cx.policies()?.allow_secret(&graph, tenant.unwrap_or_default(), application, valid_for).await?;
        if let Some(warning) = allowed {
            cx.warn(warning);
        }
        Ok(())
    }

    /// Removes the secret of a create whose answer was lost: nobody knows its value.
    async fn remove_lost_create(&self, graph: &Graph, tenant: &str, cx: &Cx) -> Result<()> {
        let id = self.application_id.get()?;
        let name = self.display_name.get()?;
        let found = graph.passwords(id).await?.unwrap_or_default();
        let since = graph.now() - A_DAY;
        for one in found.iter().filter(|one| one.marked_name() == Some(name.as_str()) && one.starts_after(since)) {
            if known_to_run(tenant, one, cx)? {
                continue;
            }
            cx.warn(
                Diagnostic::warning(format!("The secret {} was replaced", one.key_id)).at("display_name").help(format!(
                    "The application {id} had a secret \"{name}\" less than a day old that this provider made and no state knows, as a create leaves it whose answer was lost. It was removed."
                )),
            );
            graph.remove_password(id, &one.key_id).await?;
        }
        Ok(())
    }

    /// Takes over what Graph made.
    fn holds(&mut self, added: &AddedPassword) -> Result<()> {
        self.key_id = added.key_id.clone().into();
        self.hint = added.hint.clone().into();
        self.start_date_time = added.start_date_time.as_ref().map(Date::to_string).into();
        self.end_date_time = added.end_date_time.as_ref().map(Date::to_string).into();
        let text = added.secret_text.expose_secret();
        (self.value, self.encrypted_value) = match self.recipient()? {
            None => (Secret::from(text.to_owned()).into(), Computed::Null),
            Some(recipient) => {
                let armoured = age::encrypt_and_armor(&recipient, text.as_bytes())
                    .map_err(|why| Diagnostic::bug(format!("the secret could not be encrypted: {why}")))?;
                (Computed::Null, armoured.into())
            }
        };
        Ok(())
    }

    /// A secret that somebody else made. Its value cannot be read, so the next apply rotates it.
    async fn import(key: &ConnectorSecretKey, found: Option<Vec<Password>>, graph: &Graph) -> Result<Option<State>> {
        let Some(found) = found else { return Err(no_such_application(graph, &key.application_id).await?) };
        let Some(one) = found.iter().find(|one| one.is(&key.key_id)) else { return Ok(None) };
        let name = one.marked_name().or(one.display_name.as_deref()).unwrap_or_default();
        let time = |time: Option<&Date>| Computed::from(time.map(Date::to_string));
        let value = Self {
            tenant_id: resolve_tenant(key.tenant_id.as_ref(), graph).await?.into(),
            application_id: key.application_id.clone().into(),
            display_name: name.to_owned().into(),
            valid_for: half_a_year(),
            rotate_before: a_month(),
            keep_previous: true,
            recipient: None,
            rotation_triggers: None,
            timeouts: None,
            key_id: one.key_id.clone().into(),
            value: Computed::Null,
            encrypted_value: Computed::Null,
            hint: one.hint.clone().into(),
            start_date_time: time(one.start_date_time.as_ref()),
            end_date_time: time(one.end_date_time.as_ref()),
            previous_key_id: Computed::Null,
            key_ids: known([&one.key_id]),
        };
        let private = ConnectorSecretPrivate { observed_at: Some(graph.now()), ..ConnectorSecretPrivate::default() };
        Ok(Some(Stored { value, private, exists: true }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0d9b3e63-9d3f-4f2f-8f0e-6b2b8a5f4c11";
    const SECOND: &str = "6f1f4b5e-6f0c-4c39-9a53-0a5c3b9f1d22";

    /// A secret in its second life, of which these keys are on the application.
    fn secret(listed: &[&str]) -> ConnectorSecret {
        let ids: Vec<_> = listed.iter().map(|id| (*id).to_owned()).collect();
        ConnectorSecret {
            tenant_id: Computed::Null,
            application_id: Value::Unknown,
            display_name: "siem".to_owned().into(),
            valid_for: half_a_year(),
            rotate_before: a_month(),
            keep_previous: true,
            recipient: None,
            rotation_triggers: None,
            timeouts: None,
            key_id: SECOND.to_owned().into(),
            value: Secret::from("text".to_owned()).into(),
            encrypted_value: Computed::Null,
            hint: Computed::Null,
            start_date_time: "2026-01-01T00:00:00Z".to_owned().into(),
            end_date_time: "2026-06-30T00:00:00Z".to_owned().into(),
            previous_key_id: FIRST.to_owned().into(),
            key_ids: known(&ids),
        }
    }

    fn observed(secret: ConnectorSecret, now: &str) -> State {
        let private = ConnectorSecretPrivate { observed_at: now.parse().ok(), ..ConnectorSecretPrivate::default() };
        Stored { value: secret, private, exists: true }
    }

    fn rotates(now: &ConnectorSecret, prior: &State) -> Option<bool> {
        let (_, rotate_before) = now.lifetimes().unwrap();
        match now.rotation(prior, rotate_before) {
            Rotation::None => Some(false),
            Rotation::Certain(_) => Some(true),
            Rotation::Open => None,
        }
    }

    #[test]
    fn it_rotates_from_the_observed_day_on_whatever_the_clock_says() {
        let secret = secret(&[FIRST, SECOND]);
        let at = |now: &str| rotates(&secret, &observed(secret.clone(), now));
        assert_eq!(at("2026-05-30T23:59:59Z"), Some(false));
        assert_eq!(at("2026-05-31T00:00:00Z"), Some(true));
        let later = ConnectorSecret { rotate_before: "P1D".to_owned(), ..secret.clone() };
        assert_eq!(rotates(&later, &observed(secret.clone(), "2026-05-31T00:00:00Z")), Some(false));
        assert_eq!(rotates(&secret, &observed(secret.clone(), "never observed")), Some(false));
    }

    #[test]
    fn what_is_not_known_yet_may_rotate_and_what_is_certain_does() {
        let prior = observed(secret(&[FIRST, SECOND]), "2026-01-02T00:00:00Z");
        let with = |change: fn(&mut ConnectorSecret)| {
            let mut now = prior.value.clone();
            change(&mut now);
            rotates(&now, &prior)
        };
        assert_eq!(with(|now| now.rotation_triggers = Some(Value::Known(BTreeMap::new()))), Some(false));
        assert_eq!(with(|now| now.rotation_triggers = Some(Value::Unknown)), None);
        assert_eq!(with(|now| now.recipient = Some(Value::Unknown)), None);
        assert_eq!(with(|now| now.display_name = Value::Unknown), None);
        assert_eq!(with(|now| now.display_name = "soc".to_owned().into()), Some(true));
        assert_eq!(
            with(|now| (now.display_name, now.recipient) = ("soc".to_owned().into(), Some(Value::Unknown))),
            Some(true)
        );
        assert_eq!(with(|now| now.valid_for = "P26W".to_owned()), Some(false));
        let gone = observed(secret(&[FIRST]), "2026-01-02T00:00:00Z");
        assert_eq!(rotates(&gone.value, &gone), Some(true));
    }

    #[test]
    fn a_rotation_keeps_the_present_key_or_the_one_that_survived_it() {
        let kept = |listed: &[&str], keep_previous: bool| {
            let secret = ConnectorSecret { keep_previous, ..secret(listed) };
            let (previous, kept) = secret.previous(&secret);
            (previous.unwrap(), kept.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(kept(&[FIRST, SECOND], true), (SECOND.to_owned(), vec![SECOND.to_owned()]));
        assert_eq!(kept(&[FIRST, SECOND], false), (SECOND.to_owned(), vec![]));
        assert_eq!(kept(&[FIRST], true), (FIRST.to_owned(), vec![FIRST.to_owned()]));
        assert_eq!(kept(&[], true), (SECOND.to_owned(), vec![]));
    }

    #[test]
    fn a_new_secret_tells_which_one_it_was_to_replace() {
        let replaced = |key: &str| Password {
            key_id: "x".to_owned(),
            display_name: Some(format!("siem{MARKER}")),
            hint: None,
            start_date_time: Some((Timestamp::UNIX_EPOCH + SignedDuration::from_micros(trace(key).into())).into()),
            end_date_time: None,
        };
        assert!(replaced(FIRST).replaces(FIRST) && !replaced(FIRST).replaces(SECOND));
        assert!(!Password { display_name: Some("siem".to_owned()), ..replaced(FIRST) }.replaces(FIRST));
        let whole = Password { start_date_time: Some(Timestamp::UNIX_EPOCH.into()), ..replaced(FIRST) };
        assert!(!whole.replaces(FIRST) && !whole.replaces("no guid"));
    }
}
