//! The CLI's two checks, plan against configuration and applied against planned, on every step of the resources' lives, in process.

use crate::cli_rules::{apply_faults, final_faults, plan_faults};
use crate::identity::Certificate;
use crate::tenant::Tenant;
use serde_json::{Value, json};
use terraform_provider_m365::framework::requests::{Apply, Plan, PlanAnswer, Read};
use terraform_provider_m365::framework::{Diagnostic, Dynamic, Served, Server, Severity, from_json};
use terraform_provider_m365::provider::{M365, Services};
use terraform_provider_m365::registry;

/// A configured provider that checks every answer as the CLI does.
struct Checked {
    server: Server<M365>,
    block: Dynamic,
}

/// What is stored of one object.
#[derive(Clone, Default)]
struct Object {
    state: Dynamic,
    private: Vec<u8>,
    identity: Dynamic,
}

fn errors(found: &[Diagnostic]) -> Vec<&Diagnostic> {
    found.iter().filter(|one| one.severity == Severity::Error).collect()
}

impl Checked {
    async fn start(tenant: &Tenant) -> Self {
        let connection = tenant.connection();
        Self::start_as(tenant, &connection.client_id, &connection.client_secret).await
    }

    async fn start_as(tenant: &Tenant, client_id: &str, client_secret: &str) -> Self {
        let server = registry::server();
        let connection = tenant.connection();
        let config = json!({
            "tenant_id": connection.tenant_id, "client_id": client_id, "client_secret": client_secret,
            "endpoints": { "login": connection.login, "graph": connection.graph },
            // What Graph itself refuses is to be seen here.
            "preflight": "off",
        });
        let block = from_json(&server.schema().object_type(), &config).unwrap();
        let provider = Self { server, block };
        provider.new_run().await;
        provider
    }

    /// A run of the CLI configures the provider once.
    async fn new_run(&self) {
        assert_eq!(self.server.configure(&self.block), Vec::new());
    }

    fn served(&self, resource: &str) -> &dyn Served<Services> {
        self.server.resource(resource).unwrap()
    }

    fn config(&self, resource: &str, config: &Value) -> Dynamic {
        from_json(&self.served(resource).schema().object_type(), config).unwrap()
    }

    async fn asked(&self, resource: &str, object: &Object, config: &Dynamic) -> PlanAnswer {
        let request = Plan {
            prior: object.state.clone(),
            config: config.clone(),
            private: object.private.clone(),
            identity: object.identity.clone(),
        };
        self.served(resource).plan(request, self.server.call()).await
    }

    /// Plans and checks the plan. `Err`: the provider's errors.
    async fn plan(
        &self,
        resource: &str,
        object: &Object,
        config: &Dynamic,
    ) -> Result<(Dynamic, Vec<u8>), Vec<Diagnostic>> {
        let schema = self.served(resource).schema();
        let answer = self.asked(resource, object, config).await;
        if !errors(&answer.diagnostics).is_empty() {
            return Err(answer.diagnostics);
        }
        assert_eq!(plan_faults(schema, &object.state, config, &answer.planned), Vec::<String>::new());
        assert_eq!(answer.requires_replace, Vec::new());
        assert!(answer.identity == object.identity || object.identity.is_null(), "a change keeps the identity");
        Ok((answer.planned, answer.private))
    }

    /// Plans with each configured value unknown in turn, as where another resource makes it: all that such a plan knows, the final
    /// plan has.
    async fn plan_with_unknowns(&self, resource: &str, object: &Object, config: &Dynamic, last: &Dynamic) {
        let Dynamic::Map(parts) = config else { panic!("no object") };
        for name in parts.keys().filter(|name| !parts[*name].is_null() && *name != "timeouts") {
            let mut unknown = parts.clone();
            unknown.insert(name.clone(), Dynamic::unknown());
            let unknown = Dynamic::Map(unknown);
            self.new_run().await;
            assert_eq!(
                errors(&self.served(resource).validate(unknown.clone(), self.server.call())),
                Vec::<&Diagnostic>::new()
            );
            let first = self.asked(resource, object, &unknown).await;
            assert_eq!(errors(&first.diagnostics), Vec::<&Diagnostic>::new(), "{resource} with `{name}` unknown");
            let schema = self.served(resource).schema();
            assert_eq!(plan_faults(schema, &object.state, &unknown, &first.planned), Vec::<String>::new(), "{name}");
            assert_eq!(final_faults(&first.planned, last), Vec::<String>::new(), "{resource} with `{name}` unknown");
        }
    }

