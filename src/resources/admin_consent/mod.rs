//! `m365_admin_consent`: what the tenant has granted to a service principal.

mod change;
mod granted;
mod model;

pub use model::{AdminConsent, AdminConsentKey, AdminConsentPrivate, Exception};

use super::connector_app::confirm_create;
use super::ownership::{self, Ownership, listed, refuse_in_plan, spare_taken};
use super::permissions::{Declared, Names, PermissionId, look_up, named, report, warn_of_respelled};
use super::review::{Review, check_acknowledge};
use super::stale::warn_of_stale;
use super::{plan_tenant, target, today};
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{Computed, Diagnostic, Diagnostics, Path, Resource, Result, Step, Stored, is_guid};
use crate::graph::Writes;
use crate::graph::needed::{ADD_API, GRANT_ROLE, READ_ROLES, READ_SCOPES, REVOKE_ROLE, WRITE_SCOPES};
use crate::provider::missing::{deleted_principal, no_such_principal};
use crate::provider::permissions::Granted;
use crate::provider::preflight::Work;
use crate::provider::{Claim, Cx, Planned, Services, Tenant};
use change::Change;
use granted::{Seen, overlaid};
use jiff::civil::Date;
use model::{EXCEPTED, EXCESS, FOREIGN, GRANTED, MISSING, State, WORDS, names_of};
use std::collections::{BTreeMap, BTreeSet};

impl Resource for AdminConsent {
    const NAME: &'static str = "m365_admin_consent";
    type Services = Services;
    type Key = AdminConsentKey;
    type Private = AdminConsentPrivate;

    fn validate(&self, _cx: &Cx) -> Result<()> {
        let mut found = Diagnostics::default();
        found.take(check_acknowledge(self.acknowledge.as_ref()));
        for (text, exception) in self.exceptions.iter().flatten().filter(|(_, exception)| exception.day().is_none()) {
            let at = Path::attribute("exceptions").then(Step::Key(text.clone()));
            found.push(
                Diagnostic::error(format!("\"{}\" is no day", exception.until))
                    .at(at)
                    .help("`until` is the last day of the exception, such as `2027-01-31`."),
            );
        }
        if !self.exclusive && self.exceptions.as_ref().is_some_and(|exceptions| !exceptions.is_empty()) {
            found.push(
                Diagnostic::error("`exceptions` need an exclusive consent")
                    .at("exceptions")
                    .help("With `exclusive = false` every other grant is left alone anyway. Remove `exceptions`, or set `exclusive = true`."),
            );
        }
        found.into_result()
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        state.plan_among_others(cx)?;
        let mut names = names_of(&mut state.private, cx);
        if let Some(before) = before {
            state.value.keep_spellings(before, &names);
        }
        let Some(texts) = state.value.permissions.known().cloned() else {
            state.value.status = Computed::Unknown;
            return Ok(());
        };
        let mut found = Diagnostics::default();
        let mut all = named(&texts, &"permissions".into(), &mut found);
        for text in state.value.exceptions.iter().flatten().map(|(text, _)| text) {
            let at = Path::attribute("exceptions").then(Step::Key(text.clone()));
            all.extend(named([text], &at, &mut found));
        }
        let declared = names.declared(&texts);
        found.take(scopes_fit(&declared, &names, cx));
        state.warn_of_exceptions(&declared, &names, cx);
        let held = match prior {
            Some(prior) => {
                let former = names.declared(prior.value.permissions.known().into_iter().flatten());
                warn_of_respelled(&former, &declared, cx);
                let planned = state.planned_status(prior, &declared, &names);
                warn_of_kept(prior, &planned, cx);
                state.value.status = planned.into();
                let shown = names.ids(prior.value.status.known().into_iter().flatten().map(|(text, _)| text));
                shown.into_iter().chain(former.into_keys()).collect()
            }
            None => {
                state.value.status =
                    texts.iter().map(|text| (text.clone(), GRANTED.to_owned())).collect::<BTreeMap<_, _>>().into();
                found.take(state.look_before_create(&declared, cx).await).unwrap_or_default()
            }
        };
        let tenant_id = state.value.tenant_id.known().map(String::as_str);
        if let Some(findings) = found.take(look_up(&all, tenant_id, cx).await) {
            found.take(report(findings, &held, &names, cx));
        }
        let granted = match prior {
            Some(prior) => prior.value.granted(&names),
            None => BTreeSet::new(),
        };
        let excepted = |value: &Self| names.declared(value.exceptions.iter().flatten().map(|(text, _)| text));
        let (tolerated, before) = (excepted(&state.value), before.map(excepted).unwrap_or_default());
        let review = Review {
            declared: &declared,
            held: &granted,
            tolerated: (&tolerated, &before.into_keys().collect()),
            roles: &BTreeSet::new(),
            acknowledge: state.value.acknowledge.as_ref(),
            at: "permissions".into(),
            tenant_id,
        };
        found.take(review.say(&mut names, cx).await);
        let present = if prior.is_some() { &granted } else { &held };
        let work = state.work(prior, &declared, present, &names);
        found.take(cx.preflight(tenant_id, &work).await);
        found.into_result()
    }

