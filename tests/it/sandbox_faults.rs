//! The sandbox's faults, seen by a client that reads bytes from the socket.

use crate::tenant::{Tenant, answers, list};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What came back before the connection ended, orderly or not.
struct Raw {
    text: String,
}

impl Raw {
    fn status(&self) -> &str {
        self.text.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }
}

/// One request over a connection of its own, which the server is asked to close.
async fn open(tenant: &Tenant, method: &str, path: &str, body: Option<Value>) -> TcpStream {
    let token = tenant.token().await;
    let address = tenant.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    stream
}

async fn finish(mut stream: TcpStream) -> Raw {
    let mut bytes = Vec::new();
    // An error is one way to end: what counts is what came before it.
    timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await.expect("the connection stays open").ok();
    Raw { text: String::from_utf8(bytes).unwrap() }
}

async fn raw(tenant: &Tenant, method: &str, path: &str, body: Option<Value>) -> Raw {
    finish(open(tenant, method, path, body).await).await
}

const APPLICATIONS: &str = "/graph/v1.0/applications";

fn application(name: &str) -> Option<Value> {
    Some(json!({ "displayName": name, "signInAudience": "AzureADMyOrg" }))
}

/// A rule for the next POST to applications.
async fn next_create(tenant: &Tenant, action: Value) -> u64 {
    tenant.fault(json!({ "methods": ["POST"], "path": APPLICATIONS, "times": 1, "action": action })).await
}

#[tokio::test]
async fn a_connection_is_dropped_before_the_write_without_any_answer() {
    let tenant = Tenant::start().await;
    next_create(&tenant, json!("drop_before_commit")).await;
    let answer = raw(&tenant, "POST", APPLICATIONS, application("Lost")).await;
    assert_eq!(answer.text, "");
    assert!(tenant.applications().await.is_empty(), "the write was done");
    assert_eq!(tenant.writes().await, ["POST /graph/v1.0/applications"]);
    assert_eq!(raw(&tenant, "POST", APPLICATIONS, application("Made")).await.status(), "201");
}

#[tokio::test]
async fn a_connection_is_dropped_after_the_write_without_any_answer() {
    let tenant = Tenant::start().await;
    next_create(&tenant, json!("drop_after_commit")).await;
    let answer = raw(&tenant, "POST", APPLICATIONS, application("Made")).await;
    assert_eq!(answer.text, "");
    let made = tenant.applications().await;
    assert!(made.len() == 1 && made[0]["displayName"] == "Made", "{made:?}");
    assert_eq!(raw(&tenant, "GET", APPLICATIONS, None).await.status(), "200");
}

