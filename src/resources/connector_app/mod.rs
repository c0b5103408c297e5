//! `m365_connector_app`: an application and its service principal, as one thing.

mod ending;
mod make;
mod marker;
mod model;
mod names;
mod owners;
mod properties;
mod reading;

pub(crate) use marker::{confirm_create, is_marker};
pub use model::{ConnectorApp, ConnectorAppKey, ConnectorAppPrivate, Deletion, OnExisting};

use super::redirect_uris::Platform;
use super::{plan_tenant, redirect_uris, target};
use crate::catalog::{Existing, ProfileKind, ProfileVersion};
use crate::framework::{Computed, Diagnostic, Diagnostics, Resource, Result};
use crate::graph::View;
use crate::provider::{Cx, Services};
use make::Made;
use model::State;
use owners::owners_of;
use std::collections::BTreeSet;

/// Refuses a profile of a connector that uses the vendor's application: one of the customer's own would never be used.
fn registers(profile: &ProfileVersion) -> Result<()> {
    if profile.profile.kind != ProfileKind::VendorApp {
        return Ok(());
    }
    Err(Diagnostic::error(format!("The connector \"{}\" uses the vendor's own application", profile.slug))
        .at("profile")
        .help(
            "No application is registered for it. Consent to the service principal of the vendor's application instead: give \
             `m365_admin_consent` its object id, and the permissions of the data source `m365_connector_profile`.",
        )
        .into())
}

impl Resource for ConnectorApp {
    const NAME: &'static str = "m365_connector_app";
    const ALSO_NAMED_BY: &'static [&'static str] = &["client_id", "unique_name"];
    type Services = Services;
    type Key = ConnectorAppKey;
    type Private = ConnectorAppPrivate;

    fn validate(&self, cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        let profile = self.profile.as_deref().and_then(|name| found.take(cx.profile(name))).flatten();
        let named = profile.as_ref().is_some_and(|profile| profile.app.display_name.is_some());
        if let Some(profile) = &profile {
            found.take(registers(profile));
        }
        let may_be_named = self.profile.is_some() && profile.is_none();
        if matches!(self.display_name, Computed::Null) && !named && !may_be_named {
            found.push(
                Diagnostic::error("The application needs a name")
                    .at("display_name")
                    .help(match profile.as_ref().map(|profile| profile.app.existing) {
                        Some(Existing::Required) => "This connector uses an application that somebody else made: look it up with the data source `m365_connector_app`, and add to it with `exclusive = false`. Set `display_name` to make one nevertheless.",
                        _ => "Set `display_name`, or name a `profile` that brings one.",
                    }),
            );
        }
        if let Some(name) = self.display_name.known().filter(|name| name.chars().count() > 120) {
            cx.warn(Diagnostic::warning("The display name may be too long").at("display_name").help(format!(
                "It has {} characters. Microsoft documents a limit of 120 in one place, and of 256 in another.",
                name.chars().count()
            )));
        }
        found.into_result()
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let app = &mut state.value;
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut app.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        let profile = app.profile.as_deref().map(|name| cx.profile(name)).transpose()?;
        // A profile that cannot be known yet leaves open what comes from it.
        match profile {
            Some(None) => {}
            profile => {
                let profile = profile.flatten();
                // Profiles of `catalog_paths` are not known where the configuration alone is validated.
                profile.as_ref().map_or(Ok(()), registers)?;
                app.fill_from(profile.as_ref(), cx);
                app.plan_unique_name(profile.as_ref(), before, cx)?;
            }
        }
        app.check_values(before, cx)?;
        app.deleted_date_time = Computed::Null;
        if let Some(before) = before {
            // A purged service principal comes back under a new id.
            if before.service_principal_id.known().is_none() {
                app.service_principal_id = Computed::Unknown;
            }
        }
        // Look-ups decide no value: whether anything changes is clear by now.
        if before.is_none_or(|before| *before != state.value) {
            let application = before.and_then(|before| before.id.known()).map(String::as_str);
            cx.preflight_application(&state.value.tenant_id, application).await?;
        }
        state.plan_among_others(prior.is_none(), cx).await
    }

    fn stored(&self, services: &Services) {
        if let (Some(tenant), Some(name)) = (self.tenant_id.known(), self.unique_name.known()) {
            services.run.known_in_state(target::<Self>(tenant, name));
        }
    }

    async fn plan_destroy(prior: &State, cx: &Cx) -> Result<()> {
        prior.plan_destroy_among_others(cx)
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let mut claim = cx.claim_create::<Self>(&state.value.tenant_id, state.value.unique_name.get()?).await?;
        let graph = claim.tenant.graph.clone();
        state.value.tenant_id = claim.tenant.id.clone().into();
        state.private.creator = graph.token_claims().await?.oid;
        let made = state.value.make(&mut claim, cx).await?;
        // The id first: whatever fails after this is not lost.
        let app = made.application();
        graph.remember_application(&app.id, &app.app_id);
        claim.took([app.id.to_lowercase()])?;
        state.exists = true;
        state.private.incomplete = true;
        state.value.computed_from(app, cx)?;
        let mut present = BTreeSet::new();
        match &made {
            Made::New(_) => {}
            Made::Ours(app) => state.value.start_afresh(app, state.private.creator.as_deref(), &graph).await?,
            Made::Adopted(app) => {
                let mut as_it_is = Self::imported(claim.tenant.id.clone());
                as_it_is.observe_properties(app);
                if let Some(patch) = state.value.difference(&as_it_is, &state.private.writes, &graph, &app.id).await? {
                    graph.update_application(&app.id, &patch).await?;
                }
                present = owners_of(&graph, &app.id).await?;
            }
        }
        state.write_owners(&app.id, &present, &graph, cx).await?;
        // The new principal may have to wait for the application's replication.
        claim.release();
        state.value.service_principal_id = state.value.make_principal(&graph, &app.app_id).await?.id.into();
        state.value.deleted_date_time = Computed::Null;
        state.private.incomplete = false;
        state.private.writes.wrote(graph.now(), &View::new(), &state.value.view());
        Ok(())
    }

    async fn read(key: ConnectorAppKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let state = match prior {
            None => State::import(&key, &graph, cx).await?,
            Some(prior) => prior.refresh(&key, &graph, cx).await?,
        };
        if let Some(state) = &state {
            state.note_in_run(cx)?;
        }
        Ok(state)
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let id = prior.value.id.get()?.clone();
        let claim = cx.claim_update::<Self>(&state.value.tenant_id, &id).await?;
        let graph = claim.tenant.graph.clone();
        if prior.value.deleted_date_time.known().is_some() {
            ending::restore(&prior.value, &graph).await?;
        }
        if let Some(patch) = state.value.difference(&prior.value, &prior.private.writes, &graph, &id).await? {
            graph.update_application(&id, &patch).await?;
        }
        if state.value.owners != prior.value.owners {
            let present = state.present_owners(&id, &prior, &graph).await?;
            state.write_owners(&id, &present, &graph, cx).await?;
        }
        state.private.owners = state.declared_owners(cx);
        match prior.value.service_principal_id.known() {
            None => {
                state.value.service_principal_id =
                    state.value.make_principal(&graph, prior.value.client_id.get()?).await?.id.into();
            }
            Some(principal) => {
                if let Some(patch) = state.value.principal_difference(&prior.value) {
                    graph.update_service_principal(principal, &patch).await?;
                }
            }
        }
        state.private.writes.wrote(graph.now(), &prior.value.view(), &state.value.view());
        Ok(())
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        prior.end(cx).await
    }
}

