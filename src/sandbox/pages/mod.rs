//! Pages for a person: the tenants with their applications, what is asked and granted, buttons to change it by hand, and Entra's admin
//! consent page. Plain HTML with forms, no script. What is done here is the administrator's doing, not a client's: it is not in the log of
//! requests, and no fault strikes it.

mod application;
mod cloud;
mod consent;
mod hand;
mod look;
mod permissions;
mod tenants;

use super::server::cloud::Cloud;
use axum::http::{Method, StatusCode};
pub(super) use look::{Page, STYLE};

/// A request for a page.
pub(super) struct Visit<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    /// The form that was sent.
    pub form: &'a [u8],
    /// Where the form stood, as the browser says.
    pub origin: Option<&'a str>,
    /// Base URL of the sandbox, as the browser reached it.
    pub base: &'a str,
}

/// Answers a request for a page. `None`: the path is no page's.
pub(super) fn answer(cloud: &mut Cloud, visit: &Visit) -> Option<Page> {
    let consent = consent::Address::at(visit.path);
    let segments: Vec<&str> = match visit.path.strip_prefix("/pages") {
        _ if consent.is_some() => Vec::new(),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            rest.split('/').filter(|one| !one.is_empty()).collect()
        }
        _ if visit.path == "/" && *visit.method == Method::GET => return Some(Page::Moved("/pages".to_owned())),
        _ => return None,
    };
    let sent = *visit.method == Method::POST;
    if !sent && *visit.method != Method::GET {
        return Some(look::refusal(StatusCode::METHOD_NOT_ALLOWED, "A page is read, or its form is sent."));
    }
    // Any page of the world may send a form to this machine.
    if sent && visit.origin.is_some_and(|origin| origin != visit.base) {
        return Some(look::refusal(StatusCode::FORBIDDEN, "This form stands on a page of somebody else's."));
    }
    let form = sent.then(|| look::fields(visit.form));
    let done = match (consent, &*segments, form) {
        (Some(consent), _, form) => consent.answer(&mut cloud.world, visit.query, form),
        (None, [], None) => tenants::all(&cloud.world),
        (None, ["style.css"], None) => Ok(Page::Style),
        (None, ["requests"], None) => cloud::requests(cloud),
        (None, ["clock"], None) => cloud::clock(cloud),
        (None, ["faults"], None) => cloud::faults(cloud),
        (None, [part @ ("requests" | "clock" | "faults")], Some(form)) => cloud::change(cloud, visit.base, part, &form),
        (None, [tenant], None) => tenants::one(&mut cloud.world, tenant),
        (None, [tenant], Some(form)) => tenants::change(&mut cloud.world, tenant, &form),
        (None, [tenant, client], None) => application::show(&mut cloud.world, tenant, client),
        (None, [tenant, client], Some(form)) => application::change(&mut cloud.world, tenant, client, &form),
        _ => return Some(look::refusal(StatusCode::NOT_FOUND, "There is no such page.")),
    };
    Some(done.unwrap_or_else(|failure| look::refusal(failure.status, &failure.message)))
}