    fn stored(&self, services: &Services) {
        if let (Some(tenant), Some(id)) = (self.tenant_id.known(), self.service_principal_id.known()) {
            services.run.known_in_state(target::<Self>(tenant, id));
        }
    }

    async fn plan_destroy(prior: &State, cx: &Cx) -> Result<()> {
        let (tenant, client) = (prior.value.tenant_id.get()?, prior.value.service_principal_id.get()?);
        ownership::plan_destroy(&target::<Self>(tenant, client), cx)
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let client = state.value.service_principal_id.get()?.clone();
        let mut claim = cx.claim_create::<Self>(&state.value.tenant_id, &client).await?;
        let tenant = claim.tenant.clone();
        state.value.tenant_id = tenant.id.clone().into();
        // What was left here by the delete of what this one replaces is this one's from now on.
        for left in claim.left()?.into_iter().flatten().filter_map(|text| text.parse().ok()) {
            state.private.owned.add(left);
            state.exists = true;
        }
        let Some(principal) = tenant.graph.service_principal(&client).await? else {
            return Err(no_such_principal(&tenant.graph, &client).await?);
        };
        state.value.consent_url = cx.consent_url(&tenant.id, &principal.app_id)?.into();
        let mut names = names_of(&mut state.private, cx);
        let declared = state.declared(&mut names, &tenant, cx).await?;
        state.private.owned.begin(declared.clone());
        let change = Change { declared: &declared, revoke: &BTreeSet::new(), is_create: true };
        change::make(state, &mut claim, &mut names, &change, cx).await?;
        state.complete_status()?;
        claim.took(declared.keys().map(ToString::to_string))?;
        if principal.app_owner_organization_id.as_deref().is_some_and(|home| home.eq_ignore_ascii_case(&tenant.id)) {
            claim.release();
            confirm(&principal.app_id, &mut claim).await?;
        }
        Ok(())
    }

