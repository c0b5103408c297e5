//! `m365_connector_certificate`: a certificate with which a connector signs in. Only the public part is ever seen here.

use super::missing::{deleted_application, no_such_application};
use super::x509::{self, Certificate};
use super::{plan_tenant, target, today};
use crate::framework::{
    Computed, Diagnostic, Resource, Result, Severity, Stored, Timeouts, Value, configurable, forces_replacement, guid,
    keeps_state,
};
use crate::graph::{Graph, Holder, KeyCredential};
use crate::provider::lifetime::days;
use crate::provider::{Cx, Planned, Services, Target, Writes, resolve_tenant};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// From how many days before its end on every plan warns of it.
const WARNED_DAYS: i32 = 30;
/// Longest name of a key. Source: Microsoft's documentation of `keyCredential`, which says that a longer one is cut.
const LONGEST_NAME: usize = 90;

/// A certificate on an application, with which the vendor signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorCertificate {
    /// Tenant (GUID) that the application lives in. The provider's own where not given; kept once made.
    #[schemars(transform = configurable, transform = forces_replacement, transform = keeps_state, transform = guid)]
    pub tenant_id: Computed<String>,
    /// Object id of the application: `id` of an `m365_connector_app`.
    #[schemars(transform = forces_replacement, transform = guid)]
    pub application_id: Value<String>,
    /// The certificate in PEM, the public part only. Another certificate replaces the resource; the same in another spelling does not.
    pub certificate: Value<String>,
    /// Name that the portal shows. The certificate's subject, such as `CN=siem.example.com`, where not given.
    #[schemars(transform = configurable, length(min = 1, max = 90))]
    pub display_name: Computed<String>,
    /// How long operations may take.
    pub timeouts: Option<Timeouts>,
    /// SHA-1 of the certificate in upper-case hex, as the portal shows it. Known while planning.
    #[schemars(transform = keeps_state)]
    pub thumbprint: Computed<String>,
    /// Id (GUID) under which the application has it.
    #[schemars(transform = keeps_state, transform = guid)]
    pub key_id: Computed<String>,
    /// From when it is accepted, in RFC 3339.
    #[schemars(transform = keeps_state)]
    pub start_date_time: Computed<String>,
    /// Until when it is accepted, in RFC 3339.
    #[schemars(transform = keeps_state)]
    pub end_date_time: Computed<String>,
}

/// Identity of a certificate on an application.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorCertificateKey {
    /// Tenant (GUID).
    pub tenant_id: Option<String>,
    /// Object id of the application.
    pub application_id: String,
    /// Id (GUID) under which the application has it.
    pub key_id: String,
}

/// What only we remember of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorCertificatePrivate {
    /// The server's day (UTC) when it was last looked at: how long it is still valid is counted from there.
    #[serde(default)]
    seen_on: Option<Date>,
    /// What was written of late.
    #[serde(default)]
    writes: Writes,
}

type State = Stored<ConnectorCertificate, ConnectorCertificatePrivate>;

impl Resource for ConnectorCertificate {
    const NAME: &'static str = "m365_connector_certificate";
    type Services = Services;
    type Key = ConnectorCertificateKey;
    type Private = ConnectorCertificatePrivate;

    fn validate(&self, _: &Cx) -> Result<()> {
        self.certificate.known().map_or(Ok(()), |pem| x509::read(pem).map(|_| ()).map_err(Into::into))
    }

