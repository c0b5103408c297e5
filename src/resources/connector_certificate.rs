//! `m365_connector_certificate`: a certificate with which a connector signs in. Only the public part is ever seen here.

use super::connector_app::confirm_create;
use super::x509::{self, Certificate};
use super::{not_replicated, plan_tenant, target, today};
use crate::framework::{
    Computed, Diagnostic, Resource, Result, Severity, Stored, Timeouts, Value, configurable, forces_replacement, guid,
    keeps_state,
};
use crate::graph::{Graph, GraphError, Holder, KeyCredential, KeysFate, Settled, View, Writes};
use crate::provider::lifetime::days;
use crate::provider::missing::{deleted_application, no_such_application};
use crate::provider::{Claim, Cx, Planned, Services};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
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
    /// Name that the portal shows. The certificate's subject, such as `CN=siem.example.com`, where not given. Graph keeps a stored
    /// certificate as it is: a change exchanges it for one with a new `key_id`, in one write.
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
        let same = before.filter(|before| before.thumbprint.known() == Some(&certificate.thumbprint));
        if !cx.is_configured("display_name") {
            // One without a name, as an import finds it, is left alone.
            let nameless = same.is_some_and(|before| before.display_name == Computed::Null);
            value.display_name = if nameless { Computed::Null } else { default_name(&certificate).into() };
        }
        state.value.plan_among_others(&certificate, cx)?;
        within_guardrail(&certificate, same.is_none(), cx)?;
        if same.is_none_or(|before| before.display_name != state.value.display_name) {
            let application = state.value.application_id.known().map(String::as_str);
            cx.preflight_application(&state.value.tenant_id, application).await?;
        }
        match prior {
            None => state.value.look_before_create(&certificate, cx).await,
            Some(prior) if same.is_some() => {
                if state.value.display_name != prior.value.display_name {
                    state.value.key_id = Computed::Unknown;
                }
                check_key(&certificate, true, cx)?;
                prior.warn_of_expiry(cx);
                Ok(())
            }
            Some(_) => {
                check_key(&certificate, false, cx)?;
                state.value.plan_another();
                cx.requires_replacement("certificate");
                Ok(())
            }
        }
    }

    async fn create(state: &mut State, cx: &Cx) -> Result<()> {
        let app = state.value.application_id.get()?.clone();
        let certificate = x509::read(state.value.certificate.get()?)?;
        let id = format!("{app}/{}", certificate.thumbprint);
        let mut claim = cx.claim_create::<Self>(&state.value.tenant_id, &id).await?;
        claim.lock(&app).await?;
        state.value.tenant_id = claim.tenant.id.clone().into();
        state.value.thumbprint = certificate.thumbprint.clone().into();
        if state.value.display_name.is_unknown() {
            state.value.display_name = default_name(&certificate).into();
        }
        refuse_expired(&certificate, claim.tenant.graph.now())?;
        confirm_create(&claim.tenant.graph, &app, None).await?;
        let (name, was_there) = (state.value.display_name.known().cloned(), AtomicBool::new(false));
        let change = |present: &[KeyCredential]| {
            was_there.fetch_or(present.iter().any(|one| is_of(one, &certificate)), Ordering::Relaxed);
            with(present, &certificate, name.as_ref())
        };
        state.write(&certificate, None, &mut claim, change, cx).await?;
        let key_id = state.value.key_id.get()?.clone();
        if was_there.load(Ordering::Relaxed) {
            cx.warn(Diagnostic::warning("The application had this certificate already").help(format!(
                "It was taken over under its key id {key_id}, and is removed when this resource is destroyed."
            )));
        }
        claim.took([key_id.to_lowercase()])
    }

    async fn read(key: ConnectorCertificateKey, prior: Option<State>, cx: &Cx) -> Result<Option<State>> {
        let tenant = cx.tenant(key.tenant_id.as_deref()).await?;
        let writes = prior.as_ref().map(|prior| prior.private.writes.clone()).unwrap_or_default();
        let look = || everywhere(&tenant.graph, &key.application_id);
        let view = |keys: &Option<Vec<KeyCredential>>| view(keys.iter().flatten());
        let Settled { seen, stale } = tenant.graph.settled_read(&writes, look, view).await?;
        if let Some(prior) = prior.as_ref().filter(|_| stale.contains(&entry(&key.key_id))) {
            // What was written was accepted, and stands.
            cx.warn(not_replicated(&format!("the certificate {}", key.key_id)));
            return Ok(Some(prior.clone()));
        }
        let Some(found) = seen.iter().flatten().find(|one| has_id(one, &key.key_id)) else { return Ok(None) };
        let mut state = match prior {
            Some(prior) => prior,
            None => Self::imported(&tenant.id, &key.application_id, found)?,
        };
        state.value.observe(found);
        state.value.display_name = found.display_name.clone().into();
        state.private.seen_on = Some(today(&tenant.graph));
        Ok(Some(state))
    }

    async fn update(state: &mut State, prior: State, cx: &Cx) -> Result<()> {
        if state.value.display_name == prior.value.display_name {
            return Ok(());
        }
        let (app, old) = (state.value.application_id.get()?.clone(), prior.value.key_id.get()?.clone());
        let certificate = x509::read(state.value.certificate.get()?)?;
        let id = format!("{app}/{}", certificate.thumbprint);
        let mut claim = cx.claim_update::<Self>(&state.value.tenant_id, &id).await?;
        claim.lock(&app).await?;
        prior.expect(&claim.tenant.graph)?;
        let name = state.value.display_name.known().cloned();
        let change = |present: &[KeyCredential]| exchanged(present, &old, &certificate, name.as_ref());
        state.write(&certificate, Some(&old), &mut claim, change, cx).await
    }

    async fn delete(prior: State, cx: &Cx) -> Result<()> {
        let (app, id) = (prior.value.application_id.get()?.clone(), prior.value.key_id.get()?.clone());
        let thumbprint = prior.value.thumbprint.known().map_or("", String::as_str);
        let mut claim = cx.claim_delete::<Self>(&prior.value.tenant_id, &format!("{app}/{thumbprint}")).await?;
        if claim.taken()?.is_some_and(|taken| taken.contains(&id.to_lowercase())) {
            cx.warn(Diagnostic::warning(format!(
                "The certificate {id} was not removed, because a create in the same run took it over"
            )));
            return Ok(());
        }
        claim.lock(&app).await?;
        prior.expect(&claim.tenant.graph)?;
        // An application that is gone, be it into the deleted items, lets nobody in.
        let holder = Holder::Application(app);
        claim.tenant.graph.write_key_credentials(&holder, |present| without(present, &id)).await?;
        Ok(())
    }
}

