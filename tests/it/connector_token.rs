//! `m365_connector_token`: the connector's own sign-in, seen through the real CLIs.

use crate::identity::{AUDIENCE, Certificate, ROLES};
use crate::plan_file;
use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, every_cli, flat};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use terraform_provider_m365::cli::terraform::Workspace;
use terraform_provider_m365::framework::{Diagnostic, Dynamic, ServedEphemeral, Server, from_json};
use terraform_provider_m365::provider::{M365, Services};
use terraform_provider_m365::registry;

const AUDIT_LOG: &str = "b0afded3-3588-46d8-8b3d-9842eff778da";
const DEFENDER: &str = "fc780465-2017-40d4-a0c5-307022471b92";
const MACHINE_READ_ALL: &str = "ea8291d3-4b9a-44b5-bc3a-6cea3026dc79";

/// An application with a secret, that may read audit logs and machines.
struct Connector {
    object_id: String,
    client_id: String,
    principal: String,
    secret: String,
    key_id: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Connector {
    async fn make(tenant: &Tenant) -> Self {
        let app = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "SIEM" }))).await;
        let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
        let principal = text(&principal["id"]);
        tenant.grant(&principal, AUDIT_LOG).await;
        let defender = tenant.principal_of(DEFENDER).await.unwrap();
        let machines = json!({ "principalId": principal, "resourceId": defender["id"], "appRoleId": MACHINE_READ_ALL });
        tenant.admin(Method::POST, &format!("/servicePrincipals/{principal}/appRoleAssignments"), Some(machines)).await;
        let object_id = text(&app["id"]);
        let secret =
            tenant.admin(Method::POST, &format!("/applications/{object_id}/addPassword"), Some(json!({}))).await;
        Self {
            object_id,
            client_id: text(&app["appId"]),
            principal,
            secret: text(&secret["secretText"]),
            key_id: text(&secret["keyId"]),
        }
    }

    async fn revoke_secret(&self, tenant: &Tenant) {
        let path = format!("/applications/{}/removePassword", self.object_id);
        tenant.admin(Method::POST, &path, Some(json!({ "keyId": self.key_id }))).await;
    }

    /// A configuration that takes the secret as an ephemeral variable and fails unless the token of `api` has just `roles`.
    fn checked(&self, api: &str, roles: &[&str]) -> String {
        format!(
            r#"{HEAD}{BLOCK}
variable "secret" {{
  type      = string
  sensitive = true
  ephemeral = true
}}

ephemeral "m365_connector_token" "vendor" {{
  client_id     = "{}"
  client_secret = var.secret
  api           = "{api}"

  lifecycle {{
    postcondition {{
      condition     = join(",", sort(self.roles)) == "{}" && timecmp(self.expires_on, plantimestamp()) > 0
      error_message = "The roles are others."
    }}
  }}
}}

# What depends on it is not made where the connector does not get in. OpenTofu opens it in apply only for such a resource.
resource "terraform_data" "after" {{
  input      = "was in the plan"
  depends_on = [ephemeral.m365_connector_token.vendor]
}}
"#,
            self.client_id,
            roles.join(",")
        )
    }
}