    async fn plan(state: &mut State, prior: Option<&State>, cx: &Cx) -> Result<()> {
        let value = &mut state.value;
        let before = prior.map(|prior| &prior.value);
        plan_tenant(&mut value.tenant_id, before.map(|before| &before.tenant_id), cx)?;
        let Some(pem) = value.certificate.known() else {
            value.plan_another();
            value.thumbprint = Computed::Unknown;
            if !cx.is_configured("display_name") {
                value.display_name = Computed::Unknown;
            }
            cx.requires_replacement("certificate");
            return Ok(());
        };
        let certificate = x509::read(pem)?;
        value.thumbprint = certificate.thumbprint.clone().into();
        if !cx.is_configured("display_name") {
            value.display_name = default_name(&certificate).into();
        }
        state.plan_among_others(&certificate, cx)?;
        within_guardrail(&certificate, before.is_none_or(|before| before.thumbprint != state.value.thumbprint), cx)?;
        if before.is_none_or(|before| *before != state.value) {
            let application = state.value.application_id.known().map(String::as_str);
            cx.preflight_application(&state.value.tenant_id, application).await?;
        }
        match prior {
            None => state.value.look_before_create(&certificate, cx).await,
            Some(prior) if prior.value.thumbprint.known() == Some(&certificate.thumbprint) => {
                prior.warn_of_expiry(cx);
                Ok(())
            }
            Some(_) => {
                state.value.plan_another();
                cx.requires_replacement("certificate");
                Ok(())
            }
        }
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(state.value.tenant_id.known(), &graph).await?;
        state.value.tenant_id = tenant.clone().into();
        let certificate = x509::read(state.value.certificate.get()?)?;
        state.value.thumbprint = certificate.thumbprint.clone().into();
        if state.value.display_name.is_unknown() {
            state.value.display_name = default_name(&certificate).into();
        }
        let (made, is_new) = state.value.add(&certificate, &graph, cx).await?;
        state.exists = true;
        state.value.observe(&made);
        state.private.seen_on = Some(today(&graph));
        state.private.writes.wrote(&graph, &[view(None)], &[view(Some(&made))]);
        if !is_new {
            cx.warn(Diagnostic::warning("The application had this certificate already").help(format!(
                "It was taken over under its key id {}, and is removed when this resource is destroyed.",
                made.key_id.as_deref().unwrap_or_default()
            )));
        }
        let target = key_target(&tenant, state.value.application_id.get()?, made.key_id.as_deref().unwrap_or_default());
        cx.run()?.take(target, []);
        Ok(())
    }

    async fn read(key: ConnectorCertificateKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let graph = cx.graph(key.tenant_id.as_deref())?;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let keys = writes
            .settled(
                &graph,
                || async { Ok(everywhere(&graph, &key.application_id).await?) },
                |keys| vec![view(keys.iter().flatten().find(|one| has_id(one, &key.key_id)))],
            )
            .await?;
        let Some(found) = keys.iter().flatten().find(|one| has_id(one, &key.key_id)) else { return Ok(None) };
        let mut state = match prior {
            Some(prior) => prior,
            None => {
                let tenant = resolve_tenant(key.tenant_id.as_ref(), &graph).await?;
                ConnectorCertificate::imported(&tenant, &key.application_id, found)?
            }
        };
        state.value.observe(found);
        state.value.display_name = found.display_name.clone().into();
        state.private.seen_on = Some(today(&graph));
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        if state.value.display_name == prior.value.display_name {
            return Ok(());
        }
        let graph = cx.graph(state.value.tenant_id.known().map(String::as_str))?;
        let (app, id, name) = (
            state.value.application_id.get()?.clone(),
            prior.value.key_id.get()?.clone(),
            state.value.display_name.known().cloned(),
        );
        let _guard = cx.lock(&app).await?;
        let holder = Holder::Application(app);
        if prior.private.writes.may_be_unseen(&graph) {
            graph.expect_key(&holder, &id);
        }
        let changed = graph.change_key_credentials(&holder, |present| renamed(present, &id, name.as_ref())).await?;
        if let Some(now) = changed.iter().flatten().find(|one| has_id(one, &id)) {
            let before = KeyCredential { display_name: prior.value.display_name.known().cloned(), ..now.clone() };
            state.private.writes.wrote(&graph, &[view(Some(&before))], &[view(Some(now))]);
            return Ok(());
        }
        Err(Diagnostic::error(format!("The certificate {id} was removed meanwhile")).help("Plan again.").into())
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let graph = cx.graph(prior.value.tenant_id.known().map(String::as_str))?;
        let tenant = resolve_tenant(prior.value.tenant_id.known(), &graph).await?;
        let (app, id) = (prior.value.application_id.get()?.clone(), prior.value.key_id.get()?.clone());
        if cx.run()?.taken(&key_target(&tenant, &app, &id)).is_some() {
            cx.warn(Diagnostic::warning(format!(
                "The certificate {id} was not removed, because a create in the same run took it over"
            )));
            return Ok(());
        }
        let _guard = cx.lock(&app).await?;
        let holder = Holder::Application(app);
        if prior.private.writes.may_be_unseen(&graph) {
            graph.expect_key(&holder, &id);
        }
        // An application that is gone, be it into the deleted items, lets nobody in.
        graph.change_key_credentials(&holder, |present| without(present, &id)).await?;
        Ok(())
    }
}

