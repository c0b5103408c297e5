//! `m365_connector_secret`: a client secret of an application, rotated in time.
//!
//! Two slots: a rotation adds the new secret first and keeps the previous one until the next rotation. Whether to rotate is decided
//! while planning, from configuration, state and what the last refresh observed.

mod lost;
mod model;
mod rotation;

pub use model::{ConnectorSecret, ConnectorSecretKey, ConnectorSecretPrivate};

use super::connector_app::confirm_create;
use super::{not_replicated, plan_tenant};
use crate::framework::{Computed, Diagnostic, Diagnostics, Resource, Result, Secret, Severity, Stored, Value};
use crate::graph::{AddedPassword, Date, Graph, GraphError, NewPassword, Password, Settled, View};
use crate::provider::lifetime::days;
use crate::provider::missing::no_such_application;
use crate::provider::{Cx, Planned, Services, Tenant};
use jiff::{SignedDuration, Timestamp};
use lost::{MARKER, doubles, trace};
use model::{State, a_month, age_key, half_a_year, known};
use rotation::Rotation;
use secrecy::ExposeSecret;
use serde_json::json;
use std::collections::BTreeSet;

/// Ends sooner than that, and every plan says so.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Resource for ConnectorSecret {
    const NAME: &'static str = "m365_connector_secret";
    type Services = Services;
    type Key = ConnectorSecretKey;
    type Private = ConnectorSecretPrivate;

    fn validate(&self, _cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        found.take(self.lifetimes());
        if let Some(Value::Known(recipient)) = &self.recipient {
            found.take(age_key(recipient));
        }
        found.into_result()
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        state.value.check_name(before)?;
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
        match prior {
            Some(prior) => {
                state.private.replaces = prior.own();
                prior.is_not_taken_for_lost(cx)?;
            }
            None => state.look_before_create(cx).await?,
        }
        if makes { state.value.ask_policy(valid_for, cx).await } else { Ok(()) }
    }

    async fn plan_destroy(prior: &State, cx: &Cx) -> Result<()> {
        prior.is_not_taken_for_lost(cx)
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let app = state.value.application_id.get()?.clone();
        let id = format!("{app}/{}", state.value.display_name.get()?);
        let mut claim = cx.claim_create::<Self>(&state.value.tenant_id, &id).await?;
        claim.lock(&app).await?;
        let tenant = claim.tenant.clone();
        state.value.tenant_id = tenant.id.clone().into();
        state.value.within_guardrail(true, cx)?;
        confirm_create(&tenant.graph, &app, None).await?;
        let planned = cx.planned_private::<ConnectorSecretPrivate>().unwrap_or_default();
        state.remove_lost(&planned.lost.unwrap_or_default(), &tenant.graph, cx).await?;
        let (new, added) = state.add(None, &tenant.graph).await?;
        state.exists = true;
        state.value.previous_key_id = Computed::Null;
        state.value.key_ids = known([&added.key_id]);
        state.value.holds(&added)?;
        claim.took([added.key_id.clone()])?;
        if let Some(target) = state.value.name_target() {
            cx.run()?.take(target, []);
        }
        claim.release();
        state.settle(&new, &added, &BTreeSet::new(), &tenant.graph, cx).await;
        Ok(())
    }

    async fn read(key: ConnectorSecretKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let tenant = cx.tenant(key.tenant_id.as_deref()).await?;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let look = || everywhere(&tenant.graph, &key.application_id);
        let Settled { seen, stale } = tenant.graph.settled_read(&writes, look, view).await?;
        let Some(mut state) = prior else { return Self::import(&key, seen, &tenant).await };
        if !stale.is_empty() {
            cx.warn(not_replicated(&format!("the secrets of the application {}", key.application_id)));
        }
        match seen {
            Some(found) => state.observe(&found, &stale, &tenant.graph),
            // A replica may not know the application yet.
            None if !stale.is_empty() => {}
            None => return Ok(None),
        }
        state.is_in_state(cx)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        state.private.replaces.clear();
        let mut remove = prior.own();
        if !state.value.key_id.is_unknown() {
            remove = &remove - &prior.held();
            if remove.is_empty() {
                return Ok(());
            }
        }
        let app = state.value.application_id.get()?.clone();
        let id = format!("{app}/{}", state.value.display_name.get()?);
        let mut claim = cx.claim_update::<Self>(&state.value.tenant_id, &id).await?;
        claim.lock(&app).await?;
        let graph = claim.tenant.graph.clone();
        if state.value.key_id.is_unknown() {
            state.value.within_guardrail(true, cx)?;
            let (previous, kept) = state.value.previous(&prior.value);
            remove.extend(state.left_behind(&prior, &graph, cx).await?);
            remove.retain(|id| !kept.contains(id));
            let (new, added) = state.add(prior.value.key_id.known(), &graph).await?;
            // The new secret has to reach the state: what fails from here on is a warning.
            state.value.previous_key_id = previous.into();
            state.value.key_ids = known(kept.iter().chain([&added.key_id]));
            state.value.holds(&added)?;
            claim.release();
            state.settle(&new, &added, &prior.own(), &graph, cx).await;
        }
        state.remove(&app, remove, &graph, cx).await;
        Ok(())
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        // A create in its place, in this run, takes none of these for lost ones.
        prior.is_in_state(cx)?;
        let app = prior.value.application_id.get()?;
        let id = format!("{app}/{}", prior.value.display_name.get()?);
        let mut claim = cx.claim_delete::<Self>(&prior.value.tenant_id, &id).await?;
        claim.lock(app).await?;
        let taken = claim.taken()?.unwrap_or_default();
        for key in prior.own().difference(&taken) {
            claim.tenant.graph.remove_password(app, key).await?;
        }
        if let Some(target) = prior.value.name_target() {
            cx.run()?.leave(target, []);
        }
        Ok(())
    }
}