/// What of a read can be out of date: whether a certificate is there. Graph keeps a stored one as it is.
fn view<'a>(keys: impl Iterator<Item = &'a KeyCredential>) -> View {
    keys.map(|one| (entry(&one.id()), json!(true))).collect()
}

/// How writes and views call a certificate.
fn entry(key_id: &str) -> String {
    format!("certificate:{}", key_id.to_lowercase())
}

/// Certificates of an application, be it a deleted one, which has them again once it is restored.
async fn everywhere(graph: &Graph, app: &str) -> std::result::Result<Option<Vec<KeyCredential>>, GraphError> {
    match graph.key_credentials(&Holder::Application(app.to_owned())).await? {
        Some(keys) => Ok(Some(keys)),
        None => graph.deleted_key_credentials(app).await,
    }
}

fn has_id(key: &KeyCredential, id: &str) -> bool {
    key.key_id.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(id))
}

fn is_of(key: &KeyCredential, certificate: &Certificate) -> bool {
    key.thumbprint().as_ref() == Some(&certificate.thumbprint)
}

fn default_name(certificate: &Certificate) -> String {
    let name = if certificate.subject.is_empty() { &certificate.thumbprint } else { &certificate.subject };
    name.chars().take(LONGEST_NAME).collect()
}

/// The collection with the certificate in it under that name; `None` where it is so.
fn with(present: &[KeyCredential], certificate: &Certificate, name: Option<&String>) -> Option<Vec<KeyCredential>> {
    match present.iter().find(|one| is_of(one, certificate)).map(KeyCredential::id) {
        Some(id) => exchanged(present, &id, certificate, name),
        None => Some(present.iter().cloned().chain([to_graph(certificate, name)]).collect()),
    }
}