    async fn read(key: AdminConsentKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let tenant = cx.tenant(key.tenant_id.as_deref()).await?;
        let (graph, client) = (&tenant.graph, &key.service_principal_id);
        let is_import = prior.is_none();
        let mut private = prior.as_ref().map(|prior| prior.private.clone()).unwrap_or_default();
        let mut names = names_of(&mut private, cx);
        let look = async || Seen::read(&tenant, client, &names, cx).await;
        let settled = graph.settled_read(&private.writes, look, |seen| seen.view(&private.writes)).await?;
        let shown = match settled.seen {
            Seen::Granted(granted) => granted.permissions(),
            Seen::Deleted if !is_import => {
                // What was granted went with it: once it is restored, what does not come back is no lag.
                private.writes = Writes::default();
                BTreeSet::new()
            }
            Seen::Nothing if !is_import && !settled.stale.is_empty() => BTreeSet::new(),
            Seen::Deleted | Seen::Nothing => return Ok(None),
        };
        let granted = overlaid(shown, &settled.stale, &private.writes);
        names.ask_what_is_called(&granted, private.owned.declared(), &tenant, cx).await?;
        let mut state = match prior {
            Some(prior) => Stored { private, ..prior },
            None => {
                let Some(principal) = graph.service_principal(client).await? else { return Ok(None) };
                let mut state = AdminConsent::imported(&tenant.id, client);
                state.value.consent_url = cx.consent_url(&tenant.id, &principal.app_id)?.into();
                let keys: Vec<String> = granted.iter().map(|one| names.key(one).to_string()).collect();
                state.private.owned = Ownership::imported(names.declared(&keys));
                state
            }
        };
        if !settled.stale.is_empty() {
            warn_of_stale(&names.listed(&granted, state.private.owned.declared()), cx);
        }
        state.private.seen_on = Some(today(graph));
        state.observe(&granted, &names);
        cx.run()?.found_in_state(target::<Self>(&tenant.id, client), &state.private)?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let mut claim =
            cx.claim_update::<Self>(&state.value.tenant_id, state.value.service_principal_id.get()?).await?;
        let tenant = claim.tenant.clone();
        let mut names = names_of(&mut state.private, cx);
        let declared = state.declared(&mut names, &tenant, cx).await?;
        // Only what the plan showed is revoked: a grant that appeared since then shows in the next plan.
        let texts = |value: &AdminConsent| {
            let status = value.status.known().into_iter().flatten().map(|(text, _)| text.clone());
            status.chain(value.permissions.known().into_iter().flatten().cloned()).collect::<BTreeSet<String>>()
        };
        let shown = state.meant(&texts(&prior.value), &mut names, &tenant, cx).await?;
        let mut revoke = state.private.owned.may_remove(state.value.exclusive, shown.into_keys());
        let excepted = state.value.status.known().into_iter().flatten().filter(|(_, status)| *status == EXCEPTED);
        for excepted in names.ids(excepted.map(|(text, _)| text)) {
            revoke.remove(&excepted);
        }
        let change = Change { declared: &declared, revoke: &revoke, is_create: false };
        change::make(state, &mut claim, &mut names, &change, cx).await?;
        state.complete_status()
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let mut state = prior;
        let client = state.value.service_principal_id.get()?.clone();
        let mut claim = cx.claim_delete::<Self>(&state.value.tenant_id, &client).await?;
        let tenant = claim.tenant.clone();
        let mut names = names_of(&mut state.private, cx);
        let shown = state.meant(&state.value.permissions.get()?.clone(), &mut names, &tenant, cx).await?;
        let owned = state.private.owned.clone();
        let mut revoke = owned.gives_back(&client, state.value.exclusive, !cx.is_tainted(), shown.into_keys());
        let spelled = |one: &PermissionId| names.listed([one], owned.declared()).join(", ");
        spare_taken(&mut revoke, &claim, spelled, &WORDS, cx)?;
        claim.leave(owned.leaves(&client).iter().map(ToString::to_string))?;
        let change = Change { declared: &Declared::new(), revoke: &revoke, is_create: false };
        change::make(&mut state, &mut claim, &mut names, &change, cx).await
    }
}

/// Whoever is granted something is in use: its application's create has certainly ended, and is said to have.
async fn confirm(client_id: &str, claim: &mut Claim<'_>) -> Result<()> {
    let graph = claim.tenant.graph.clone();
    // An identity that may only consent may not see applications.
    let app = match graph.application_by_app_id(client_id).await {
        Err(error) if error.is_forbidden() => None,
        other => other?,
    };
    let Some(app) = app else { return Ok(()) };
    claim.lock(&app.id).await?;
    Ok(confirm_create(&graph, &app.id, Some(&app.tags)).await?)
}

