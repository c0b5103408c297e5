//! Everything that can sign in as an application: read from it and from its service principal, and removed from there.

use crate::framework::{Diagnostic, Result};
use crate::graph::{Credential, Credentials, Graph, GraphError, Holder, KeyCredential, View};
use crate::provider::credential_key::{CredentialKey, Kind, On};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A secret or certificate, as much as is said of it in warnings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub kind: Kind,
    pub on: On,
    pub name: Option<String>,
    pub end: Option<String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = match self.on {
            On::Application => "application",
            On::ServicePrincipal => "service principal",
        };
        write!(out, "{} \"{}\" on the {on}", self.kind, self.name.as_deref().unwrap_or_default())?;
        self.end.as_ref().map_or(Ok(()), |end| write!(out, ", valid until {end}"))
    }
}

/// What to remove.
#[derive(Debug, Default)]
pub(super) struct Going {
    pub keys: BTreeSet<CredentialKey>,
    /// Of federated credentials.
    pub names: BTreeSet<String>,
}

/// Everything that can sign in as an application.
#[derive(Default)]
pub(super) struct Present {
    /// Object id of the service principal, where there is one that lives.
    pub principal: Option<String>,
    pub keys: BTreeMap<CredentialKey, Seen>,
    /// Federated credentials.
    pub names: BTreeSet<String>,
    /// Their ids, by name.
    pub ids: BTreeMap<String, String>,
    /// Whether the application is deleted, which hides its federated credentials.
    pub is_deleted: bool,
}

impl Present {
    /// `None` where there is no such application.
    pub async fn read(graph: &Graph, app: &str) -> std::result::Result<Option<Self>, GraphError> {
        let Some(application) = graph.application(app).await? else { return Ok(None) };
        let (own, principal, federated) = futures_util::future::join3(
            graph.application_credentials(app),
            graph.service_principal_by_app_id(&application.app_id),
            graph.federated_credentials(app),
        )
        .await;
        let mut found = Self::default();
        found.add(On::Application, &own?.unwrap_or_default());
        match principal? {
            Some(principal) => {
                let credentials = graph.service_principal_credentials(&principal.id).await?.unwrap_or_default();
                found.add(On::ServicePrincipal, &credentials);
                found.principal = Some(principal.id);
            }
            None => found.add_deleted_principal(&application.app_id, graph).await?,
        }
        found.ids = federated?.into_iter().map(|one| (one.name, one.id)).collect();
        found.names = found.ids.keys().cloned().collect();
        Ok(Some(found))
    }

    /// The same, also of a deleted application.
    pub async fn read_anywhere(graph: &Graph, app: &str) -> std::result::Result<Option<Self>, GraphError> {
        match Self::read(graph, app).await? {
            Some(present) => Ok(Some(present)),
            None => Self::read_deleted(graph, app).await,
        }
    }

    /// Secrets and certificates of a deleted application, which can sign in again once it is restored.
    async fn read_deleted(graph: &Graph, app: &str) -> std::result::Result<Option<Self>, GraphError> {
        let Some(application) = graph.deleted_application(app).await? else { return Ok(None) };
        let mut found = Self { is_deleted: true, ..Self::default() };
        found.add(On::Application, &graph.deleted_credentials(app).await?.unwrap_or_default());
        found.add_deleted_principal(&application.app_id, graph).await?;
        Ok(Some(found))
    }

    /// A deleted service principal comes back with what was planted on it. Of several, the last one deleted is what is restored.
    async fn add_deleted_principal(&mut self, client_id: &str, graph: &Graph) -> std::result::Result<(), GraphError> {
        let all = graph.deleted_service_principals_of(client_id).await?;
        if let Some(last) = all.into_iter().max_by(|one, other| one.deleted_date_time.cmp(&other.deleted_date_time)) {
            self.add(On::ServicePrincipal, &graph.deleted_credentials(&last.id).await?.unwrap_or_default());
        }
        Ok(())
    }

    fn add(&mut self, on: On, found: &Credentials) {
        let mut add = |kind: Kind, all: &[Credential]| {
            self.keys.extend(all.iter().map(|one| {
                let seen = Seen { kind, on, name: one.display_name.clone(), end: one.end_date_time.clone() };
                (CredentialKey::new(on, kind, &one.key_id), seen)
            }));
        };
        add(Kind::Secret, &found.password_credentials);
        add(Kind::Certificate, &found.key_credentials);
    }

