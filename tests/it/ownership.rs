//! Who added what: spellings, refusals, renames and replicas that lag decide nothing of it.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, failed_plan, flat};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
const AUDIT_LOG: &str = "b0afded3-3588-46d8-8b3d-9842eff778da";
const APPLY: [&str; 4] = ["apply", "-no-color", "-auto-approve", "-input=false"];

/// An application by hand. Gives its object id and its principal's.
async fn by_hand(tenant: &Tenant) -> (String, String) {
    let app = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "by hand" }))).await;
    let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
    (id(&app), id(&principal))
}

/// A set and a consent of these names, both of the same permissions (`kind/name`) of Graph.
fn pair(name: &str, (app, principal): &(String, String), permissions: &[&str], body: &str) -> String {
    let of = |kind: &str| {
        let names = permissions.iter().filter_map(|one| one.strip_prefix(&format!("{kind}/")));
        names.map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ")
    };
    let keys = permissions.iter().map(|one| format!("\"microsoft_graph/{one}\"")).collect::<Vec<_>>().join(", ");
    format!(
        r#"
resource "m365_connector_permission_set" "{name}" {{
  application_id = "{app}"
  apis           = {{ microsoft_graph = {{ application = [{}], delegated = [{}] }} }}
  {body}
}}
resource "m365_admin_consent" "{name}" {{
  service_principal_id = "{principal}"
  permissions          = [{keys}]
  {body}
}}
"#,
        of("application"),
        of("delegated")
    )
}

fn write(workspace: &Workspace, parts: &[&str]) {
    workspace.write(&format!("{HEAD}{BLOCK}{}", parts.concat())).unwrap();
}