/// The collection with the certificate under that name, in place of the one under `id`; `None` where it is so, and where there is none.
/// Graph keeps a stored key as it is (azure-powershell#6784): both are done in one write, so that it lets in at any time.
fn exchanged(
    present: &[KeyCredential],
    id: &str,
    certificate: &Certificate,
    name: Option<&String>,
) -> Option<Vec<KeyCredential>> {
    let is_so = |one: &KeyCredential| is_of(one, certificate) && one.display_name.as_ref() == name;
    match present.iter().find(|one| has_id(one, id)) {
        Some(old) if !is_so(old) => {}
        _ => return None,
    }
    let others = without(present, id)?;
    let new = (!others.iter().any(is_so)).then(|| to_graph(certificate, name));
    Some(others.into_iter().chain(new).collect())
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
        start_date_time: Some(certificate.not_before.text().to_owned()),
        end_date_time: Some(certificate.not_after.text().to_owned()),
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
            return check_key(certificate, false, cx);
        }
        let tenant = self.tenant_id.known().map(String::as_str);
        let mut is_there = false;
        if let (Some(app), Some(graph)) = (self.application_id.known(), cx.graph_for_plan(tenant)?) {
            match graph.key_credentials(&Holder::Application(app.clone())).await? {
                Some(present) => is_there = present.iter().any(|one| is_of(one, certificate)),
                None => {
                    deleted_application(&graph, app, cx).await?;
                }
            }
        }
        check_key(certificate, is_there, cx)?;
        let now = cx.tenant(tenant).await?.graph.now();
        refuse_expired(certificate, now)?;
        if let Some(end) = certificate.not_after.time() {
            warn_of_end(end, now.to_zoned(TimeZone::UTC).date(), cx);
        }
        Ok(())
    }

    /// Two resources for one certificate of an application would each remove the other's.
    fn plan_among_others(&self, certificate: &Certificate, cx: &Cx) -> Result<()> {
        let Some(application) = self.application_id.known() else { return Ok(()) };
        let id = format!("{application}/{}", certificate.thumbprint);
        let target = target::<Self>(self.tenant_id.known().map_or("", String::as_str), &id);
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
}

/// A key with which nobody can sign in. What the tenant holds already stays, and is only said.
fn check_key(certificate: &Certificate, is_there: bool, cx: &Cx) -> Result<()> {
    let Some(why) = &certificate.weakness else { return Ok(()) };
    let found = Diagnostic::error("Nobody can sign in with this certificate")
        .at("certificate")
        .help(why)
        .help("Make one with an RSA key of 2048 bits or more: `openssl req -x509 -newkey rsa:2048 …`.");
    if is_there {
        cx.warn(Diagnostic { severity: Severity::Warning, ..found });
        return Ok(());
    }
    Err(found.into())
}

fn refuse_expired(certificate: &Certificate, now: Timestamp) -> Result<()> {
    if certificate.not_after.time().is_none_or(|end| end > now) {
        return Ok(());
    }
    Err(Diagnostic::error("The certificate has expired")
        .at("certificate")
        .help(format!("{} ended on {}. Give one that is valid.", certificate.subject, certificate.not_after))
        .into())
}

impl State {
    /// Says to the client that the certificate is there, where a replica may not show it yet: a write replaces all of them.
    fn expect(&self, graph: &Graph) -> Result<()> {
        let key = self.value.key_id.get()?;
        if let Some(at) = self.private.writes.written_at(&entry(key)) {
            graph.expect_key(&Holder::Application(self.value.application_id.get()?.clone()), key, at);
        }
        Ok(())
    }