async fn plan(workspace: &Workspace, configuration: &str, secret: &str) -> crate::workspace::Outcome {
    workspace.write(configuration).unwrap();
    let secret = format!("-var=secret={secret}");
    workspace.run(&["plan", "-no-color", "-input=false", "-out=plan.out", &secret]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_secret_gets_in_with_its_roles_and_leaves_no_trace() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::make(&tenant).await;
        let configuration = connector.checked("microsoft_graph", &["AuditLog.Read.All"]);
        plan(&workspace, &configuration, &connector.secret).await.expect(0).unwrap();
        tenant.forget_requests().await;
        let secret = format!("-var=secret={}", connector.secret);
        workspace.run(&["apply", "-no-color", "-input=false", &secret, "plan.out"]).await.unwrap().expect(0).unwrap();
        let (_, log) = tenant.control(Method::GET, "requests", None).await;
        assert!(log.to_string().contains("/token"), "it signs in again in apply");

        let mut files = plan_file::entries(&workspace.folder().join("plan.out"));
        files.push(("state".to_owned(), std::fs::read(workspace.folder().join("terraform.tfstate")).unwrap()));
        let holders = |what: &str| {
            let holds = |contents: &[u8]| contents.windows(what.len()).any(|window| window == what.as_bytes());
            files.iter().filter(|(_, contents)| holds(contents)).map(|(name, _)| name.as_str()).collect::<Vec<_>>()
        };
        assert!(holders("was in the plan").contains(&"tfplan"), "the search would find it in the plan");
        assert!(holders("was in the plan").contains(&"state"), "the search would find it in the state");
        assert_eq!(holders(&connector.secret), Vec::<&str>::new());
        assert_eq!(holders("expires_on"), ["tfconfig/m-/main.tf"], "of the result only the question is there");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_carries_one_apis_roles() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::make(&tenant).await;
        for (api, role) in [("windows_defender_atp", "Machine.Read.All"), (DEFENDER, "Machine.Read.All")] {
            plan(&workspace, &connector.checked(api, &[role]), &connector.secret).await.expect(0).unwrap();
        }
        let wrong = connector.checked("windows_defender_atp", &["AuditLog.Read.All"]);
        let output = plan(&workspace, &wrong, &connector.secret).await.expect(1).unwrap();
        assert!(output.contains("The roles are others."), "{output}");
        let revoked = connector.checked("microsoft_graph", &[]);
        tenant.revoke(&connector.principal, AUDIT_LOG).await;
        plan(&workspace, &revoked, &connector.secret).await.expect(0).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_wrong_revoked_or_expired_stops_the_plan_and_says_what_to_do() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::make(&tenant).await;
        let configuration = connector
            .checked("microsoft_graph", &["AuditLog.Read.All"])
            .replace("  lifecycle", "  timeouts = { open = \"4s\" }\n  lifecycle");
        let refused = async |secret: &str| flat(&plan(&workspace, &configuration, secret).await.expect(1).unwrap());

        let wrong = refused("not-the-secret").await;
        for part in [
            &*format!("The connector {} cannot sign in", connector.client_id),
            "client_secret = var.secret",
            "AADSTS7000215",
            "use the secret's value, not its id",
            "within the limit `timeouts.open`",
        ] {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
        assert!(!wrong.contains("not-the-secret"), "{wrong}");

        let (_, clock) = tenant.control(Method::GET, "clock", None).await;
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "P3Y" }))).await;
        let expired = refused(&connector.secret).await;
        assert!(expired.contains("has expired: make a new one"), "{expired}");
        tenant.control(Method::POST, "clock", Some(clock)).await;

        connector.revoke_secret(&tenant).await;
        let revoked = refused(&connector.secret).await;
        assert!(revoked.contains("AADSTS7000215") && revoked.contains("it has been removed"), "{revoked}");
        assert!(!revoked.contains(&connector.secret), "{revoked}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_only_in_apply_is_asked_then() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::make(&tenant).await;
        let direct = format!("client_id     = \"{}\"", connector.client_id);
        let later = "client_id     = terraform_data.later.output";
        let data = format!("\nresource \"terraform_data\" \"later\" {{\n  input = \"{}\"\n}}\n", connector.client_id);
        let configuration =
            connector.checked("microsoft_graph", &["AuditLog.Read.All"]).replace(&direct, later) + &data;
        tenant.forget_requests().await;
        plan(&workspace, &configuration, &connector.secret).await.expect(0).unwrap();
        let (_, log) = tenant.control(Method::GET, "requests", None).await;
        assert_eq!(log["value"], json!([]), "nothing can be asked while planning");
        let secret = format!("-var=secret={}", connector.secret);
        workspace.run(&["apply", "-no-color", "-input=false", &secret, "plan.out"]).await.unwrap().expect(0).unwrap();
        let (_, log) = tenant.control(Method::GET, "requests", None).await;
        assert!(log.to_string().contains("/token"), "{log}");
    })
    .await;
}

/// The provider in process.
struct Opened {
    server: Server<M365>,
}

const TOKEN: &str = "m365_connector_token";

impl Opened {
    async fn start(tenant: &Tenant) -> Self {
        let server = registry::server();
        let connection = tenant.connection();
        let config = json!({
            "tenant_id": connection.tenant_id, "client_id": connection.client_id, "client_secret": connection.client_secret,
            "endpoints": { "login": connection.login, "graph": connection.graph },
        });
        let block = from_json(&server.schema().object_type(), &config).unwrap();
        assert_eq!(server.configure(&block), Vec::new());
        Self { server }
    }

    fn token(&self) -> &dyn ServedEphemeral<Services> {
        self.server.ephemeral_resource(TOKEN).unwrap()
    }