    /// Plans, plans again (a plan is a function of its inputs), applies, reads back and plans once more, checking each step.
    async fn apply(&self, resource: &str, object: &Object, config: &Value) -> Result<Object, Vec<Diagnostic>> {
        let config = self.config(resource, config);
        let found = self.served(resource).validate(config.clone(), self.server.call());
        assert_eq!(errors(&found), Vec::<&Diagnostic>::new());
        self.new_run().await;
        let (planned, private) = self.plan(resource, object, &config).await?;
        self.plan_with_unknowns(resource, object, &config, &planned).await;
        self.new_run().await;
        assert_eq!(self.plan(resource, object, &config).await?.0, planned);
        self.carried_out(resource, &object.state, planned, private, &config).await
    }

    /// Applies what was planned, reads back and plans once more.
    async fn carried_out(
        &self,
        resource: &str,
        prior: &Dynamic,
        planned: Dynamic,
        private: Vec<u8>,
        config: &Dynamic,
    ) -> Result<Object, Vec<Diagnostic>> {
        let request = Apply {
            prior: prior.clone(),
            planned: planned.clone(),
            config: config.clone(),
            private,
            identity: Dynamic::Null,
        };
        let answer = self.served(resource).apply(request, self.server.call()).await;
        if !errors(&answer.diagnostics).is_empty() {
            return Err(answer.diagnostics);
        }
        assert_eq!(apply_faults(&planned, &answer.state), Vec::<String>::new());
        let made = Object { state: answer.state, private: answer.private, identity: answer.identity };
        for name in self.served(resource).identity().attributes.keys() {
            assert_eq!(made.identity.get(name), made.state.get(name), "the identity of {resource}");
        }
        let read = self.read(resource, &made).await;
        assert!(read.identity == made.identity, "the identity stays");
        // A shared object's first refresh also shows what is not ours, which no plan could know.
        if *config.get("exclusive") != Dynamic::Bool(false) {
            assert_eq!(
                apply_faults(&made.state, &read.state),
                Vec::<String>::new(),
                "what was applied is what is read"
            );
        }
        self.new_run().await;
        let again = self.plan(resource, &read, config).await?.0;
        assert!(again.is_wholly_known(), "the second plan is empty");
        assert_eq!(apply_faults(&again, &read.state), Vec::<String>::new(), "the second plan is empty");
        Ok(read)
    }

    /// Replaces the object as the CLI does: planned as a change and once more as a create, deleted, made.
    async fn replace(&self, resource: &str, object: &Object, config: &Value, because_of: &str) -> Object {
        let config = self.config(resource, config);
        self.new_run().await;
        let first = self.asked(resource, object, &config).await;
        assert_eq!(errors(&first.diagnostics), Vec::<&Diagnostic>::new());
        assert_eq!(first.requires_replace, [because_of.into()], "{resource}");
        let gone = Object { state: Dynamic::Null, private: first.private, identity: object.identity.clone() };
        let second = self.asked(resource, &gone, &config).await;
        assert_eq!(errors(&second.diagnostics), Vec::<&Diagnostic>::new());
        let schema = self.served(resource).schema();
        assert_eq!(plan_faults(schema, &Dynamic::Null, &config, &second.planned), Vec::<String>::new());
        assert!(second.identity.is_null() || second.identity != object.identity, "{resource}: not that of what goes");
        self.new_run().await;
        let before = Object { private: second.private.clone(), ..object.clone() };
        self.delete(resource, &before).await;
        self.carried_out(resource, &Dynamic::Null, second.planned, second.private, &config).await.unwrap()
    }

