//! The Graph client against the sandbox: what lag, lost answers and errors of the service make of one call. Time passes by the sandbox's
//! clock, which moves on with every request, so that nobody waits for it.

use crate::pem;
use crate::tenant::{Tenant, list};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use terraform_provider_m365::graph::{
    ApplicationPatch, ClientSecret, Endpoints, Graph, GraphError, Holder, KeyCredential, KeysFate, NewPassword,
    Options, Purged, ServicePrincipalPatch, View, Writes,
};

/// Writes until nobody overwrites it any more, as the resources do.
async fn change(
    graph: &Graph,
    holder: &Holder,
    wanted: impl Fn(&[KeyCredential]) -> Option<Vec<KeyCredential>>,
) -> Vec<KeyCredential> {
    let mut waits = graph.waits();
    loop {
        let written = graph.write_key_credentials(holder, &wanted).await.unwrap().unwrap();
        match graph.keys_fate(holder, &written).await.unwrap() {
            KeysFate::Seen | KeysFate::Unseen(_) => return written.keys,
            KeysFate::Gone => panic!("the application is gone"),
            KeysFate::Overwritten => waits.contended("PATCH", None).await.unwrap(),
        }
    }
}

/// As the development identity.
pub fn client(tenant: &Tenant) -> Graph {
    let connection = tenant.connection();
    let options = Options {
        tenant: connection.tenant_id.clone(),
        endpoints: Endpoints { login: connection.login.clone(), graph: connection.graph.clone() },
        ca_certificate: None,
        max_retries: 3,
        request_timeout: Duration::from_secs(30),
        user_agent: "test".to_owned(),
    };
    let source = ClientSecret::new(connection.client_id.clone(), connection.client_secret.clone().into());
    Graph::new(options, Arc::new(source)).unwrap()
}

/// An application that has been there for long: its object id, and its client id.
async fn application(tenant: &Tenant, more: Value) -> (String, String) {
    let mut body = json!({ "displayName": "x", "signInAudience": "AzureADMyOrg" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let app = tenant.admin(Method::POST, "/applications", Some(body)).await;
    tenant.later().await;
    let text = |name: &str| app[name].as_str().unwrap().to_owned();
    (text("id"), text("appId"))
}

async fn principal(tenant: &Tenant, app_id: &str) -> String {
    let made = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app_id }))).await;
    tenant.later().await;
    made["id"].as_str().unwrap().to_owned()
}

async fn lag(tenant: &Tenant, wish: Value, tick: &str) {
    assert_eq!(tenant.control(Method::POST, "lag", Some(wish)).await.0, 204);
    assert!(tenant.control(Method::POST, "clock", Some(json!({ "tick": tick }))).await.0.is_success());
}

fn named(name: &str) -> View {
    BTreeMap::from([("property:display_name".to_owned(), json!(name))])
}

async fn rename(graph: &Graph, id: &str, name: &str, writes: &mut Writes) {
    let patch = ApplicationPatch { display_name: Some(name.to_owned()), ..ApplicationPatch::default() };
    graph.update_application(id, &patch).await.unwrap();
    writes.wrote(graph.now(), &named("x"), &named(name));
}

