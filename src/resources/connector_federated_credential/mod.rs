//! `m365_connector_federated_credential`: trust in tokens of another issuer, with which a connector signs in without a secret.

mod present;
mod trust;

use super::connector_app::confirm_create;
use super::{not_replicated, plan_tenant, target};
use crate::framework::{
    Computed, Diagnostic, Diagnostics, Resource, Result, Severity, Stored, Timeouts, Value, configurable,
    forces_replacement, guid, keeps_state,
};
use crate::graph::{
    FederatedCredential, FederatedCredentialPatch, Graph, GraphError, NewFederatedCredential, Patch, Settled, View,
    WINDOW, Writes,
};
use crate::provider::missing::{deleted_application, no_such_application};
use crate::provider::{Claim, Cx, Planned, Services, Target};
use present::{MOST, Met, Wanted, no_room, too_many};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use trust::{check_audiences, check_issuer, check_name, check_subject, expected_audience};

/// How long is waited for the directory to forget a credential that was just removed, before ours is made once more.
const PAUSE: Duration = Duration::from_secs(2);

/// Trust of an application in tokens of another issuer: whoever has one with this issuer, subject and audience can sign in as it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorFederatedCredential {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the application: `id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub application_id: Value<String>,
    /// Name, unique on the application: 3 to 120 letters, digits, `-`, `.`, `_` and `~`. Another name replaces the credential.
    #[schemars(transform = forces_replacement)]
    pub name: Value<String>,
    /// Who issues the tokens: exactly what they say in `iss`, such as `https://token.actions.githubusercontent.com`.
    pub issuer: Value<String>,
    /// Whom they are about: exactly what they say in `sub`, such as `repo:octo-org/octo-repo:environment:production`.
    pub subject: Value<String>,
    /// Whom they are for: what they say in `aud`. Graph takes exactly one. Default `["api://AzureADTokenExchange"]`.
    #[serde(default = "entra")]
    pub audiences: Value<BTreeSet<String>>,
    /// Description. Left alone while not given; `""` clears it.
    #[schemars(transform = configurable, transform = keeps_state, length(max = 600))]
    pub description: Computed<String>,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// Id (GUID) of the credential.
    #[schemars(transform = keeps_state)]
    pub id: Computed<String>,
}

fn entra() -> Value<BTreeSet<String>> {
    BTreeSet::from(["api://AzureADTokenExchange".to_owned()]).into()
}

/// Identity of a federated credential.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorFederatedCredentialKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the application.
    pub application_id: String,
    /// Name, unique on the application.
    pub name: String,
}

/// What only we remember of a federated credential.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorFederatedCredentialPrivate {
    /// What was written of late.
    #[serde(default)]
    writes: Writes,
}

type State = Stored<ConnectorFederatedCredential, ConnectorFederatedCredentialPrivate>;

