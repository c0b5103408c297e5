//! One application, as registration and as enterprise application: what it asks for and was granted, its credentials and owners, and
//! buttons to change each of them behind a client's back.

use super::hand::Hand;
use super::look::{Fields, Outcome, Page, button, field, page, rows};
use super::permissions::{self, Permission};
use super::tenants::named;
use crate::catalog::{Catalog, Kind};
use crate::sandbox::errors::Failure;
use crate::sandbox::moment::Moment;
use crate::sandbox::store::{Object, Tenant, World, id_of, text};
use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};

/// The page.
pub(super) fn show(world: &mut World, tenant: &str, client: &str) -> Outcome {
    let tenant = named(world, tenant)?;
    let now = Moment::from(world.now());
    let world = &*world;
    let missing = || Failure::not_found(format!("The tenant has no application '{client}'."));
    let directory = world.tenants.get(&tenant).ok_or_else(missing)?;
    let (app, principal) = (directory.application_by("appId", client), directory.principal_by("appId", client));
    let one = app.or(principal).ok_or_else(missing)?;
    let name = text(one, "displayName");
    let all: Vec<Markup> = permissions::of(world, &tenant, client).iter().map(permission).collect();
    let holders = || [app, principal].into_iter().flatten();
    let credentials: Vec<Markup> = holders().flat_map(|holder| credentials(holder, now)).collect();
    let federated = app.and_then(|app| directory.federated.get(text(app, "id"))).into_iter().flatten();
    let federated = federated.map(|one| {
        html! { span.what { (text(one, "name")) small { "Federated · " (text(one, "issuer")) " · " (text(one, "subject")) } } }
    });
    let credentials: Vec<Markup> = credentials.into_iter().chain(federated).collect();
    let owners: Vec<Markup> = holders().flat_map(|holder| owners(directory, text(holder, "id"))).collect();
    let domain = directory.domain();
    Ok(page(
        name,
        html! {
            p { a href={ "/pages/" (tenant) } { (domain) } }
            h1 { (name) }
            dl {
                dt { "Client ID" } dd { code { (text(one, "appId")) } }
                @if let Some(app) = app { dt { "App registration" } dd { code { (text(app, "id")) } } }
                @if let Some(principal) = principal { dt { "Enterprise application" } dd { code { (text(principal, "id")) } } }
            }
            h2 { "API permissions" }
            (rows(&all))
            p { (button("Grant admin consent", "for everything that is requested", &[("do", "consent")])) }
            (add_permission(app.is_some()))
            h2 { "Credentials" }
            (rows(&credentials))
            @if let Some(app) = app { (plant("app registration", text(app, "id"))) }
            @if let Some(principal) = principal { (plant("enterprise application", text(principal, "id"))) }
            h2 { "Owners" }
            (rows(&owners))
            h2 { "Delete" }
            @if let Some(app) = app { (button("Delete the app registration", name, &[("do", "delete_application"), ("id", text(app, "id"))])) " " }
            @if let Some(principal) = principal { (button("Delete the enterprise application", name, &[("do", "delete_principal"), ("id", text(principal, "id"))])) }
        },
    ))
}

fn permission(one: &Permission) -> Markup {
    let name = format!("{} of {}, {}", one.name, one.api, one.kind_in_words().to_lowercase());
    let fields = |does| {
        [("do", does), ("api", &*one.api_id), ("kind", one.kind_in_words()), ("id", &*one.id), ("name", &*one.name)]
    };
    html! {
        span.what { strong { (one.name) } small { (one.api) " · " (one.kind_in_words()) } }
        @match (one.requested, one.granted) {
            (true, true) => span.good { "✓ Granted" },
            (true, false) => span.bad { "Not granted" },
            (false, _) => span.bad { "✓ Granted, not requested" },
        }
        span {
            @if one.granted { (button("Revoke", &name, &fields("revoke"))) } @else { (button("Grant", &name, &fields("grant"))) }
            " "
            @if one.requested { (button("Remove", &format!("{name} from what is requested"), &fields("forget"))) }
        }
    }
}

fn add_permission(is_here: bool) -> Markup {
    html! {
        form method="post" {
            label { "API" select name="api" {
                @for key in Catalog::built_in().api_keys() {
                    @if let Some(api) = Catalog::built_in().api(key) {
                        option value=(api.app_id) selected[key == "microsoft_graph"] { (api.display_name) }
                    }
                }
            } }
            label { "Kind" select name="kind" { option { "Application" } option { "Delegated" } } }
            label { "Permission" input name="name" required placeholder="User.Read.All"; }
            @if is_here { button name="do" value="request" { "Request" } }
            button name="do" value="grant" { "Grant" }
        }
    }
}

/// Secrets and certificates of one holder. Of a secret there is the hint alone.
fn credentials(holder: &Object, now: Moment) -> Vec<Markup> {
    let all = |property: &str| {
        holder.get(property).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
    };
    let end = |one: &Object| {
        let end = text(one, "endDateTime").to_owned();
        let is_over = end.parse::<Moment>().is_ok_and(|end| end <= now);
        html! { @if is_over { span.bad { "expired " (end) } } @else { "until " (end) } }
    };
    let id = text(holder, "id");
    let secrets = all("passwordCredentials").map(|one| {
        let name = text(one, "displayName");
        html! {
            span.what { (name) small { "Secret " code { (text(one, "hint")) "…" } " · " (end(one)) } }
            (button("Remove", &format!("secret {name}"), &[("do", "remove_secret"), ("id", id), ("key", text(one, "keyId"))]))
        }
    });
    let certificates = all("keyCredentials").map(|one| {
        html! { span.what { (text(one, "displayName")) small { "Certificate · " (end(one)) } } }
    });
    secrets.chain(certificates).collect()
}

