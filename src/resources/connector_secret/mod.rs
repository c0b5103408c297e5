//! `m365_connector_secret`: a client secret of an application, rotated in time.
//!
//! Two slots: a rotation adds the new secret first and keeps the previous one until the next rotation. Whether to rotate is decided
//! while planning, from configuration, state and what the last refresh observed.

mod lost;
mod rotation;

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
use lost::{MARKER, trace};
use rotation::Rotation;
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

/// Ends sooner than that, and every plan says so.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long after a write the new secret is waited for.
const REPLICATION: SignedDuration = SignedDuration::from_mins(2);
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
        if makes {
            let application = state.value.application_id.known().map(String::as_str);
            cx.preflight_application(&state.value.tenant_id, application).await?;
        }
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