impl Resource for ConnectorFederatedCredential {
    const NAME: &'static str = "m365_connector_federated_credential";
    type Services = Services;
    type Key = ConnectorFederatedCredentialKey;
    type Private = ConnectorFederatedCredentialPrivate;

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        state.value.plan_among_others(cx)?;
        if before.is_none_or(|before| *before != state.value) {
            let application = state.value.application_id.known().map(String::as_str);
            cx.preflight_application(&state.value.tenant_id, application).await?;
        }
        match before {
            Some(before) => {
                state.value.check(Some(before), cx)?;
                state.value.look_before_update(before, cx).await
            }
            None => state.value.look_before_create(cx).await,
        }
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let app = state.value.application_id.get()?.clone();
        let id = format!("{app}/{}", state.value.name.get()?);
        let mut claim = cx.claim_create::<Self>(&state.value.tenant_id, &id).await?;
        claim.lock(&app).await?;
        state.value.tenant_id = claim.tenant.id.clone().into();
        confirm_create(&claim.tenant.graph, &app, None).await?;
        let made = state.value.make(&mut claim, cx).await?;
        state.exists = true;
        state.value.id = made.id.clone().into();
        if state.value.description.is_unknown() {
            state.value.description = made.description.filter(|text| !text.is_empty()).into();
        }
        state.private.writes.wrote(claim.tenant.graph.now(), &View::new(), &state.value.view()?);
        claim.took([made.id])
    }

    async fn read(key: ConnectorFederatedCredentialKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let tenant = cx.tenant(key.tenant_id.as_deref()).await?;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let look = || look(&tenant.graph, &key.application_id, &key.name);
        let Settled { seen, stale } = tenant.graph.settled_read(&writes, look, Seen::view).await?;
        match (seen, prior) {
            // What was written was accepted, and stands.
            (_, Some(prior)) if !stale.is_empty() => {
                cx.warn(not_replicated(&format!("the federated credential \"{}\"", key.name)));
                Ok(Some(prior))
            }
            (Seen::There(found), prior) => {
                let mut state = prior.unwrap_or_else(|| Self::imported(&tenant.id, &key.application_id));
                state.value.observe(&found);
                Ok(Some(state))
            }
            // Graph does not show federated credentials of a deleted application; they are there again once it is restored.
            (Seen::OfDeleted, Some(prior)) => Ok(Some(prior)),
            _ => Ok(None),
        }
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let app = state.value.application_id.get()?.clone();
        let Some(patch) = state.value.difference(&prior.value)? else { return Ok(()) };
        let id = format!("{app}/{}", state.value.name.get()?);
        let mut claim = cx.claim_update::<Self>(&state.value.tenant_id, &id).await?;
        claim.lock(&app).await?;
        let (graph, own) = (claim.tenant.graph.clone(), prior.value.id.get()?);
        match graph.update_federated_credential(&app, own, &patch).await {
            Err(error) if error.is_federated_duplicate() => {
                state.value.wanted()?.stands_alone(own, &graph.federated_credentials(&app).await?)?;
                Err(error.into())
            }
            other => {
                other?;
                state.private.writes.wrote(graph.now(), &prior.value.view()?, &state.value.view()?);
                Ok(())
            }
        }
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let (app, id) = (prior.value.application_id.get()?.clone(), prior.value.id.get()?.clone());
        let name = prior.value.name.get()?;
        let mut claim = cx.claim_delete::<Self>(&prior.value.tenant_id, &format!("{app}/{name}")).await?;
        if claim.taken()?.is_some_and(|taken| taken.contains(&id)) {
            cx.warn(Diagnostic::warning(format!(
                "The federated credential \"{name}\" was not removed, because a create in the same run took it over"
            )));
            return Ok(());
        }
        claim.lock(&app).await?;
        Ok(claim.tenant.graph.delete_federated_credential(&app, &id).await?)
    }
}

/// The one entry of what a read shows.
const ENTRY: &str = "federated";

/// Where a federated credential is.
enum Seen {
    There(FederatedCredential),
    /// The application is deleted.
    OfDeleted,
    Nowhere,
}

impl Seen {
    /// What of a read can be out of date.
    fn view(&self) -> View {
        let shown = match self {
            Self::There(found) => {
                let audiences: BTreeSet<_> = found.audiences.iter().collect();
                json!([found.issuer, found.subject, audiences, found.description.as_deref().unwrap_or_default()])
            }
            Self::OfDeleted => json!("deleted"),
            Self::Nowhere => return View::new(),
        };
        View::from([(ENTRY.to_owned(), shown)])
    }
}

async fn look(graph: &Graph, application: &str, name: &str) -> std::result::Result<Seen, GraphError> {
    match graph.federated_credential(application, name).await? {
        Some(found) => Ok(Seen::There(found)),
        None if graph.deleted_application(application).await?.is_some() => Ok(Seen::OfDeleted),
        None => Ok(Seen::Nowhere),
    }
}

