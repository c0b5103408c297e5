//! Promise 3, exhaustively and in process: whatever happens at any request, one more apply ends in exactly the declared tenant, with
//! nothing left over and an empty plan. `kill_and_resume` shows a sample of it through the real CLIs.

use crate::five_connectors::{OWN_APPS, foreign_application};
use crate::identity::Certificate;
use crate::in_process::{Cli, Configuration, Declared};
use crate::tenant::{Tenant, list};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Lives at once: most of them wait for a repetition.
const AT_ONCE: usize = 12;
const WRITES: [&str; 4] = ["POST", "PATCH", "PUT", "DELETE"];

fn declared(address: &str, resource: &'static str, config: Value) -> Declared {
    Declared { address: address.to_owned(), resource, config }
}

/// What is applied, one configuration after the other.
type Story = Vec<Configuration>;

/// The five documented systems, as `examples/five-connectors` has them.
async fn five_connectors(tenant: &Tenant) -> Story {
    let foreign = foreign_application(tenant).await;
    let principal = tenant.principal_of(foreign["appId"].as_str().unwrap()).await.unwrap();
    let (mut apps, mut sets, mut consents) = (Vec::new(), Vec::new(), Vec::new());
    for profile in OWN_APPS {
        let (app, set) = (format!("{profile} app"), format!("{profile} set"));
        apps.push(declared(&app, "m365_connector_app", json!({ "profile": profile })));
        let config = json!({ "application_id": format!("${{{app}.id}}"), "profile": profile });
        sets.push(declared(&set, "m365_connector_permission_set", config));
        let config = json!({ "service_principal_id": format!("${{{app}.service_principal_id}}"), "permissions": format!("${{{set}.permissions}}") });
        consents.push(declared(&format!("{profile} consent"), "m365_admin_consent", config));
    }
    let set = json!({ "application_id": foreign["id"], "profile": "defense-com-users", "exclusive": false });
    sets.push(declared("defense set", "m365_connector_permission_set", set));
    let consent = json!({ "service_principal_id": principal["id"], "permissions": "${defense set.permissions}", "exclusive": false });
    consents.push(declared("defense consent", "m365_admin_consent", consent));
    vec![vec![apps, sets, consents]]
}

/// One connector with everything that belongs to one: made, changed, taken away.
fn whole_connector() -> Story {
    let life = |app: Value, apis: Value, secret: Value, subject: &str| {
        let id = "${app.id}";
        let set = json!({ "application_id": id, "apis": apis });
        let consent =
            json!({ "service_principal_id": "${app.service_principal_id}", "permissions": "${set.permissions}" });
        let certificate =
            json!({ "application_id": id, "certificate": Certificate::any().pem, "display_name": "certificate" });
        let trust =
            json!({ "application_id": id, "name": "trust", "issuer": "https://issuer.example", "subject": subject });
        let guard = json!({ "application_id": id, "key_ids": ["${secret.key_id}", "${certificate.key_id}"], "federated_credential_names": ["${trust.name}"] });
        vec![
            vec![declared("app", "m365_connector_app", app)],
            vec![
                declared("set", "m365_connector_permission_set", set),
                declared("secret", "m365_connector_secret", secret),
                declared("certificate", "m365_connector_certificate", certificate),
                declared("trust", "m365_connector_federated_credential", trust),
            ],
            vec![
                declared("consent", "m365_admin_consent", consent),
                declared("guard", "m365_connector_credentials_exclusive", guard),
            ],
        ]
    };
    let made = life(
        json!({ "unique_name": "connector", "display_name": "Connector" }),
        json!({ "microsoft_graph": { "application": ["User.Read.All", "AuditLog.Read.All"], "delegated": ["User.Read"] }, "windows_defender_atp": { "application": ["Machine.Read.All"] } }),
        json!({ "application_id": "${app.id}", "display_name": "siem" }),
        "one",
    );
    let changed = life(
        json!({ "unique_name": "connector", "display_name": "Connector, renamed", "assignment_required": true }),
        json!({ "microsoft_graph": { "application": ["User.Read.All"], "delegated": ["User.Read", "Group.Read.All"] }, "windows_defender_atp": { "application": ["Machine.Read.All", "Alert.Read.All"] } }),
        json!({ "application_id": "${app.id}", "display_name": "siem", "rotation_triggers": { "a": "1" }, "keep_previous": false }),
        "two",
    );
    vec![made, changed, Vec::new()]
}

