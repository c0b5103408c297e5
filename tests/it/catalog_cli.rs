//! `catalog` as a person and a pipeline run it: what it prints, in which form, and how it ends.

use crate::workspace::PROVIDER;
use serde_json::Value;
use std::process::{Command, Output};

fn catalog(arguments: &[&str]) -> Output {
    Command::new(PROVIDER).arg("catalog").args(arguments).env("COLUMNS", "80").output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = catalog(arguments);
    serde_json::from_str(&text(&output)).unwrap_or_else(|why| panic!("{arguments:?}: {why}: {output:?}"))
}

#[test]
fn list_tells_what_each_profile_comes_to() {
    let all = json(&["list", "--json"]);
    let one = all.as_array().unwrap().iter().find(|one| one["slug"] == "md-eco-m365-defender").unwrap();
    assert_eq!(one["features"], serde_json::json!(["remediation"]));
    assert_eq!(
        (&one["permissions"], &one["worst_risk"], &one["kind"]),
        (&10.into(), &"critical".into(), &"own_registration".into())
    );
    let table = catalog(&["list"]);
    assert!(table.status.success() && text(&table).lines().all(|line| line.chars().count() <= 80), "{}", text(&table));
}

#[test]
fn show_tells_a_profile_as_a_page_and_as_an_object() {
    let page = text(&catalog(&["show", "netwrix-1secure"]));
    for part in [
        "Netwrix",
        "With the feature sharepoint",
        "One of these (exchange-role",
        "What is wrong in the document",
        "m365_connector_permission_set",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let shown = json(&["show", "netwrix-1secure", "--format", "json"]);
    let permissions = shown["permissions"].as_array().unwrap();
    let manage = permissions
        .iter()
        .find(|one| one["key"] == "office_365_exchange_online/application/Exchange.ManageAsApp")
        .unwrap();
    assert_eq!(
        (&manage["risk"], &manage["need"]),
        (&"critical".into(), &"feature".into()),
        "beside the role Exchange Administrator"
    );
    assert_eq!(shown["directory_roles"][0]["need"], "alternative");
}

#[test]
fn show_traces_a_class_to_its_sources() {
    let page = text(&catalog(&["show", "microsoft_graph/application/User.EnableDisableAccount.All"]));
    assert!(page.contains("critical") && page.contains("maester") && page.contains("threatdefence-graph"), "{page}");
    let role = json(&["show", "directory/role/Company Administrator", "--json"]);
    assert_eq!((&role["key"], &role["risk"]), (&"directory/role/Global Administrator".into(), &"critical".into()));
    let api = json(&["show", "office_365_management", "--json"]);
    assert_eq!(api["app_id"], "c5393580-f805-4401-95e8-94b7a6ef2fc2");
    let unknown = catalog(&["show", "md-eco-m365-defendr"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("Did you mean md-eco-m365-defender"));
}

const TWO_VERSIONS: &str = r#"
slug = "grown"
version = 2
vendor = "Contoso"
title = "SIEM"
outputs = ["client_id"]

[source]
title = "Guide"

[app]
display_name = "Contoso SIEM"
sign_in_audience = "AzureADMyOrg"
credentials = ["secret"]

[permissions.microsoft_graph]
application = ["User.Raed.All"]
"#;

#[test]
fn check_ends_with_2_on_an_error_and_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grown.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, TWO_VERSIONS).unwrap();
    let table = catalog(&["check", path]);
    assert_eq!(table.status.code(), Some(2));
    assert!(text(&table).contains("grown.toml:17:16: error (name)"), "{}", text(&table));
    let found = &json(&["check", path, "--json"])[0];
    assert_eq!(
        (&found["line"], &found["column"], &found["kind"], &found["severity"]),
        (&17.into(), &16.into(), &"name".into(), &"error".into())
    );
    assert_eq!(found["suggestions"][0], "User.Read.All");
    let sarif = json(&["check", path, "--format", "sarif"]);
    let (driver, result) = (&sarif["runs"][0]["tool"]["driver"], &sarif["runs"][0]["results"][0]);
    assert!(driver["rules"].as_array().unwrap().iter().any(|rule| rule["id"] == result["ruleId"]));
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 17);
    std::fs::write(&file, TWO_VERSIONS.replace("Raed", "Read")).unwrap();
    let fine = catalog(&["check", path]);
    assert!(fine.status.success() && text(&fine).contains("1 profile: nothing found"), "{}", text(&fine));
    let broken = catalog(&["check", folder.path().join("none").to_str().unwrap()]);
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(catalog(&["check", "--format", "xml"]).status.code(), Some(1), "wrong usage");
}

#[test]
fn diff_tells_what_one_profile_asks_for_and_another_does_not() {
    let same = catalog(&["diff", "threatdefence-ms365@1", "threatdefence-ms365"]);
    assert!(same.status.success(), "{}", text(&same));
    let (base, remediation) = ("md-eco-m365-defender", "md-eco-m365-defender-remediation");
    assert_eq!(catalog(&["diff", base, remediation]).status.code(), Some(2));
    let changes = json(&["diff", base, remediation, "--json"]);
    let change =
        |key: &str| changes.as_array().unwrap().iter().find(|one| one["key"] == key).unwrap()["change"].clone();
    assert_eq!(change("windows_defender_atp/application/Machine.Read.All"), "remove");
    assert_eq!(change("windows_defender_atp/application/Machine.Scan"), "change", "always instead of with a feature");
}
