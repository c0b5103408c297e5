//! The simulated tenant by plain HTTP: what is there, and what an attacker does to it.

use super::cast::{BAD, DIM, Expect, GOOD, LURED, PLANTED, PLANTED_URI, REVOKED, VICTIM};
use crate::catalog::{Catalog, Kind, PermissionKey};
use crate::cli::print;
use crate::sandbox::Sandbox;
use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the application that a vendor makes itself holds from the start.
const FOREIGN: &str = "office_365_management/application/ActivityFeed.Read";

/// A connector and what it should hold.
#[derive(Clone)]
pub(super) struct Connector {
    pub name: String,
    /// Empty where the provider makes the application: then it is found by its unique name, which is the connector's.
    pub client_id: String,
    pub documented: BTreeSet<String>,
    redirect_uris: BTreeSet<String>,
}

impl Connector {
    pub(super) fn of_profile(slug: &str) -> Result<Self> {
        let profile = Catalog::built_in().profile(slug)?;
        let keys = profile.permissions(&BTreeSet::new(), false)?;
        Ok(Self {
            name: slug.to_owned(),
            client_id: String::new(),
            documented: keys.iter().map(ToString::to_string).collect(),
            redirect_uris: profile.app.web_redirect_uris.iter().cloned().collect(),
        })
    }

    /// With what a profile adds.
    pub(super) fn with_profile(&self, slug: &str) -> Result<Self> {
        let mut with = self.clone();
        with.documented.extend(Self::of_profile(slug)?.documented);
        Ok(with)
    }
}

/// What the tenant says of a connector.
struct Seen {
    requested: BTreeSet<String>,
    granted: BTreeSet<String>,
    redirect_uris: BTreeSet<String>,
}

/// Reads the tenant, and changes it as an administrator would.
pub(super) struct Reader {
    http: Client,
    control: String,
    base: String,
}

impl Reader {
    pub(super) fn new(sandbox: &Sandbox) -> Result<Self> {
        let connection = sandbox.connection();
        let http = Client::builder().no_proxy().tls_certs_only([]).build()?;
        let base = format!("{}/tenants/{}/v1.0", connection.control, connection.tenant_id);
        Ok(Self { http, control: connection.control.clone(), base })
    }

