//! Entra's admin consent page: says what is asked and by whom, and sends the browser back with the decision. Source: Microsoft's
//! "Admin consent on the Microsoft identity platform" (parameters, answers), its list of AADSTS codes (refusals), and "Grant tenant-wide
//! admin consent to an application". Without a reply address the page is refused before anything is granted; Microsoft does not say
//! whether a consent is recorded then. Whoever opens the page is the tenant's administrator.

use super::hand::Hand;
use super::look::{Fields, Outcome, Page, field, fields, page, rows};
use super::permissions::{self, Permission};
use crate::sandbox::errors::Failure;
use crate::sandbox::store::{GRAPH, Object, TENANT, Tenant, World, text};
use maud::{Markup, html};
use serde_json::Value;

/// The address of a consent page.
pub(super) struct Address<'a> {
    tenant: &'a str,
    version: u8,
}

/// What a page asks.
struct Asked {
    tenant: String,
    client: String,
    name: String,
    publisher: String,
    /// Where the browser goes afterwards.
    reply: url::Url,
    permissions: Vec<Permission>,
    /// Scopes by their names only; otherwise everything that the application asks for.
    is_dynamic: bool,
}

impl<'a> Address<'a> {
    /// `{tenant}/adminconsent` or `{tenant}/v2.0/adminconsent`, below `/login` and at the root.
    pub(super) fn at(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/login/").or_else(|| path.strip_prefix('/'))?;
        let path = path.strip_suffix("/adminconsent")?;
        let (tenant, version) = path.strip_suffix("/v2.0").map_or((path, 1), |tenant| (tenant, 2));
        (!tenant.is_empty() && !tenant.contains('/')).then_some(Self { tenant, version })
    }

    /// Shows the page, or takes the decision.
    pub(super) fn answer(&self, world: &mut World, query: &str, form: Option<Fields>) -> Outcome {
        let query = fields(query.as_bytes());
        let asked = self.asked(world, &query)?;
        let Some(form) = form else { return Ok(show(world, &asked)) };
        let mut said = vec![("admin_consent", "True"), ("tenant", &*asked.tenant)];
        match field(&form, "decision") {
            "accept" => {
                let mut hand = Hand { world, tenant: &asked.tenant };
                if asked.is_dynamic {
                    for one in asked.permissions.iter().filter(|one| !one.granted) {
                        hand.grant(&asked.client, one)?;
                    }
                } else {
                    hand.consent(&asked.client)?;
                }
                if self.version == 2 {
                    said.push(("scope", field(&query, "scope")));
                }
            }
            "decline" => {
                let why = "AADSTS65004: The resource owner or authorization server denied the request.";
                said.extend([("error", "consent_required"), ("error_description", why)]);
            }
            _ => return Err(Failure::bad_request("The decision is 'accept' or 'decline'.")),
        }
        if let Some(state) = query.get("state") {
            said.push(("state", state));
        }
        let mut reply = asked.reply.clone();
        reply.query_pairs_mut().extend_pairs(said);
        Ok(Page::Moved(reply.into()))
    }