/// Longest `scope` of a grant. Source: Graph's reference of `oAuth2PermissionGrant`.
const LONGEST_SCOPE: usize = 3850;

/// Graph's limit on the text of one grant, which holds all scopes of an API.
fn scopes_fit(declared: &Declared<PermissionId>, names: &Names<'_>, cx: &Cx) -> Result<()> {
    let mut lengths: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for permission in declared.keys().filter(|one| one.kind() == Kind::Delegated) {
        let of_api = lengths.entry(permission.app_id()).or_default();
        // Names are separated by blanks.
        let length = names.name(permission).map_or(0, |name| name.len() + 1);
        *of_api = (of_api.0 + 1, of_api.1 + length);
    }
    let mut found = Diagnostics::default();
    for (app_id, (count, length)) in lengths.into_iter().filter(|(_, (_, length))| *length > LONGEST_SCOPE + 1) {
        let api = cx.catalog().api(app_id).map_or(app_id, |api| api.key.as_str());
        found.push(Diagnostic::error(format!("Too many delegated permissions of {api}")).at("permissions").help(format!(
            "Graph keeps all that are granted of one API in one text of at most {LONGEST_SCOPE} characters; the names of these {count} come to {}. Leave out what a wider one includes.",
            length - 1
        )));
    }
    found.into_result()
}

impl State {
    /// An exclusive consent beside another one on the same service principal would undo its work.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let Some(client) = self.value.service_principal_id.known() else { return Ok(()) };
        let target = target::<AdminConsent>(self.value.tenant_id.known().map_or("", String::as_str), client);
        if cx.run()?.plan(target, Planned { exclusive: self.value.exclusive, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error("Two consents grant to one service principal, and one of them is exclusive")
            .at("service_principal_id")
            .help(format!("An exclusive consent is all that the service principal {client} may hold: it would revoke what the other one grants."))
            .help("Put all permissions into one consent, or set `exclusive = false` on all of them.")
            .into())
    }

