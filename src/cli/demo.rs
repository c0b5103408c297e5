//! `demo`: the whole story against a simulated tenant, with the real CLI. What it says of the tenant it reads by itself, not through
//! the provider.

use super::print;
use super::terraform::{Workspace, find};
use crate::catalog::{Api, Catalog, Kind, PermissionKey};
use crate::sandbox::Sandbox;
use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

#[derive(clap::Args)]
pub(super) struct Arguments {}

/// The connector that the story is about. Also an example for users.
const CONFIGURATION: &str = include_str!("../../examples/md-eco/main.tf");
const PROFILE: &str = "md-eco-m365-defender";
/// What an attacker plants, and what somebody revokes by mistake.
const PLANTED: &str = "microsoft_graph/application/Mail.Read";
const REVOKED: &str = "windows_defender_atp/application/Machine.Read.All";

pub(super) async fn run(_: Arguments) -> Result<()> {
    let cli = find()?.into_iter().next().context("no CLI was found")?;
    let sandbox =
        Sandbox::start(([127, 0, 0, 1], 0).into()).await.context("the simulated tenant could not be started")?;
    let folder = tempfile::tempdir().context("no temporary folder could be made")?;
    let base = sandbox.connection().graph.trim_end_matches("/graph").to_owned();
    let provider = std::env::current_exe().context("this program does not know where it is")?;
    let workspace = Workspace::new(&cli, folder.path(), &provider, &base)?;
    let reader = Reader::new(&sandbox)?;
    print(&format!("{}, simulated tenant at {base}", workspace.version().await?));
    tokio::select! {
        told = story(&workspace, &reader) => told,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("cannot listen for interrupts")?;
            bail!("interrupted; the simulated tenant and its folder are gone")
        }
    }
}

async fn story(workspace: &Workspace, reader: &Reader) -> Result<()> {
    workspace.write(CONFIGURATION)?;
    let clock = Steps { started: Instant::now() };

    clock.step("Plan: what the vendor will be allowed, before anything happens");
    let (code, plan, _) = workspace.plan(&[]).await?;
    ensure!(code == 2, "the first plan should propose to create the connector");
    let promised = permissions(&plan, "after")?;
    promised.iter().for_each(|key| print(&format!("    + {key}")));

    clock.step("Apply");
    workspace.apply(&["plan.out"]).await?;
    let documented = documented()?;
    ensure!(promised == documented, "the plan does not show what the document lists");
    reader.check(&documented).await?;

    clock.step("Plan again: nothing to do");
    ensure!(workspace.plan(&[]).await?.0 == 0, "the second plan is not empty");
    print("    No changes.");

    clock.step("Behind the provider's back: one grant is revoked, another one planted");
    reader.tamper().await?;
    print(&format!("    revoked  {REVOKED}\n    planted  {PLANTED}"));

    clock.step("Plan: drift in both directions");
    let (code, plan, _) = workspace.plan(&[]).await?;
    ensure!(code == 2, "the drift is not seen");
    let (before, after) = (permissions(&plan, "before")?, permissions(&plan, "after")?);
    after.difference(&before).for_each(|key| print(&format!("    + {key}   (missing, will be granted)")));
    before.difference(&after).for_each(|key| print(&format!("    - {key}   (nobody declared it, will be revoked)")));
    ensure!(
        after.difference(&before).eq([REVOKED]) && before.difference(&after).eq([PLANTED]),
        "the plan shows something else than what was changed"
    );

    clock.step("Apply: repaired");
    workspace.apply(&["plan.out"]).await?;
    reader.check(&documented).await?;
    ensure!(workspace.plan(&[]).await?.0 == 0, "the plan after the repair is not empty");

    clock.step("Destroy");
    workspace.apply(&["-destroy"]).await?;
    ensure!(reader.applications().await?.is_empty(), "an application is left");
    print("    Nothing is left but the deleted application, which can be restored for 30 days.");
    print(&format!(
        "\nDone in {:.1} s. The configuration is examples/md-eco/main.tf.",
        clock.started.elapsed().as_secs_f32()
    ));
    Ok(())
}

struct Steps {
    started: Instant,
}

impl Steps {
    fn step(&self, title: &str) {
        print(&format!("\n[{:>4.1} s] {title}", self.started.elapsed().as_secs_f32()));
    }
}

