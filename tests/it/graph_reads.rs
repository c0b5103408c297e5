//! Reads that are asked for together: how they go out, and that each gets what it would get alone.

use crate::graph_client::client;
use crate::tenant::{Tenant, list};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use terraform_provider_m365::graph::{Graph, GraphError};

const BATCH: &str = "/graph/v1.0/$batch";

/// So many applications, by object id, that have been there for long.
async fn applications(tenant: &Tenant, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let body = json!({ "displayName": format!("x{number}"), "signInAudience": "AzureADMyOrg" });
        let made = tenant.admin(Method::POST, "/applications", Some(body)).await;
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    tenant.later().await;
    ids
}

/// What came in since the log was cleared: calls, and how often each read was asked for.
async fn log(tenant: &Tenant) -> (Vec<String>, Vec<String>) {
    let (_, log) = tenant.control(Method::GET, "requests", None).await;
    let all = list(&log).into_iter().filter(|one| one["path"].as_str().unwrap().starts_with("/graph/"));
    let (mut calls, mut reads) = (Vec::new(), Vec::new());
    for one in all {
        let text = |name: &str| one[name].as_str().unwrap().split('?').next().unwrap().to_owned();
        if one["batched"] != true {
            calls.push(format!("{} {}", text("method"), text("path")));
        }
        if one["method"] == "GET" {
            reads.push(text("path"));
        }
    }
    reads.sort();
    (calls, reads)
}

async fn names(graph: &Graph, ids: &[String]) -> Vec<Result<String, GraphError>> {
    let one = async |id: &String| Ok(graph.application(id).await?.map(|app| app.display_name).unwrap_or_default());
    join_all(ids.iter().map(one)).await
}

/// Each of `ids` is answered with its own, while `fault` strikes.
async fn answered(fault: Option<Value>, ids: usize) -> (Vec<String>, Vec<String>) {
    let tenant = Tenant::start().await;
    let ids = applications(&tenant, ids).await;
    let graph = client(&tenant);
    graph.token_claims().await.unwrap();
    if let Some(fault) = fault {
        tenant.fault(fault).await;
    }
    tenant.forget_requests().await;
    let found: Vec<_> = names(&graph, &ids).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, (0..ids.len()).map(|number| format!("x{number}")).collect::<Vec<_>>());
    log(&tenant).await
}

fn of(method: &str, path: &str, calls: &[String]) -> usize {
    calls.iter().filter(|call| call.starts_with(&format!("{method} {path}"))).count()
}

#[tokio::test]
async fn reads_asked_for_together_share_calls_of_twenty_and_each_gets_its_own_answer() {
    let (calls, reads) = answered(None, 41).await;
    assert_eq!((of("POST", BATCH, &calls), calls.len(), reads.len()), (2, 3, 41), "{calls:#?}");
}

#[tokio::test]
async fn a_lone_read_goes_out_plainly() {
    let (calls, reads) = answered(None, 1).await;
    assert_eq!((of("POST", BATCH, &calls), calls.len(), reads.len()), (0, 1, 1), "{calls:#?}");
}

#[tokio::test]
async fn the_same_read_asked_for_twice_at_once_is_sent_once_and_later_anew() {
    let tenant = Tenant::start().await;
    let ids = applications(&tenant, 1).await;
    let graph = client(&tenant);
    graph.token_claims().await.unwrap();
    tenant.forget_requests().await;
    let twice = [ids[0].clone(), ids[0].clone()];
    assert!(names(&graph, &twice).await.iter().all(|name| name.as_deref().unwrap() == "x0"));
    assert_eq!(log(&tenant).await.1.len(), 1);
    names(&graph, &ids).await;
    assert_eq!(log(&tenant).await.1.len(), 2);
}

#[tokio::test]
async fn a_read_that_is_refused_fails_alone() {
    let tenant = Tenant::start().await;
    let mut ids = applications(&tenant, 2).await;
    ids.insert(1, "11111111-2222-4333-8444-555555555555".to_owned());
    let path = format!("/graph/v1.0/applications/{}", ids[2]);
    tenant.fault(json!({ "methods": ["GET"], "path": path, "action": { "fail": { "status": 403 } } })).await;
    let found = names(&client(&tenant), &ids).await;
    assert_eq!((found[0].as_deref().unwrap(), found[1].as_deref().unwrap()), ("x0", ""));
    let why = found[2].as_ref().unwrap_err();
    assert!(why.is_forbidden() && why.to_string().starts_with(&format!("GET /applications/{}: 403", ids[2])), "{why}");
}

#[tokio::test]
async fn a_throttled_read_is_repeated_and_the_others_are_not() {
    let throttle = json!({ "throttle": { "retry_after": 0 } });
    let rule =
        json!({ "methods": ["GET"], "path": "/graph/v1.0/applications/*", "skip": 1, "times": 1, "action": throttle });
    let (calls, reads) = answered(Some(rule), 5).await;
    assert_eq!((of("POST", BATCH, &calls), calls.len(), reads.len()), (1, 2, 6), "{calls:#?}");
}

#[tokio::test]
async fn a_batch_that_is_throttled_or_whose_token_is_refused_is_repeated_as_one() {
    for action in [json!({ "throttle": { "retry_after": 0 } }), json!({ "fail": { "status": 401 } })] {
        let rule = json!({ "methods": ["POST"], "path": BATCH, "times": 1, "action": action });
        let (calls, reads) = answered(Some(rule), 5).await;
        assert_eq!((of("POST", BATCH, &calls), calls.len(), reads.len()), (2, 2, 5), "{calls:#?}");
    }
}

#[tokio::test]
async fn what_fails_as_a_whole_for_a_reason_of_its_own_is_asked_for_one_by_one() {
    for action in [
        json!("drop_before_commit"),
        json!("drop_after_commit"),
        json!({ "fail": { "status": 400 } }),
        json!({ "fail": { "status": 404 } }),
        json!({ "fail": { "status": 413 } }),
        json!({ "fail": { "status": 502 } }),
        json!({ "fail": { "status": 200, "body": { "value": [] } } }),
    ] {
        // For ever: what was asked for apart is not put together again.
        let rule = json!({ "methods": ["POST"], "path": BATCH, "action": action });
        let (calls, _) = answered(Some(rule), 3).await;
        assert_eq!((of("POST", BATCH, &calls), of("GET", "/graph/", &calls)), (1, 3), "{action}: {calls:#?}");
    }
}

#[tokio::test]
async fn a_read_that_the_batch_gave_no_answer_to_is_repeated() {
    let nothing = json!({ "fail": { "status": 200, "body": { "responses": [] } } });
    let rule = json!({ "methods": ["POST"], "path": BATCH, "times": 1, "action": nothing });
    answered(Some(rule), 2).await;
}

#[tokio::test]
async fn a_page_within_a_batch_leads_to_the_next_one() {
    let tenant = Tenant::start().await;
    tenant.control(Method::POST, "page_size", Some(json!({ "size": 3 }))).await;
    let ids = applications(&tenant, 2).await;
    for id in &ids {
        for number in 0..7 {
            let name = format!("trust-{number}");
            let body = json!({ "name": name, "issuer": "https://issuer.example", "subject": name, "audiences": ["api://AzureADTokenExchange"] });
            let path = format!("/applications/{id}/federatedIdentityCredentials");
            tenant.admin(Method::POST, &path, Some(body)).await;
        }
    }
    tenant.later().await;
    let graph = client(&tenant);
    let found = join_all(ids.iter().map(|id| graph.federated_credentials(id))).await;
    assert!(found.into_iter().all(|found| found.unwrap().len() == 7));
}