#[tokio::test]
async fn lag_of_a_minute_is_waited_for_and_nothing_is_written_again() {
    for wish in [json!({ "seconds": 60, "replicas": ["stale"] }), json!({ "seconds": 60, "stale_percent": 70 })] {
        let tenant = Tenant::start().await;
        let (id, _) = application(&tenant, json!({})).await;
        let (graph, mut writes) = (client(&tenant), Writes::default());
        lag(&tenant, wish, "PT20S").await;
        tenant.forget_requests().await;
        rename(&graph, &id, "y", &mut writes).await;
        let read = async || graph.application(&id).await;
        let found = graph.settled_read(&writes, read, |app| named(&app.as_ref().unwrap().display_name)).await.unwrap();
        assert_eq!((found.seen.unwrap().display_name.as_str(), found.stale.len()), ("y", 0));
        assert_eq!(tenant.writes().await.len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_came_late_is_judged_by_the_time_of_its_question() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let (graph, mut writes) = (client(&tenant), Writes::default());
    lag(&tenant, json!({ "seconds": 60, "replicas": ["stale"] }), "PT1S").await;
    rename(&graph, &id, "y", &mut writes).await;
    let read = async || {
        let found = graph.application(&id).await;
        // Others keep the client busy until the window is over; it learns of the server's time by them.
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT3M" }))).await;
        graph.application("00000000-0000-4000-8000-000000000000").await.map(|_| ())?;
        found
    };
    let found = graph.settled_read(&writes, read, |app| named(&app.as_ref().unwrap().display_name)).await.unwrap();
    assert_eq!((found.seen.unwrap().display_name.as_str(), found.stale.len()), ("y", 0));
}

#[tokio::test]
async fn what_does_not_show_within_the_window_stands_all_the_same() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let (graph, mut writes) = (client(&tenant), Writes::default());
    lag(&tenant, json!({ "seconds": 3600, "replicas": ["stale"] }), "PT45S").await;
    rename(&graph, &id, "y", &mut writes).await;
    let read = async || graph.application(&id).await;
    let found = graph.settled_read(&writes, read, |app| named(&app.as_ref().unwrap().display_name)).await.unwrap();
    // The window was over by the server's clock before the answer: from then on the old value would be drift.
    assert_eq!(found.seen.unwrap().display_name, "x");
    assert!(!writes.may_be_unseen(graph.now()));
}

#[tokio::test]
async fn a_write_that_meets_another_for_ever_ends_as_contended() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    lag(&tenant, json!({ "seconds": 1 }), "PT45S").await;
    tenant.fault(json!({ "methods": ["PATCH"], "path": "/graph/*", "action": { "fail": { "status": 409, "code": "Directory_ConcurrencyViolation" } } })).await;
    let error = client(&tenant).update_application(&id, &ApplicationPatch::default()).await.unwrap_err();
    assert!(matches!(&error, GraphError::Contended { last: Some(_), .. }), "{error}");
}

fn certificate(pem: &pem::Pem, name: &str) -> KeyCredential {
    KeyCredential {
        kind: Some("AsymmetricX509Cert".to_owned()),
        usage: Some("Verify".to_owned()),
        display_name: Some(name.to_owned()),
        key: Some(pem.base64.clone()),
        ..KeyCredential::default()
    }
}