    /// Writes what `change` makes of the application's certificates, and takes over what it then has of this one. What another process
    /// overwrites is merged and written again, within the operation's time. The claim's locks are let go of meanwhile. `replaced`: the
    /// key that it is exchanged for, which reads may still show for a while.
    async fn write(
        &mut self,
        certificate: &Certificate,
        replaced: Option<&String>,
        claim: &mut Claim<'_>,
        change: impl Fn(&[KeyCredential]) -> Option<Vec<KeyCredential>>,
        cx: &Cx,
    ) -> Result<()> {
        let (graph, app) = (claim.tenant.graph.clone(), self.value.application_id.get()?.clone());
        let holder = Holder::Application(app.clone());
        let (tried, mut waits) = (format!("PATCH /applications/{app}"), graph.waits());
        loop {
            let written = match graph.write_key_credentials(&holder, &change).await? {
                // A replica may not know the application yet.
                None if graph.application_is_there(&app).await? => {
                    graph.write_key_credentials(&holder, &change).await?
                }
                written => written,
            };
            let Some(written) = written else { return Err(no_such_application(&graph, &app).await?) };
            let mine = |one: &&KeyCredential| is_of(one, certificate);
            let Some(made) = written
                .keys
                .iter()
                .filter(mine)
                .find(|one| one.display_name.as_ref() == self.value.display_name.known())
            else {
                return Err(Diagnostic::error("The certificate was removed meanwhile").help("Plan again.").into());
            };
            let before = replaced.map(|id| (entry(id), json!(true))).into_iter().collect();
            self.private.writes.wrote(graph.now(), &before, &view([made].into_iter()));
            self.value.observe(made);
            self.private.seen_on = Some(today(&graph));
            // It is written: whatever comes now, the state has to learn of it.
            self.exists = true;
            claim.release();
            match graph.keys_fate(&holder, &written).await {
                Ok(KeysFate::Seen) => return Ok(()),
                Ok(KeysFate::Gone) => return Err(no_such_application(&graph, &app).await?),
                Ok(KeysFate::Overwritten) => waits.contended(&tried, None).await?,
                Ok(KeysFate::Unseen(_)) => {
                    cx.warn(not_replicated(&format!("the certificates of the application {app}")));
                    return Ok(());
                }
                Err(why) => {
                    cx.warn(
                        Diagnostic::warning("The certificate cannot be read back")
                            .help(format!("Graph accepted it for the application {app}: {why}")),
                    );
                    return Ok(());
                }
            }
            claim.lock(&app).await?;
        }
    }

    fn warn_of_expiry(&self, cx: &Cx) {
        let end = self.value.end_date_time.known().and_then(|end| crate::graph::Date::new(end.as_str()).time());
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
    let (Some(start), Some(end)) = (certificate.not_before.time(), certificate.not_after.time()) else { return Ok(()) };
    let valid = end.duration_since(start);
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
    fn a_key_is_removed_or_exchanged_among_others_which_stay_as_they_are() {
        let made = rcgen::generate_simple_self_signed(["siem.example.com".to_owned()]).unwrap();
        let certificate = x509::read(&x509::to_pem(made.cert.der())).unwrap();
        let (one, two) = ("1".to_owned(), "2".to_owned());
        let ours = |id: &str, name: &String| KeyCredential {
            key_id: Some(id.to_owned()),
            ..to_graph(&certificate, Some(name))
        };
        let present = [key("a", "x"), ours("b", &one), key("c", "y")];
        assert_eq!(without(&present, "B"), Some(vec![key("a", "x"), key("c", "y")]));
        assert_eq!(without(&present, "d"), None);
        let new = to_graph(&certificate, Some(&two));
        let renamed = vec![key("a", "x"), key("c", "y"), new.clone()];
        assert_eq!(exchanged(&present, "B", &certificate, Some(&two)), Some(renamed.clone()));
        assert_eq!(with(&present, &certificate, Some(&two)), Some(renamed));
        assert_eq!(exchanged(&present, "b", &certificate, Some(&one)), None, "it is so");
        assert_eq!(exchanged(&[key("a", "x")], "b", &certificate, Some(&one)), None, "it is gone");
        let twice = [ours("b", &one), ours("d", &two)];
        assert_eq!(
            exchanged(&twice, "b", &certificate, Some(&two)),
            Some(vec![ours("d", &two)]),
            "half of it was done by somebody"
        );
        assert_eq!(with(&[key("a", "x")], &certificate, Some(&two)), Some(vec![key("a", "x"), new]));
    }

    #[test]
    fn dates_of_one_moment_are_written_in_one_way() {
        assert_eq!(date(Some(&"2027-01-31T00:00:00.0000000Z".to_owned())), "2027-01-31T00:00:00Z".to_owned().into());
    }
}