    async fn read(&self, resource: &str, object: &Object) -> Object {
        let request =
            Read { state: object.state.clone(), private: object.private.clone(), identity: object.identity.clone() };
        let answer = self.served(resource).read(request, self.server.call()).await;
        assert_eq!(errors(&answer.diagnostics), Vec::<&Diagnostic>::new());
        Object { state: answer.state, private: answer.private, identity: answer.identity }
    }

    async fn delete(&self, resource: &str, object: &Object) {
        let request = Apply { prior: object.state.clone(), private: object.private.clone(), ..Apply::default() };
        let answer = self.served(resource).apply(request, self.server.call()).await;
        assert_eq!(errors(&answer.diagnostics), Vec::<&Diagnostic>::new());
        assert!(answer.state.is_null());
    }
}

fn text(object: &Object, attribute: &str) -> String {
    object.state.get(attribute).as_str().unwrap().to_owned()
}

const APP: &str = "m365_connector_app";
const SET: &str = "m365_connector_permission_set";
const CONSENT: &str = "m365_admin_consent";
const SECRET: &str = "m365_connector_secret";
const CERTIFICATE: &str = "m365_connector_certificate";
const FEDERATED: &str = "m365_connector_federated_credential";
const GUARD: &str = "m365_connector_credentials_exclusive";

#[tokio::test]
async fn every_attribute_of_an_application_can_be_set_changed_and_cleared() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let first = json!({
        "display_name": "A", "unique_name": "a", "description": "d", "notes": "n", "service_management_reference": "s", "tags": ["x", "y"],
        "web_redirect_uris": ["https://a.example/"], "spa_redirect_uris": ["https://b.example/"], "public_client_redirect_uris": ["http://localhost"],
    });
    let made = provider.apply(APP, &Object::default(), &first).await.unwrap();
    let second = json!({
        "display_name": "B", "unique_name": "a", "description": "", "notes": "", "service_management_reference": "", "tags": [],
        "sign_in_audience": "AzureADMultipleOrgs", "account_enabled": false, "assignment_required": true, "lock_instance_properties": false,
        "deletion": "permanent", "timeouts": { "create": "1m" },
    });
    let changed = provider.apply(APP, &made, &second).await.unwrap();
    assert_eq!(text(&changed, "id"), text(&made, "id"));
    let app = tenant.applications().await.remove(0);
    assert_eq!(
        (&app["description"], &app["notes"], &app["web"]["redirectUris"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    assert_eq!(app["tags"], json!(["terraform-provider-m365"]), "the creation marker goes with a later write");
    provider.delete(APP, &changed).await;
    tenant.later().await;
    assert!(provider.read(APP, &changed).await.state.is_null());
}

#[tokio::test]
async fn permissions_and_consent_of_both_kinds_follow_their_declaration() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "SecurEnds" })).await.unwrap();
    let set = |apis: Value| json!({ "application_id": text(&app, "id"), "apis": apis });
    let both = json!({ "microsoft_graph": { "application": ["User.Read.All"], "delegated": ["User.Read", "Directory.Read.All"] } });
    let asked = provider.apply(SET, &Object::default(), &set(both)).await.unwrap();
    let consent =
        |keys: Value| json!({ "service_principal_id": text(&app, "service_principal_id"), "permissions": keys });
    let all = json!([
        "microsoft_graph/application/User.Read.All",
        "microsoft_graph/delegated/Directory.Read.All",
        "microsoft_graph/delegated/User.Read"
    ]);
    let granted = provider.apply(CONSENT, &Object::default(), &consent(all)).await.unwrap();
    let grants = tenant.admin(reqwest::Method::GET, "/oauth2PermissionGrants", None).await;
    assert_eq!(
        (grants["value"].as_array().unwrap().len(), &grants["value"][0]["scope"]),
        (1, &json!("Directory.Read.All User.Read"))
    );
    let fewer =
        provider.apply(CONSENT, &granted, &consent(json!(["microsoft_graph/delegated/User.Read"]))).await.unwrap();
    let asked =
        provider.apply(SET, &asked, &set(json!({ "microsoft_graph": { "delegated": ["User.Read"] } }))).await.unwrap();
    provider.delete(CONSENT, &fewer).await;
    let grants = tenant.admin(reqwest::Method::GET, "/oauth2PermissionGrants", None).await;
    assert_eq!(grants["value"], json!([]));
    provider.delete(SET, &asked).await;
    assert_eq!(tenant.applications().await[0]["requiredResourceAccess"], json!([]));
}