/// Everything that the tenant holds of connectors, without ids and dates. Two tenants with the same portrait hold the same.
async fn portrait(tenant: &Tenant) -> Value {
    let get = async |path: &str| list(&tenant.admin(Method::GET, path, None).await);
    // The permissions that the APIs offer are the most of them.
    let properties = "id,appId,displayName,accountEnabled,appRoleAssignmentRequired,appOwnerOrganizationId";
    let principals = get(&format!("/servicePrincipals?$top=999&$select={properties}")).await;
    let apps = tenant.applications().await;
    let grants = get("/oauth2PermissionGrants?$top=999").await;
    let client_of =
        |id: &Value| principals.iter().find(|one| one["id"] == *id).map_or(Value::Null, |one| one["appId"].clone());
    let mut shown = Vec::new();
    for app in &apps {
        let id = app["id"].as_str().unwrap();
        let names =
            |kind: &str| app[kind].as_array().unwrap().iter().map(|one| one["displayName"].clone()).collect::<Value>();
        let trusts = get(&format!("/applications/{id}/federatedIdentityCredentials")).await;
        let trusts: Value = trusts.iter().map(|one| json!([one["name"], one["subject"]])).collect();
        let mut own = Vec::new();
        for principal in principals.iter().filter(|one| one["appId"] == app["appId"]) {
            let id = principal["id"].as_str().unwrap();
            let roles = get(&format!("/servicePrincipals/{id}/appRoleAssignments")).await;
            let roles = sorted(roles.iter().map(|one| json!([client_of(&one["resourceId"]), one["appRoleId"]])));
            let scopes = grants.iter().filter(|one| one["clientId"] == *id).map(|one| {
                let each = one["scope"].as_str().unwrap().split_whitespace().map(Value::from);
                json!([client_of(&one["resourceId"]), one["consentType"], sorted(each)])
            });
            own.push(json!({ "name": principal["displayName"], "enabled": principal["accountEnabled"], "assigned": principal["appRoleAssignmentRequired"], "roles": roles, "scopes": sorted(scopes) }));
        }
        let requested = app["requiredResourceAccess"].as_array().unwrap().iter().map(|api| {
            json!([api["resourceAppId"], sorted(api["resourceAccess"].as_array().unwrap().iter().cloned())])
        });
        shown.push(json!({
            "name": app["displayName"], "unique_name": app["uniqueName"], "tags": app["tags"], "requested": sorted(requested),
            "secrets": names("passwordCredentials"), "certificates": names("keyCredentials"), "trusts": trusts, "principals": own,
        }));
    }
    let is_orphan = |one: &&Value| {
        one["appOwnerOrganizationId"] == tenant.connection().tenant_id
            && one["displayName"] != "Sandbox operator"
            && !apps.iter().any(|app| app["appId"] == one["appId"])
    };
    let deleted = get("/directory/deletedItems/microsoft.graph.application").await;
    json!({
        "applications": sorted(shown.into_iter()),
        "principals without one": principals.iter().filter(is_orphan).count(),
        "deleted": sorted(deleted.iter().map(|one| one["uniqueName"].clone())),
    })
}

fn sorted(items: impl Iterator<Item = Value>) -> Value {
    let mut items: Vec<_> = items.collect();
    items.sort_by_key(ToString::to_string);
    items.into()
}

#[derive(Clone, Copy)]
enum Of {
    FiveConnectors,
    OneConnector,
}

impl Of {
    async fn story(self, tenant: &Tenant) -> Story {
        match self {
            Self::FiveConnectors => five_connectors(tenant).await,
            Self::OneConnector => whole_connector(),
        }
    }

