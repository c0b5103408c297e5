//! A sandbox for one test, and raw HTTP to it: what the tests see of a tenant never passes through the provider's own client.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use terraform_provider_m365::sandbox::{Connection, Sandbox};

pub struct Tenant {
    sandbox: Sandbox,
    http: reqwest::Client,
}

impl Tenant {
    pub async fn start() -> Self {
        let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        Self { sandbox, http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap() }
    }

    pub fn connection(&self) -> &Connection {
        self.sandbox.connection()
    }

    /// Base URL of the whole.
    pub fn url(&self) -> String {
        self.connection().graph.trim_end_matches("/graph").to_owned()
    }

    async fn send(&self, method: Method, url: String, token: Option<&str>, body: Option<Value>) -> (StatusCode, Value) {
        self.send_preferring(None, method, url, token, body).await
    }

    async fn send_preferring(
        &self,
        prefer: Option<&str>,
        method: Method,
        url: String,
        token: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, url);
        if let Some(prefer) = prefer {
            request = request.header("Prefer", prefer);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let bytes = answer.bytes().await.unwrap();
        (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
    }

    /// A request to Graph as the development identity.
    pub async fn graph(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let token = self.token().await;
        self.send(method, format!("{}/v1.0{path}", self.connection().graph), Some(&token), body).await
    }

    /// The same with the header `Prefer`.
    pub async fn graph_preferring(
        &self,
        prefer: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let (token, url) = (self.token().await, format!("{}/v1.0{path}", self.connection().graph));
        self.send_preferring(Some(prefer), method, url, Some(&token), body).await
    }

    /// A read of Graph as the development identity from the index that counts and searches.
    pub async fn graph_eventually(&self, path: &str) -> (StatusCode, Value) {
        let (token, url) = (self.token().await, format!("{}/v1.0{path}", self.connection().graph));
        let request = self.http.get(url).bearer_auth(token).header("ConsistencyLevel", "eventual");
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// The same with any token.
    pub async fn graph_with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        self.send(method, format!("{}/v1.0{path}", self.connection().graph), Some(token), body).await
    }

    /// A request behind everybody's back.
    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.in_tenant(&self.connection().tenant_id, method, path, body).await
    }

    /// The same in any tenant.
    pub async fn in_tenant(&self, tenant: &str, method: Method, path: &str, body: Option<Value>) -> Value {
        self.at(method, &format!("{}/tenants/{tenant}/v1.0{path}", self.connection().control), body).await
    }

    /// The header `Date` of an answer.
    pub async fn date(&self) -> String {
        let answer = self.http.get(format!("{}/clock", self.connection().control)).send().await.unwrap();
        answer.headers()["date"].to_str().unwrap().to_owned()
    }

    /// The same at any address.
    pub async fn at(&self, method: Method, url: &str, body: Option<Value>) -> Value {
        let (status, body) = self.send(method, url.to_owned(), None, body).await;
        assert!(status.is_success(), "{url}: {status} {body}");
        body
    }

    /// The status of a request at any address.
    pub async fn status(&self, method: Method, url: &str, body: Option<Value>) -> StatusCode {
        self.send(method, url.to_owned(), None, body).await.0
    }

    pub async fn control(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.send(method, format!("{}/{path}", self.connection().control), None, body).await
    }

    /// Adds a rule of the sandbox's faults, and gives its id.
    pub async fn fault(&self, rule: Value) -> u64 {
        let (status, body) = self.control(Method::POST, "faults", Some(rule)).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_u64().unwrap()
    }

    /// The rules with what they did.
    pub async fn faults(&self) -> Vec<Value> {
        list(&self.control(Method::GET, "faults", None).await.1)
    }

    /// Lets so much time pass that what was written before has certainly been replicated.
    pub async fn later(&self) {
        self.control(Method::POST, "clock", Some(json!({ "advance": "PT5M" }))).await;
    }