    /// What the plan will do to what is `present`.
    fn work<'p>(
        &self,
        prior: Option<&State>,
        declared: &'p Declared<PermissionId>,
        present: &BTreeSet<PermissionId>,
        names: &Names<'_>,
    ) -> Vec<Work<'p>> {
        let excepted = self.excepted(names);
        let shown = prior.is_some().then(|| present.iter().cloned()).into_iter().flatten();
        let revoked = self.private.owned.may_remove(self.value.exclusive, shown);
        let granted: Vec<_> = declared.keys().filter(|one| !present.contains(*one)).collect();
        let revoked: Vec<_> = revoked
            .iter()
            .filter(|one| present.contains(*one) && !declared.contains_key(*one) && !excepted.contains(*one))
            .collect();
        let any = |all: &[&PermissionId], kind| all.iter().any(|one| one.kind() == kind);
        let all = [
            // A create reads what is there before it grants.
            (prior.is_none(), &READ_ROLES),
            (prior.is_none(), &READ_SCOPES),
            (any(&granted, Kind::Application), &GRANT_ROLE),
            (any(&revoked, Kind::Application), &REVOKE_ROLE),
            (any(&granted, Kind::Delegated) || any(&revoked, Kind::Delegated), &WRITE_SCOPES),
        ];
        let all = all.into_iter().filter(|(is_done, _)| *is_done).map(|(_, operation)| Work::new(operation));
        let apis: BTreeSet<&str> = granted.iter().map(|one| one.app_id()).filter(|app_id| is_guid(app_id)).collect();
        all.chain(apis.into_iter().map(|api| Work { absent_api: Some(api), ..Work::new(&ADD_API) })).collect()
    }

    /// What `permissions` means in the tenant.
    async fn declared(&self, names: &mut Names<'_>, tenant: &Tenant, cx: &Cx) -> Result<Declared<PermissionId>> {
        self.meant(&self.value.permissions.get()?.clone(), names, tenant, cx).await
    }

    /// What keys mean in the tenant, which is asked about those that nobody else knows.
    async fn meant(
        &self,
        texts: &BTreeSet<String>,
        names: &mut Names<'_>,
        tenant: &Tenant,
        cx: &Cx,
    ) -> Result<Declared<PermissionId>> {
        let keys: Vec<PermissionKey> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        names.ask_about(&keys, tenant, cx).await?;
        Ok(names.declared(texts))
    }

    /// Where the plan could not say yet what would be true.
    fn complete_status(&mut self) -> Result<()> {
        if self.value.status.is_unknown() {
            let texts = self.value.permissions.get()?;
            self.value.status =
                texts.iter().map(|text| (text.clone(), GRANTED.to_owned())).collect::<BTreeMap<_, _>>().into();
        }
        Ok(())
    }

    /// An exception that does nothing, or no more, misleads whoever reads the configuration.
    fn warn_of_exceptions(&self, declared: &Declared<PermissionId>, names: &Names<'_>, cx: &Cx) {
        for (permission, until) in self.value.exceptions(names) {
            let (at, key) = (Path::attribute("exceptions"), names.key(&permission));
            if declared.contains_key(&permission) {
                cx.warn(Diagnostic::warning(format!("The exception for {key} has no effect")).at(at).help(
                    "The permission is declared: it is granted, and not only tolerated. Remove it from `exceptions` or from `permissions`.",
                ));
            } else if self.private.seen_on.is_some_and(|seen_on| seen_on > until) {
                cx.warn(Diagnostic::warning(format!("The exception for {key} has ended")).at(at).help(format!(
                    "Its last day was {until}. The grant is revoked like any other that nobody declared; remove the exception, or give it a later day."
                )));
            }
        }
    }

    /// What is excepted on the day on which the tenant was last looked at.
    fn excepted(&self, names: &Names<'_>) -> BTreeSet<PermissionId> {
        let seen_on = self.private.seen_on;
        let holds = |until: &Date| seen_on.is_none_or(|seen_on| seen_on <= *until);
        self.value.exceptions(names).into_iter().filter(|(_, until)| holds(until)).map(|(one, _)| one).collect()
    }

    /// What will be true after apply, from configuration and prior alone: everything declared is granted, what is excepted stays, and
    /// in shared mode everything that this resource did not grant.
    fn planned_status(
        &self,
        prior: &State,
        declared: &Declared<PermissionId>,
        names: &Names<'_>,
    ) -> BTreeMap<String, String> {
        let mut planned: BTreeMap<_, _> =
            declared.values().flatten().map(|text| (text.clone(), GRANTED.to_owned())).collect();
        let excepted = self.excepted(names);
        let seen = prior.value.status.known().into_iter().flatten().filter(|(_, status)| *status != MISSING);
        for (permission, texts) in names.declared(seen.map(|(text, _)| text)) {
            let is = match self.value.exclusive {
                _ if declared.contains_key(&permission) => continue,
                true if excepted.contains(&permission) => EXCEPTED,
                false if !self.private.owned.added().contains(&permission) => FOREIGN,
                _ => continue,
            };
            planned.extend(texts.into_iter().map(|text| (text, is.to_owned())));
        }
        planned
    }

    /// What is granted already decides whether a create can succeed: better said before anything is written. Gives it.
    async fn look_before_create(
        &mut self,
        declared: &Declared<PermissionId>,
        cx: &Cx,
    ) -> Result<BTreeSet<PermissionId>> {
        let tenant_id = self.value.tenant_id.known().cloned();
        let Some(client) = self.value.service_principal_id.known().cloned() else { return Ok(BTreeSet::new()) };
        let target = target::<AdminConsent>(tenant_id.as_deref().unwrap_or_default(), &client);
        if !cx.is_second_plan()
            && let Some(private) = cx.run()?.private_of::<AdminConsentPrivate>(&target)
        {
            // A tainted consent: its delete has to know what a refresh knew.
            self.private = private;
        }
        // And what takes its place, so that nothing is revoked only to be granted again.
        self.private.owned.replaced_by(&client, declared.keys().cloned());
        let Some(graph) = cx.graph_for_plan(tenant_id.as_deref())? else { return Ok(BTreeSet::new()) };
        let tenant = cx.tenant(tenant_id.as_deref()).await?;
        let mut names = Names::new(cx).remembering(self.private.owned.declared());
        let Some(granted) = Granted::read(&tenant, &client, &mut names, cx).await? else {
            // Nothing is granted to it meanwhile.
            return deleted_principal(&graph, &client, cx).await.map(|_| BTreeSet::new());
        };
        let granted = granted.permissions();
        if self.value.exclusive {
            // A name of the configuration may mean what shows by its id, and the other way round.
            let open = granted.iter().filter(|one| !declared.contains_key(*one));
            let apis = open.chain(declared.keys()).filter(|one| one.id().is_none() || names.name(one).is_none());
            names.ask(&tenant, apis.map(|one| one.app_id().to_owned()).collect(), cx).await?;
            let declared = self.declared_by(&names);
            let undeclared = self.value.undeclared(&granted, &declared, today(&graph), &names);
            let stands = declared.keys().all(|one| granted.contains(one));
            refuse_in_plan(&undeclared, &WORDS, &target, stands, cx)?;
        }
        Ok(granted)
    }

    fn declared_by(&self, names: &Names<'_>) -> Declared<PermissionId> {
        names.declared(self.value.permissions.known().into_iter().flatten())
    }

    /// Replaces `permissions` by what is granted in fact, spelled as declared, and says what is true of each.
    fn observe(&mut self, granted: &BTreeSet<PermissionId>, names: &Names<'_>) {
        let declared = self.private.owned.declared();
        let excepted = self.excepted(names);
        let spelled = names.declared(self.value.exceptions.iter().flatten().map(|(text, _)| text));
        let (mut permissions, mut status) = (BTreeSet::new(), BTreeMap::new());
        for permission in granted {
            let (texts, is) = match declared.get(permission) {
                Some(_) => (names.spelled(permission, declared), GRANTED),
                None if !self.value.exclusive => (names.spelled(permission, declared), FOREIGN),
                None if excepted.contains(permission) => (names.spelled(permission, &spelled), EXCEPTED),
                None => (names.spelled(permission, declared), EXCESS),
            };
            if is == GRANTED || is == EXCESS {
                permissions.extend(texts.iter().cloned());
            }
            status.extend(texts.into_iter().map(|text| (text, is.to_owned())));
        }
        for (_, texts) in declared.iter().filter(|(one, _)| !granted.contains(*one)) {
            status.extend(texts.iter().map(|text| (text.clone(), MISSING.to_owned())));
        }
        self.value.permissions = permissions.into();
        self.value.status = status.into();
    }
}

/// What `permissions` shows as removed and the apply keeps: where the plan itself makes the consent shared, or excepts a grant.
fn warn_of_kept(prior: &State, planned: &BTreeMap<String, String>, cx: &Cx) {
    let shown = prior.value.permissions.known().into_iter().flatten();
    let kept: Vec<_> =
        shown.filter(|key| planned.get(*key).is_some_and(|status| status == EXCEPTED || status == FOREIGN)).collect();
    if !kept.is_empty() {
        cx.warn(Diagnostic::warning("The plan shows grants as removed that are kept").at("permissions").help(format!(
            "With the changed configuration these are tolerated; the planned `status` says so:\n{}",
            listed(kept)
        )));
    }
}
