//! Every way to sign in, through the real CLI: one that applies a connector, and one that is refused with an error that names the mend.

use crate::identity::{AUDIENCE, Caller, Certificate};
use crate::tenant::Tenant;
use crate::workspace::{HEAD, Workspace, every_cli, failed_plan};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use std::path::Path;

/// A provider that signs in as the block says, and a connector.
fn configuration(block: &str) -> String {
    format!(
        r#"{HEAD}
provider "m365" {{
  environment = "sandbox"
  {block}
}}
data "m365_client_config" "me" {{}}
output "who" {{
  value = data.m365_client_config.me.client_id
}}
resource "m365_connector_app" "x" {{
  display_name = "x"
}}
"#
    )
}

/// The block with the caller's client id.
fn with_client(caller: &Caller, block: &str) -> String {
    format!("client_id = \"{}\"\n  {block}", caller.client_id)
}

fn variables(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Applies a connector as `client_id`, and takes it away again.
async fn signs_in(workspace: &Workspace, tenant: &Tenant, block: &str, client_id: &str) {
    workspace.write(&configuration(block)).unwrap();
    workspace.apply(&[]).await.unwrap();
    let who = workspace.run(&["output", "-raw", "who"]).await.unwrap().expect(0).unwrap();
    assert!(who.contains(client_id), "{block}: signed in as {who}");
    assert!(tenant.applications().await.iter().any(|app| app["displayName"] == "x"));
    workspace.apply(&["-destroy"]).await.unwrap();
}

/// Cannot even plan, and says why.
async fn is_refused(workspace: &Workspace, tenant: &Tenant, block: &str, texts: &[&str]) {
    workspace.write(&configuration(block)).unwrap();
    let output = failed_plan(workspace, tenant).await;
    for text in texts {
        assert!(output.contains(text), "{text} is not in:\n{output}");
    }
}

fn file(workspace: &Workspace, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = workspace.folder().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_in_a_file() {
    every_cli(async |mut workspace, tenant| {
        let caller = tenant.caller().await;
        file(&workspace, "secret.txt", format!("{}\n", caller.secret));
        signs_in(
            &workspace,
            &tenant,
            &with_client(&caller, r#"client_secret_file_path = "secret.txt""#),
            &caller.client_id,
        )
        .await;
        file(&workspace, "wrong.txt", "wrong");
        let wrong = with_client(&caller, r#"client_secret_file_path = "wrong.txt""#);
        let texts = ["could not sign in with its client secret", "AADSTS7000215", "use the secret's value, not its id"];
        is_refused(&workspace, &tenant, &wrong, &texts).await;
        let absent = with_client(&caller, r#"client_secret_file_path = "absent.txt""#);
        is_refused(&workspace, &tenant, &absent, &["`client_secret_file_path` cannot be read", "absent.txt"]).await;

        let from_environment =
            variables(&[("ARM_CLIENT_ID", &caller.client_id), ("ARM_CLIENT_SECRET", &caller.secret)]);
        workspace.set_environment(from_environment);
        signs_in(&workspace, &tenant, "", &caller.client_id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_as_pem_or_pfx_from_text_or_file() {
    every_cli(async |mut workspace, tenant| {
        let (caller, certificate) = (tenant.caller().await, Certificate::any());
        tenant.register(&caller, certificate).await;
        file(&workspace, "chain.pem", format!("{}{}", Certificate::other().pem, certificate.both()));
        file(&workspace, "old.pfx", certificate.pfx("pass word", true));
        file(&workspace, "text.b64", STANDARD.encode(certificate.pfx("", false)));
        for block in [
            r#"client_certificate_path = "chain.pem""#,
            "client_certificate_path = \"old.pfx\"\n  client_certificate_password = \"pass word\"",
            r#"client_certificate = file("chain.pem")"#,
            r#"client_certificate = file("text.b64")"#,
        ] {
            signs_in(&workspace, &tenant, &with_client(&caller, block), &caller.client_id).await;
        }
        workspace.set_environment(variables(&[
            ("AZURE_CLIENT_ID", &caller.client_id),
            ("AZURE_CLIENT_CERTIFICATE_PATH", "old.pfx"),
            ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "pass word"),
        ]));
        signs_in(&workspace, &tenant, "", &caller.client_id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_will_not_do() {
    every_cli(async |workspace, tenant| {
        let (caller, certificate) = (tenant.caller().await, Certificate::any());
        file(&workspace, "unregistered.pem", certificate.both());
        let texts = ["with its client certificate", "AADSTS700027", "Upload the public certificate to the application"];
        let unregistered = with_client(&caller, r#"client_certificate_path = "unregistered.pem""#);
        is_refused(&workspace, &tenant, &unregistered, &texts).await;
        file(&workspace, "x.pfx", certificate.pfx("right", false));
        let wrong = with_client(
            &caller,
            "client_certificate_path = \"x.pfx\"\n  client_certificate_password = \"not-the-password\"",
        );
        is_refused(&workspace, &tenant, &wrong, &["`client_certificate_path`", "the password is wrong"]).await;
        file(&workspace, "public.pem", &certificate.pem);
        let keyless = with_client(&caller, r#"client_certificate = file("public.pem")"#);
        is_refused(&workspace, &tenant, &keyless, &["`client_certificate`", "There is no private key in it"]).await;
        file(&workspace, "mixed.pem", format!("{}{}", certificate.pem, Certificate::other().key_pem));
        let mixed = with_client(&caller, r#"client_certificate_path = "mixed.pem""#);
        is_refused(&workspace, &tenant, &mixed, &["does not belong to any of its certificates"]).await;
        assert!(!flat_of(&workspace, &wrong).await.contains("not-the-password"));
    })
    .await;
}

async fn flat_of(workspace: &Workspace, block: &str) -> String {
    workspace.write(&configuration(block)).unwrap();
    // The message quotes the line of the configuration that it is about: the path's, here.
    workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap().expect(1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oidc_token_given_or_in_a_file_that_is_read_each_time() {
    every_cli(async |mut workspace, tenant| {
        let caller = tenant.caller().await;
        tenant.trust(&caller, "system:serviceaccount:a:b").await;
        let good = tenant.oidc_token(json!({ "sub": "system:serviceaccount:a:b", "aud": AUDIENCE })).await;
        let path = file(&workspace, "token", &good);
        let given = format!("use_oidc = true\n  oidc_token = \"{good}\"");
        signs_in(&workspace, &tenant, &with_client(&caller, &given), &caller.client_id).await;
        let in_file = with_client(&caller, r#"oidc_token_file_path = "token""#);
        signs_in(&workspace, &tenant, &in_file, &caller.client_id).await;
        workspace.set_environment(variables(&[
            ("AZURE_CLIENT_ID", &caller.client_id),
            ("AZURE_FEDERATED_TOKEN_FILE", &path),
            ("M365_USE_OIDC", "true"),
        ]));
        signs_in(&workspace, &tenant, "", &caller.client_id).await;
        workspace.set_environment(Vec::new());

        let old = json!({ "sub": "system:serviceaccount:a:b", "aud": AUDIENCE, "expires_in": -400 });
        let expired = format!("oidc_token = \"{}\"", tenant.oidc_token(old).await);
        let texts = ["with its OIDC token", "AADSTS700024", "`oidc_token_file_path`"];
        is_refused(&workspace, &tenant, &with_client(&caller, &expired), &texts).await;
        file(&workspace, "token", tenant.oidc_token(json!({ "sub": "other", "aud": AUDIENCE })).await);
        let texts = ["with its OIDC token file", "AADSTS700213", "they compare to the letter"];
        is_refused(&workspace, &tenant, &in_file, &texts).await;
        file(&workspace, "token", "");
        is_refused(&workspace, &tenant, &in_file, &["is empty"]).await;
        let sourceless = with_client(&caller, "use_oidc = true");
        is_refused(&workspace, &tenant, &sourceless, &["There is no OIDC token", "`oidc_token_file_path`"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn github_actions_and_azure_devops() {
    every_cli(async |mut workspace, tenant| {
        for (platform, broken, hint) in [
            ("github", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "id-token: write"),
            ("azure_devops", "SYSTEM_ACCESSTOKEN", "$(System.AccessToken)"),
        ] {
            let caller = tenant.caller().await;
            let subjects = tenant.platform("subjects").await;
            let subject = &subjects.iter().find(|(name, _)| name == platform).unwrap().1;
            let block = with_client(&caller, "use_oidc = true");
            let mut environment = tenant.platform(platform).await;
            workspace.set_environment(environment.clone());
            let untrusted = ["AADSTS700211", "No federated credential of the application trusts the token's issuer"];
            is_refused(&workspace, &tenant, &block, &untrusted).await;
            tenant.trust(&caller, subject).await;
            signs_in(&workspace, &tenant, &block, &caller.client_id).await;
            environment.push((broken.to_owned(), "wrong".to_owned()));
            workspace.set_environment(environment);
            is_refused(&workspace, &tenant, &block, &["No OIDC token came from", "401", hint]).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_identity_of_either_service() {
    every_cli(async |mut workspace, tenant| {
        let (system, user) = (tenant.caller().await, tenant.caller().await);
        let wish = json!({ "system_assigned": system.client_id, "user_assigned": [user.client_id] });
        tenant.control(Method::POST, "platforms", Some(wish)).await;
        for platform in ["imds", "app_service"] {
            workspace.set_environment(tenant.platform(platform).await);
            signs_in(&workspace, &tenant, "use_msi = true", &system.client_id).await;
            signs_in(&workspace, &tenant, &with_client(&user, "use_msi = true"), &user.client_id).await;
            let stranger = tenant.caller().await;
            let texts = ["with its managed identity", "400", "set `client_id` to a user-assigned identity's client id"];
            is_refused(&workspace, &tenant, &with_client(&stranger, "use_msi = true"), &texts).await;
        }
        let nobody = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")];
        workspace.set_environment(variables(&nobody));
        let texts = ["There is no managed identity here", "`use_msi` works on Azure machines only"];
        is_refused(&workspace, &tenant, "use_msi = true", &texts).await;
    })
    .await;
}

/// A folder with an `az` that is this script.
#[cfg(unix)]
fn fake_az(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("az");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_azure_cli() {
    every_cli(async |mut workspace, tenant| {
        let caller = tenant.caller().await;
        let connection = tenant.connection();
        let scope = format!("{}/.default", connection.graph);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &*caller.client_id),
            ("client_secret", &*caller.secret),
            ("scope", &scope),
        ];
        let (_, given) = tenant.form(&tenant.token_endpoint(), &form).await;
        let end = jiff::Timestamp::now().as_second() + 3600;
        let answer = json!({
            "accessToken": given["access_token"], "expiresOn": "2026-01-01 00:00:00.000000", "expires_on": end,
            "tenant": connection.tenant_id, "tokenType": "Bearer",
        });
        let expected =
            format!("account get-access-token --output json --scope {scope} --tenant {}", connection.tenant_id);
        let right = format!("[ \"$*\" = '{expected}' ] || {{ echo \"ERROR: $*\" >&2; exit 2; }}\necho '{answer}'");
        let shell = format!(
            "case \"$*\" in *--tenant*) echo \"ERROR: Tenant shouldn't be specified for Cloud Shell account\" >&2; exit 1;; esac\necho '{answer}'"
        );
        let at = |name: &str| workspace.folder().join(name);
        let paths = [
            fake_az(&at("right"), &right),
            fake_az(&at("shell"), &shell),
            fake_az(&at("out"), "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1"),
        ];
        let nowhere = at("nowhere").to_str().unwrap().to_owned();
        for path in &paths[..2] {
            workspace.set_environment(variables(&[("PATH", path)]));
            signs_in(&workspace, &tenant, "use_cli = true", &caller.client_id).await;
        }
        workspace.set_environment(variables(&[("PATH", &paths[2])]));
        let texts = ["The Azure CLI is not logged in to this tenant", "Log in with `az login --tenant"];
        is_refused(&workspace, &tenant, "use_cli = true", &texts).await;
        workspace.set_environment(variables(&[("PATH", &nowhere)]));
        let texts = ["The Azure CLI is not installed", "https://learn.microsoft.com/cli/azure/install-azure-cli"];
        is_refused(&workspace, &tenant, "use_cli = true", &texts).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ways_at_once_are_refused_and_an_unknown_one_still_plans() {
    every_cli(async |workspace, tenant| {
        let caller = tenant.caller().await;
        let both = with_client(&caller, "use_cli = true\n  client_secret = \"x\"");
        is_refused(&workspace, &tenant, &both, &["Two ways to sign in are given: `use_cli` and `client_secret`"]).await;

        tenant.trust(&caller, "s").await;
        let token = tenant.oidc_token(json!({ "sub": "s", "aud": AUDIENCE })).await;
        let block = with_client(&caller, "use_oidc = true\n  oidc_token = terraform_data.token.output");
        let head = configuration(&block);
        let head = head.split("data \"m365").next().unwrap();
        workspace
            .write(&format!(
                "{head}\nresource \"terraform_data\" \"token\" {{\n  input = \"{token}\"\n}}\nresource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\n"
            ))
            .unwrap();
        assert_eq!(workspace.plan(&[]).await.unwrap().0, 2);
        workspace.apply(&[]).await.unwrap();
        assert!(tenant.applications().await.iter().any(|app| app["displayName"] == "x"));
    })
    .await;
}
