//! `m365_consent_status`: whether a connector's permissions are what they should be, as seen and never as assumed.

mod effective;
mod judgement;
mod model;

pub use model::{ConsentStatus, PermissionStatus};

use super::selection::Selected;
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{DataSource, Diagnostic, Diagnostics, Result};
use crate::graph::{GraphError, ServicePrincipal, WINDOW};
use crate::provider::missing::no_such_principal;
use crate::provider::permissions::{Declared, Granted, Names, PermissionId, requested};
use crate::provider::{Cx, Services, Tenant};
use effective::Effective;
use judgement::{Looked, judged};
use std::collections::{BTreeMap, BTreeSet};

impl DataSource for ConsentStatus {
    const NAME: &'static str = "m365_consent_status";
    type Services = Services;

    fn validate(&self, cx: &Cx) -> Result<()> {
        match (self.selected(), &self.permissions) {
            (Some(selected), None) => selected.checked(cx).map(|_| ()),
            (None, Some(texts)) => parsed(texts).map(|_| ()),
            (given, _) => Err(Diagnostic::error("Either `profile` or `permissions` says what is declared")
                .at(if given.is_some() { "permissions" } else { "profile" })
                .help(if given.is_some() { "Both are given; set just one." } else { "None is given." })
                .into()),
        }
    }

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        let tenant = cx.tenant(self.tenant_id.known().map(String::as_str)).await?;
        let id = &self.service_principal_id;
        let Some(principal) = tenant.graph.service_principal(id).await? else {
            return Err(no_such_principal(&tenant.graph, id).await?);
        };
        let texts = self.declared_texts(cx)?;
        let mut names = Names::new(cx);
        names.ask_about(&parsed(&texts)?, &tenant, cx).await?;
        let declared = names.declared(&texts);
        let Some(Shown { granted, requested }) = shown(&principal, &declared, &tenant, &mut names, cx).await? else {
            return Err(no_such_principal(&tenant.graph, id).await?);
        };
        misspelt(&declared, &granted, cx)?;

        let mut all: BTreeSet<PermissionId> = declared.keys().chain(&granted).cloned().collect();
        all.extend(requested.iter().flatten().cloned());
        names.ask_what_is_called(&all, &declared, &tenant, cx).await?;
        let effective = match &self.client_secret {
            Some(secret) => {
                let of_applications = all.iter().filter(|one| one.kind() == Kind::Application);
                let apis = of_applications.map(|one| one.app_id().to_owned()).collect();
                Some(self.effective(secret, &principal, &tenant, apis, &names, cx).await?)
            }
            None => None,
        };
        all.extend(effective.iter().flat_map(BTreeMap::values).flatten().flatten().cloned());

        let truths = |one: &PermissionId| PermissionStatus {
            declared: declared.contains_key(one),
            requested: requested.as_ref().map(|all| all.contains(one)),
            granted: granted.contains(one),
            effective: is_effective(one, effective.as_ref()),
        };
        let spelled = |one: &PermissionId| {
            let entry = (one.kind(), truths(one));
            names.spelled(one, &declared).into_iter().map(move |text| (text, entry))
        };
        let all: BTreeMap<String, (Kind, PermissionStatus)> = all.iter().flat_map(spelled).collect();
        let looked = Looked { lives_here: requested.is_some(), signed_in: effective.is_some() };
        let name = principal.display_name.as_deref().unwrap_or("The connector");
        let verdict = judged(&all, looked, &format!("\"{name}\" in tenant {}", tenant.id));
        self.permissions_status =
            all.into_iter().map(|(key, (_, status))| (key, status)).collect::<BTreeMap<_, _>>().into();
        self.missing = verdict.missing.into();
        self.excess = verdict.excess.into();
        self.complete = verdict.complete.into();
        self.summary = verdict.summary.into();
        if self.tenant_id.known().is_none() {
            self.tenant_id = tenant.id.into();
        }
        Ok(())
    }
}

impl ConsentStatus {
    fn selected(&self) -> Option<Selected<'_>> {
        Some(Selected {
            profile: self.profile.as_deref()?,
            features: &self.features,
            include_optional: self.include_optional,
            choose: self.choose.as_ref(),
        })
    }

    fn declared_texts(&self, cx: &Cx) -> Result<BTreeSet<String>> {
        let Some(selected) = self.selected() else { return Ok(self.permissions.clone().unwrap_or_default()) };
        let (_, asked) = selected.known(cx)?;
        Ok(asked.permissions.iter().map(|key| cx.catalog().canonical(key).to_string()).collect())
    }
}

