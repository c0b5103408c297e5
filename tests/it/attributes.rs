//! Every attribute that Graph stores: changed by apply and read back from the tenant, changed behind the provider's back and seen.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli};
use reqwest::Method;
use serde_json::{Value, json};

/// Where Graph keeps an attribute.
#[derive(Clone, Copy, PartialEq)]
enum On {
    Application,
    Principal,
}

struct Case {
    attribute: &'static str,
    /// As written in two configurations, one after the other.
    values: [&'static str; 2],
    on: On,
    /// JSON pointer of Graph's property.
    property: &'static str,
    /// What Graph stores for each of the values.
    stored: [Value; 2],
    /// What somebody changes it to, and how the state shows that.
    tampered: (Value, Value),
}

fn cases() -> Vec<Case> {
    let text = |attribute, property| Case {
        attribute,
        values: ["\"one\"", "\"two\""],
        on: On::Application,
        property,
        stored: [json!("one"), json!("two")],
        tampered: (json!("three"), json!("three")),
    };
    let uris = |attribute, property, wrapped: fn(Value) -> Value| Case {
        attribute,
        values: ["[\"https://one.example/\"]", "[\"https://one.example/\", \"https://two.example/\"]"],
        on: On::Application,
        property,
        stored: [json!(["https://one.example/"]), json!(["https://one.example/", "https://two.example/"])],
        tampered: (wrapped(json!(["https://three.example/"])), json!(["https://three.example/"])),
    };
    let flag = |attribute, on, property, stored: [bool; 2]| Case {
        attribute,
        values: ["true", "false"],
        on,
        property,
        stored: stored.map(Value::from),
        tampered: (json!(true), json!(true)),
    };
    vec![
        text("display_name", "/displayName"),
        text("description", "/description"),
        text("notes", "/notes"),
        text("service_management_reference", "/serviceManagementReference"),
        Case {
            attribute: "sign_in_audience",
            values: ["\"AzureADMyOrg\"", "\"AzureADMultipleOrgs\""],
            on: On::Application,
            property: "/signInAudience",
            stored: [json!("AzureADMyOrg"), json!("AzureADMultipleOrgs")],
            tampered: (json!("AzureADMyOrg"), json!("AzureADMyOrg")),
        },
        uris("web_redirect_uris", "/web/redirectUris", |uris| json!({ "redirectUris": uris })),
        uris("spa_redirect_uris", "/spa/redirectUris", |uris| json!({ "redirectUris": uris })),
        uris("public_client_redirect_uris", "/publicClient/redirectUris", |uris| json!({ "redirectUris": uris })),
        Case {
            attribute: "tags",
            values: ["[\"one\"]", "[\"two\"]"],
            on: On::Application,
            property: "/tags",
            stored: [json!(["one", "terraform-provider-m365"]), json!(["two", "terraform-provider-m365"])],
            tampered: (json!(["three", "terraform-provider-m365"]), json!(["three"])),
        },
        flag("account_enabled", On::Principal, "/accountEnabled", [true, false]),
        flag("assignment_required", On::Principal, "/appRoleAssignmentRequired", [true, false]),
        Case {
            tampered: (json!({ "isEnabled": true, "allProperties": true }), json!(true)),
            ..flag(
                "lock_instance_properties",
                On::Application,
                "/servicePrincipalLockConfiguration/allProperties",
                [true, false],
            )
        },
    ]
}

async fn object(tenant: &Tenant, on: On) -> Value {
    let app = tenant.applications().await.remove(0);
    match on {
        On::Application => app,
        On::Principal => tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap(),
    }
}

fn configuration(attribute: &str, value: &str) -> String {
    let name = if attribute == "display_name" { "" } else { "display_name = \"x\"" };
    format!(
        "{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  unique_name = \"x\"\n  deletion = \"permanent\"\n  {name}\n  {attribute} = {value}\n}}\n"
    )
}

async fn prove(workspace: &Workspace, tenant: &Tenant, case: &Case) {
    let Case { attribute, property, .. } = case;
    for (value, stored) in case.values.iter().zip(&case.stored) {
        workspace.write(&configuration(attribute, value)).unwrap();
        workspace.apply(&[]).await.unwrap();
        let mut found = object(tenant, case.on).await.pointer(property).cloned().unwrap_or_default();
        // The marker of an unconfirmed creation goes with the first later write.
        if let Some(tags) = found.as_array_mut() {
            tags.retain(|tag| !tag.as_str().unwrap().starts_with("terraform-provider-m365:"));
        }
        assert_eq!(found, *stored, "{attribute} = {value}");
        assert_no_change(workspace).await;
    }
    // Then a switch that is back where it was is no sign of a replica that lags.
    tenant.later().await;
    let (tampered, seen) = &case.tampered;
    let now = object(tenant, case.on).await;
    let collection = if case.on == On::Application { "applications" } else { "servicePrincipals" };
    let name = property.split('/').nth(1).unwrap();
    let path = format!("/{collection}/{}", now["id"].as_str().unwrap());
    tenant.admin(Method::PATCH, &path, Some(json!({ name: tampered }))).await;
    let (code, plan, output) = workspace.plan(&[]).await.unwrap();
    assert_eq!(code, 2, "{attribute}: {output}");
    let change = change(&plan, "m365_connector_app.x");
    assert_eq!((&change["before"][attribute], &change["actions"]), (seen, &json!(["update"])), "{attribute}");
    workspace.apply(&[]).await.unwrap();
    assert_eq!(object(tenant, case.on).await.pointer(property), Some(&case.stored[1]), "{attribute} is repaired");
    assert_no_change(workspace).await;
    workspace.apply(&["-destroy"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stored_attribute_of_an_application() {
    every_cli(async |workspace, tenant| {
        for case in cases() {
            prove(&workspace, &tenant, &case).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_added_and_removed_and_whoever_made_the_application_stays() {
    every_cli(async |workspace, tenant| {
        let mut users = Vec::new();
        for name in ["a", "b", "c"] {
            let user = json!({ "displayName": name, "userPrincipalName": format!("{name}@contoso.com") });
            users.push(tenant.admin(Method::POST, "/users", Some(user)).await["id"].as_str().unwrap().to_owned());
        }
        let owners = async || {
            let app = tenant.applications().await.remove(0);
            let path = format!("/applications/{}/owners", app["id"].as_str().unwrap());
            let all = list(&tenant.admin(Method::GET, &path, None).await);
            let mut ids: Vec<_> = all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
            ids.retain(|id| users.contains(id));
            (ids.into_iter().collect::<std::collections::BTreeSet<_>>(), all.len())
        };
        let set = |wanted: &[usize]| {
            wanted.iter().map(|index| users[*index].clone()).collect::<std::collections::BTreeSet<_>>()
        };
        let written = |wanted: &[usize]| {
            format!("[{}]", wanted.iter().map(|index| format!("\"{}\"", users[*index])).collect::<Vec<_>>().join(", "))
        };
        for wanted in [&[0, 1][..], &[1], &[]] {
            workspace.write(&configuration("owners", &written(wanted))).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_eq!(owners().await, (set(wanted), wanted.len() + 1), "the provider's own identity made it");
            assert_no_change(&workspace).await;
        }
        let app = tenant.applications().await.remove(0);
        let path = format!("/applications/{}/owners/$ref", app["id"].as_str().unwrap());
        tenant
            .admin(
                Method::POST,
                &path,
                Some(json!({ "@odata.id": format!("https://x/directoryObjects/{}", users[2]) })),
            )
            .await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, "m365_connector_app.x")["before"]["owners"]), (2, &json!([users[2]])));
        workspace.apply(&[]).await.unwrap();
        assert_eq!(owners().await.1, 1);
        // An owner that does not exist is named; nothing else of the application is lost.
        let missing = "99999999-0000-4000-8000-000000000009";
        workspace.write(&configuration("owners", &format!("[\"{missing}\"]"))).unwrap();
        let failed =
            workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap().expect(1).unwrap();
        assert!(failed.contains(missing), "{failed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_configured_of_the_unmanaged_attributes_is_left_alone() {
    every_cli(async |workspace, tenant| {
        let plain = format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\n");
        workspace.write(&plain).unwrap();
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let path = format!("/applications/{}", app["id"].as_str().unwrap());
        let user = tenant.admin(Method::POST, "/users", Some(json!({ "displayName": "u", "userPrincipalName": "u@contoso.com" }))).await;
        tenant.admin(Method::POST, &format!("{path}/owners/$ref"), Some(json!({ "@odata.id": format!("x/{}", user["id"].as_str().unwrap()) }))).await;
        let theirs = json!({ "notes": "n", "description": "d", "serviceManagementReference": "s", "tags": ["t", "terraform-provider-m365"] });
        tenant.admin(Method::PATCH, &path, Some(theirs.clone())).await;
        assert_no_change(&workspace).await;
        workspace.write(&plain.replace("\"x\"\n}", "\"y\"\n}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let now = tenant.applications().await.remove(0);
        for (property, value) in theirs.as_object().unwrap() {
            assert_eq!(now[property], *value, "{property}");
        }
        let state = workspace.run(&["show", "-json"]).await.unwrap().output;
        let state: Value = serde_json::from_str(state.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
        let values = &state["values"]["root_module"]["resources"][0]["values"];
        assert_eq!((&values["notes"], &values["tags"], &values["owners"]), (&json!("n"), &json!(["t"]), &json!([user["id"]])));
    })
    .await;
}
