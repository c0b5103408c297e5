//! `m365_connector_federated_credential`: trust in tokens of another issuer, with which a connector signs in without a secret.

use super::federated_trust::{check_audiences, check_issuer, check_subject};
use super::missing::{deleted_application, no_such_application};
use super::{plan_tenant, target};
use crate::framework::{
    Computed, Diagnostic, Diagnostics, Resource, Result, Stored, Timeouts, Value, configurable, forces_replacement,
    guid, keeps_state,
};
use crate::graph::{FederatedCredential, FederatedCredentialPatch, Graph, GraphError, NewFederatedCredential, Patch};
use crate::provider::{Cx, Planned, Services, Target, Writes, resolve_tenant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// Most federated credentials of one application. Source: Microsoft's documentation of workload identity federation.
const MOST: usize = 20;

/// Trust of an application in tokens of another issuer: whoever has one with this issuer, subject and audience can sign in as it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorFederatedCredential {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the application: `id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub application_id: Value<String>,
    /// Name, unique on the application: 3 to 120 letters, digits, `-` and `_`. Another name replaces the credential.
    #[schemars(transform = forces_replacement, regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$"))]
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

    fn validate(&self, cx: &Cx) -> Result<()> {
        let (warnings, result) = self.check();
        warnings.into_iter().for_each(|warning| cx.warn(warning));
        result
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut state.value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        // What was not known before may be so now.
        state.value.check().1?;
        state.plan_among_others(cx)?;
        match prior {
            None => state.value.look_before_create(cx).await,
            Some(_) => Ok(()),
        }
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        state.value.check().1?;
        let app = state.value.application_id.get()?.clone();
        let _guard = cx.lock(&app).await?;
        let made = match graph.create_federated_credential(&app, &state.value.to_graph()?).await {
            Ok(made) => made,
            Err(error) if error.is_conflict() || error.is_federated_duplicate() => {
                let present = graph.federated_credentials(&app).await?;
                let found = state.value.to_take_over(&present)?;
                state.value.take_over(found.ok_or(error)?, &app, &graph, cx).await?
            }
            Err(error) if error.is_not_found() => return Err(no_such_application(&graph, &app).await?),
            Err(error) => return Err(error.into()),
        };
        state.exists = true;
        state.value.id = made.id.clone().into();
        if state.value.description.is_unknown() {
            state.value.description = made.description.filter(|text| !text.is_empty()).into();
        }
        state.private.writes.wrote(&graph, &[Seen::Nowhere.view()], &[state.value.view()?]);
        cx.run()?.take(name_target(&tenant, &app, &made.name), [made.id]);
        Ok(())
    }

    async fn read(key: ConnectorFederatedCredentialKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let tenant = resolve_tenant(key.tenant_id.as_ref(), &graph).await?;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let look = || async { Ok(look(&graph, &key.application_id, &key.name).await?) };
        let seen = writes.settled(&graph, look, |seen| vec![seen.view()]).await?;
        let state = match (seen, prior) {
            (Seen::There(found), prior) => {
                let mut state =
                    prior.unwrap_or_else(|| ConnectorFederatedCredential::imported(&tenant, &key.application_id));
                state.value.observe(&found);
                state
            }
            // Graph does not show federated credentials of a deleted application; they are there again once it is restored.
            (Seen::OfDeleted, Some(prior)) => prior,
            _ => return Ok(None),
        };
        cx.run()?.found_in_state(name_target(&tenant, &key.application_id, &key.name), &())?;
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let app = state.value.application_id.get()?.clone();
        let _guard = cx.lock(&app).await?;
        let Some(patch) = state.value.difference(&prior.value)? else { return Ok(()) };
        match graph.update_federated_credential(&app, prior.value.id.get()?, &patch).await {
            Err(error) if error.is_federated_duplicate() => {
                let present = graph.federated_credentials(&app).await?;
                state.value.to_take_over(&present)?;
                Err(error.into())
            }
            other => {
                other?;
                state.private.writes.wrote(&graph, &[prior.value.view()?], &[state.value.view()?]);
                Ok(())
            }
        }
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(prior.value.tenant_id.known(), &graph).await?;
        let (app, id) = (prior.value.application_id.get()?.clone(), prior.value.id.get()?.clone());
        let name = prior.value.name.get()?;
        if cx.run()?.taken(&name_target(&tenant, &app, name)).is_some_and(|taken| taken.contains(&id)) {
            cx.warn(Diagnostic::warning(format!(
                "The federated credential \"{name}\" was not removed, because a create in the same run took it over"
            )));
            return Ok(());
        }
        let _guard = cx.lock(&app).await?;
        Ok(graph.delete_federated_credential(&app, &id).await?)
    }
}

/// Where a federated credential is.
enum Seen {
    There(FederatedCredential),
    /// The application is deleted.
    OfDeleted,
    Nowhere,
}

impl Seen {
    fn view(&self) -> serde_json::Value {
        match self {
            Self::There(found) => {
                let audiences: BTreeSet<_> = found.audiences.iter().collect();
                json!([found.issuer, found.subject, audiences, found.description.as_deref().unwrap_or_default()])
            }
            Self::OfDeleted => json!("deleted"),
            Self::Nowhere => json!(null),
        }
    }
}

async fn look(graph: &Graph, application: &str, name: &str) -> std::result::Result<Seen, GraphError> {
    match graph.federated_credential(application, name).await? {
        Some(found) => Ok(Seen::There(found)),
        None if graph.deleted_application(application).await?.is_some() => Ok(Seen::OfDeleted),
        None => Ok(Seen::Nowhere),
    }
}