#[tokio::test]
async fn a_client_library_sees_a_dropped_connection_as_an_error_and_not_as_an_answer() {
    let tenant = Tenant::start().await;
    tenant.fault(json!({ "path": "/login/*", "times": 1, "action": "drop_after_commit" })).await;
    let url = format!("{}/{}/oauth2/v2.0/token", tenant.connection().login, tenant.connection().tenant_id);
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    assert!(http.post(&url).body("grant_type=x").send().await.unwrap_err().is_request());
    assert_eq!(http.post(&url).body("grant_type=x").send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn throttling_says_when_to_come_back_in_seconds_as_a_date_or_not_at_all() {
    let tenant = Tenant::start().await;
    tenant.control(Method::POST, "clock", Some(json!({ "now": "2026-03-01T12:00:00Z" }))).await;
    for action in [json!({ "throttle": {} }), json!({ "throttle": { "retry_after": 7 } })] {
        next_create(&tenant, action).await;
    }
    next_create(&tenant, json!({ "throttle": { "retry_after": 3600, "as_date": true } })).await;
    let plain = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    assert_eq!((plain.status(), plain.header("retry-after")), ("429", None));
    assert_eq!(plain.json()["error"]["code"], "TooManyRequests");
    let seconds = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    assert_eq!((seconds.status(), seconds.header("retry-after")), ("429", Some("7")));
    let date = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    let at = date.header("retry-after").unwrap();
    assert!(at.starts_with("Sun, 01 Mar 2026 13:0") && at.ends_with(" GMT"), "{at}");
    assert!(tenant.applications().await.is_empty());
    assert_eq!(raw(&tenant, "POST", APPLICATIONS, application("A")).await.status(), "201");
}

#[tokio::test]
async fn a_request_fails_with_the_status_the_code_and_the_body_that_were_ordered() {
    let tenant = Tenant::start().await;
    let fail =
        json!({ "fail": { "status": 503, "code": "serviceNotAvailable", "message": "Later.", "retry_after": 1 } });
    next_create(&tenant, fail).await;
    next_create(&tenant, json!("conflict")).await;
    next_create(&tenant, json!({ "fail": { "status": 500, "body": { "odd": true } } })).await;
    let refused = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    assert_eq!((refused.status(), refused.header("retry-after")), ("503", Some("1")));
    let error = refused.json()["error"].clone();
    assert_eq!((&error["code"], &error["message"]), (&json!("serviceNotAvailable"), &json!("Later.")));
    assert_eq!(raw(&tenant, "POST", APPLICATIONS, application("A")).await.status(), "409");
    let odd = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    assert_eq!((odd.status(), odd.json()), ("500", json!({ "odd": true })));
    assert!(tenant.applications().await.is_empty());
}

#[tokio::test]
async fn the_login_fails_in_its_own_words() {
    let tenant = Tenant::start().await;
    tenant.fault(json!({ "path": "/login/*", "times": 1, "action": { "fail": { "status": 503, "code": "temporarily_unavailable" } } })).await;
    let (status, body) = tenant.sign_in(&tenant.connection().client_secret).await;
    assert_eq!((status.as_u16(), &body["error"]), (503, &json!("temporarily_unavailable")));
    assert!(body["error_description"].is_string());
    assert_eq!(tenant.sign_in(&tenant.connection().client_secret).await.0, 200);
}

#[tokio::test]
async fn a_rule_skips_counts_repeats_and_ends() {
    let tenant = Tenant::start().await;
    tenant
        .fault(json!({ "methods": ["get"], "path": "/graph/*", "skip": 1, "every": 2, "times": 2, "action": { "throttle": {} } }))
        .await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(tenant.graph(Method::GET, "/organization", None).await.0.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429, 200, 200]);
    let rule = tenant.faults().await.remove(0);
    assert_eq!((&rule["matched"], &rule["struck"], &rule["times"]), (&json!(7), &json!(2), &json!(2)));
    assert_eq!(tenant.graph(Method::POST, "/applications", application("A")).await.0, 201);
}

#[tokio::test]
async fn a_pattern_leaves_the_query_aside_unless_it_has_one() {
    let tenant = Tenant::start().await;
    let conflict = |path: &str| json!({ "path": path, "action": "conflict" });
    tenant.fault(conflict("/graph/v1.0/organization")).await;
    assert_eq!(tenant.graph(Method::GET, "/organization?$select=id", None).await.0, 409);
    tenant.control(Method::DELETE, "faults", None).await;
    tenant.fault(conflict("/graph/v1.0/organization?$select=id*")).await;
    assert_eq!(tenant.graph(Method::GET, "/organization?$select=id", None).await.0, 409);
    assert_eq!(tenant.graph(Method::GET, "/organization", None).await.0, 200);
}

#[tokio::test]
async fn rules_are_taken_away_and_nonsense_is_refused() {
    let tenant = Tenant::start().await;
    let rule = tenant.fault(json!({ "action": "conflict" })).await;
    assert_eq!(tenant.sign_in("any").await.0, 409);
    assert_eq!(tenant.control(Method::DELETE, &format!("faults/{rule}"), None).await.0, 204);
    assert_eq!(tenant.control(Method::DELETE, &format!("faults/{rule}"), None).await.0, 404);
    assert_eq!(tenant.graph(Method::GET, "/organization", None).await.0, 200);
    for nonsense in [
        json!({}),
        json!({ "action": "explode" }),
        json!({ "action": "conflict", "evry": 2 }),
        json!({ "action": "conflict", "every": 0 }),
        json!({ "action": { "fail": { "status": 200 } } }),
        json!({ "action": { "delay": { "milliseconds": 3_600_000 } } }),
        json!({ "action": { "throttle": { "after": 1 } } }),
    ] {
        assert_eq!(tenant.control(Method::POST, "faults", Some(nonsense.clone())).await.0, 400, "{nonsense}");
    }
    assert!(tenant.faults().await.is_empty());
}

#[tokio::test]
async fn a_delayed_request_is_carried_out_later() {
    let tenant = Tenant::start().await;
    next_create(&tenant, json!({ "delay": { "milliseconds": 300 } })).await;
    let stream = open(&tenant, "POST", APPLICATIONS, application("Late")).await;
    let started = Instant::now();
    assert!(tenant.applications().await.is_empty());
    assert_eq!(finish(stream).await.status(), "201");
    assert!(started.elapsed() >= Duration::from_millis(250), "{:?}", started.elapsed());
    assert_eq!(tenant.applications().await.len(), 1);
}

#[tokio::test]
async fn a_held_request_waits_for_its_release() {
    let tenant = Tenant::start().await;
    let before = next_create(&tenant, json!({ "hold": {} })).await;
    let stream = open(&tenant, "POST", APPLICATIONS, application("Held")).await;
    tenant.until_held(before).await;
    assert!(tenant.applications().await.is_empty(), "it was carried out");
    tenant.control(Method::POST, &format!("faults/{before}/release"), None).await;
    assert_eq!(finish(stream).await.status(), "201");
    let after = next_create(&tenant, json!({ "hold": { "after_commit": true } })).await;
    let stream = open(&tenant, "POST", APPLICATIONS, application("Held too")).await;
    tenant.until_held(after).await;
    assert_eq!(tenant.applications().await.len(), 2, "it was not carried out");
    tenant.control(Method::DELETE, "faults", None).await;
    assert_eq!(finish(stream).await.status(), "201");
}

#[tokio::test]
async fn a_held_request_whose_client_goes_away_is_never_carried_out() {
    let tenant = Tenant::start().await;
    let rule = next_create(&tenant, json!({ "hold": {} })).await;
    let stream = open(&tenant, "POST", APPLICATIONS, application("Gone")).await;
    tenant.until_held(rule).await;
    drop(stream);
    let gone = async {
        while tenant.faults().await[0]["held"] != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), gone).await.unwrap();
    tenant.control(Method::DELETE, "faults", None).await;
    assert!(tenant.applications().await.is_empty());
}

