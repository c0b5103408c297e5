//! Exactly once, through the real CLIs: a sample of each kind of failure. `exactly_once` has every one at every request.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, PROVIDER, Workspace, assert_no_change, every_cli};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use terraform_provider_m365::cli::terraform::find;

const WRITES: [&str; 4] = ["POST", "PATCH", "PUT", "DELETE"];
/// Lives at once: the CLI of one mostly waits.
const AT_ONCE: usize = 3;

/// One time in a connector's life, with what the application then asks for and the tenant grants.
pub struct Phase {
    configuration: &'static str,
    /// Names of application permissions, and of delegated ones.
    roles: &'static [&'static str],
    scopes: &'static [&'static str],
}

pub const BORN: Phase = Phase {
    configuration: r#"
resource "m365_connector_app" "this" {
  unique_name  = "connector"
  display_name = "Connector"
}
resource "m365_connector_permission_set" "this" {
  application_id = m365_connector_app.this.id
  apis = {
    microsoft_graph      = { application = ["User.Read.All", "AuditLog.Read.All"], delegated = ["User.Read"] }
    windows_defender_atp = { application = ["Machine.Read.All"] }
  }
}
resource "m365_admin_consent" "this" {
  service_principal_id = m365_connector_app.this.service_principal_id
  permissions          = m365_connector_permission_set.this.permissions
}
"#,
    roles: &["User.Read.All", "AuditLog.Read.All", "Machine.Read.All"],
    scopes: &["User.Read"],
};

pub const GROWN: Phase = Phase {
    configuration: r#"
resource "m365_connector_app" "this" {
  unique_name         = "connector"
  display_name        = "Connector, renamed"
  assignment_required = true
}
resource "m365_connector_permission_set" "this" {
  application_id = m365_connector_app.this.id
  apis = {
    microsoft_graph      = { application = ["User.Read.All"], delegated = ["User.Read", "Group.Read.All"] }
    windows_defender_atp = { application = ["Machine.Read.All", "Alert.Read.All"] }
  }
}
resource "m365_admin_consent" "this" {
  service_principal_id = m365_connector_app.this.service_principal_id
  permissions          = m365_connector_permission_set.this.permissions
}
"#,
    roles: &["User.Read.All", "Machine.Read.All", "Alert.Read.All"],
    scopes: &["User.Read", "Group.Read.All"],
};

pub const GONE: Phase = Phase { configuration: "", roles: &[], scopes: &[] };

impl Phase {
    pub fn write(&self, workspace: &Workspace, provider: &str) {
        workspace.write(&format!("{HEAD}{provider}{}", self.configuration)).unwrap();
    }

    /// The tenant holds this and nothing else.
    pub async fn check(&self, tenant: &Tenant, context: &str) {
        let apps = tenant.applications().await;
        let principals = list(&tenant.admin(Method::GET, "/servicePrincipals?$top=999", None).await);
        let own: Vec<_> = principals
            .iter()
            .filter(|one| {
                one["appOwnerOrganizationId"] == tenant.connection().tenant_id
                    && one["displayName"] != "Sandbox operator"
            })
            .collect();
        if self.configuration.is_empty() {
            assert_eq!((apps.len(), own.len()), (0, 0), "{context}");
            return;
        }
        assert_eq!((apps.len(), own.len()), (1, 1), "{context}: {apps:?} {own:?}");
        assert_eq!(own[0]["appId"], apps[0]["appId"], "{context}");
        let mut requested = BTreeSet::new();
        let mut count = 0;
        for api in apps[0]["requiredResourceAccess"].as_array().unwrap() {
            for access in api["resourceAccess"].as_array().unwrap() {
                let kind = if access["type"] == "Role" { "appRoles" } else { "oauth2PermissionScopes" };
                let owner = principals.iter().find(|one| one["appId"] == api["resourceAppId"]).unwrap();
                requested.insert((kind, name_of(owner, kind, &access["id"])));
                count += 1;
            }
        }
        let declared: BTreeSet<_> = self
            .roles
            .iter()
            .map(|role| ("appRoles", (*role).to_owned()))
            .chain(self.scopes.iter().map(|scope| ("oauth2PermissionScopes", (*scope).to_owned())))
            .collect();
        assert_eq!((&requested, count), (&declared, declared.len()), "{context}: requested");
        let principal = own[0]["id"].as_str().unwrap();
        let assignments =
            list(&tenant.admin(Method::GET, &format!("/servicePrincipals/{principal}/appRoleAssignments"), None).await);
        let mut granted: Vec<String> = assignments
            .iter()
            .map(|one| {
                let owner = principals.iter().find(|principal| principal["id"] == one["resourceId"]).unwrap();
                name_of(owner, "appRoles", &one["appRoleId"])
            })
            .collect();
        granted.sort();
        let mut roles = self.roles.to_vec();
        roles.sort_unstable();
        assert_eq!(granted, roles, "{context}: granted");
        let filter = format!("/oauth2PermissionGrants?$filter=clientId%20eq%20'{principal}'");
        let grants = list(&tenant.admin(Method::GET, &filter, None).await);
        assert_eq!(grants.len(), 1, "{context}: {grants:?}");
        let scopes: Vec<_> = grants[0]["scope"].as_str().unwrap().split_whitespace().collect();
        assert_eq!(scopes.len(), self.scopes.len(), "{context}: {scopes:?}");
        assert_eq!(BTreeSet::from_iter(scopes), BTreeSet::from_iter(self.scopes.iter().copied()), "{context}");
    }
}