/// What of a read can be out of date: whether the certificate is there, and under which name.
fn view(found: Option<&KeyCredential>) -> serde_json::Value {
    found.map_or(serde_json::Value::Null, |found| serde_json::json!({ "name": found.display_name }))
}

/// Certificates of an application, be it a deleted one, which has them again once it is restored.
async fn everywhere(
    graph: &Graph,
    application: &str,
) -> std::result::Result<Option<Vec<KeyCredential>>, crate::graph::GraphError> {
    match graph.key_credentials(&Holder::Application(application.to_owned())).await? {
        Some(keys) => Ok(Some(keys)),
        None => graph.deleted_key_credentials(application).await,
    }
}

/// The server's day, in UTC.
fn has_id(key: &KeyCredential, id: &str) -> bool {
    key.key_id.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(id))
}

/// A certificate on an application, for the run's memory.
fn key_target(tenant: &str, application: &str, key_id: &str) -> Target {
    target::<ConnectorCertificate>(tenant, &format!("{application}/{key_id}"))
}

fn default_name(certificate: &Certificate) -> String {
    let name = if certificate.subject.is_empty() { &certificate.thumbprint } else { &certificate.subject };
    name.chars().take(LONGEST_NAME).collect()
}

/// The collection with the certificate in it under that name; `None` where it is so.
fn with(present: &[KeyCredential], certificate: &Certificate, name: Option<&String>) -> Option<Vec<KeyCredential>> {
    let same = |one: &&KeyCredential| one.thumbprint().as_ref() == Some(&certificate.thumbprint);
    match present.iter().find(same).and_then(|found| found.key_id.as_ref()) {
        Some(id) => renamed(present, id, name),
        None => Some(present.iter().cloned().chain([to_graph(certificate, name)]).collect()),
    }
}

fn renamed(present: &[KeyCredential], id: &str, name: Option<&String>) -> Option<Vec<KeyCredential>> {
    let mut wanted = present.to_vec();
    let found = wanted.iter_mut().find(|one| has_id(one, id))?;
    found.display_name = name.cloned();
    (wanted != present).then_some(wanted)
}

fn without(present: &[KeyCredential], id: &str) -> Option<Vec<KeyCredential>> {
    let kept: Vec<_> = present.iter().filter(|one| !has_id(one, id)).cloned().collect();
    (kept.len() < present.len()).then_some(kept)
}

fn to_graph(certificate: &Certificate, name: Option<&String>) -> KeyCredential {
    use base64::Engine;
    KeyCredential {
        kind: Some("AsymmetricX509Cert".to_owned()),
        usage: Some("Verify".to_owned()),
        display_name: name.cloned(),
        start_date_time: Some(certificate.not_before.to_string()),
        end_date_time: Some(certificate.not_after.to_string()),
        key: Some(base64::engine::general_purpose::STANDARD.encode(&certificate.der)),
        ..KeyCredential::default()
    }
}

/// A date as Graph writes it, without digits that say nothing.
fn date(text: Option<&String>) -> Computed<String> {
    text.map(|text| text.parse::<Timestamp>().map_or_else(|_| text.clone(), |time| time.to_string())).into()
}