    async fn send(&self, method: Method, url: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?.error_for_status()?;
        let bytes = answer.bytes().await?;
        Ok(if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? })
    }

    async fn graph(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        self.send(method, &format!("{}{path}", self.base), body).await.with_context(|| path.to_owned())
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let body = self.graph(Method::GET, path, None).await?;
        body["value"].as_array().cloned().with_context(|| format!("{path} is no collection"))
    }

    /// Service principals of Microsoft's APIs: client id by object id.
    async fn apis(&self) -> Result<BTreeMap<String, String>> {
        let all = self.list("/servicePrincipals?$select=id,appId&$top=999").await?;
        Ok(all
            .iter()
            .filter_map(|one| Some((one["id"].as_str()?.to_owned(), one["appId"].as_str()?.to_owned())))
            .collect())
    }

    async fn principal(&self, app_id: &str) -> Result<String> {
        let found = self.list(&format!("/servicePrincipals?$filter=appId%20eq%20'{app_id}'")).await?;
        let id = found.first().and_then(|one| one["id"].as_str());
        id.map(str::to_owned).with_context(|| format!("there is no service principal of {app_id}"))
    }

    async fn applications(&self, connector: &Connector) -> Result<Vec<Value>> {
        let (property, value) = match connector.client_id.as_str() {
            "" => ("uniqueName", &connector.name),
            _ => ("appId", &connector.client_id),
        };
        self.list(&format!("/applications?$filter={property}%20eq%20'{value}'")).await
    }

    /// How many of the applications that the provider makes are there.
    pub(super) async fn own_applications(&self, connectors: &[Connector]) -> Result<usize> {
        let mut count = 0;
        for connector in connectors.iter().filter(|one| one.client_id.is_empty()) {
            count += self.applications(connector).await?.len();
        }
        Ok(count)
    }

    async fn one(&self, connector: &Connector) -> Result<(Value, String)> {
        let mut apps = self.applications(connector).await?;
        ensure!(apps.len() == 1, "{} has {} applications instead of one", connector.name, apps.len());
        let app = apps.remove(0);
        let principal = self.principal(app["appId"].as_str().unwrap_or_default()).await?;
        Ok((app, principal))
    }

    async fn look(&self, connector: &Connector, apis: &BTreeMap<String, String>) -> Result<Seen> {
        let (app, principal) = self.one(connector).await?;
        let mut requested = BTreeSet::new();
        for api in app["requiredResourceAccess"].as_array().into_iter().flatten() {
            for access in api["resourceAccess"].as_array().into_iter().flatten() {
                let kind = if access["type"] == "Scope" { Kind::Delegated } else { Kind::Application };
                requested.extend(named(&api["resourceAppId"], kind, &access["id"]));
            }
        }
        let api =
            |one: &Value| one["resourceId"].as_str().and_then(|id| apis.get(id)).map_or(Value::Null, |id| json!(id));
        let assignments = self.list(&format!("/servicePrincipals/{principal}/appRoleAssignments")).await?;
        let mut granted: BTreeSet<String> =
            assignments.iter().filter_map(|one| named(&api(one), Kind::Application, &one["appRoleId"])).collect();
        let grants = self.list(&format!("/oauth2PermissionGrants?$filter=clientId%20eq%20'{principal}'")).await?;
        for grant in grants.iter().filter(|one| one["consentType"] == "AllPrincipals") {
            let key = |scope: &str| format!("{}/delegated/{scope}", key_of_api(&api(grant)).unwrap_or_default());
            granted.extend(grant["scope"].as_str().unwrap_or_default().split_whitespace().map(key));
        }
        let uris = app["web"]["redirectUris"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Seen { requested, granted, redirect_uris: uris.map(str::to_owned).collect() })
    }

    /// Prints a line per connector, and below it what is not as it should be. An error where that is not what was expected.
    pub(super) async fn show(&self, connectors: &[Connector], expect: Expect) -> Result<()> {
        let apis = self.apis().await?;
        let mut faults = Vec::new();
        print(&format!("    {DIM}  {:<34}  asks for  granted{DIM:#}", "connector"));
        for connector in connectors {
            let seen = self.look(connector, &apis).await?;
            let before = faults.len();
            seen.faults(connector, &mut faults);
            let (style, mark) = if faults.len() == before { (GOOD, '✓') } else { (BAD, '✗') };
            let of = |there: &BTreeSet<String>| {
                format!("{} of {}", there.intersection(&connector.documented).count(), connector.documented.len())
            };
            print(&format!(
                "    {style}{mark}{style:#} {:<34}  {:<8}  {}",
                connector.name,
                of(&seen.requested),
                of(&seen.granted)
            ));
            for (what, why) in &faults[before..] {
                print(&format!("        {BAD}✗{BAD:#} {what:<50}  {why}"));
            }
        }
        match expect {
            Expect::Right => ensure!(faults.is_empty(), "the tenant is not as the documents say: {faults:?}"),
            Expect::Wrong => ensure!(!faults.is_empty(), "the tenant is as the documents say"),
        }
        Ok(())
    }

    /// An application that a vendor's own portal makes, with one permission that it asks for and holds.
    pub(super) async fn add_foreign_application(&self) -> Result<Connector> {
        let (api, role) = resource_and_id(FOREIGN)?;
        let asked = json!([{ "resourceAppId": api, "resourceAccess": [{ "id": role, "type": "Role" }] }]);
        let app =
            json!({ "displayName": "Defense.com", "signInAudience": "AzureADMyOrg", "requiredResourceAccess": asked });
        let app = self.graph(Method::POST, "/applications", Some(app)).await?;
        let body = json!({ "appId": app["appId"] });
        let principal = self.graph(Method::POST, "/servicePrincipals", Some(body)).await?;
        self.grant(principal["id"].as_str().unwrap_or_default(), FOREIGN).await?;
        Ok(Connector {
            name: "Defense.com's own application".to_owned(),
            client_id: app["appId"].as_str().unwrap_or_default().to_owned(),
            documented: BTreeSet::from([FOREIGN.to_owned()]),
            redirect_uris: BTreeSet::new(),
        })
    }

    async fn grant(&self, principal: &str, key: &str) -> Result<()> {
        let (api, role) = resource_and_id(key)?;
        let body = json!({ "principalId": principal, "resourceId": self.principal(&api).await?, "appRoleId": role });
        self.graph(Method::POST, &format!("/servicePrincipals/{principal}/appRoleAssignments"), Some(body)).await?;
        Ok(())
    }

    /// Sets the tenant's clock.
    pub(super) async fn three_weeks_later(&self) -> Result<()> {
        let advance = json!({ "advance": "P21D" });
        self.send(Method::POST, &format!("{}/clock", self.control), Some(advance)).await.map(|_| ())
    }

    /// One grant planted, one revoked, and a redirect URI to catch sign-ins with.
    pub(super) async fn tamper(&self, connectors: &[Connector]) -> Result<()> {
        let named = |name: &str| connectors.iter().find(|one| one.name == name).context("the connector is not there");
        let (_, principal) = self.one(named(VICTIM)?).await?;
        self.grant(&principal, PLANTED).await?;
        let (_, role) = resource_and_id(REVOKED)?;
        let path = format!("/servicePrincipals/{principal}/appRoleAssignments");
        let all = self.list(&path).await?;
        let revoked = all.iter().find(|one| one["appRoleId"] == role).and_then(|one| one["id"].as_str());
        let revoked = revoked.context("the grant to revoke is not there")?;
        self.graph(Method::DELETE, &format!("{path}/{revoked}"), None).await?;
        let (app, _) = self.one(named(LURED)?).await?;
        let mut uris = app["web"]["redirectUris"].as_array().cloned().unwrap_or_default();
        uris.push(PLANTED_URI.into());
        let path = format!("/applications/{}", app["id"].as_str().unwrap_or_default());
        self.graph(Method::PATCH, &path, Some(json!({ "web": { "redirectUris": uris } }))).await.map(|_| ())
    }
}