fn name_of(principal: &Value, kind: &str, id: &Value) -> String {
    let all = principal[kind].as_array().unwrap();
    all.iter().find(|one| one["id"] == *id).unwrap()["value"].as_str().unwrap().to_owned()
}

/// Makes every failure end the apply, as a kill would.
const NO_RETRY: &str = "\nprovider \"m365\" {\n  environment = \"sandbox\"\n  max_retries = 0\n}\n";

/// A life in which the `nth` write of each phase meets `action`. `survives`: the apply is expected to succeed nevertheless.
async fn life(cli: &Path, nth: usize, action: &Value, provider: &str, survives: bool) {
    let (tenant, folder) = (Tenant::start().await, tempfile::tempdir().unwrap());
    let workspace = Workspace::new(cli, folder.path(), Path::new(PROVIDER), &tenant.url()).unwrap();
    for (phase, title) in [(BORN, "create"), (GROWN, "change"), (GONE, "destroy")] {
        phase.write(&workspace, provider);
        tenant.forget_requests().await;
        let rule = json!({ "methods": WRITES, "path": "/graph/*", "skip": nth, "times": 1, "action": action });
        tenant.fault(rule).await;
        let applied = workspace.run(&["apply", "-no-color", "-input=false", "-auto-approve"]).await.unwrap();
        let struck = tenant.faults().await[0]["struck"] == 1;
        tenant.control(Method::DELETE, "faults", None).await;
        let context = format!("{title}, write {nth} met {action} ({:?}):\n{}", tenant.writes().await, applied.output);
        assert_eq!(applied.code == 0, survives || !struck, "{context}");
        if !survives {
            workspace.apply(&[]).await.unwrap_or_else(|why| panic!("{context}\nand then: {why:#}"));
        }
        phase.check(&tenant, &context).await;
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 0, "{context}\nthe plan afterwards is not empty:\n{output}");
    }
}