/// Secrets of an application, be it a deleted one, which has them back once it is restored.
async fn everywhere(graph: &Graph, app: &str) -> std::result::Result<Option<Vec<Password>>, GraphError> {
    match graph.passwords(app).await? {
        Some(found) => Ok(Some(found)),
        None => graph.passwords_of_deleted(app).await,
    }
}

/// What of a read can be out of date: each secret by itself.
fn view(found: &Option<Vec<Password>>) -> View {
    found.iter().flatten().map(|one| (entry(&one.key_id), json!(true))).collect()
}

/// How writes and views call a secret.
fn entry(key_id: &str) -> String {
    format!("secret:{}", key_id.to_lowercase())
}

fn entries<'a>(ids: impl IntoIterator<Item = &'a String>) -> View {
    ids.into_iter().map(|id| (entry(id), json!(true))).collect()
}

impl State {
    /// What the application holds of ours, as the refreshed state shows it. `stale`: what shows as it was before a recent write.
    fn observe(&mut self, found: &[Password], stale: &BTreeSet<String>, graph: &Graph) {
        let own = self.own();
        let key = self.value.key_id.known().cloned().unwrap_or_default();
        let replaced = self.value.previous_key_id.known().cloned();
        let is_ours = |one: &&Password| {
            // What bears the trace of a key of ours was to replace it, and no state learnt of it.
            own.iter().any(|id| one.is(id))
                || one.replaces(&key)
                || replaced.as_ref().is_some_and(|id| one.replaces(id))
        };
        let shown = found.iter().filter(is_ours).map(|one| one.key_id.clone());
        let mut listed: BTreeSet<String> = shown.filter(|id| !stale.contains(&entry(id))).collect();
        let missed = |id: &&String| stale.contains(&entry(id)) && !found.iter().any(|one| one.is(id));
        listed.extend(own.iter().filter(missed).cloned());
        self.private.unremoved.retain(|id| listed.contains(id));
        self.value.key_ids = known(&listed);
        if let Some(one) = found.iter().find(|one| one.is(&key)) {
            self.value.start_date_time = date(one.start_date_time.as_ref());
            self.value.end_date_time = date(one.end_date_time.as_ref());
        }
        self.private.observed_at = Some(graph.now());
    }