impl ConnectorCertificate {
    /// Nothing but defaults: what an import starts from.
    fn imported(tenant: &str, application: &str, found: &KeyCredential) -> Result<State> {
        let id = found.key_id.as_deref().unwrap_or_default();
        if found.thumbprint().is_none() {
            return Err(Diagnostic::error(format!("The key {id} is no certificate that signs in"))
                .help(format!(
                    "Its type is {} and its usage {}; `AsymmetricX509Cert` and `Verify` are what this resource manages.",
                    found.kind.as_deref().unwrap_or("unknown"),
                    found.usage.as_deref().unwrap_or("unknown")
                ))
                .into());
        }
        let value = Self {
            tenant_id: tenant.to_owned().into(),
            application_id: application.to_owned().into(),
            certificate: found.der().map(|der| x509::to_pem(&der)).unwrap_or_default().into(),
            display_name: Computed::Null,
            timeouts: None,
            thumbprint: Computed::Null,
            key_id: Computed::Null,
            start_date_time: Computed::Null,
            end_date_time: Computed::Null,
        };
        Ok(Stored { value, private: ConnectorCertificatePrivate::default(), exists: true })
    }

    /// What only Graph decides, of a certificate that it does not have yet.
    fn plan_another(&mut self) {
        self.key_id = Computed::Unknown;
        self.start_date_time = Computed::Unknown;
        self.end_date_time = Computed::Unknown;
    }

    fn observe(&mut self, found: &KeyCredential) {
        self.key_id = found.key_id.clone().into();
        self.start_date_time = date(found.start_date_time.as_ref());
        self.end_date_time = date(found.end_date_time.as_ref());
        if let Some(thumbprint) = found.thumbprint() {
            self.thumbprint = thumbprint.into();
        }
    }

    /// Graph refuses what has expired, and a wrong application: better said before anything is written.
    async fn look_before_create(&self, certificate: &Certificate, cx: &Cx) -> Result<()> {
        if !cx.configured_services().is_some_and(Services::is_known) {
            return Ok(());
        }
        let tenant = self.tenant_id.known().map(String::as_str);
        let graph = cx.graph(tenant)?;
        if let (Some(app), Some(graph)) = (self.application_id.known(), cx.graph_for_plan(tenant)?)
            && graph.key_credentials(&Holder::Application(app.clone())).await?.is_none()
        {
            deleted_application(&graph, app, cx).await?;
        }
        refuse_expired(certificate, graph.now())?;
        warn_of_end(certificate.not_after, graph.now().to_zoned(TimeZone::UTC).date(), cx);
        Ok(())
    }

    /// Adds the certificate and gives what the application then has, and whether it is new there.
    async fn add(&self, certificate: &Certificate, graph: &Graph, cx: &Cx) -> Result<(KeyCredential, bool)> {
        let app = self.application_id.get()?.clone();
        let holder = Holder::Application(app.clone());
        let (is_new, name) = (AtomicBool::new(false), self.display_name.known());
        let change = |present: &[KeyCredential]| {
            let wanted = with(present, certificate, name);
            is_new.fetch_or(wanted.as_ref().is_some_and(|wanted| wanted.len() > present.len()), Ordering::Relaxed);
            wanted
        };
        let written = {
            let _guard = cx.lock(&app).await?;
            refuse_expired(certificate, graph.now())?;
            match graph.change_key_credentials(&holder, change).await? {
                None if graph.application_is_there(&app).await? => {
                    graph.change_key_credentials(&holder, change).await?
                }
                written => written,
            }
        };
        if written.is_none() {
            return Err(no_such_application(graph, &app).await?);
        }
        let same = |one: &KeyCredential| one.thumbprint().as_ref() == Some(&certificate.thumbprint);
        let found = written.into_iter().flatten().find(same);
        found
            .map(|found| (found, is_new.load(Ordering::Relaxed)))
            .ok_or_else(|| Diagnostic::bug("a written certificate was not among those read back").into())
    }
}