async fn names(tenant: &Tenant, path: &str) -> BTreeSet<String> {
    let found = tenant.admin(Method::GET, &format!("{path}?$select=id,keyCredentials"), None).await;
    let all = found["keyCredentials"].as_array().unwrap();
    all.iter().map(|one| one["displayName"].as_str().unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn certificates_that_no_replica_shows_yet_are_kept_by_the_next_write_and_removed_ones_stay_away() {
    for wish in [json!({ "seconds": 60, "replicas": ["stale"] }), json!({ "seconds": 60, "entries": true })] {
        let tenant = Tenant::start().await;
        let (id, _) = application(&tenant, json!({})).await;
        let (graph, holder, path) = (client(&tenant), Holder::Application(id.clone()), format!("/applications/{id}"));
        let mut written = Vec::new();
        lag(&tenant, wish, "PT3S").await;
        for name in ["a", "b", "c"] {
            let pem = pem::certificate(name);
            let add = |present: &[KeyCredential]| {
                Some(present.iter().cloned().chain([certificate(&pem, name)]).collect::<Vec<_>>())
            };
            written.push(graph.write_key_credentials(&holder, add).await.unwrap().unwrap());
        }
        assert_eq!(names(&tenant, &path).await, set(&["a", "b", "c"]));
        let first = written[0].keys[0].id();
        let remove = |present: &[KeyCredential]| {
            let kept: Vec<_> = present.iter().filter(|one| one.id() != first).cloned().collect();
            (kept.len() < present.len()).then_some(kept)
        };
        written.push(graph.write_key_credentials(&holder, remove).await.unwrap().unwrap());
        assert_eq!(names(&tenant, &path).await, set(&["b", "c"]));
        tenant.forget_requests().await;
        for one in &written[1..] {
            assert_eq!(graph.keys_fate(&holder, one).await.unwrap(), KeysFate::Seen);
        }
        assert_eq!(tenant.writes().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_certificate_is_exchanged_for_one_of_another_name_in_one_write() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let (graph, holder, pem) = (client(&tenant), Holder::Application(id.clone()), pem::certificate("a"));
    let add = |present: &[KeyCredential]| present.is_empty().then(|| vec![certificate(&pem, "a")]);
    change(&graph, &holder, add).await;
    tenant.forget_requests().await;
    let exchange = |present: &[KeyCredential]| Some(vec![present[0].exchanged(Some("b".to_owned()))]);
    let written = graph.write_key_credentials(&holder, exchange).await.unwrap().unwrap();
    assert_eq!(names(&tenant, &format!("/applications/{id}")).await, set(&["b"]));
    assert_eq!((tenant.writes().await.len(), written.keys.len()), (1, 1));
}

#[tokio::test]
async fn a_certificate_whose_answer_was_lost_is_there_once() {
    for action in [
        json!("drop_after_commit"),
        json!({ "malformed": { "truncated": true } }),
        json!({ "fail": { "status": 503, "retry_after": 0, "after_commit": true } }),
    ] {
        let tenant = Tenant::start().await;
        let (id, _) = application(&tenant, json!({})).await;
        tenant.fault(json!({ "methods": ["PATCH"], "path": "/graph/*", "times": 1, "action": action })).await;
        let (graph, holder, pem) = (client(&tenant), Holder::Application(id.clone()), pem::certificate("a"));
        let add = |present: &[KeyCredential]| present.is_empty().then(|| vec![certificate(&pem, "a")]);
        let keys = change(&graph, &holder, add).await;
        let found = tenant.admin(Method::GET, &format!("/applications/{id}?$select=keyCredentials"), None).await;
        assert_eq!(found["keyCredentials"].as_array().unwrap().len(), 1, "{action}");
        assert_eq!(found["keyCredentials"][0]["keyId"], keys[0].id(), "{action}");
    }
}

#[tokio::test]
async fn a_certificate_that_shows_no_effect_stands_and_is_written_once() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    lag(&tenant, json!({ "seconds": 3600, "replicas": ["stale"] }), "PT45S").await;
    tenant.forget_requests().await;
    let (graph, holder, pem) = (client(&tenant), Holder::Application(id.clone()), pem::certificate("a"));
    let add = |present: &[KeyCredential]| present.is_empty().then(|| vec![certificate(&pem, "a")]);
    let written = graph.write_key_credentials(&holder, add).await.unwrap().unwrap();
    let fate = graph.keys_fate(&holder, &written).await.unwrap();
    assert_eq!(fate, KeysFate::Unseen(BTreeSet::from([written.keys[0].id()])));
    assert_eq!(tenant.writes().await.len(), 1);
}

#[tokio::test]
async fn a_collection_that_somebody_else_replaces_is_overwritten_and_written_again() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let (graph, holder, path) = (client(&tenant), Holder::Application(id.clone()), format!("/applications/{id}"));
    let (ours, theirs) = (pem::certificate("ours"), pem::certificate("theirs"));
    let add = |present: &[KeyCredential]| {
        let is_there = present.iter().any(|one| one.display_name.as_deref() == Some("ours"));
        (!is_there).then(|| present.iter().cloned().chain([certificate(&ours, "ours")]).collect::<Vec<_>>())
    };
    let written = graph.write_key_credentials(&holder, add).await.unwrap().unwrap();
    let other =
        json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "displayName": "theirs", "key": theirs.base64 }]);
    tenant.admin(Method::PATCH, &path, Some(json!({ "keyCredentials": other }))).await;
    assert_eq!(graph.keys_fate(&holder, &written).await.unwrap(), KeysFate::Overwritten);
    change(&graph, &holder, add).await;
    assert_eq!(names(&tenant, &path).await, set(&["ours", "theirs"]));
}