    /// The portrait after each part of an undisturbed story, with the numbers of its requests and of its writes.
    async fn undisturbed(self) -> Vec<(Value, usize, usize)> {
        let tenant = Tenant::start().await;
        let story = self.story(&tenant).await;
        let cli = Cli::new(&tenant, 1, &json!({}));
        let mut parts = Vec::new();
        for part in &story {
            tenant.forget_requests().await;
            cli.apply(part).await.unwrap();
            let all = list(&tenant.control(Method::GET, "requests", None).await.1).len();
            let writes = tenant.writes().await.len();
            assert_eq!(cli.plan(part).await.unwrap().changes(), Vec::<String>::new());
            parts.push((portrait(&tenant).await, all, writes));
        }
        parts
    }
}

/// Applies once more where the first time failed, and looks at the tenant and at the plan.
async fn made_good(cli: &Cli, tenant: &Tenant, part: &Configuration, expected: &Value, context: &str) {
    tenant.control(Method::DELETE, "faults", None).await;
    cli.apply(part).await.unwrap_or_else(|why| panic!("{context}: {why:#?}"));
    let found = portrait(tenant).await;
    assert!(found == *expected, "{context}:\n{found:#}\ninstead of\n{expected:#}");
    let changes = cli.plan(part).await.unwrap_or_else(|why| panic!("{context}: {why:#?}")).changes();
    assert_eq!(changes, Vec::<String>::new(), "{context}: the plan afterwards is not empty");
}

/// A story in which the `nth` request, or write, of each part meets `action`.
async fn faulty(of: Of, nth: usize, action: Value, further: Value, expected: &[(Value, usize, usize)]) {
    let tenant = Tenant::start().await;
    let story = of.story(&tenant).await;
    let cli = Cli::new(&tenant, 1, &further);
    for (number, (part, (expected, ..))) in story.iter().zip(expected).enumerate() {
        let rule = json!({ "path": "*", "skip": nth, "times": 1, "action": action });
        tenant.fault(rule).await;
        let applied = cli.apply(part).await;
        let struck = tenant.faults().await[0]["struck"] == 1;
        let context = format!("part {number}, request {nth} met {action}, and first {applied:?}");
        assert!(struck || applied.is_ok(), "{context}");
        made_good(&cli, &tenant, part, expected, &context).await;
    }
}

/// A story in which the provider is killed while the `nth` write of each part is under way.
async fn killed(of: Of, nth: usize, after_commit: bool, expected: &[(Value, usize, usize)]) {
    let tenant = Tenant::start().await;
    let story = of.story(&tenant).await;
    let cli = Cli::new(&tenant, 1, &json!({}));
    for (number, (part, (expected, ..))) in story.iter().zip(expected).enumerate() {
        let rule = json!({ "methods": WRITES, "path": "/graph/*", "skip": nth, "times": 1, "action": { "hold": { "after_commit": after_commit } } });
        tenant.fault(rule).await;
        tokio::select! {
            applied = cli.apply(part) => applied.unwrap(),
            () = held(&tenant, 1) => {}
        }
        // The connection of the dead process is gone, and nobody carries out what it had asked for.
        held(&tenant, 0).await;
        let context = format!("part {number}, killed at write {nth}, after its commit: {after_commit}");
        made_good(&cli, &tenant, part, expected, &context).await;
    }
}

/// Waits until the rule holds so many requests.
async fn held(tenant: &Tenant, count: u64) {
    let held = async {
        while tenant.faults().await[0]["held"] != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), held).await.expect("the rule never held so many");
}

/// Runs each life in a task of its own.
async fn all(lives: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let lives: Vec<_> = lives.collect();
    println!("{} lives", lives.len());
    stream::iter(lives.into_iter().map(tokio::spawn))
        .buffer_unordered(AT_ONCE)
        .for_each(async |life| life.unwrap())
        .await;
}