async fn asked(tenant: &Tenant, app: &str) -> BTreeSet<String> {
    let app = tenant.admin(Method::GET, &format!("/applications/{app}"), None).await;
    let all = app["requiredResourceAccess"].as_array().unwrap().clone();
    let ids = all.iter().flat_map(|api| api["resourceAccess"].as_array().unwrap().clone());
    ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn scopes(tenant: &Tenant, principal: &str) -> BTreeSet<String> {
    let path = format!("/oauth2PermissionGrants?$filter=clientId%20eq%20'{principal}'");
    let grants = list(&tenant.admin(Method::GET, &path, None).await);
    grants.iter().flat_map(|one| one["scope"].as_str().unwrap().split_whitespace().map(str::to_owned)).collect()
}

fn set_of(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_under_one_spelling_is_given_back_under_another() {
    every_cli(async |workspace, tenant| {
        let made = by_hand(&tenant).await;
        let shared = |permissions: &[&str]| pair("x", &made, permissions, "exclusive = false");
        write(&workspace, &[&shared(&["application/User.Read.All", "delegated/User.Read"])]);
        workspace.apply(&[]).await.unwrap();
        let by_id =
            [format!("application/{USER_READ_ALL}"), "delegated/e1fe6dd8-ba31-4d61-89e7-88639da4683d".to_owned()];
        write(&workspace, &[&shared(&[&by_id[0], &by_id[1]])]);
        // Nothing but the spelling: what was there is planned.
        assert_no_change(&workspace).await;
        write(&workspace, &[&shared(&[&by_id[0], &by_id[1], "application/AuditLog.Read.All"])]);
        let applied = flat(&workspace.apply(&[]).await.unwrap());
        assert!(applied.contains("only spelled in another way"), "{applied}");
        assert_no_change(&workspace).await;
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(tenant.granted(&made.1).await, BTreeSet::new());
        assert_eq!((asked(&tenant, &made.0).await, scopes(&tenant, &made.1).await), (set_of(&[]), set_of(&[])));
    })
    .await;
}

/// Private data of a state, as a version of the provider stored it that knew the permission only by its id.
fn of_an_older_catalogue(workspace: &Workspace) {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let path = workspace.folder().join("terraform.tfstate");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    state["serial"] = json!(state["serial"].as_u64().unwrap() + 1);
    let key = json!([format!("microsoft_graph/application/{USER_READ_ALL}")]);
    for resource in state["resources"].as_array_mut().unwrap() {
        let instance = &mut resource["instances"][0];
        let stored = json!({ "private": { "declared": key, "added": key } });
        instance["private"] = json!(base64.encode(stored.to_string()));
        instance["attributes"]["permissions"] = key.clone();
    }
    std::fs::write(path, state.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_catalogue_knew_by_its_id_is_still_owned() {
    every_cli(async |workspace, tenant| {
        let made = by_hand(&tenant).await;
        write(&workspace, &[&pair("x", &made, &["application/User.Read.All"], "exclusive = false")]);
        workspace.apply(&[]).await.unwrap();
        of_an_older_catalogue(&workspace);
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, "m365_connector_permission_set.x")["actions"], json!(["no-op"]));
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!((asked(&tenant, &made.0).await, tenant.granted(&made.1).await), (set_of(&[]), set_of(&[])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_always_refused_leaves_the_good_ones_alone() {
    every_cli(async |workspace, tenant| {
        let made = by_hand(&tenant).await;
        let three = ["application/AuditLog.Read.All", "application/Mail.Read", "application/User.Read.All"];
        write(&workspace, &[&pair("x", &made, &three, "")]);
        let refusal = json!({ "fail": { "status": 400, "code": "Request_BadRequest", "message": "No." } });
        let rule = json!({ "methods": ["POST"], "path": "/graph/*/appRoleAssignedTo", "skip": 2, "action": refusal });
        tenant.fault(rule).await;
        let said = flat(&workspace.run(&APPLY).await.unwrap().expect(1).unwrap());
        assert!(said.contains("It was not granted: microsoft_graph/application/"), "{said}");
        assert_eq!(tenant.granted(&made.1).await.len(), 2);
        for _ in 0..2 {
            tenant.forget_requests().await;
            workspace.run(&APPLY).await.unwrap().expect(1).unwrap();
            let writes = tenant.writes().await;
            assert!(
                writes.len() == 1 && writes[0].starts_with("POST"),
                "nothing is revoked to be granted again: {writes:?}"
            );
        }
        tenant.control(Method::DELETE, "faults", None).await;
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert!(!tenant.writes().await.iter().any(|one| one.starts_with("DELETE")));
        assert_eq!(tenant.granted(&made.1).await, set_of(&[AUDIT_LOG, MAIL_READ, USER_READ_ALL]));
        assert_no_change(&workspace).await;
        // The replacement owns what was left to it.
        write(&workspace, &[&pair("x", &made, &three, "exclusive = false")]);
        workspace.apply(&[]).await.unwrap();
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(tenant.granted(&made.1).await, set_of(&[]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_other_addresses_a_set_and_a_consent_keep_what_they_ask_for_and_grant() {
    every_cli(async |workspace, tenant| {
        let two = ["application/AuditLog.Read.All", "application/User.Read.All", "delegated/User.Read"];
        for milliseconds in [0, 200] {
            let made = by_hand(&tenant).await;
            write(&workspace, &[&pair("old", &made, &two, "")]);
            workspace.apply(&[]).await.unwrap();
            tenant.later().await;
            let slow = json!({ "methods": ["GET"], "path": "/graph/*", "action": { "delay": { "milliseconds": milliseconds } } });
            tenant.fault(slow).await;
            write(&workspace, &[&pair("new", &made, &two, "")]);
            workspace.apply(&[]).await.unwrap();
            tenant.control(Method::DELETE, "faults", None).await;
            assert_eq!(asked(&tenant, &made.0).await.len(), 3);
            assert_eq!(tenant.granted(&made.1).await, set_of(&[AUDIT_LOG, USER_READ_ALL]));
            assert_eq!(scopes(&tenant, &made.1).await, set_of(&["User.Read"]));
            assert_no_change(&workspace).await;
            // With what nobody declared it is an error, in whatever order it is planned, which names the way out.
            tenant.grant(&made.1, MAIL_READ).await;
            write(&workspace, &[&pair("newer", &made, &two, "")]);
            let said = failed_plan(&workspace, &tenant).await;
            assert!(said.contains("already holds grants that are not declared") && said.contains("`moved`"), "{said}");
            let moved = "moved {\n  from = m365_admin_consent.new\n  to = m365_admin_consent.newer\n}\nmoved {\n  from = m365_connector_permission_set.new\n  to = m365_connector_permission_set.newer\n}\n";
            write(&workspace, &[&pair("newer", &made, &two, ""), moved]);
            workspace.apply(&[]).await.unwrap();
            assert_eq!(tenant.granted(&made.1).await, set_of(&[AUDIT_LOG, USER_READ_ALL]));
            assert_no_change(&workspace).await;
            write(&workspace, &[]);
            workspace.apply(&[]).await.unwrap();
        }
    })
    .await;
}

/// Runs while the tenant lags by so many seconds of its own clock, which goes on as the provider asks again.
async fn while_time_passes<T>(tenant: &Tenant, work: impl Future<Output = T>) -> T {
    let passing = async {
        let mut seen = 0;
        loop {
            let (_, log) = tenant.control(Method::GET, "requests", None).await;
            let count = list(&log).len();
            if count >= seen + 4 || count < seen {
                seen = count;
                tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT15S" }))).await;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = work => done,
        () = passing => unreachable!("time passes for ever"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_for_most_of_a_minute_fails_no_apply_and_nothing_is_written_twice() {
    for lag in [json!({ "seconds": 50, "replicas": ["stale"] }), json!({ "seconds": 50, "entries": true })] {
        every_cli(async |workspace, tenant| {
            let made = by_hand(&tenant).await;
            assert_eq!(tenant.control(Method::POST, "lag", Some(lag.clone())).await.0, 204);
            let steps: [&[&str]; 4] = [
                &["application/User.Read.All", "delegated/User.Read"],
                &["application/AuditLog.Read.All", "delegated/User.Read", "delegated/Group.Read.All"],
                &["application/AuditLog.Read.All", "delegated/Group.Read.All"],
                &["application/AuditLog.Read.All"],
            ];
            for permissions in steps {
                write(&workspace, &[&pair("x", &made, permissions, "")]);
                tenant.forget_requests().await;
                while_time_passes(&tenant, workspace.apply(&[]))
                    .await
                    .unwrap_or_else(|why| panic!("{permissions:?}: {why:#}"));
                let writes = tenant.writes().await;
                assert_eq!(writes.len(), writes.iter().collect::<BTreeSet<_>>().len(), "{permissions:?}: {writes:#?}");
                assert_eq!(asked(&tenant, &made.0).await.len(), permissions.len());
                let held = tenant.granted(&made.1).await.len() + scopes(&tenant, &made.1).await.len();
                assert_eq!(held, permissions.len(), "{permissions:?}");
                while_time_passes(&tenant, assert_no_change(&workspace)).await;
            }
        })
        .await;
    }
}