#[tokio::test]
async fn an_exclusive_create_refuses_what_nobody_declared_before_it_writes() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let principal = text(&app, "service_principal_id");
    tenant.grant(&principal, "810c84a8-4a9e-49e6-bf7d-12d183f40d01").await;
    tenant.forget_requests().await;
    let consent =
        json!({ "service_principal_id": principal, "permissions": ["microsoft_graph/application/User.Read.All"] });
    let found = provider.apply(CONSENT, &Object::default(), &consent).await.err().unwrap();
    assert!(
        found[0].detail.contains("microsoft_graph/application/Mail.Read")
            && found[0].detail.contains("exclusive = false"),
        "{found:?}"
    );
    assert_eq!(tenant.writes().await, Vec::<String>::new());
    let shared = json!({ "service_principal_id": principal, "permissions": ["microsoft_graph/application/User.Read.All"], "exclusive": false });
    let made = provider.apply(CONSENT, &Object::default(), &shared).await.unwrap();
    provider.delete(CONSENT, &made).await;
    assert_eq!(tenant.granted(&principal).await.len(), 1, "the foreign grant stays");
}

#[tokio::test]
async fn another_application_of_the_name_is_refused_or_adopted() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let by_hand = tenant
        .admin(reqwest::Method::POST, "/applications", Some(json!({ "displayName": "By hand", "uniqueName": "n" })))
        .await;
    let found = provider
        .apply(APP, &Object::default(), &json!({ "display_name": "x", "unique_name": "n" }))
        .await
        .err()
        .unwrap();
    assert!(
        found[0].detail.contains(by_hand["id"].as_str().unwrap()) && found[0].detail.contains("on_existing"),
        "{found:?}"
    );
    let adopted = provider
        .apply(APP, &Object::default(), &json!({ "display_name": "x", "unique_name": "n", "on_existing": "adopt" }))
        .await
        .unwrap();
    assert_eq!(text(&adopted, "id"), by_hand["id"].as_str().unwrap());
    assert_eq!(tenant.applications().await[0]["displayName"], "x");
}

#[tokio::test]
async fn a_client_id_where_an_object_id_belongs_is_named_as_that() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let set = json!({ "application_id": text(&app, "client_id"), "apis": { "microsoft_graph": { "application": ["User.Read.All"] } } });
    let found = provider.apply(SET, &Object::default(), &set).await.err().unwrap();
    assert!(
        found[0].detail.contains("is the client id of") && found[0].detail.contains(&text(&app, "id")),
        "{found:?}"
    );
    assert_eq!(found[0].path, Some("application_id".into()));
}

#[tokio::test]
async fn a_consent_that_fails_half_way_keeps_what_it_granted_and_gives_back_just_that() {
    let tenant = Tenant::start().await;
    // It may grant application permissions, but no delegated ones.
    let roles = ["Application.ReadWrite.All", "Directory.Read.All", "AppRoleAssignment.ReadWrite.All"];
    let callers = format!("tenants/{}/callers", tenant.connection().tenant_id);
    let (_, caller) = tenant.control(reqwest::Method::POST, &callers, Some(json!({ "roles": roles }))).await;
    let of = |name: &str| caller[name].as_str().unwrap().to_owned();
    let provider = Checked::start_as(&tenant, &of("client_id"), &of("client_secret")).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let principal = text(&app, "service_principal_id");

    let keys = json!(["microsoft_graph/application/User.Read.All", "microsoft_graph/delegated/User.Read"]);
    let config = provider.config(CONSENT, &json!({ "service_principal_id": principal, "permissions": keys }));
    let (planned, private) = provider.plan(CONSENT, &Object::default(), &config).await.unwrap();
    let request = Apply { planned, config, private, ..Apply::default() };
    let answer = provider.served(CONSENT).apply(request, provider.server.call()).await;
    let found = errors(&answer.diagnostics);
    assert!(found[0].detail.contains("DelegatedPermissionGrant.ReadWrite.All"), "{found:?}");
    assert!(!answer.state.is_null(), "what was granted would be orphaned");
    assert!(answer.state.is_wholly_known());

    tenant.grant(&principal, "810c84a8-4a9e-49e6-bf7d-12d183f40d01").await;
    provider.delete(CONSENT, &Object { state: answer.state, private: answer.private, identity: answer.identity }).await;
    let left = tenant.granted(&principal).await;
    assert_eq!(
        left.into_iter().collect::<Vec<_>>(),
        ["810c84a8-4a9e-49e6-bf7d-12d183f40d01"],
        "the foreign grant is not ours to revoke"
    );
}