async fn killed_at_every_write(of: Of) {
    let expected: &'static [_] = of.undisturbed().await.leak();
    let most = expected.iter().map(|part| part.2).max().unwrap();
    all((0..most).flat_map(|nth| [false, true].map(|after| killed(of, nth, after, expected)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_connectors_survive_a_kill_at_every_write() {
    killed_at_every_write(Of::FiveConnectors).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_survives_a_kill_at_every_write_of_its_life() {
    killed_at_every_write(Of::OneConnector).await;
}

fn faults() -> Vec<Value> {
    let fail = |status: u16| json!({ "fail": { "status": status } });
    vec![
        json!("drop_before_commit"),
        json!("drop_after_commit"),
        json!({ "throttle": { "retry_after": 0 } }),
        json!({ "throttle": {} }),
        fail(500),
        fail(502),
        fail(503),
        fail(504),
        json!({ "fail": { "status": 503, "after_commit": true } }),
        json!({ "malformed": {} }),
        json!({ "malformed": { "truncated": true } }),
        json!({ "slow": { "milliseconds": 1 } }),
    ]
}

/// Each request meets a kind of fault, in turn; `every`: each meets all of them.
async fn faults_at_every_request(of: Of, further: Value, every: bool) {
    let expected: &'static [_] = of.undisturbed().await.leak();
    let most = expected.iter().map(|part| part.1).max().unwrap();
    let kinds = faults();
    let each = (0..most).flat_map(|nth| {
        let (first, count) = if every { (0, kinds.len()) } else { (nth, 1) };
        kinds.iter().cycle().skip(first).take(count).map(move |action| (nth, action.clone())).collect::<Vec<_>>()
    });
    all(each.map(|(nth, action)| faulty(of, nth, action, further.clone(), expected))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_connectors_survive_a_fault_at_every_request() {
    faults_at_every_request(Of::FiveConnectors, json!({}), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_survives_a_fault_at_every_request_of_its_life() {
    faults_at_every_request(Of::OneConnector, json!({}), false).await;
}

/// Without repetitions every fault ends the apply.
#[tokio::test(flavor = "multi_thread")]
async fn a_connector_survives_a_fault_that_nothing_repeats_at_every_request_of_its_life() {
    faults_at_every_request(Of::OneConnector, json!({ "max_retries": 0 }), false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the whole product takes a quarter of an hour; run it with `--ignored` after a change to retries"]
async fn five_connectors_survive_every_fault_at_every_request() {
    faults_at_every_request(Of::FiveConnectors, json!({}), true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the whole product takes a quarter of an hour; run it with `--ignored` after a change to retries"]
async fn a_connector_survives_every_fault_at_every_request_of_its_life() {
    faults_at_every_request(Of::OneConnector, json!({}), true).await;
    faults_at_every_request(Of::OneConnector, json!({ "max_retries": 0 }), true).await;
}

/// Evenly spread numbers below 100, the same for each seed. Source: SplitMix64, by Steele, Lea and Flood.
fn numbers(seed: u64) -> impl Iterator<Item = usize> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % 100).unwrap()
    })
}

/// Of the first requests so many in a hundred meet some fault.
const STRUCK: usize = 30;
/// More than an apply with repetitions takes.
const REQUESTS: usize = 400;

/// All five at once, as the CLI does, in a tenant where nothing is sure.
async fn random(seed: u64, expected: &[(Value, usize, usize)]) {
    let tenant = Tenant::start().await;
    let story = five_connectors(&tenant).await;
    let cli = Cli::new(&tenant, 10, &json!({}));
    let (mut dice, kinds) = (numbers(seed), faults());
    for nth in 0..REQUESTS {
        let (struck, kind) = (dice.next().unwrap() < STRUCK, dice.next().unwrap() % kinds.len());
        if struck {
            tenant.fault(json!({ "path": "*", "skip": nth, "times": 1, "action": kinds[kind] })).await;
        }
    }
    for (part, (expected, ..)) in story.iter().zip(expected) {
        let applied = cli.apply(part).await;
        let context = format!("seed {seed}, where first {applied:?}");
        made_good(&cli, &tenant, part, expected, &context).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_connectors_survive_random_faults() {
    let expected: &'static [_] = Of::FiveConnectors.undisturbed().await.leak();
    all((0..50).map(|seed| random(seed, expected))).await;
}