    /// Makes a secret; `replaced` is the one before it.
    async fn add(&mut self, replaced: Option<&String>, graph: &Graph) -> Result<(NewPassword, AddedPassword)> {
        let app = self.value.application_id.get()?;
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
        match graph.add_password(app, &new).await {
            Ok(added) => {
                self.private.writes.wrote(graph.now(), &View::new(), &entries([&added.key_id]));
                Ok((new, added))
            }
            Err(error) if error.is_not_found() => Err(no_such_application(graph, app).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what earlier tries of the same request have made, and waits until a read shows the new secret, so that whoever needs it
    /// finds it. It is made by now: a failure is a warning. `before`: what the state had already.
    async fn settle(
        &mut self,
        new: &NewPassword,
        added: &AddedPassword,
        before: &BTreeSet<String>,
        graph: &Graph,
        cx: &Cx,
    ) {
        let app = self.value.application_id.known().cloned().unwrap_or_default();
        if added.may_have_doubles {
            match graph.passwords_made_by(&app, new, Some(&added.key_id)).await {
                Ok(all) => self.remove(&app, doubles(&all, &added.key_id, before), graph, cx).await,
                Err(why) => cx.warn(Diagnostic::warning("A second secret may have been made").help(format!(
                    "Graph failed while it made the secret {} of the application {app}, which was asked for again; whether the first try left one behind could not be seen: {why}",
                    added.key_id
                ))),
            }
        }
        let writes = self.private.writes.clone();
        let shown: std::result::Result<_, GraphError> =
            graph.settled_read(&writes, || graph.passwords(&app), view).await;
        match shown {
            Ok(Settled { stale, .. }) if stale.is_empty() => {}
            Ok(_) => cx.warn(not_replicated(&format!("the secrets of the application {app}"))),
            Err(why) => cx.warn(Diagnostic::warning("The new secret cannot be read back").help(format!(
                "Graph made the secret {} of the application {app}: {why} Plan again in a few minutes.",
                added.key_id
            ))),
        }
        self.private.observed_at = Some(graph.now());
    }

    /// Removes what is no longer needed. A failure is no error: the new secret has to reach the state, and the next plan shows the rest.
    async fn remove(&mut self, application: &str, ids: BTreeSet<String>, graph: &Graph, cx: &Cx) {
        self.private.unremoved.clear();
        for id in ids {
            match graph.remove_password(application, &id).await {
                Ok(()) => self.private.writes.wrote(graph.now(), &entries([&id]), &View::new()),
                Err(why) => {
                    cx.warn(
                        Diagnostic::warning("A former secret could not be removed")
                            .help(format!("The secret {id} of the application {application} still works: {why}"))
                            .help("The next plan shows it in `key_ids`, and its apply tries again."),
                    );
                    self.private.unremoved.insert(id);
                }
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
    /// A new name. One that is there already, as after an import, stays as it is.
    fn check_name(&self, prior: Option<&Self>) -> Result<()> {
        let Some(name) = self.display_name.known() else { return Ok(()) };
        if prior.is_some_and(|prior| prior.display_name.known() == Some(name)) {
            return Ok(());
        }
        if name.ends_with(MARKER) {
            return Err(Diagnostic::error(format!("`display_name` may not end with \"{MARKER}\""))
                .at("display_name")
                .help(format!("The provider adds that to the name \"{name}\" in the tenant, to know its own secrets again. Leave it out."))
                .into());
        }
        if (1..=80).contains(&name.chars().count()) {
            return Ok(());
        }
        Err(Diagnostic::error("`display_name` has the wrong length")
            .at("display_name")
            .help("The name of a new secret has 1 to 80 characters.")
            .into())
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
        let (Some(target), Some(application)) = (self.name_target(), self.application_id.known()) else {
            return Ok(());
        };
        if cx.run()?.plan(target, Planned { exclusive: true, second: cx.is_second_plan() }) {
            return Ok(());
        }
        let name = self.display_name.known().map_or("", String::as_str);
        Err(Diagnostic::error(format!("Two secrets of one application are called \"{name}\""))
            .at("display_name")
            .help(format!("With its name a secret of the application {application} is found again after a failure. Give each its own."))
            .into())
    }

    /// What the tenant's policy forbids is better said before anything is written.
    async fn ask_policy(&self, valid_for: SignedDuration, cx: &Cx) -> Result<()> {
        let tenant = self.tenant_id.known().map(String::as_str);
        let Some(graph) = cx.graph_for_plan(tenant)? else { return Ok(()) };
        let application = self.application_id.known().map(String::as_str);
        let allowed = cx.policies()?.allow_secret(&graph, tenant.unwrap_or_default(), application, valid_for).await?;
        allowed.into_iter().for_each(|warning| cx.warn(warning));
        Ok(())
    }

    /// Takes over what Graph made.
    fn holds(&mut self, added: &AddedPassword) -> Result<()> {
        self.key_id = added.key_id.clone().into();
        self.hint = added.hint.clone().into();
        self.start_date_time = date(added.start_date_time.as_ref());
        self.end_date_time = date(added.end_date_time.as_ref());
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
    async fn import(key: &ConnectorSecretKey, found: Option<Vec<Password>>, tenant: &Tenant) -> Result<Option<State>> {
        let Some(found) = found else { return Err(no_such_application(&tenant.graph, &key.application_id).await?) };
        let Some(one) = found.iter().find(|one| one.is(&key.key_id)) else { return Ok(None) };
        let name = one.marked_name().or(one.display_name.as_deref()).unwrap_or_default();
        let value = Self {
            tenant_id: tenant.id.clone().into(),
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
            start_date_time: date(one.start_date_time.as_ref()),
            end_date_time: date(one.end_date_time.as_ref()),
            previous_key_id: Computed::Null,
            key_ids: known([&one.key_id]),
        };
        let private =
            ConnectorSecretPrivate { observed_at: Some(tenant.graph.now()), ..ConnectorSecretPrivate::default() };
        Ok(Some(Stored { value, private, exists: true }))
    }
}

/// As Graph shows it.
fn date(date: Option<&Date>) -> Computed<String> {
    date.map(Date::to_string).into()
}