#[tokio::test]
async fn an_api_that_is_absent_but_licensed_gets_its_principal() {
    const DEFENDER: &str = "fc780465-2017-40d4-a0c5-307022471b92";
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let first_party = format!("tenants/{}/first_party", tenant.connection().tenant_id);
    tenant.control(reqwest::Method::POST, &first_party, Some(json!({ "app_id": DEFENDER, "present": false }))).await;
    let consent = json!({ "service_principal_id": text(&app, "service_principal_id"), "permissions": ["windows_defender_atp/application/Machine.Read.All"] });
    provider.apply(CONSENT, &Object::default(), &consent).await.unwrap();
    assert!(tenant.principal_of(DEFENDER).await.is_some());
}

#[tokio::test]
async fn an_api_that_the_tenant_is_not_licensed_for_is_named_with_its_product_before_anything_is_granted() {
    const DEFENDER: &str = "fc780465-2017-40d4-a0c5-307022471b92";
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let first_party = format!("tenants/{}/first_party", tenant.connection().tenant_id);
    let gone = json!({ "app_id": DEFENDER, "present": false, "licensed": false });
    tenant.control(reqwest::Method::POST, &first_party, Some(gone)).await;
    let principal = text(&app, "service_principal_id");
    let keys = ["microsoft_graph/application/User.Read.All", "windows_defender_atp/application/Machine.Read.All"];
    let consent = json!({ "service_principal_id": principal, "permissions": keys });
    let found = provider.apply(CONSENT, &Object::default(), &consent).await.err().unwrap();
    assert_eq!(found[0].summary, "The API WindowsDefenderATP is not in this tenant");
    assert!(found[0].detail.contains("Microsoft Defender for Endpoint"), "{}", found[0].detail);
    assert!(tenant.granted(&principal).await.is_empty());
}

#[tokio::test]
async fn a_shared_consent_withdraws_what_it_added_and_nothing_else() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let principal = text(&app, "service_principal_id");
    let user_read_all = "df021288-bdef-4463-88db-98f22de89214";
    tenant.grant(&principal, user_read_all).await;
    let consent = |keys: Value| json!({ "service_principal_id": principal, "permissions": keys, "exclusive": false });
    let both = json!(["microsoft_graph/application/AuditLog.Read.All", "microsoft_graph/application/User.Read.All"]);
    let made = provider.apply(CONSENT, &Object::default(), &consent(both)).await.unwrap();
    assert_eq!(tenant.granted(&principal).await.len(), 2);
    let none = provider.apply(CONSENT, &made, &consent(json!([]))).await.unwrap();
    let left: Vec<_> = tenant.granted(&principal).await.into_iter().collect();
    assert_eq!(left, [user_read_all], "what was found there is used without being owned");
    provider.delete(CONSENT, &none).await;
    assert_eq!(tenant.granted(&principal).await.len(), 1);
}

