//! What is said of permissions that a configuration names, while planning: by the catalogue, and by the tenant's own principal of an API
//! where the catalogue knows no better. A permission that the object holds already may stay, whatever is wrong with it.

use crate::catalog::{Api, Kind, LookupError, PermissionKey, nearest};
use crate::framework::{Diagnostic, Diagnostics, Path, Result, Severity, is_guid};
use crate::graph::ServicePrincipal;
use crate::provider::apis::{Offered, offered};
use crate::provider::permissions::{DEFAULT_ROLE, Names, PermissionId};
use crate::provider::{Cx, Services, Tenant};
use std::collections::BTreeSet;

/// A permission as a configuration names it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// As written.
    pub key: PermissionKey,
    /// Where.
    pub at: Path,
}

/// Something that is to be said of a named permission.
pub(crate) struct Finding {
    key: PermissionKey,
    found: Diagnostic,
    /// Whether it is an error also where the object holds the permission already.
    always: bool,
}

/// Parses what is written; every text that is no key is named in `found`.
pub(crate) fn named<'t>(texts: impl IntoIterator<Item = &'t String>, at: &Path, found: &mut Diagnostics) -> Vec<Named> {
    let mut all = Vec::new();
    for text in texts {
        match text.parse::<PermissionKey>() {
            Ok(key) => all.push(Named { key, at: at.clone() }),
            Err(why) => {
                let error = Diagnostic::error(format!("\"{text}\" is no permission key"));
                found.push(error.at(at.clone()).help(why.to_string()));
            }
        }
    }
    all
}

/// All that is wrong with these permissions. `tenant_id` is where they are meant; where it can be asked, it is about what the catalogue
/// does not know.
pub(crate) async fn look_up(all: &[Named], tenant_id: Option<&str>, cx: &Cx) -> Result<Vec<Finding>> {
    let mut names = Names::new(cx);
    let (mut findings, mut open) = (Vec::new(), Vec::new());
    for one in all {
        match by_catalogue(&one.key, cx) {
            Verdict::Fine => {}
            Verdict::Unknown => open.push(one),
            Verdict::Found(found, always) => {
                findings.push(Finding { key: one.key.clone(), found: found.at(one.at.clone()), always });
            }
        }
    }
    if open.is_empty() {
        return Ok(findings);
    }
    let tenant = match cx.graph_for_plan(tenant_id)? {
        Some(graph) => {
            let id = crate::provider::resolve_tenant(tenant_id.map(str::to_owned).as_ref(), &graph).await?;
            Some(Tenant { graph, id })
        }
        // It writes already: what a plan could find out has been said.
        None if cx.configured_services().is_some_and(Services::is_known) => return Ok(findings),
        None => None,
    };
    if let Some(tenant) = &tenant {
        names.ask(tenant, open.iter().map(|one| names.app_id(&one.key.api)).collect(), cx).await?;
    }
    for one in open {
        let app_id = names.app_id(&one.key.api);
        let api = cx.catalog().api(&one.key.api);
        let found = match (&tenant, names.principal(&app_id)) {
            (Some(_), Some(principal)) => by_tenant(&one.key, api, principal, cx),
            (Some(_), None) => in_no_principal(&one.key, api, cx),
            (None, _) => not_asked(&one.key, api, cx),
        };
        findings.extend(found.map(|found| Finding {
            key: one.key.clone(),
            found: found.at(one.at.clone()),
            always: false,
        }));
    }
    Ok(findings)
}

/// Says them: as warnings where `held`, in the state or in the tenant, has the permission already.
pub(crate) fn report(findings: Vec<Finding>, held: &BTreeSet<PermissionId>, names: &Names<'_>, cx: &Cx) -> Result<()> {
    let mut errors = Diagnostics::default();
    for Finding { key, found, always } in findings {
        let stays = !always && held.contains(&names.id(&key));
        match found.severity {
            Severity::Warning => cx.warn(found),
            Severity::Error if stays => cx.warn(
                Diagnostic { severity: Severity::Warning, ..found }
                    .help("It is there already, and may stay; it could not be added again."),
            ),
            Severity::Error => errors.push(found),
        }
    }
    errors.into_result()
}

enum Verdict {
    Fine,
    /// The catalogue does not know it.
    Unknown,
    /// Something to be said, and whether it stands whatever the tenant holds.
    Found(Diagnostic, bool),
}

fn by_catalogue(key: &PermissionKey, cx: &Cx) -> Verdict {
    let catalog = cx.catalog();
    if key.kind == Kind::Application && key.value == DEFAULT_ROLE {
        return Verdict::Found(
            Diagnostic::error(format!("{key} is no permission"))
                .help("The id of zeros is the default role of every API: it permits nothing, and is never shown as granted. Leave it out."),
            false,
        );
    }
    let Some(api) = catalog.api(&key.api) else {
        if is_guid(&key.api) || !cx.catalog_is_complete() {
            return Verdict::Unknown;
        }
        let found = Diagnostic::error(format!("There is no API \"{}\"", key.api));
        return Verdict::Found(found.help(LookupError::no_such_api(catalog, &key.api).to_string()), true);
    };
    match api.get(key.kind, &key.value) {
        Some(found) if !found.enabled => return Verdict::Found(switched_off(&api.key_of(found).to_string()), false),
        Some(_) => return Verdict::Fine,
        None => {}
    }
    if key.kind == Kind::Application
        && let Some(role) = api.role_for_people(&key.value)
    {
        return Verdict::Found(for_people(key, &role.value), false);
    }
    if is_guid(&key.value) {
        let Some(other) = api.by_id(key.kind.other(), &key.value) else { return Verdict::Unknown };
        return Verdict::Found(other_kind(key, &other.value), false);
    }
    match api.find(key.kind, &key.value) {
        Err(why @ LookupError::Ambiguous { .. }) => {
            let found = Diagnostic::error(format!("{key} stands for several permissions"));
            Verdict::Found(found.help(why.advice()), true)
        }
        _ => Verdict::Unknown,
    }
}