    fn config(&self, config: &Value) -> Dynamic {
        from_json(&self.token().schema().object_type(), config).unwrap()
    }

    async fn open(&self, config: &Value) -> (Dynamic, Vec<Diagnostic>) {
        let (opened, found) = self.token().open(self.config(config), self.server.call()).await;
        (opened.result, found)
    }

    async fn found(&self, config: &Value) -> Vec<Diagnostic> {
        self.token().validate(self.config(config), self.server.call())
    }
}

#[tokio::test]
async fn just_one_credential_is_taken() {
    let tenant = Tenant::start().await;
    let provider = Opened::start(&tenant).await;
    let id = "11111111-2222-3333-4444-555555555555";
    let found = provider.found(&json!({ "client_id": id })).await;
    assert!(found[0].detail.contains("`client_secret`, `client_certificate` and `client_assertion`"), "{found:?}");
    let found = provider.found(&json!({ "client_id": id, "client_secret": "s", "client_assertion": "a" })).await;
    assert_eq!(found[0].summary, "Only one of `client_secret` and `client_assertion` can be given");
    assert_eq!(found[0].path, Some("client_assertion".into()));
    let password = json!({ "client_id": id, "client_secret": "s", "client_certificate_password": "p" });
    assert_eq!(provider.found(&password).await[0].path, Some("client_certificate_password".into()));
    let found = provider.found(&json!({ "client_id": "x", "client_secret": "s", "api": "microsoft_grap" })).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].detail.contains("microsoft_graph"), "{found:?}");
}