#[tokio::test]
async fn a_secret_is_rotated_and_kept_by_what_its_plan_said() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let secret = |further: Value| {
        let mut config = json!({ "application_id": text(&app, "id"), "display_name": "siem" });
        config.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        config
    };
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let steps = [
        json!({}),
        json!({ "valid_for": "P26W", "rotate_before": "P1W", "timeouts": { "update": "1m" } }),
        json!({ "rotation_triggers": { "a": "1" } }),
        json!({ "rotation_triggers": { "a": "1" }, "recipient": recipient }),
        json!({ "keep_previous": false }),
        json!({ "keep_previous": false, "display_name": "soc" }),
    ];
    let (mut made, mut keys) = (Object::default(), Vec::new());
    for step in steps {
        made = provider.apply(SECRET, &made, &secret(step)).await.unwrap();
        keys.push(text(&made, "key_id"));
    }
    let rotated: Vec<_> = keys.windows(2).map(|pair| pair[0] != pair[1]).collect();
    assert_eq!(rotated, [false, true, true, true, true]);
    assert_eq!(tenant.applications().await[0]["passwordCredentials"].as_array().unwrap().len(), 1);
    provider.delete(SECRET, &made).await;
    assert_eq!(tenant.applications().await[0]["passwordCredentials"], json!([]));
}

#[tokio::test]
async fn the_other_credentials_and_their_guard_follow_their_declaration() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.unwrap();
    let id = text(&app, "id");
    let certificate = |pem: &str, name: &str| json!({ "application_id": id, "certificate": pem, "display_name": name });
    let (one, other) = (Certificate::any(), Certificate::other());
    let first = provider.apply(CERTIFICATE, &Object::default(), &certificate(&one.pem, "one")).await.unwrap();
    let first = provider.replace(CERTIFICATE, &first, &certificate(&other.pem, "one"), "certificate").await;
    let trust = |name: &str, subject: &str| json!({ "application_id": id, "name": name, "issuer": "https://issuer.example", "subject": subject });
    let trusted = provider.apply(FEDERATED, &Object::default(), &trust("cicd", "a")).await.unwrap();
    let trusted = provider.apply(FEDERATED, &trusted, &trust("cicd", "b")).await.unwrap();
    let trusted = provider.replace(FEDERATED, &trusted, &trust("deploy", "c"), "name").await;
    let guard = |keys: Value, names: Value| json!({ "application_id": id, "key_ids": keys, "federated_credential_names": names });
    let guarded = provider
        .apply(GUARD, &Object::default(), &guard(json!([text(&first, "key_id")]), json!(["deploy"])))
        .await
        .unwrap();
    let guarded = provider.apply(GUARD, &guarded, &guard(json!([text(&first, "key_id")]), json!([]))).await.unwrap();
    let path = format!("/applications/{id}/federatedIdentityCredentials");
    assert_eq!(
        tenant.admin(reqwest::Method::GET, &path, None).await["value"],
        json!([]),
        "the guard removes what it lists no more"
    );
    provider.delete(GUARD, &guarded).await;
    provider.delete(FEDERATED, &trusted).await;
    provider.delete(CERTIFICATE, &first).await;
    assert_eq!(tenant.applications().await[0]["keyCredentials"], json!([]));
}

#[tokio::test]
async fn every_resource_is_replaced_where_its_application_is_another() {
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = |name: &str| json!({ "display_name": name, "unique_name": name });
    let one = provider.apply(APP, &Object::default(), &app("one")).await.unwrap();
    let other = provider.apply(APP, &Object::default(), &app("other")).await.unwrap();
    let on = |app: &Object, further: Value| {
        let mut config = json!({ "application_id": text(app, "id") });
        config.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        config
    };
    let consent = |app: &Object| json!({ "service_principal_id": text(app, "service_principal_id"), "permissions": ["microsoft_graph/application/User.Read.All"] });
    let granted = provider.apply(CONSENT, &Object::default(), &consent(&one)).await.unwrap();
    provider.replace(CONSENT, &granted, &consent(&other), "service_principal_id").await;
    assert!(tenant.granted(&text(&one, "service_principal_id")).await.is_empty());
    for (resource, further) in [
        (SET, json!({ "apis": { "microsoft_graph": { "application": ["User.Read.All"] } } })),
        (CERTIFICATE, json!({ "certificate": Certificate::any().pem, "display_name": "x" })),
        (FEDERATED, json!({ "name": "xyz", "issuer": "https://issuer.example", "subject": "s" })),
        (SECRET, json!({ "display_name": "x" })),
    ] {
        let made = provider.apply(resource, &Object::default(), &on(&one, further.clone())).await.unwrap();
        provider.replace(resource, &made, &on(&other, further), "application_id").await;
    }
    let guarded = provider.apply(GUARD, &Object::default(), &on(&one, json!({}))).await.unwrap();
    let all = on(&other, json!({ "key_ids": keys_of(&tenant, "other").await, "federated_credential_names": ["xyz"] }));
    provider.replace(GUARD, &guarded, &all, "application_id").await;
    let renamed = json!({ "display_name": "one", "unique_name": "renamed" });
    provider.replace(APP, &provider.read(APP, &one).await, &renamed, "unique_name").await;
}