/// Longest description. Source: Graph's documentation of `application`. It says nothing of `notes`, which have this limit on a service
/// principal.
const LONGEST_TEXT: usize = 1024;

impl ConnectorApp {
    /// What Graph would refuse, of values that are new: what the application has already is only warned of.
    fn check_values(&self, before: Option<&Self>, cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        let is_long = |text: &Computed<String>| text.known().is_some_and(|text| text.chars().count() > LONGEST_TEXT);
        if is_long(&self.description) && before.is_none_or(|before| before.description != self.description) {
            found.push(
                Diagnostic::error("The description is too long")
                    .at("description")
                    .help(format!("Graph accepts {LONGEST_TEXT} characters.")),
            );
        }
        if is_long(&self.notes) {
            cx.warn(Diagnostic::warning("The notes may be too long").at("notes").help(format!(
                "Microsoft documents no limit for them on an application, and {LONGEST_TEXT} characters on a service principal."
            )));
        }
        let personal = self.is_personal();
        let platforms = [
            ("web_redirect_uris", Platform::Web, &self.web_redirect_uris, before.map(|one| &one.web_redirect_uris)),
            (
                "spa_redirect_uris",
                Platform::SinglePage,
                &self.spa_redirect_uris,
                before.map(|one| &one.spa_redirect_uris),
            ),
            (
                "public_client_redirect_uris",
                Platform::Native,
                &self.public_client_redirect_uris,
                before.map(|one| &one.public_client_redirect_uris),
            ),
        ];
        for (attribute, platform, uris, prior) in platforms {
            redirect_uris::check(attribute, platform, uris, prior, personal, &mut found, cx);
        }
        let all = platforms.iter().filter_map(|(_, _, uris, _)| uris.known()).map(BTreeSet::len).sum();
        redirect_uris::check_count(all, personal, &mut found);
        found.into_result()
    }

    /// Whether personal accounts may sign in.
    fn is_personal(&self) -> bool {
        self.sign_in_audience.known().is_some_and(|audience| audience.contains("PersonalMicrosoftAccount"))
    }
}