/// A name on an application, for the run's memory.
fn name_target(tenant: &str, application: &str, name: &str) -> Target {
    target::<ConnectorFederatedCredential>(tenant, &format!("{application}/{name}"))
}

impl State {
    /// Two resources for one name would each undo the other's.
    fn plan_among_others(&self, cx: &Cx) -> Result<()> {
        let (Some(application), Some(name)) = (self.value.application_id.known(), self.value.name.known()) else {
            return Ok(());
        };
        let target = name_target(self.value.tenant_id.known().map_or("", String::as_str), application, name);
        if cx.run()?.plan(target, Planned { exclusive: true, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error("Two federated credentials of one application have the same name")
            .at("name")
            .help(format!(
                "\"{name}\" is declared twice for the application {application}. Give each a name of its own."
            ))
            .into())
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

    /// Doubts, and what is wrong, of all that is known.
    fn check(&self) -> (Vec<Diagnostic>, Result<()>) {
        let (mut found, mut warnings) = (Diagnostics::default(), Vec::new());
        let issuer = self.issuer.known().map(String::as_str);
        if let Some(issuer) = issuer {
            warnings.extend(check_issuer(issuer, &mut found));
        }
        if let Some(subject) = self.subject.known() {
            warnings.extend(check_subject(subject, issuer, &mut found));
        }
        if let Some(audiences) = self.audiences.known() {
            check_audiences(audiences, &mut found);
        }
        (warnings, found.into_result())
    }

    /// As a read shows it: what of that can be out of date.
    fn view(&self) -> Result<serde_json::Value> {
        let description = self.description.known().map(String::as_str).unwrap_or_default();
        Ok(json!([self.issuer.get()?, self.subject.get()?, self.audiences.get()?, description]))
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
        let tenant_id = self.tenant_id.known().cloned();
        let (Some(app), Some(name)) = (self.application_id.known(), self.name.known()) else { return Ok(()) };
        let Some(graph) = cx.graph_for_plan(tenant_id.as_deref())? else { return Ok(()) };
        let mut present = match graph.federated_credentials(app).await {
            Err(error) if error.is_not_found() => Vec::new(),
            other => other?,
        };
        if present.is_empty() && graph.application(app).await?.is_none() {
            return deleted_application(&graph, app, cx).await.map(|_| ());
        }
        // What this run manages already may be on its way out, be it this one to be replaced or another one renamed.
        let tenant = tenant_id.unwrap_or_default();
        let run = cx.run()?;
        present.retain(|one| run.in_state::<()>(&name_target(&tenant, app, &one.name)).is_none());
        if self.issuer.known().is_some() && self.subject.known().is_some() && self.audiences.known().is_some() {
            let found = self.to_take_over(&present)?;
            if found.is_none() && present.len() >= MOST {
                return Err(Diagnostic::error("The application has no room for another federated credential")
                    .at("name")
                    .help(format!("Entra allows {MOST}, and it has {} without \"{name}\". Remove one that is not needed, or use an application of its own.", present.len()))
                    .into());
            }
        }
        Ok(())
    }

    /// The present credential that is equal to this one. Fails where one has its name or its issuer and subject, and is not equal.
    fn to_take_over<'a>(&self, present: &'a [FederatedCredential]) -> Result<Option<&'a FederatedCredential>> {
        let (name, issuer, subject) = (self.name.get()?, self.issuer.get()?, self.subject.get()?);
        let app = self.application_id.get()?;
        let trusts_same =
            |one: &FederatedCredential| one.issuer.as_ref() == Some(issuer) && one.subject.as_ref() == Some(subject);
        let audiences = self.audiences.get()?;
        if let Some(found) = present.iter().find(|one| one.name == *name) {
            if trusts_same(found) && found.audiences.iter().collect::<BTreeSet<_>>() == audiences.iter().collect() {
                return Ok(Some(found));
            }
            return Err(Diagnostic::error(format!("Another federated credential already has the name \"{name}\""))
                .at("name")
                .help(format!(
                    "It trusts tokens of {} about \"{}\" for {}.",
                    found.issuer.as_deref().unwrap_or_default(),
                    found.subject.as_deref().unwrap_or_default(),
                    found.audiences.join(", ")
                ))
                .help(format!("To manage that one, import it with the id `{app}/{name}`; a plan then shows what would change. Else choose another `name`."))
                .into());
        }
        match present.iter().find(|one| trusts_same(one)) {
            Some(found) => Err(Diagnostic::error("The application already trusts this issuer and subject")
                .at("subject")
                .help(format!("Its federated credential \"{0}\" does, and Entra allows no second one. To manage that one, set `name = \"{0}\"`{1}.", found.name, if found.audiences.iter().collect::<BTreeSet<_>>() == audiences.iter().collect() { String::new() } else { format!(" and import it with the id `{app}/{}`", found.name) }))
                .into()),
            None => Ok(None),
        }
    }

    /// Manages an equal one from now on.
    async fn take_over(
        &self,
        found: &FederatedCredential,
        app: &str,
        graph: &Graph,
        cx: &Cx,
    ) -> Result<FederatedCredential> {
        cx.warn(
            Diagnostic::warning(format!("The application had the federated credential \"{}\" already", found.name))
                .help(format!(
                    "It was taken over with its id {}, and is removed when this resource is destroyed.",
                    found.id
                )),
        );
        let mut as_it_is = Self::imported("", app).value;
        as_it_is.observe(found);
        if let Some(patch) = self.difference(&as_it_is)? {
            graph.update_federated_credential(app, &found.id, &patch).await?;
        }
        Ok(found.clone())
    }
}