/// A life for each of these writes with its fault.
async fn lives(sample: &[(usize, Value)], provider: &str, survives: bool) {
    for cli in find().unwrap() {
        stream::iter(sample)
            .for_each_concurrent(AT_ONCE, |(nth, action)| life(&cli, *nth, action, provider, survives))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_is_made_good_by_the_next_apply() {
    let sample = [
        (0, json!("drop_before_commit")),
        (1, json!("drop_after_commit")),
        (2, json!({ "fail": { "status": 503 } })),
        (3, json!("drop_after_commit")),
    ];
    lives(&sample, NO_RETRY, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_survived_within_one_apply() {
    let sample = [
        (0, json!("drop_after_commit")),
        (1, json!({ "fail": { "status": 503, "retry_after": 0, "after_commit": true } })),
        (2, json!({ "throttle": { "retry_after": 0 } })),
        (3, json!({ "malformed": { "truncated": true } })),
    ];
    lives(&sample, BLOCK, true).await;
}

/// The CLI is interrupted while the answer to a write is held back, which was carried out: nobody waits for long, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_while_a_write_is_under_way_ends_soon_and_the_next_apply_completes() {
    for nth in [0, 3] {
        every_cli(async |workspace, tenant| {
            BORN.write(&workspace, BLOCK);
            let rule = json!({ "methods": WRITES, "path": "/graph/*", "skip": nth, "times": 1, "action": { "hold": { "after_commit": true } } });
            let rule = tenant.fault(rule).await;
            let mut run = workspace.command(&["apply", "-no-color", "-input=false", "-auto-approve"]);
            let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            tenant.until_held(rule).await;
            let cli = child.id().unwrap().to_string();
            tokio::process::Command::new("kill").args(["-INT", &cli]).status().await.unwrap();
            // Five seconds for the answer, and some for a busy machine; a request may take thirty, and is held for two minutes.
            let ended = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
            let ended = ended.expect("the interrupt was not heeded").unwrap();
            assert!(!ended.status.success(), "write {nth}");
            tenant.control(Method::DELETE, "faults", None).await;
            workspace.apply(&[]).await.unwrap_or_else(|why| panic!("interrupted at write {nth}: {why:#}"));
            BORN.check(&tenant, &format!("interrupted at write {nth}")).await;
            assert_no_change(&workspace).await;
        })
        .await;
    }
}

/// What is restored is found by two ways: by a create that meets its deleted predecessor, and by an update of what somebody deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_restoration_whose_answer_is_lost_was_done_all_the_same() {
    every_cli(async |workspace, tenant| {
        BORN.write(&workspace, BLOCK);
        workspace.apply(&[]).await.unwrap();
        workspace.apply(&["-destroy"]).await.unwrap();
        let lost = json!({ "path": "*/restore", "action": "drop_after_commit", "times": 1 });
        tenant.fault(lost.clone()).await;
        workspace.apply(&[]).await.unwrap();
        BORN.check(&tenant, "created again").await;
        for _ in 0..2 {
            let app = tenant.applications().await.remove(0);
            tenant.admin(Method::DELETE, &format!("/applications/{}", app["id"].as_str().unwrap()), None).await;
            tenant.control(Method::DELETE, "faults", None).await;
            tenant.fault(lost.clone()).await;
            workspace.apply(&[]).await.unwrap();
            BORN.check(&tenant, "restored").await;
        }
        assert_no_change(&workspace).await;
    })
    .await;
}

/// What was restored still has all that was left on it: until the first change has gone through, the restoration has not ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_killed_after_a_restoration_and_before_the_first_change_takes_it_up_again() {
    every_cli(async |workspace, tenant| {
        BORN.write(&workspace, BLOCK);
        workspace.apply(&[]).await.unwrap();
        let made = tenant.applications().await.remove(0);
        let path = format!("/applications/{}/addPassword", made["id"].as_str().unwrap());
        tenant
            .admin(Method::POST, &path, Some(json!({ "passwordCredential": { "displayName": "left behind" } })))
            .await;
        workspace.apply(&["-destroy"]).await.unwrap();
        let held = tenant
            .fault(json!({ "methods": ["PATCH"], "path": "*/applications/*", "times": 1, "action": { "hold": { "after_commit": false } } }))
            .await;
        let mut run = workspace.command(&["apply", "-no-color", "-input=false", "-auto-approve"]);
        let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        tenant.until_held(held).await;
        let providers = providers_of(child.id().unwrap()).await;
        kill(providers[0]).await;
        assert!(!child.wait_with_output().await.unwrap().status.success());
        tenant.control(Method::DELETE, "faults", None).await;
        assert_eq!(tenant.applications().await[0]["id"], made["id"], "it was restored");
        workspace.apply(&[]).await.unwrap();
        BORN.check(&tenant, "killed after the restoration").await;
        let after = tenant.applications().await.remove(0);
        assert_eq!(
            (&after["id"], &after["passwordCredentials"]),
            (&made["id"], &json!([])),
            "nothing comes back unseen"
        );
        assert_no_change(&workspace).await;
    })
    .await;
}

/// Ids of the processes that descend from `parent` and run the provider.
async fn providers_of(parent: u32) -> Vec<u32> {
    let listed = tokio::process::Command::new("ps").args(["-A", "-o", "pid=,ppid=,args="]).output().await.unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let all: Vec<(u32, u32, String)> = text
        .lines()
        .filter_map(|line| {
            let mut parts = line.split_whitespace();
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.collect::<Vec<_>>().join(" ")))
        })
        .collect();
    let mut family = BTreeSet::from([parent]);
    // A child may be listed before its parent.
    while all.iter().any(|(pid, ppid, _)| family.contains(ppid) && family.insert(*pid)) {}
    all.into_iter()
        .filter(|(pid, _, args)| family.contains(pid) && args.starts_with(PROVIDER))
        .map(|(pid, ..)| pid)
        .collect()
}

async fn kill(process: u32) {
    tokio::process::Command::new("kill").args(["-9", &process.to_string()]).status().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_killed_while_a_write_is_under_way_leaves_nothing_twice() {
    // Alone, and with its CLI.
    for (nth, after_commit, with_cli) in [(0, true, false), (3, false, false), (1, true, true)] {
        every_cli(async |workspace, tenant| {
            BORN.write(&workspace, BLOCK);
            let rule = json!({ "methods": WRITES, "path": "/graph/*", "skip": nth, "times": 1, "action": { "hold": { "after_commit": after_commit } } });
            let rule = tenant.fault(rule).await;
            let mut run = workspace.command(&["apply", "-no-color", "-input=false", "-auto-approve"]);
            let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            tenant.until_held(rule).await;
            let cli = child.id().unwrap();
            let providers = providers_of(cli).await;
            assert_eq!(providers.len(), 1, "{providers:?}");
            if with_cli {
                kill(cli).await;
            }
            kill(providers[0]).await;
            let ended = child.wait_with_output().await.unwrap();
            assert!(!ended.status.success());
            tenant.control(Method::DELETE, "faults", None).await;
            let context = format!("killed at write {nth}, after the commit: {after_commit}, with the CLI: {with_cli}");
            workspace.apply(&[]).await.unwrap_or_else(|why| panic!("{context}: {why:#}"));
            BORN.check(&tenant, &context).await;
            assert_no_change(&workspace).await;
        })
        .await;
    }
}