#[tokio::test]
async fn an_error_after_the_commit_of_a_secret_leaves_a_double_that_is_found() {
    for status in [500, 502, 503, 504] {
        let tenant = Tenant::start().await;
        let (id, _) = application(&tenant, json!({})).await;
        let graph = client(&tenant);
        let action = json!({ "fail": { "status": status, "retry_after": 0, "after_commit": true } });
        tenant.fault(json!({ "path": "*/addPassword", "times": 1, "action": action })).await;
        lag(&tenant, json!({ "seconds": 40, "replicas": ["stale"] }), "PT15S").await;
        graph.application(&id).await.unwrap();
        let start = graph.now();
        let new = NewPassword {
            display_name: "siem (m365)".to_owned(),
            start,
            end: start + jiff::SignedDuration::from_hours(24),
        };
        let added = graph.add_password(&id, &new).await.unwrap();
        assert!(added.may_have_doubles);
        let made = graph.passwords_made_by(&id, &new, Some(&added.key_id)).await.unwrap();
        let doubles: Vec<_> = made.iter().filter(|one| one.key_id != added.key_id).collect();
        assert_eq!((made.len(), doubles.len()), (2, 1), "{status}");
        graph.remove_password(&id, &doubles[0].key_id).await.unwrap();
        let left = tenant.admin(Method::GET, &format!("/applications/{id}"), None).await;
        assert_eq!(left["passwordCredentials"].as_array().unwrap().len(), 1);
        assert_eq!(left["passwordCredentials"][0]["keyId"], added.key_id.as_str());
    }
}

#[tokio::test]
async fn a_secret_that_was_only_throttled_has_no_doubles_and_one_whose_answer_was_lost_is_not_sent_again() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let graph = client(&tenant);
    graph.application(&id).await.unwrap();
    let start = graph.now();
    let end = start + jiff::SignedDuration::from_hours(24);
    let new = |name: &str| NewPassword { display_name: name.to_owned(), start, end };
    tenant.fault(json!({ "path": "*/addPassword", "times": 1, "action": { "throttle": { "retry_after": 0 } } })).await;
    assert!(!graph.add_password(&id, &new("one")).await.unwrap().may_have_doubles);
    tenant.fault(json!({ "path": "*/addPassword", "times": 1, "action": "drop_after_commit" })).await;
    assert!(matches!(graph.add_password(&id, &new("two")).await, Err(GraphError::Unreachable { .. })));
    assert_eq!(graph.passwords_made_by(&id, &new("two"), None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn errors_of_the_service_and_answers_cut_short_are_survived_where_repeating_is_safe() {
    let actions = [
        json!({ "fail": { "status": 500 } }),
        json!({ "fail": { "status": 502, "after_commit": true } }),
        json!({ "malformed": {} }),
        json!({ "malformed": { "truncated": true } }),
    ];
    for action in actions {
        let tenant = Tenant::start().await;
        let (id, app_id) = application(&tenant, json!({})).await;
        tenant.fault(json!({ "path": "/graph/*", "every": 2, "times": 4, "action": action })).await;
        let graph = client(&tenant);
        graph.application(&id).await.unwrap().unwrap();
        let made = graph.create_service_principal(&app_id, &ServicePrincipalPatch::default()).await;
        match made {
            Ok(_) => {}
            // Made already, by the try whose answer was lost: the caller looks it up.
            Err(error) => assert!(error.is_conflict(), "{action}: {error}"),
        }
        let patch = ApplicationPatch { display_name: Some("y".to_owned()), ..ApplicationPatch::default() };
        graph.update_application(&id, &patch).await.unwrap();
        assert_eq!(graph.application(&id).await.unwrap().unwrap().display_name, "y", "{action}");
        graph.delete_application(&id).await.unwrap();
        assert!(tenant.applications().await.is_empty(), "{action}");
    }
}

#[tokio::test]
async fn a_purge_waits_for_what_was_deleted_a_moment_ago() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let graph = client(&tenant);
    assert!(graph.delete_application(&id).await.unwrap());
    let unseen = json!({ "fail": { "status": 404, "code": "Request_ResourceNotFound" } });
    tenant
        .fault(json!({ "methods": ["DELETE"], "path": "/graph/v1.0/directory/*", "times": 2, "action": unseen }))
        .await;
    assert_eq!(graph.purge_once_deleted(&id).await.unwrap(), Purged::Removed);
    assert_eq!(
        list(&tenant.admin(Method::GET, "/directory/deletedItems/microsoft.graph.application", None).await).len(),
        0
    );
    assert!(!graph.delete_application(&id).await.unwrap(), "it was gone already");
    assert_eq!(graph.purge_deleted_item(&id).await.unwrap(), Purged::Absent);
}

#[tokio::test]
async fn a_purge_of_what_never_shows_ends_with_the_window() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let graph = client(&tenant);
    graph.delete_application(&id).await.unwrap();
    let unseen = json!({ "fail": { "status": 404, "code": "Request_ResourceNotFound" } });
    tenant.fault(json!({ "methods": ["DELETE"], "path": "/graph/v1.0/directory/*", "action": unseen })).await;
    lag(&tenant, json!({ "seconds": 1 }), "PT45S").await;
    assert_eq!(graph.purge_once_deleted(&id).await.unwrap(), Purged::Absent);
}