    /// What the address asks for, or the code that Entra refuses it with.
    fn asked(&self, world: &mut World, query: &Fields) -> Result<Asked, Failure> {
        let refused = |text: String| Failure::bad_request(text);
        let required = |name: &str| match field(query, name) {
            "" => Err(refused(format!("AADSTS900144: The request must contain the parameter '{name}'."))),
            value => Ok(value),
        };
        // The tenant of whoever signs in, which here is the development identity's.
        let tenant =
            if self.tenant == "organizations" { Some(TENANT.to_owned()) } else { world.tenant_named(self.tenant) };
        let tenant = tenant.ok_or_else(|| refused(format!("AADSTS90002: Tenant '{}' was not found.", self.tenant)))?;
        world.tenant(&tenant);
        let client = required("client_id")?;
        let found = world
            .home_of(client)
            .filter(|(home, app)| home.id == tenant || text(app, "signInAudience") != "AzureADMyOrg");
        let Some((home, app)) = found else {
            return Err(refused(format!(
                "AADSTS700016: Application with identifier '{client}' was not found in the directory '{tenant}'."
            )));
        };
        let scopes = if self.version == 2 { required("scope")? } else { "" };
        let wished = if self.version == 2 { required("redirect_uri")? } else { field(query, "redirect_uri") };
        let reply = reply(app, wished)?;
        let (client, name, publisher) =
            (text(app, "appId").to_owned(), text(app, "displayName").to_owned(), home.domain());
        let is_dynamic = self.version == 2 && !scopes.split_whitespace().any(|one| one.ends_with("/.default"));
        let mut permissions = permissions::of(world, &tenant, &client);
        if is_dynamic {
            let wished = scopes.split_whitespace().map(|one| wished_scope(world, &tenant, one));
            let wished: Vec<Permission> = wished.collect::<Result<_, _>>()?;
            permissions = wished
                .into_iter()
                .map(|one| {
                    let granted =
                        permissions.iter().any(|known| known.granted && known.kind == one.kind && known.id == one.id);
                    Permission { requested: true, granted, ..one }
                })
                .collect();
        }
        Ok(Asked { tenant, client, name, publisher, reply, permissions, is_dynamic })
    }
}

/// Where the browser goes: the address that was asked for, which has to be registered, or the first one that is.
fn reply(app: &Object, wished: &str) -> Result<url::Url, Failure> {
    let registered: Vec<&str> = ["web", "spa", "publicClient"]
        .iter()
        .filter_map(|platform| app.get(*platform)?.get("redirectUris")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let Some(first) = registered.first() else {
        return Err(Failure::bad_request(
            "AADSTS500113: No reply address is registered for the application. Consent on the application's page, which needs none.",
        ));
    };
    let chosen = if wished.is_empty() { *first } else { wished };
    let fits = registered.contains(&chosen);
    url::Url::parse(chosen).ok().filter(|_| fits).ok_or_else(|| {
        Failure::bad_request(format!(
            "AADSTS50011: The redirect URI '{chosen}' does not match the redirect URIs of the application '{}'.",
            text(app, "appId")
        ))
    })
}

/// A scope by its name, of Microsoft Graph unless the API stands before it.
fn wished_scope(world: &World, tenant: &str, wished: &str) -> Result<Permission, Failure> {
    let (api, name) = wished.rsplit_once('/').unwrap_or((GRAPH, wished));
    let unknown = || {
        Failure::bad_request(format!("AADSTS650053: The application asked for scope '{wished}' that does not exist."))
    };
    let directory = world.tenants.get(tenant).ok_or_else(unknown)?;
    let names = |one: &Object| one.get("servicePrincipalNames").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_it =
        |one: &&Object| names(one).iter().any(|name| name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(api)));
    let api = directory.principals.values().find(is_it).ok_or_else(unknown)?;
    Some(permissions::scope(directory, text(api, "appId"), name)).filter(|one| !one.id.is_empty()).ok_or_else(unknown)
}

fn show(world: &World, asked: &Asked) -> Page {
    let domain = world.tenants.get(&asked.tenant).map(Tenant::domain).unwrap_or_default();
    let line = |one: &Permission| {
        html! { span.what { strong { (one.name) } small { (one.api) " · " (one.kind_in_words()) } } }
    };
    let listed = |wanted: fn(&Permission) -> bool| -> Vec<Markup> {
        asked.permissions.iter().filter(|one| wanted(one)).map(line).collect()
    };
    let taken = listed(|one| one.granted && !one.requested);
    page(
        "Permissions requested",
        html! {
            section.card aria-labelledby="asked" {
                h1 id="asked" { "Permissions requested" }
                p { strong { (asked.name) } " of " (asked.publisher) ", not verified, asks for these for everybody in " strong { (domain) } "." }
                p { "Client ID " code { (asked.client) } }
                (rows(&listed(|one| one.requested)))
                @if !asked.is_dynamic && !taken.is_empty() {
                    h2 { "Granted before, and taken back by this consent" }
                    (rows(&taken))
                }
                form method="post" {
                    button.first name="decision" value="accept" { "Accept" }
                    button name="decision" value="decline" { "Decline" }
                }
            }
        },
    )
}