/// The consent's permission keys in a plan.
fn permissions(plan: &Value, side: &str) -> Result<BTreeSet<String>> {
    let changes = plan["resource_changes"].as_array().context("the plan has no changes")?;
    let consent = changes.iter().find(|one| one["type"] == "m365_admin_consent").context("the plan has no consent")?;
    let keys = consent["change"][side]["permissions"].as_array().context("the plan does not know the permissions")?;
    Ok(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// What the vendor's document lists.
fn documented() -> Result<BTreeSet<String>> {
    let keys = Catalog::built_in().profile(PROFILE)?.permissions(&BTreeSet::new(), false)?;
    Ok(keys.iter().map(ToString::to_string).collect())
}

/// Reads the tenant with plain HTTP, and changes it as an administrator would.
struct Reader {
    http: Client,
    base: String,
}

impl Reader {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        let connection = sandbox.connection();
        let http = Client::builder().no_proxy().tls_certs_only([]).build()?;
        Ok(Self { http, base: format!("{}/tenants/{}/v1.0", connection.control, connection.tenant_id) })
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?.error_for_status().with_context(|| path.to_owned())?;
        let bytes = answer.bytes().await?;
        Ok(if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? })
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let body = self.send(Method::GET, path, None).await?;
        body["value"].as_array().cloned().with_context(|| format!("{path} is no collection"))
    }

    /// Applications that the story made.
    async fn applications(&self) -> Result<Vec<Value>> {
        self.list("/applications?$filter=uniqueName%20eq%20'md-eco-m365-defender'").await
    }

    /// Object id of an API's or an application's principal.
    async fn principal(&self, app_id: &str) -> Result<String> {
        let found = self.list(&format!("/servicePrincipals?$filter=appId%20eq%20'{app_id}'")).await?;
        let id = found.first().and_then(|one| one["id"].as_str());
        id.map(str::to_owned).with_context(|| format!("there is no service principal of {app_id}"))
    }

    async fn connector(&self) -> Result<(Value, String)> {
        let apps = self.applications().await?;
        let [app] = apps.as_slice() else { bail!("there are {} connector applications instead of one", apps.len()) };
        let principal = self.principal(app["appId"].as_str().unwrap_or_default()).await?;
        Ok((app.clone(), principal))
    }

    /// Prints a check mark or a cross for each documented permission; anything missing or beyond is an error.
    async fn check(&self, documented: &BTreeSet<String>) -> Result<()> {
        let (app, principal) = self.connector().await?;
        let mut requested = BTreeSet::new();
        for api in app["requiredResourceAccess"].as_array().into_iter().flatten() {
            let ids = api["resourceAccess"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str());
            requested.extend(ids.filter_map(|id| name(api["resourceAppId"].as_str()?, id)));
        }
        let mut apis = BTreeMap::new();
        for api in documented.iter().filter_map(|key| api_of(key)) {
            apis.insert(self.principal(&api.app_id).await?, api.app_id.clone());
        }
        let assignments = self.list(&format!("/servicePrincipals/{principal}/appRoleAssignments")).await?;
        let granted: BTreeSet<String> = assignments
            .iter()
            .filter_map(|one| name(apis.get(one["resourceId"].as_str()?)?, one["appRoleId"].as_str()?))
            .collect();
        print("    requested  granted");
        let mark = |there: bool| if there { '✓' } else { '✗' };
        for key in documented.union(&granted) {
            print(&format!(
                "        {}         {}     {key}",
                mark(requested.contains(key)),
                mark(granted.contains(key))
            ));
        }
        ensure!(&requested == documented, "the application does not ask for exactly what is documented");
        ensure!(
            &granted == documented && assignments.len() == documented.len(),
            "the tenant has not granted exactly what is documented"
        );
        Ok(())
    }

    async fn tamper(&self) -> Result<()> {
        let (_, principal) = self.connector().await?;
        let (_, role) = resource_and_role(REVOKED)?;
        let path = format!("/servicePrincipals/{principal}/appRoleAssignments");
        let all = self.list(&path).await?;
        let revoked = all
            .iter()
            .find(|one| one["appRoleId"] == role)
            .and_then(|one| one["id"].as_str())
            .context("the grant to revoke is not there")?;
        self.send(Method::DELETE, &format!("{path}/{revoked}"), None).await?;
        let (api, role) = resource_and_role(PLANTED)?;
        let resource = self.principal(&api).await?;
        self.send(
            Method::POST,
            &path,
            Some(json!({ "principalId": principal, "resourceId": resource, "appRoleId": role })),
        )
        .await
        .map(|_| ())
    }
}

fn api_of(key: &str) -> Option<&'static Api> {
    Catalog::built_in().api(&key.parse::<PermissionKey>().ok()?.api)
}

fn name(app_id: &str, role: &str) -> Option<String> {
    let api = Catalog::built_in().api(app_id)?;
    Some(api.key_of(api.by_id(Kind::Application, role)?).to_string())
}

/// The API's client id and the role's id of a permission key.
fn resource_and_role(key: &str) -> Result<(String, String)> {
    let parsed: PermissionKey = key.parse()?;
    let api = api_of(key).context("the API is not in the catalogue")?;
    Ok((api.app_id.clone(), api.find(parsed.kind, &parsed.value)?.id.clone()))
}