    /// What of a read can be out of date, each credential by itself.
    pub fn view(&self) -> View {
        let keys = self.keys.keys().map(key_entry);
        keys.chain(self.names.iter().map(|name| name_entry(name))).map(|entry| (entry, json!(true))).collect()
    }

    /// The same where these entries show what was there before a recent write: what was removed is gone, and what is missed is as in
    /// `before`.
    pub fn settle(
        &mut self,
        stale: &BTreeSet<String>,
        before: &BTreeMap<CredentialKey, Seen>,
        names: &BTreeSet<String>,
    ) {
        let shown = self.view();
        let missed = |entry: &str| stale.contains(entry) && !shown.contains_key(entry);
        self.keys.retain(|key, _| !stale.contains(&key_entry(key)));
        self.names.retain(|name| !stale.contains(&name_entry(name)));
        let keys = before.iter().filter(|(key, _)| missed(&key_entry(key)));
        self.keys.extend(keys.map(|(key, seen)| (key.clone(), seen.clone())));
        self.names.extend(names.iter().filter(|name| missed(&name_entry(name))).cloned());
    }

    /// Removes these. What Graph does not let be changed on the service principal, because the application locks it, is unlocked for
    /// that. To be called under the application's lock.
    pub async fn remove(&self, going: &Going, app: &str, graph: &Graph) -> Result<()> {
        let ids = |on: On, kind: Kind| -> BTreeSet<&str> {
            let of = |key: &&CredentialKey| key.on() == on && key.kind() == kind && self.keys.contains_key(key);
            going.keys.iter().filter(of).map(CredentialKey::id).collect()
        };
        for id in ids(On::Application, Kind::Secret) {
            graph.remove_password(app, id).await?;
        }
        remove_keys(graph, &Holder::Application(app.to_owned()), &ids(On::Application, Kind::Certificate)).await?;
        let (secrets, certificates) =
            (ids(On::ServicePrincipal, Kind::Secret), ids(On::ServicePrincipal, Kind::Certificate));
        if !(secrets.is_empty() && certificates.is_empty()) {
            // A deleted principal cannot be changed.
            let principal = self.principal.as_deref().ok_or_else(|| self.is_on_deleted_principal(going))?;
            let work = || async {
                for id in &secrets {
                    graph.remove_service_principal_password(principal, id).await?;
                }
                remove_keys(graph, &Holder::ServicePrincipal(principal.to_owned()), &certificates).await
            };
            graph.with_lock_lifted(app, work).await?;
        }
        for (_, id) in self.ids.iter().filter(|(name, _)| going.names.contains(*name)) {
            graph.delete_federated_credential(app, id).await?;
        }
        Ok(())
    }

    fn is_on_deleted_principal(&self, going: &Going) -> Diagnostic {
        let all: Vec<_> = going.keys.iter().filter(|key| key.on() == On::ServicePrincipal).collect();
        let all: Vec<_> =
            all.into_iter().filter_map(|key| Some(format!("- {}: {}", key.id(), self.keys.get(key)?))).collect();
        Diagnostic::error("The service principal is deleted, and holds credentials that are to be removed").help(
            format!(
                "Restore the service principal first (apply its `m365_connector_app`), then apply again:\n{}",
                all.join("\n")
            ),
        )
    }

    /// The same after a removal.
    pub fn but(mut self, going: &Going) -> Self {
        self.keys.retain(|key, _| !going.keys.contains(key));
        self.names.retain(|name| !going.names.contains(name));
        self
    }
}

async fn remove_keys(graph: &Graph, holder: &Holder, gone: &BTreeSet<&str>) -> std::result::Result<(), GraphError> {
    if gone.is_empty() {
        return Ok(());
    }
    let change = |present: &[KeyCredential]| {
        let kept: Vec<_> = present.iter().filter(|one| !gone.contains(one.id().as_str())).cloned().collect();
        (kept.len() < present.len()).then_some(kept)
    };
    graph.write_key_credentials(holder, change).await.map(|_| ())
}

/// How writes and views call a secret or certificate.
pub(super) fn key_entry(key: &CredentialKey) -> String {
    format!("credential:{key}")
}

/// How writes and views call a federated credential.
pub(super) fn name_entry(name: &str) -> String {
    format!("federated:{name}")
}