    /// Waits until a rule holds a request, a minute at most.
    pub async fn until_held(&self, rule: u64) {
        let held = async {
            while !self.faults().await.iter().any(|one| one["id"] == rule && one["held"] == 1) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), held).await.expect("nothing was held");
    }

    /// Sends a form, as to the token endpoint.
    pub async fn form(&self, url: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = self.http.post(url).form(fields).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// A request without a body.
    pub async fn request(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let request =
            headers.iter().fold(self.http.request(method, url), |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    pub async fn sign_in(&self, secret: &str) -> (StatusCode, Value) {
        self.sign_in_as(&self.connection().client_id, secret).await
    }

    /// The answer of the token endpoint to a client secret.
    pub async fn sign_in_as(&self, client_id: &str, secret: &str) -> (StatusCode, Value) {
        let connection = self.connection();
        let scope = format!("{}/.default", connection.graph);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret),
            ("scope", &scope),
        ];
        self.form(&format!("{}/{}/oauth2/v2.0/token", connection.login, connection.tenant_id), &form).await
    }

    pub async fn token(&self) -> String {
        let (status, body) = self.sign_in(&self.connection().client_secret).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// The token of a new identity with just these roles.
    pub async fn token_with(&self, roles: &[&str]) -> String {
        let path = format!("tenants/{}/callers", self.connection().tenant_id);
        let (_, made) = self.control(Method::POST, &path, Some(json!({ "roles": roles }))).await;
        let field = |name: &str| made[name].as_str().unwrap().to_owned();
        let (_, body) = self.sign_in_as(&field("client_id"), &field("client_secret")).await;
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Applications that were made since the start.
    pub async fn applications(&self) -> Vec<Value> {
        let all = self.admin(Method::GET, "/applications", None).await;
        list(&all).into_iter().filter(|app| app["displayName"] != "Sandbox operator").collect()
    }

    pub async fn principal_of(&self, app_id: &str) -> Option<Value> {
        let all = self.admin(Method::GET, &format!("/servicePrincipals?$filter=appId%20eq%20'{app_id}'"), None).await;
        list(&all).into_iter().next()
    }

    /// Object id of the principal of Microsoft Graph.
    pub async fn microsoft_graph(&self) -> String {
        self.principal_of("00000003-0000-0000-c000-000000000000").await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Ids of the application permissions that are granted to a principal.
    pub async fn granted(&self, principal: &str) -> BTreeSet<String> {
        let all = self.admin(Method::GET, &format!("/servicePrincipals/{principal}/appRoleAssignments"), None).await;
        list(&all).iter().map(|one| one["appRoleId"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn grant(&self, principal: &str, role: &str) {
        let resource = self.microsoft_graph().await;
        let body = json!({ "principalId": principal, "resourceId": resource, "appRoleId": role });
        self.admin(Method::POST, &format!("/servicePrincipals/{principal}/appRoleAssignments"), Some(body)).await;
    }

    /// Grants a scope of Microsoft Graph for everybody, merged with what is there.
    pub async fn grant_scope(&self, principal: &str, scope: &str) {
        let resource = self.microsoft_graph().await;
        let filter = format!(
            "/oauth2PermissionGrants?$filter=clientId%20eq%20'{principal}'%20and%20resourceId%20eq%20'{resource}'"
        );
        match list(&self.admin(Method::GET, &filter, None).await).first() {
            Some(grant) => {
                let scopes = format!("{} {scope}", grant["scope"].as_str().unwrap());
                let path = format!("/oauth2PermissionGrants/{}", grant["id"].as_str().unwrap());
                self.admin(Method::PATCH, &path, Some(json!({ "scope": scopes }))).await;
            }
            None => {
                let grant = json!({ "clientId": principal, "consentType": "AllPrincipals", "resourceId": resource, "scope": scope });
                self.admin(Method::POST, "/oauth2PermissionGrants", Some(grant)).await;
            }
        }
    }

    pub async fn revoke(&self, principal: &str, role: &str) {
        let all = self.admin(Method::GET, &format!("/servicePrincipals/{principal}/appRoleAssignments"), None).await;
        let one = list(&all).into_iter().find(|one| one["appRoleId"] == role).unwrap();
        self.admin(
            Method::DELETE,
            &format!("/servicePrincipals/{principal}/appRoleAssignments/{}", one["id"].as_str().unwrap()),
            None,
        )
        .await;
    }

    /// Requests that wrote, as `METHOD path`, since the log was cleared.
    pub async fn writes(&self) -> Vec<String> {
        let (_, log) = self.control(Method::GET, "requests", None).await;
        let writes = list(&log)
            .into_iter()
            .filter(|one| one["method"] != "GET" && one["path"].as_str().unwrap().starts_with("/graph/"))
            // What is within a batch is in the log by itself.
            .filter(|one| one["path"] != "/graph/v1.0/$batch");
        writes.map(|one| format!("{} {}", one["method"].as_str().unwrap(), one["path"].as_str().unwrap())).collect()
    }

    pub async fn forget_requests(&self) {
        self.control(Method::DELETE, "requests", None).await;
    }
}

/// The answers of a batch in the order of their ids, since they come in any.
pub fn answers(batch: &Value) -> Vec<Value> {
    let mut all = batch["responses"].as_array().unwrap().clone();
    all.sort_by_key(|one| one["id"].as_str().unwrap().to_owned());
    all
}

/// The elements of a collection.
pub fn list(body: &Value) -> Vec<Value> {
    body["value"].as_array().unwrap().clone()
}