impl Seen {
    /// What is not as documented, and how.
    fn faults(&self, connector: &Connector, faults: &mut Vec<(String, &'static str)>) {
        let mut compare = |wanted: &BTreeSet<String>, there: &BTreeSet<String>, missing, beyond| {
            faults.extend(wanted.difference(there).map(|one| (one.clone(), missing)));
            faults.extend(there.difference(wanted).map(|one| (one.clone(), beyond)));
        };
        compare(&connector.documented, &self.requested, "is not asked for", "is asked for, and nobody declared it");
        compare(&connector.documented, &self.granted, "was revoked", "was granted, and nobody declared it");
        compare(
            &connector.redirect_uris,
            &self.redirect_uris,
            "is no redirect URI",
            "is a redirect URI that nobody declared",
        );
    }
}

fn key_of_api(app_id: &Value) -> Option<String> {
    Catalog::built_in().api(app_id.as_str()?).map(|api| api.key.clone())
}

/// The permission key of an id, as far as the catalogue knows it; else the bare id, which no document lists.
fn named(app_id: &Value, kind: Kind, id: &Value) -> Option<String> {
    let (app_id, id) = (app_id.as_str()?, id.as_str()?);
    let known = Catalog::built_in().api(app_id).and_then(|api| Some(api.key_of(api.by_id(kind, id)?).to_string()));
    Some(known.unwrap_or_else(|| format!("{app_id}/{id}")))
}

/// The API's client id and the permission's id of a permission key.
fn resource_and_id(key: &str) -> Result<(String, String)> {
    let parsed: PermissionKey = key.parse()?;
    let api = Catalog::built_in().api(&parsed.api).context("the API is not in the catalogue")?;
    Ok((api.app_id.clone(), api.find(parsed.kind, &parsed.value)?.id.clone()))
}