#[tokio::test]
async fn what_is_unknown_passes_the_check() {
    let server = registry::server();
    let token = server.ephemeral_resource(TOKEN).unwrap();
    let shape = token.schema().object_type();
    let Dynamic::Map(mut config) = from_json(&shape, &json!({})).unwrap() else { panic!("no object") };
    for name in ["client_id", "client_certificate", "client_certificate_password", "api"] {
        config.insert(name.to_owned(), Dynamic::unknown());
    }
    assert_eq!(token.validate(Dynamic::Map(config), server.call()), Vec::new());
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused_without_being_shown() {
    let tenant = Tenant::start().await;
    let provider = Opened::start(&tenant).await;
    let connector = Connector::make(&tenant).await;
    let config = json!({ "client_id": connector.client_id, "client_certificate": "hush hush" });
    let (result, found) = provider.open(&config).await;
    assert!(result.is_null());
    assert_eq!(found[0].path, Some("client_certificate".into()));
    assert!(!format!("{found:?}").contains("hush"), "{found:?}");
}

#[tokio::test]
async fn a_certificate_and_an_assertion_get_in_where_they_are_the_connectors() {
    let tenant = Tenant::start().await;
    let provider = Opened::start(&tenant).await;
    let caller = tenant.caller().await;
    let (ours, other) = (Certificate::any(), Certificate::other());
    tenant.register(&caller, ours).await;
    tenant.trust(&caller, "vendor").await;
    let token = async |subject: &str| tenant.oidc_token(json!({ "sub": subject, "aud": AUDIENCE })).await;
    let with = |credential: Value, limit: &str| {
        let mut config = json!({ "client_id": caller.client_id, "timeouts": { "open": limit } });
        config.as_object_mut().unwrap().extend(credential.as_object().unwrap().clone());
        config
    };
    let pfx = STANDARD.encode(ours.pfx("p", false));
    for credential in [
        json!({ "client_certificate": ours.both() }),
        json!({ "client_certificate": pfx, "client_certificate_password": "p" }),
        json!({ "client_assertion": token("vendor").await }),
    ] {
        let (result, found) = provider.open(&with(credential, "1m")).await;
        assert_eq!(found, Vec::new());
        let roles = ROLES.iter().map(|role| Dynamic::from(*role)).collect();
        assert_eq!(*result.get("roles"), Dynamic::List(roles));
    }
    for (credential, attribute, code) in [
        (json!({ "client_certificate": other.both() }), "client_certificate", "AADSTS700027"),
        (json!({ "client_assertion": token("somebody else").await }), "client_assertion", "AADSTS700213"),
    ] {
        let (_, found) = provider.open(&with(credential, "4s")).await;
        assert_eq!(found[0].path, Some(attribute.into()), "{found:?}");
        assert!(found[0].detail.contains(code), "{found:?}");
    }
    let wrong = json!({ "client_certificate": pfx, "client_certificate_password": "q" });
    let (_, found) = provider.open(&with(wrong, "4s")).await;
    assert!(found[0].detail.contains("the password is wrong"), "{found:?}");
}

#[tokio::test]
async fn what_was_made_a_moment_ago_is_waited_for() {
    let tenant = Tenant::start().await;
    let provider = Arc::new(Opened::start(&tenant).await);
    let connector = Connector::make(&tenant).await;
    tenant.admin(Method::DELETE, &format!("/servicePrincipals/{}", connector.principal), None).await;
    tenant.forget_requests().await;
    let opening = tokio::spawn({
        let (provider, id, secret) = (provider.clone(), connector.client_id.clone(), connector.secret.clone());
        async move { provider.open(&json!({ "client_id": id, "client_secret": secret })).await }
    });
    while !tenant.control(Method::GET, "requests", None).await.1.to_string().contains("/token") {
        tokio::task::yield_now().await;
    }
    let restore = format!("/directory/deletedItems/{}/restore", connector.principal);
    tenant.admin(Method::POST, &restore, Some(json!({}))).await;
    let (result, found) = opening.await.unwrap();
    assert_eq!(found, Vec::new());
    assert_eq!(*result.get("roles"), Dynamic::List(Vec::new()), "a deleted principal loses its grants");
    assert_eq!(*result.get("tenant_id"), tenant.connection().tenant_id.as_str().into());
    assert_eq!(*result.get("client_secret"), connector.secret.as_str().into(), "the configuration comes back as it is");
}

#[tokio::test]
async fn a_stop_ends_the_wait() {
    let tenant = Tenant::start().await;
    let provider = Arc::new(Opened::start(&tenant).await);
    let connector = Connector::make(&tenant).await;
    tenant.forget_requests().await;
    let opening = tokio::spawn({
        let (provider, id) = (provider.clone(), connector.client_id.clone());
        async move {
            provider.open(&json!({ "client_id": id, "client_secret": "wrong", "timeouts": { "open": "1h" } })).await
        }
    });
    while !tenant.control(Method::GET, "requests", None).await.1.to_string().contains("/token") {
        tokio::task::yield_now().await;
    }
    provider.server.stop();
    let (result, found) = opening.await.unwrap();
    assert_eq!((result.is_null(), found[0].summary.as_str()), (true, "Interrupted"));
}

#[tokio::test]
async fn an_absent_api_and_a_login_service_out_of_reach_are_told_apart() {
    let tenant = Tenant::start().await;
    let provider = Opened::start(&tenant).await;
    let connector = Connector::make(&tenant).await;
    let first_party = format!("tenants/{}/first_party", tenant.connection().tenant_id);
    tenant.control(Method::POST, &first_party, Some(json!({ "app_id": DEFENDER, "present": false }))).await;
    let config =
        json!({ "client_id": connector.client_id, "client_secret": connector.secret, "api": "windows_defender_atp" });
    let (_, found) = provider.open(&config).await;
    assert_eq!(found[0].path, Some("api".into()), "{found:?}");
    assert!(found[0].detail.contains("AADSTS500011") && found[0].detail.contains("its product brings it"), "{found:?}");
}

#[tokio::test]
async fn graph_refuses_a_token_for_another_api() {
    let tenant = Tenant::start().await;
    let connector = Connector::make(&tenant).await;
    let connection = tenant.connection();
    let url = format!("{}/{}/oauth2/v2.0/token", connection.login, connection.tenant_id);
    let sign_in = async |scope: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &connector.client_id),
            ("client_secret", &connector.secret),
            ("scope", scope),
        ];
        tenant.form(&url, &form).await
    };
    let (status, body) = sign_in(&format!("{DEFENDER}/.default")).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) =
        tenant.graph_with(body["access_token"].as_str().unwrap(), Method::GET, "/organization", None).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (401, &json!("InvalidAuthenticationToken")));
    let (status, body) = sign_in("00000003-0000-0000-c000-000000000000/.default").await;
    assert_eq!(status, 200, "{body}");
    let (status, _) =
        tenant.graph_with(body["access_token"].as_str().unwrap(), Method::GET, "/organization", None).await;
    assert_ne!(status, 401);
    let (status, body) = sign_in("11111111-2222-3333-4444-555555555555/.default").await;
    assert_eq!((status.as_u16(), &body["error_codes"]), (400, &json!([500011])));
}