/// Ids of the secrets and certificates of the application of this unique name.
async fn keys_of(tenant: &Tenant, name: &str) -> Vec<Value> {
    let apps = tenant.applications().await;
    let app = apps.iter().find(|one| one["uniqueName"] == name).unwrap();
    let keys = ["passwordCredentials", "keyCredentials"].map(|kind| app[kind].as_array().unwrap().clone());
    keys.into_iter().flatten().map(|one| one["keyId"].clone()).collect()
}

/// Holds the answer of the next such write.
async fn hold(tenant: &Tenant, written: &str) -> u64 {
    let hold =
        json!({ "methods": ["PATCH"], "path": written, "times": 1, "action": { "hold": { "after_commit": true } } });
    tenant.fault(hold).await
}

/// Lets somebody else, who had read before the held write, write `body` to `path`, and lets it go on.
async fn overtaken(tenant: &Tenant, held: u64, path: &str, body: Value) {
    tenant.until_held(held).await;
    tenant.admin(reqwest::Method::PATCH, path, Some(body)).await;
    tenant.control(reqwest::Method::DELETE, "faults", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_undoes_is_merged_once_more() {
    const AUDIT_LOG: &str = "b0afded3-3588-46d8-8b3d-9842eff778da";
    let tenant = Tenant::start().await;
    let provider = Checked::start(&tenant).await;
    let app = provider.apply(APP, &Object::default(), &json!({ "display_name": "x" })).await.ok().unwrap();
    let (id, principal) = (text(&app, "id"), text(&app, "service_principal_id"));

    let apis = json!({ "microsoft_graph": { "application": ["User.Read.All"] } });
    let set = json!({ "application_id": id, "apis": apis, "exclusive": false });
    let graph = "00000003-0000-0000-c000-000000000000";
    let others = json!({ "requiredResourceAccess": [{ "resourceAppId": graph, "resourceAccess": [{ "id": AUDIT_LOG, "type": "Role" }] }] });
    let path = format!("/applications/{id}");
    let none = Object::default();
    // The rule is there before what it is to catch begins.
    let held = hold(&tenant, "/graph/v1.0/applications/*").await;
    let (made, ()) =
        futures_util::future::join(provider.apply(SET, &none, &set), overtaken(&tenant, held, &path, others)).await;
    assert!(made.is_ok());
    let asked = tenant.applications().await.remove(0)["requiredResourceAccess"][0]["resourceAccess"].clone();
    assert_eq!(asked.as_array().unwrap().len(), 2, "{asked}");

    tenant.grant_scope(&principal, "User.Read").await;
    let grant = tenant.admin(reqwest::Method::GET, "/oauth2PermissionGrants", None).await["value"][0].clone();
    let path = format!("/oauth2PermissionGrants/{}", grant["id"].as_str().unwrap());
    let keys = ["microsoft_graph/delegated/Mail.Read"];
    let consent = json!({ "service_principal_id": principal, "permissions": keys, "exclusive": false });
    let others = json!({ "scope": "User.Read Group.Read.All" });
    let held = hold(&tenant, "/graph/v1.0/oauth2PermissionGrants/*").await;
    let (made, ()) =
        futures_util::future::join(provider.apply(CONSENT, &none, &consent), overtaken(&tenant, held, &path, others))
            .await;
    assert!(made.is_ok());
    let grant = tenant.admin(reqwest::Method::GET, &path, None).await;
    let mut scopes: Vec<_> = grant["scope"].as_str().unwrap().split(' ').collect();
    scopes.sort_unstable();
    assert_eq!(scopes, ["Group.Read.All", "Mail.Read", "User.Read"]);
}