fn refuse_expired(certificate: &Certificate, now: Timestamp) -> Result<()> {
    if certificate.not_after > now {
        return Ok(());
    }
    Err(Diagnostic::error("The certificate has expired")
        .at("certificate")
        .help(format!("{} ended on {}. Give one that is valid.", certificate.subject, certificate.not_after))
        .into())
}

impl State {
    /// Two resources for one certificate of an application would each remove the other's.
    fn plan_among_others(&self, certificate: &Certificate, cx: &Cx) -> Result<()> {
        let (Some(application), tenant) = (self.value.application_id.known(), &self.value.tenant_id) else {
            return Ok(());
        };
        let id = format!("{application}/{}", certificate.thumbprint);
        let target = target::<ConnectorCertificate>(tenant.known().map_or("", String::as_str), &id);
        if cx.run()?.plan(target, Planned { exclusive: true, second: cx.is_second_plan() }) {
            return Ok(());
        }
        Err(Diagnostic::error("Two resources manage one certificate of an application")
            .at("certificate")
            .help(format!(
                "The certificate with the thumbprint {} is declared twice for the application {application}. Remove one of them.",
                certificate.thumbprint
            ))
            .into())
    }

    fn warn_of_expiry(&self, cx: &Cx) {
        let end = self.value.end_date_time.known().and_then(|end| end.parse().ok());
        if let (Some(end), Some(seen_on)) = (end, self.private.seen_on) {
            warn_of_end(end, seen_on, cx);
        }
    }
}

fn warn_of_end(end: Timestamp, today: Date, cx: &Cx) {
    let last = end.to_zoned(TimeZone::UTC).date();
    if today.checked_add(WARNED_DAYS.days()).is_ok_and(|soon| soon < last) {
        return;
    }
    let summary = if last < today { "The certificate has expired" } else { "The certificate expires soon" };
    cx.warn(Diagnostic::warning(summary).at("certificate").help(format!(
        "It is accepted until {end}, and the tenant's day was {today} when it was last looked at. Add its successor beside it as another `m365_connector_certificate`, let the vendor change over, then remove this one."
    )));
}

/// The provider block's limit on lifetimes, for a certificate's whole validity. One that is there already is only pointed out.
fn within_guardrail(certificate: &Certificate, is_new: bool, cx: &Cx) -> Result<()> {
    let Some(most) = cx.max_secret_lifetime() else { return Ok(()) };
    let valid = certificate.not_after.duration_since(certificate.not_before);
    if days(most).is_none_or(|limit| valid.as_hours() <= limit * 24) {
        return Ok(());
    }
    let found = Diagnostic::error(format!("The provider's guardrails allow a certificate to be valid for {most} at most"))
        .at("certificate")
        .help(format!(
            "It is valid for {} days, from {} to {}. Have one issued for a shorter time, or change `guardrails.max_secret_lifetime` in the provider block.",
            valid.as_hours() / 24,
            certificate.not_before,
            certificate.not_after
        ));
    if is_new {
        return Err(found.into());
    }
    cx.warn(Diagnostic { severity: Severity::Warning, ..found });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, name: &str) -> KeyCredential {
        KeyCredential { key_id: Some(id.to_owned()), display_name: Some(name.to_owned()), ..KeyCredential::default() }
    }

    #[test]
    fn a_key_is_removed_or_renamed_among_others_which_stay_as_they_are() {
        let present = [key("a", "1"), key("b", "2"), key("c", "3")];
        assert_eq!(without(&present, "B"), Some(vec![key("a", "1"), key("c", "3")]));
        assert_eq!(without(&present, "d"), None);
        let name = "x".to_owned();
        assert_eq!(renamed(&present, "b", Some(&name)), Some(vec![key("a", "1"), key("b", "x"), key("c", "3")]));
        assert_eq!(renamed(&present, "b", Some(&"2".to_owned())), None);
    }

    #[test]
    fn dates_of_one_moment_are_written_in_one_way() {
        assert_eq!(date(Some(&"2027-01-31T00:00:00.0000000Z".to_owned())), "2027-01-31T00:00:00Z".to_owned().into());
    }
}