#[tokio::test]
async fn the_deleted_application_of_a_name_is_found_among_many() {
    let tenant = Tenant::start().await;
    for number in 0..3 {
        let (id, _) = application(&tenant, json!({ "uniqueName": format!("n{number}") })).await;
        tenant.admin(Method::DELETE, &format!("/applications/{id}"), None).await;
    }
    let found = client(&tenant).deleted_application_by_unique_name("n1").await.unwrap().unwrap();
    assert_eq!(found.unique_name.as_deref(), Some("n1"));
}

#[tokio::test]
async fn a_lock_is_lifted_for_a_removal_and_set_again_whatever_comes_of_it() {
    let tenant = Tenant::start().await;
    let lock = json!({ "isEnabled": true, "allProperties": true, "credentialsWithUsageVerify": true, "credentialsWithUsageSign": false, "tokenEncryptionKeyId": true });
    let (id, app_id) = application(&tenant, json!({ "servicePrincipalLockConfiguration": lock })).await;
    let principal = principal(&tenant, &app_id).await;
    let planted =
        tenant.admin(Method::POST, &format!("/servicePrincipals/{principal}/addPassword"), Some(json!({}))).await;
    let (graph, key) = (client(&tenant), planted["keyId"].as_str().unwrap());
    let refused = graph.remove_service_principal_password(&principal, key).await.unwrap_err();
    assert!(refused.is_locked_principal(), "{refused}");
    let failing = async || -> Result<(), GraphError> {
        match graph.remove_service_principal_password(&principal, key).await {
            Err(error) if error.is_locked_principal() => Err(error),
            _ => Err(GraphError::Cancelled),
        }
    };
    let locked = async || {
        tenant.admin(Method::GET, &format!("/applications/{id}"), None).await["servicePrincipalLockConfiguration"]
            .clone()
    };
    assert!(matches!(graph.with_lock_lifted(&id, failing).await, Err(GraphError::Cancelled)));
    assert_eq!(locked().await, lock);
    graph.with_lock_lifted(&id, async || graph.remove_service_principal_password(&principal, key).await).await.unwrap();
    let found = tenant.admin(Method::GET, &format!("/servicePrincipals/{principal}"), None).await;
    assert_eq!((found["passwordCredentials"].as_array().unwrap().len(), locked().await), (0, lock));
}

#[tokio::test]
async fn a_quota_is_no_question_of_rights() {
    let tenant = Tenant::start().await;
    let (id, _) = application(&tenant, json!({})).await;
    let graph = client(&tenant);
    for (code, needed) in [("Directory_QuotaExceeded", false), ("Authorization_RequestDenied", true)] {
        let refusal = json!({ "fail": { "status": 403, "code": code, "message": "no" } });
        tenant.fault(json!({ "methods": ["PATCH"], "times": 1, "action": refusal })).await;
        let GraphError::Api(error) = graph.update_application(&id, &ApplicationPatch::default()).await.unwrap_err()
        else {
            panic!("no answer of Graph's")
        };
        assert_eq!((error.needed.is_some(), error.advice().is_some()), (needed, !needed), "{code}");
    }
}