fn by_tenant(key: &PermissionKey, api: Option<&Api>, principal: &ServicePrincipal, cx: &Cx) -> Option<Diagnostic> {
    let is_it = |one: &&Offered<'_>| match is_guid(&key.value) {
        true => one.id.eq_ignore_ascii_case(&key.value),
        false => one.name.is_some_and(|name| name.eq_ignore_ascii_case(&key.value)),
    };
    let all = offered(principal, key.kind);
    let found: Vec<_> = all.iter().filter(is_it).collect();
    let exact: Vec<_> = found.iter().filter(|one| one.name == Some(key.value.as_str())).collect();
    match (found.as_slice(), exact.len()) {
        ([], _) => {}
        ([one], _) if !one.is_permission => return Some(for_people(key, one.name.unwrap_or_default())),
        ([one], _) if !one.is_enabled => return Some(switched_off(&key.to_string())),
        ([_], _) | (_, 1) => return None,
        (several, _) => {
            let ids = several.iter().map(|one| one.id).collect::<Vec<_>>().join(" or ");
            return Some(
                Diagnostic::error(format!("{key} stands for several permissions"))
                    .help(format!("Use the id of the one that is meant: {ids}.")),
            );
        }
    }
    let others = offered(principal, key.kind.other());
    let other = others.iter().find(is_it);
    if is_guid(&key.value) {
        return Some(other.map_or_else(|| unknown_id(key), |other| other_kind(key, other.name.unwrap_or(other.id))));
    }
    let (of_catalogue, mut advice) = match api {
        Some(api) => (
            api.permissions().filter(|one| one.kind == key.kind).map(|one| one.value.as_str()).collect::<Vec<_>>(),
            cx.catalog().find(api, key.kind, &key.value).err().map(|why| why.advice()).unwrap_or_default(),
        ),
        None => (Vec::new(), String::new()),
    };
    if let (Some(_), None) = (other, api) {
        advice = format!("It has a {} permission of that name.", key.kind.other());
    }
    // The catalogue's advice names its own alone; what only the tenant has may be meant as well.
    let of_tenant = all.iter().filter(|one| one.is_permission).filter_map(|one| one.name);
    let bare = key.value.trim_end_matches('/').rsplit('/').next().unwrap_or(&key.value);
    let alike = nearest(bare, of_tenant.filter(|name| !of_catalogue.contains(name)));
    if !alike.is_empty() {
        advice = format!("{advice} This tenant's API offers {}.", alike.join(", "));
    }
    if advice.trim().is_empty() {
        advice = "The tenant's service principal of the API does not offer it: `m365_api_permissions` with `live = true` lists what it does.".to_owned();
    }
    Some(no_such(key, api).help(advice.trim()))
}

/// Nobody in the tenant can say what a name stands for.
fn in_no_principal(key: &PermissionKey, api: Option<&Api>, cx: &Cx) -> Option<Diagnostic> {
    match api {
        Some(_) if is_guid(&key.value) => Some(unknown_id(key)),
        Some(api) => {
            let advice = cx.catalog().find(api, key.kind, &key.value).err().map(|why| why.advice());
            Some(no_such(key, Some(api)).help(advice.unwrap_or_default()))
        }
        None => Some(Diagnostic::warning(format!("{key} cannot be checked")).help(format!(
            "The tenant has no service principal of the API {}, nor does the catalogue know it. Apply fails where it is not there by then.",
            key.api
        ))),
    }
}

/// The tenant is not known yet.
fn not_asked(key: &PermissionKey, api: Option<&Api>, cx: &Cx) -> Option<Diagnostic> {
    let api = api?;
    if is_guid(&key.value) {
        return Some(unknown_id(key));
    }
    let advice = cx.catalog().find(api, key.kind, &key.value).err().map(|why| why.advice()).unwrap_or_default();
    Some(
        Diagnostic::warning(format!("The catalogue does not know {key}"))
            .help(advice)
            .help("The tenant, which may know it, cannot be asked before apply."),
    )
}

fn no_such(key: &PermissionKey, api: Option<&Api>) -> Diagnostic {
    let name = api.map_or(key.api.as_str(), |api| api.key.as_str());
    Diagnostic::error(format!("{name} has no {} permission \"{}\"", key.kind, key.value))
}

fn unknown_id(key: &PermissionKey) -> Diagnostic {
    Diagnostic::warning(format!("Nobody knows the permission {key}")).help(
        "Neither the catalogue nor the tenant's API has one of this id. It may be asked for, but it cannot be granted.",
    )
}

fn switched_off(key: &str) -> Diagnostic {
    Diagnostic::error(format!("{key} cannot be granted at present"))
        .help("The permission is switched off (disabled) in its API.")
}

fn for_people(key: &PermissionKey, name: &str) -> Diagnostic {
    Diagnostic::error(format!("{key} is a role for people"))
        .help(format!("The API's role \"{name}\" can be assigned to users and groups only, not to an application."))
}

fn other_kind(key: &PermissionKey, name: &str) -> Diagnostic {
    let other = key.kind.other();
    Diagnostic::error(format!("{key} is the {other} permission {name}"))
        .help(format!("Name it as a {other} permission, or use the id of the {} one that is meant.", key.kind))
}