fn parsed(texts: &BTreeSet<String>) -> Result<Vec<PermissionKey>> {
    let (mut keys, mut found) = (Vec::new(), Diagnostics::default());
    for text in texts {
        match text.parse() {
            Ok(key) => keys.push(key),
            Err(why) => {
                let why: crate::catalog::KeyError = why;
                let error = Diagnostic::error(format!("\"{text}\" is no permission key"));
                found.push(error.at("permissions").help(why.to_string()));
            }
        }
    }
    found.into_result().map(|()| keys)
}

/// What Graph shows of one connector.
struct Shown {
    granted: BTreeSet<PermissionId>,
    /// `None` where nobody here sees what the application asks for.
    requested: Option<BTreeSet<PermissionId>>,
}

/// What is requested and granted. In an apply that has written to the tenant what is declared and does not show may be on its way: it is
/// looked for until the window for that is over. `None` where the principal is gone.
async fn shown(
    principal: &ServicePrincipal,
    declared: &Declared<PermissionId>,
    tenant: &Tenant,
    names: &mut Names<'_>,
    cx: &Cx,
) -> Result<Option<Shown>> {
    let mut waits = tenant.graph.waits();
    loop {
        let Some(granted) = Granted::read(tenant, &principal.id, names, cx).await? else { return Ok(None) };
        let shown = Shown { granted: granted.permissions(), requested: requested_by(principal, tenant).await? };
        let is_there = |one: &PermissionId| {
            shown.granted.contains(one) && shown.requested.as_ref().is_none_or(|requested| requested.contains(one))
        };
        if declared.keys().all(is_there) || !tenant.graph.has_written() {
            return Ok(Some(shown));
        }
        match waits.again(WINDOW, None).await {
            Ok(true) => {}
            Ok(false) | Err(GraphError::DeadlineExceeded { .. }) => return Ok(Some(shown)),
            Err(why) => return Err(why.into()),
        }
    }
}

/// What the application asks for; `None` where it lives in another tenant, or is none that anybody registered, such as a managed identity.
async fn requested_by(principal: &ServicePrincipal, tenant: &Tenant) -> Result<Option<BTreeSet<PermissionId>>> {
    let owner = principal.app_owner_organization_id.as_deref();
    if owner.is_some_and(|owner| !owner.eq_ignore_ascii_case(&tenant.id)) {
        return Ok(None);
    }
    match tenant.graph.application_by_app_id(&principal.app_id).await? {
        Some(app) => Ok(Some(requested(&app))),
        None if owner.is_none() => Ok(None),
        None => Err(Diagnostic::error(format!("The application {} cannot be seen", principal.app_id))
            .at("service_principal_id")
            .help("Its service principal says that it lives in this tenant, so what it requests is not known. It may have been deleted.")
            .into()),
    }
}

/// A name that neither the catalogue nor the tenant knows would be missing for ever.
fn misspelt(declared: &Declared<PermissionId>, granted: &BTreeSet<PermissionId>, cx: &Cx) -> Result<()> {
    let mut found = Diagnostics::default();
    let nameless = declared.iter().filter(|(one, _)| one.id().is_none() && !granted.contains(*one));
    for key in nameless.flat_map(|(_, texts)| texts).filter_map(|text| text.parse::<PermissionKey>().ok()) {
        let Some(api) = cx.catalog().api(&key.api) else { continue };
        if let Err(why) = cx.catalog().find(api, key.kind, &key.value) {
            found.push(
                Diagnostic::error(format!("There is no permission {key}")).at("permissions").help(why.to_string()),
            );
        }
    }
    found.into_result()
}

/// Delegated permissions are effective for a user, whom nobody signs in here.
fn is_effective(permission: &PermissionId, effective: Option<&Effective>) -> Option<bool> {
    match permission.kind() {
        Kind::Delegated => None,
        Kind::Application => Some(effective?.get(permission.app_id())?.as_ref()?.contains(permission)),
    }
}