#[tokio::test]
async fn a_malformed_answer_is_no_json_or_ends_before_its_length() {
    let tenant = Tenant::start().await;
    next_create(&tenant, json!({ "malformed": {} })).await;
    let broken = raw(&tenant, "POST", APPLICATIONS, application("One")).await;
    assert_eq!(broken.status(), "201");
    assert_eq!(broken.header("content-length"), Some(broken.body().len().to_string().as_str()));
    assert!(serde_json::from_str::<Value>(broken.body()).is_err(), "{}", broken.text);
    next_create(&tenant, json!({ "malformed": { "truncated": true } })).await;
    let cut = raw(&tenant, "POST", APPLICATIONS, application("Two")).await;
    let announced: usize = cut.header("content-length").unwrap().parse().unwrap();
    assert!(cut.status() == "201" && announced > cut.body().len(), "{}", cut.text);
    assert_eq!(tenant.applications().await.len(), 2, "both were carried out");
}

#[tokio::test]
async fn a_slow_answer_trickles() {
    let tenant = Tenant::start().await;
    next_create(&tenant, json!({ "slow": { "milliseconds": 40 } })).await;
    let mut stream = open(&tenant, "POST", APPLICATIONS, application("Slow")).await;
    let (mut pieces, mut text, mut buffer) = (0, String::new(), [0_u8; 4096]);
    loop {
        let read = timeout(Duration::from_secs(30), stream.read(&mut buffer)).await.unwrap().unwrap();
        if read == 0 {
            break;
        }
        pieces += 1;
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(pieces >= 5, "{pieces} pieces");
    assert!(text.starts_with("HTTP/1.1 201") && text.contains("Slow"), "{text}");
}

#[tokio::test]
async fn a_part_of_a_batch_is_struck_by_itself_and_its_connection_is_the_batch_s() {
    let tenant = Tenant::start().await;
    let part = |id: &str, name: &str| json!({ "id": id, "method": "POST", "url": "/applications", "headers": { "Content-Type": "application/json" }, "body": application(name) });
    let batch = || Some(json!({ "requests": [part("1", "A"), part("2", "B"), part("3", "C")] }));
    tenant
        .fault(json!({ "methods": ["POST"], "path": APPLICATIONS, "skip": 1, "times": 1, "action": { "throttle": { "retry_after": 2 } } }))
        .await;
    let answer = raw(&tenant, "POST", "/graph/v1.0/$batch", batch()).await;
    assert_eq!(answer.status(), "200");
    let responses = answers(&answer.json());
    let statuses: Vec<_> = responses.iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 429, 201]);
    assert_eq!(responses[1]["headers"]["Retry-After"], "2");
    assert_eq!(responses[1]["body"]["error"]["code"], "TooManyRequests");
    assert_eq!(tenant.applications().await.len(), 2);

    tenant.control(Method::DELETE, "faults", None).await;
    next_create(&tenant, json!("drop_before_commit")).await;
    assert_eq!(raw(&tenant, "POST", "/graph/v1.0/$batch", batch()).await.text, "");
    assert_eq!(tenant.applications().await.len(), 2);
    next_create(&tenant, json!("drop_after_commit")).await;
    assert_eq!(raw(&tenant, "POST", "/graph/v1.0/$batch", batch()).await.text, "");
    assert_eq!(tenant.applications().await.len(), 5);
}

