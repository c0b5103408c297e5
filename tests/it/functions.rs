//! Provider functions through the CLI: results, and errors at the argument at fault. They need no provider block.

use crate::workspace::{HEAD, Workspace, every_cli, flat};
use serde_json::{Value, json};

/// Applies one output and gives its value.
async fn value(workspace: &Workspace, expression: &str) -> Value {
    workspace.write(&format!("{HEAD}output \"x\" {{\n  value = {expression}\n}}\n")).unwrap();
    workspace.apply(&[]).await.unwrap();
    let shown = workspace.run(&["output", "-json"]).await.unwrap().expect(0).unwrap();
    let json = &shown[shown.find('{').unwrap()..];
    serde_json::from_str::<Value>(json).unwrap()["x"]["value"].clone()
}

/// Plans one output and expects each text in the error.
async fn refused(workspace: &Workspace, expression: &str, expected: &[&str]) {
    workspace.write(&format!("{HEAD}output \"x\" {{\n  value = {expression}\n}}\n")).unwrap();
    let failed = workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap();
    let output = flat(&failed.expect(1).unwrap());
    for text in expected {
        assert!(output.contains(text), "\"{text}\" is not in:\n{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_they_give() {
    every_cli(async |workspace, _| {
        let id = "df021288-bdef-4463-88db-98f22de89214";
        let graph = "00000003-0000-0000-C000-000000000000";
        let app = "11111111-2222-3333-4444-555555555555";
        for (expression, expected) in [
            (
                "provider::m365::permission_id(\"microsoft_graph\", \"application\", \"User.Read.All\")".to_owned(),
                json!(id),
            ),
            (
                format!("provider::m365::permission_id(\"{graph}\", \"application\", \"{}\")", id.to_uppercase()),
                json!(id),
            ),
            (
                format!("provider::m365::permission_key(\"{graph}\", \"application\", \"{id}\")"),
                json!("microsoft_graph/application/User.Read.All"),
            ),
            (
                "provider::m365::permission_key(\"directory\", \"role\", \"Global Reader\")".to_owned(),
                json!("directory/role/Global Reader"),
            ),
            (
                "provider::m365::permission_key(\"directory\", \"role\", \"company administrator\")".to_owned(),
                json!("directory/role/Global Administrator"),
            ),
            (
                format!("provider::m365::permission_key(\"directory\", \"role\", \"{}\")", app.to_uppercase()),
                json!(format!("directory/role/{app}")),
            ),
            (
                "provider::m365::permission_id(\"directory\", \"role\", \"Global Reader\")".to_owned(),
                json!("f2ef992c-3afb-46b9-b7cf-a126ee74c451"),
            ),
            (
                "provider::m365::parse_permission_key(\"microsoft_graph/delegated/User.Read\")".to_owned(),
                json!({ "api": "microsoft_graph", "kind": "delegated", "value": "User.Read" }),
            ),
            (
                "provider::m365::parse_permission_key(\"directory/role/Global Reader\")".to_owned(),
                json!({ "api": "directory", "kind": "role", "value": "Global Reader" }),
            ),
            (
                format!("provider::m365::admin_consent_url(\"contoso.onmicrosoft.com\", \"{app}\")"),
                json!(format!(
                    "https://login.microsoftonline.com/contoso.onmicrosoft.com/adminconsent?client_id={app}"
                )),
            ),
            (
                format!("provider::m365::admin_consent_url(\"{app}\", \"{app}\", \"USGovernment\")"),
                json!(format!("https://login.microsoftonline.us/{app}/adminconsent?client_id={app}")),
            ),
        ] {
            assert_eq!(value(&workspace, &expression).await, expected, "{expression}");
        }
        let of = async |features: &str, optional: &str| {
            let call = format!("provider::m365::profile_permissions(\"threatdefence-graph\", {features}, {optional})");
            value(&workspace, &call).await.as_array().unwrap().len()
        };
        let plain = of("[]", "false").await;
        assert!(plain > 5 && of("[\"intune\"]", "false").await > plain);
        assert_eq!(of("null", "null").await, plain, "what is null is left out");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_at_its_argument_and_names_the_way_on() {
    every_cli(async |workspace, _| {
        let app = "11111111-2222-3333-4444-555555555555";
        for (expression, expected) in [
            (
                "permission_id(\"microsoft_grap\", \"application\", \"User.Read.All\")",
                &["\"api\" parameter", "Did you mean microsoft_graph?", "m365_api_permissions"][..],
            ),
            (
                "permission_id(\"microsoft_graph\", \"app\", \"User.Read.All\")",
                &["\"kind\" parameter", "\"application\", \"delegated\""],
            ),
            (
                "permission_id(\"microsoft_graph\", \"application\", \"User.Raed.All\")",
                &["\"value\" parameter", "Did you mean User.Read.All"],
            ),
            ("permission_key(\"microsoft_graph\", \"role\", \"x\")", &["\"kind\" parameter", "directory/role/<name>"]),
            (
                "permission_id(\"directory\", \"role\", \"Global Raeder\")",
                &["\"value\" parameter", "Did you mean Global Reader"],
            ),
            (
                "permission_key(\"directory\", \"application\", \"Global Reader\")",
                &["\"kind\" parameter", "is \"role\""],
            ),
            (
                "parse_permission_key(\"User.Read.All\")",
                &["\"key\" parameter", "is no permission key", "<api>/<application or delegated>/<name>"],
            ),
            (
                "profile_permissions(\"securends-ofice365\", [], false)",
                &["\"profile\" parameter", "securends-office365", "m365_connector_profile"],
            ),
            ("profile_permissions(\"threatdefence-graph\", [\"intun\"], false)", &["\"features\" parameter", "intune"]),
            ("permission_id(null, \"application\", \"x\")", &["\"api\" parameter", "must not be null"]),
        ] {
            refused(&workspace, &format!("provider::m365::{expression}"), expected).await;
        }
        let url = |arguments: &str| format!("provider::m365::admin_consent_url({arguments})");
        refused(
            &workspace,
            &url(&format!("\"my tenant\", \"{app}\"")),
            &["\"tenant_id\" parameter", "neither a GUID nor a domain"],
        )
        .await;
        refused(&workspace, &url("\"contoso.com\", \"me\""), &["\"client_id\" parameter", "is not a GUID"]).await;
        refused(
            &workspace,
            &url(&format!("\"contoso.com\", \"{app}\", \"mars\"")),
            &["\"environment\" parameter", "There is no environment \"mars\""],
        )
        .await;
        refused(
            &workspace,
            &url(&format!("\"contoso.com\", \"{app}\", \"china\", \"public\"")),
            &["more than one environment"],
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_yet_stays_unknown() {
    every_cli(async |workspace, _| {
        workspace
            .write(&format!(
                "{HEAD}resource \"terraform_data\" \"x\" {{\n  input = \"User.Read.All\"\n}}\noutput \"x\" {{\n  value = provider::m365::permission_id(\"microsoft_graph\", \"application\", terraform_data.x.output)\n}}\noutput \"y\" {{\n  value = provider::m365::profile_permissions(\"threatdefence-graph\", [terraform_data.x.output], false)\n}}\n"
            ))
            .unwrap();
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(plan["output_changes"]["x"]["after_unknown"], json!(true));
        assert_eq!(plan["output_changes"]["y"]["after_unknown"], json!(true));
    })
    .await;
}