impl ConnectorFederatedCredential {
    /// Nothing but defaults: what an import starts from.
    fn imported(tenant: &str, application: &str) -> State {
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            application_id: application.to_owned().into(),
            name: Value::Unknown,
            issuer: Value::Unknown,
            subject: Value::Unknown,
            audiences: entra(),
            description: Computed::Null,
            timeouts: None,
            id: Computed::Null,
        };
        Stored { value, private: ConnectorFederatedCredentialPrivate::default(), exists: true }
    }

    /// Two resources for one name, or for one trust, would each undo the other's.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let (Some(app), Some(name)) = (self.application_id.known(), self.name.known()) else { return Ok(()) };
        let target = |id: &str| target::<Self>(self.tenant_id.known().map_or("", String::as_str), id);
        let planned = Planned { exclusive: true, second: cx.is_second_plan() };
        let run = cx.run()?;
        if !run.plan(target(&format!("{app}/{name}")), planned) {
            return Err(Diagnostic::error("Two federated credentials of one application have the same name")
                .at("name")
                .help(format!("\"{name}\" is declared twice for the application {app}. Give each a name of its own."))
                .into());
        }
        let declared = run.count_planned(&target(app));
        if declared > MOST {
            return Err(too_many(declared).into());
        }
        let (Some(issuer), Some(subject)) = (self.issuer.known(), self.subject.known()) else { return Ok(()) };
        // Unlike names, issuers and subjects differ by case: Entra compares them exactly.
        let trust = Target { id: format!("{issuer} {subject} of {app}"), ..target("") };
        if run.plan(trust, planned) {
            return Ok(());
        }
        Err(Diagnostic::error("Two federated credentials of one application trust the same tokens")
            .at("subject")
            .help(format!("Tokens of {issuer} about \"{subject}\" are declared twice for the application {app}, and Entra allows each once. Remove one of them."))
            .into())
    }

    /// Refuses what no token would match, and a name that Graph would not take. What `held` has already stays, and is only said.
    fn check(&self, held: Option<&Self>, cx: &Cx) -> Result<()> {
        let (mut found, mut doubts) = (Diagnostics::default(), Vec::new());
        let issuer = self.issuer.known().map(String::as_str);
        if let Some(name) = self.name.known() {
            check_name(name, &mut found);
        }
        if let Some(issuer) = issuer {
            doubts.extend(check_issuer(issuer, &mut found));
        }
        if let Some(subject) = self.subject.known() {
            doubts.extend(check_subject(subject, issuer, &mut found));
        }
        if let Some(audiences) = self.audiences.known() {
            let expected = cx.configured_services().map(|services| expected_audience(services.settings.environment));
            doubts.extend(check_audiences(audiences, expected, &mut found));
        }
        let stays = |finding: &Diagnostic| {
            let same = |held: &Self| {
                [
                    ("name", self.name == held.name),
                    ("issuer", self.issuer == held.issuer),
                    ("subject", self.subject == held.subject),
                    ("audiences", self.audiences == held.audiences),
                ]
            };
            held.is_some_and(|held| same(held).iter().any(|(path, same)| *same && finding.path == Some((*path).into())))
        };
        let (kept, new): (Vec<_>, Vec<_>) = found.0.into_iter().partition(stays);
        let kept = kept.into_iter().map(|finding| Diagnostic { severity: Severity::Warning, ..finding });
        doubts.into_iter().chain(kept).for_each(|finding| cx.warn(finding));
        Diagnostics(new).into_result()
    }

    /// As a read shows it.
    fn view(&self) -> Result<View> {
        let description = self.description.known().map(String::as_str).unwrap_or_default();
        let shown = json!([self.issuer.get()?, self.subject.get()?, self.audiences.get()?, description]);
        Ok(View::from([(ENTRY.to_owned(), shown)]))
    }

    fn wanted(&self) -> Result<Wanted<'_>> {
        Ok(Wanted {
            app: self.application_id.get()?,
            name: self.name.get()?,
            issuer: self.issuer.get()?,
            subject: self.subject.get()?,
            audiences: self.audiences.get()?,
        })
    }

    fn to_graph(&self) -> Result<NewFederatedCredential> {
        Ok(NewFederatedCredential {
            name: self.name.get()?.clone(),
            issuer: self.issuer.get()?.clone(),
            subject: self.subject.get()?.clone(),
            audiences: self.audiences.get()?.iter().cloned().collect(),
            description: self.description.known().filter(|text| !text.is_empty()).cloned(),
        })
    }

    /// Replaces everything that Graph stores by what it says.
    fn observe(&mut self, found: &FederatedCredential) {
        self.id = found.id.clone().into();
        self.name = found.name.clone().into();
        self.issuer = found.issuer.clone().unwrap_or_default().into();
        self.subject = found.subject.clone().unwrap_or_default().into();
        self.audiences = found.audiences.iter().cloned().collect::<BTreeSet<_>>().into();
        // Null and "" are one to Graph: a configured "" is read back as such.
        let text = found.description.clone().filter(|text| !text.is_empty());
        if !(text.is_none() && self.description.known().is_some_and(String::is_empty)) {
            self.description = text.into();
        }
    }

    /// What has to be written to turn `prior` into this; `None` when nothing has.
    fn difference(&self, prior: &Self) -> Result<Option<FederatedCredentialPatch>> {
        let changed = |planned: &Value<String>, before: &Value<String>| {
            Ok::<_, Diagnostics>((planned != before).then_some(planned.get()?).cloned())
        };
        let description = match self.description.known() {
            Some(text) if Some(text) != prior.description.known() => match text.as_str() {
                "" => Patch::Null,
                _ => Patch::Value(text.clone()),
            },
            _ => Patch::Absent,
        };
        let patch = FederatedCredentialPatch {
            issuer: changed(&self.issuer, &prior.issuer)?,
            subject: changed(&self.subject, &prior.subject)?,
            audiences: (self.audiences != prior.audiences)
                .then_some(self.audiences.get()?)
                .map(|all| all.iter().cloned().collect()),
            description,
        };
        Ok((patch != FederatedCredentialPatch::default()).then_some(patch))
    }

    /// What is there already decides whether a create can succeed: better said before anything is written.
    async fn look_before_create(&self, cx: &Cx) -> Result<()> {
        let graph = cx.graph_for_plan(self.tenant_id.known().map(String::as_str))?;
        let (Some(graph), Some(app)) = (graph, self.application_id.known()) else { return self.check(None, cx) };
        let present = match graph.federated_credentials(app).await {
            Err(error) if error.is_not_found() => Vec::new(),
            other => other?,
        };
        if present.is_empty() && graph.application(app).await?.is_none() {
            return deleted_application(&graph, app, cx).await.map(|_| ());
        }
        // While a part of it is not known yet, apply plans once more.
        let Ok(wanted) = self.wanted() else { return self.check(None, cx) };
        match wanted.meets(&present)? {
            Met::Same(found) => {
                let mut held = Self::imported("", app).value;
                held.observe(found);
                self.check(Some(&held), cx)
            }
            Met::UnderAnotherName(found) => {
                cx.warn(
                    Diagnostic::warning(format!("The federated credential \"{}\" will be exchanged for \"{}\"", found.name, wanted.name))
                        .at("name")
                        .help(format!("The application {app} trusts the same tokens under that name already, which Entra neither changes nor allows twice: it is removed, and made anew under the new name.")),
                );
                self.check(None, cx)
            }
            // The one that this one replaces goes first.
            Met::Nothing if present.len() >= MOST && !cx.is_second_plan() => Err(no_room(wanted.name).into()),
            Met::Nothing => self.check(None, cx),
        }
    }

    /// A change to tokens that another one trusts already would be refused.
    async fn look_before_update(&self, before: &Self, cx: &Cx) -> Result<()> {
        let (Ok(wanted), Some(own)) = (self.wanted(), before.id.known()) else { return Ok(()) };
        if self.name != before.name || (self.issuer == before.issuer && self.subject == before.subject) {
            return Ok(());
        }
        match cx.graph_for_plan(self.tenant_id.known().map(String::as_str))? {
            Some(graph) => Ok(wanted.stands_alone(own, &graph.federated_credentials(wanted.app).await?)?),
            None => Ok(()),
        }
    }

    /// Makes it, or takes over an equal one: as it is under the same name, else in its place.
    async fn make(&self, claim: &mut Claim<'_>, cx: &Cx) -> Result<FederatedCredential> {
        let (wanted, new, graph) = (self.wanted()?, self.to_graph()?, claim.tenant.graph.clone());
        let mut removed = BTreeSet::new();
        let until = graph.now() + WINDOW;
        loop {
            let error = match graph.create_federated_credential(wanted.app, &new).await {
                Err(error) if error.is_conflict() || error.is_federated_duplicate() => error,
                Err(error) if error.is_not_found() => return Err(no_such_application(&graph, wanted.app).await?),
                other => return Ok(other?),
            };
            let present = graph.federated_credentials(wanted.app).await?;
            match wanted.meets(&present)? {
                Met::Same(found) => return self.take_over(found, &graph, cx).await,
                Met::UnderAnotherName(found) if removed.insert(found.id.clone()) => {
                    graph.delete_federated_credential(wanted.app, &found.id).await?;
                }
                _ if graph.now() >= until => return Err(error.into()),
                // Some replicas still have what was just removed, or not yet what is in the way.
                _ => {
                    claim.release();
                    graph
                        .pause(PAUSE, "waiting for the directory to replicate".to_owned(), Some(&error.to_string()))
                        .await?;
                    claim.lock(wanted.app).await?;
                }
            }
        }
    }

    /// Manages an equal one from now on.
    async fn take_over(&self, found: &FederatedCredential, graph: &Graph, cx: &Cx) -> Result<FederatedCredential> {
        cx.warn(
            Diagnostic::warning(format!("The application had the federated credential \"{}\" already", found.name))
                .help(format!(
                    "It was taken over with its id {}, and is removed when this resource is destroyed.",
                    found.id
                )),
        );
        let app = self.application_id.get()?;
        let mut as_it_is = Self::imported("", app).value;
        as_it_is.observe(found);
        if let Some(patch) = self.difference(&as_it_is)? {
            graph.update_federated_credential(app, &found.id, &patch).await?;
        }
        Ok(found.clone())
    }
}