#[tokio::test]
async fn a_rule_for_writes_leaves_a_batch_of_reads_alone_unless_it_names_batches() {
    let tenant = Tenant::start().await;
    let batch = || Some(json!({ "requests": [{ "id": "1", "method": "GET", "url": "/applications" }] }));
    let refuse =
        |path: &str| json!({ "methods": ["POST"], "path": path, "times": 1, "action": { "fail": { "status": 503 } } });
    tenant.fault(refuse("/graph/*")).await;
    assert_eq!(raw(&tenant, "POST", "/graph/v1.0/$batch", batch()).await.status(), "200");
    assert_eq!(tenant.faults().await[0]["matched"], 0);
    tenant.fault(refuse("/graph/v1.0/$batch")).await;
    assert_eq!(raw(&tenant, "POST", "/graph/v1.0/$batch", batch()).await.status(), "503");
}

#[tokio::test]
async fn a_request_fails_after_what_it_asked_for_was_done() {
    let tenant = Tenant::start().await;
    for status in [500, 502, 503, 504] {
        next_create(&tenant, json!({ "fail": { "status": status, "after_commit": true } })).await;
        let answer = raw(&tenant, "POST", APPLICATIONS, application(&format!("of {status}"))).await;
        assert_eq!(answer.status(), status.to_string());
    }
    assert_eq!(tenant.applications().await.len(), 4);
    let part = json!({ "id": "1", "method": "POST", "url": "/applications", "headers": { "Content-Type": "application/json" }, "body": application("batched") });
    next_create(&tenant, json!({ "fail": { "status": 503, "after_commit": true, "retry_after": 3 } })).await;
    let answer = raw(&tenant, "POST", "/graph/v1.0/$batch", Some(json!({ "requests": [part] }))).await;
    let one = &answers(&answer.json())[0];
    assert_eq!((&one["status"], &one["headers"]["Retry-After"]), (&json!(503), &json!("3")));
    assert_eq!(tenant.applications().await.len(), 5);
}

#[tokio::test]
async fn a_rule_may_give_any_answer_and_any_time_to_wait() {
    let tenant = Tenant::start().await;
    next_create(&tenant, json!({ "fail": { "status": 200, "body": { "value": "odd" } } })).await;
    let odd = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    assert_eq!((odd.status(), odd.json()["value"].as_str()), ("200", Some("odd")));
    let wait = json!({ "throttle": { "retry_after": u64::MAX } });
    next_create(&tenant, wait).await;
    let answer = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    assert_eq!(answer.header("retry-after"), Some(&*u64::MAX.to_string()));
    next_create(&tenant, json!({ "throttle": { "retry_after": u64::MAX, "as_date": true } })).await;
    let answer = raw(&tenant, "POST", APPLICATIONS, application("A")).await;
    assert!(answer.header("retry-after").unwrap().contains(" 9999 "), "{}", answer.text);
    let status =
        tenant.control(Method::POST, "faults", Some(json!({ "action": { "fail": { "status": 200 } } }))).await.0;
    assert_eq!(status, 400, "without a body that would be no answer");
}

#[tokio::test]
async fn the_control_endpoint_itself_never_fails_on_order() {
    let tenant = Tenant::start().await;
    tenant.fault(json!({ "action": { "fail": { "status": 500 } } })).await;
    assert!(
        list(&tenant.admin(Method::GET, "/applications", None).await)
            .iter()
            .any(|app| app["displayName"] == "Sandbox operator")
    );
    assert_eq!(tenant.control(Method::DELETE, "faults", None).await.0, 204);
    assert_eq!(tenant.graph(Method::GET, "/organization", None).await.0, 200);
}