fn plant(holder: &str, id: &str) -> Markup {
    html! {
        form method="post" {
            input type="hidden" name="do" value="plant_secret";
            input type="hidden" name="id" value=(id);
            label { "Name of a secret of the " (holder) input name="name" required; }
            button { "Plant a secret" span.hidden { " in the " (holder) } }
        }
        " "
    }
}

fn owners(directory: &Tenant, id: &str) -> Vec<Markup> {
    let all = directory.owners.get(id).into_iter().flatten();
    all.map(|owner| {
        let found = directory.users.get(owner).or_else(|| directory.principals.get(owner));
        let name = found.map_or(owner.as_str(), |found| text(found, "displayName"));
        html! {
            span.what { (name) small { code { (owner) } } }
            (button("Remove", &format!("owner {name}"), &[("do", "remove_owner"), ("id", id), ("owner", owner)]))
        }
    })
    .collect()
}

/// What the buttons do.
pub(super) fn change(world: &mut World, tenant: &str, client: &str, form: &Fields) -> Outcome {
    let tenant = named(world, tenant)?;
    let mut hand = Hand { world, tenant: &tenant };
    let of = |name: &str| field(form, name).to_owned();
    let id = of("id");
    match field(form, "do") {
        "consent" => hand.consent(client)?,
        "grant" => {
            let one = wished(hand.directory(), form)?;
            hand.grant(client, &one)?;
        }
        "revoke" => {
            let one = wished(hand.directory(), form)?;
            hand.revoke(client, &one)?;
        }
        "request" => {
            let one = wished(hand.directory(), form)?;
            request(&mut hand, client, |all| all.push(entry(&one.api_id, one.kind, &one.id)))?;
        }
        "forget" => {
            let one = wished(hand.directory(), form)?;
            request(&mut hand, client, |all| all.retain(|known| *known != entry(&one.api_id, one.kind, &one.id)))?;
        }
        "plant_secret" => {
            let holder = holder(hand.directory(), &id);
            let body = json!({ "passwordCredential": { "displayName": of("name") } });
            hand.ask(Method::POST, format!("/{holder}/{id}/addPassword"), Some(body))?;
        }
        "remove_secret" => {
            let holder = holder(hand.directory(), &id);
            hand.ask(Method::POST, format!("/{holder}/{id}/removePassword"), Some(json!({ "keyId": of("key") })))?;
        }
        "remove_owner" => {
            let holder = holder(hand.directory(), &id);
            hand.ask(Method::DELETE, format!("/{holder}/{id}/owners/{}/$ref", of("owner")), None)?;
        }
        "delete_application" => drop(hand.ask(Method::DELETE, format!("/applications/{id}"), None)?),
        "delete_principal" => drop(hand.ask(Method::DELETE, format!("/servicePrincipals/{id}"), None)?),
        _ => return Err(Failure::bad_request("There is no such button.")),
    }
    let directory = hand.directory();
    let is_there = directory.application_by("appId", client).or(directory.principal_by("appId", client)).is_some();
    Ok(Page::Moved(if is_there { format!("/pages/{tenant}/{client}") } else { format!("/pages/{tenant}") }))
}

/// The collection in which the holder of credentials and owners is.
fn holder(directory: &Tenant, id: &str) -> &'static str {
    if directory.applications.contains_key(id) { "applications" } else { "servicePrincipals" }
}

/// The permission that a form names: by its id, or as a person writes it.
fn wished(directory: &Tenant, form: &Fields) -> Result<Permission, Failure> {
    let (api_id, name) = (field(form, "api"), field(form, "name").trim());
    let kind = if field(form, "kind") == "Application" { Kind::Application } else { Kind::Delegated };
    let known = Catalog::built_in().api(api_id);
    let id = match field(form, "id") {
        "" => known.and_then(|api| api.get(kind, name)).map(|one| one.id.clone()),
        id => Some(id.to_owned()),
    };
    match id {
        Some(id) => Ok(Permission::new(directory, api_id, kind, &id)),
        // A scope that was granted by a name that nobody offers.
        None if known.is_none() && kind == Kind::Delegated => Ok(permissions::scope(directory, api_id, name)),
        None => Err(Failure::bad_request(match known.map(|api| api.find(kind, name)) {
            Some(Err(why)) => why.to_string(),
            _ => format!("There is no permission '{name}'."),
        })),
    }
}

/// What is requested: client id of the API, `Role` or `Scope`, and id.
type Entry = (String, &'static str, String);

fn entry(api: &str, kind: Kind, id: &str) -> Entry {
    (api.to_owned(), if kind == Kind::Application { "Role" } else { "Scope" }, id.to_owned())
}

/// Changes what the application asks for.
fn request(hand: &mut Hand, client: &str, change: impl FnOnce(&mut Vec<Entry>)) -> Result<(), Failure> {
    let Some(app) = hand.directory().application_by("appId", client) else { return Err(Failure::no_such(client)) };
    let id = id_of(app);
    let mut all: Vec<Entry> =
        permissions::requested(app).into_iter().map(|(api, kind, id)| entry(api, kind, id)).collect();
    change(&mut all);
    let mut apis: Vec<(String, Vec<Value>)> = Vec::new();
    for (api, kind, id) in all {
        let one = json!({ "id": id, "type": kind });
        match apis.iter_mut().find(|(known, _)| *known == api) {
            Some((_, known)) => known.push(one),
            None => apis.push((api, vec![one])),
        }
    }
    let apis: Vec<Value> =
        apis.into_iter().map(|(api, all)| json!({ "resourceAppId": api, "resourceAccess": all })).collect();
    let body = json!({ "requiredResourceAccess": apis });
    hand.ask(Method::PATCH, format!("/applications/{id}"), Some(body)).map(drop)
}
