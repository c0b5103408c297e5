//! `$batch`: several requests in one. Source: Microsoft's documentation of JSON batching.

use super::cloud::Cloud;
use super::lag;
use crate::sandbox::call::{Call, Caller, Reply};
use crate::sandbox::errors::Failure;
use crate::sandbox::odata;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const MOST: usize = 20;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

pub(super) fn run(cloud: &mut Cloud, tenant: &str, caller: &Caller, call: &Call) -> Reply {
    if call.method != Method::POST {
        return Err(Failure::wrong_method());
    }
    let batch: Batch = serde_json::from_value(call.body.clone().unwrap_or_default())
        .map_err(|why| Failure::bad_request(format!("Invalid batch payload format: {why}.")))?;
    if batch.requests.len() > MOST {
        return Err(Failure::bad_request(format!(
            "Number of batch request steps exceeds the maximum value of {MOST}."
        )));
    }
    let ids: BTreeSet<String> = batch.requests.iter().map(|part| part.id.to_lowercase()).collect();
    if ids.len() != batch.requests.len() || ids.contains("") {
        return Err(Failure::bad_request("Request Id values have to be given and unique, regardless of case."));
    }
    let batch_size = batch.requests.len();
    let (mut statuses, mut responses) = (BTreeMap::new(), Vec::new());
    for part in batch.requests {
        let failed =
            part.depends_on.iter().any(|id| statuses.get(&id.to_lowercase()).is_none_or(|status| *status >= 400_u16));
        let now = cloud.world.now();
        let refusal = if failed { None } else { cloud.faults.strike_part(&part.method, &part.url, now) };
        let mut headers = json!({ "Content-Type": "application/json" });
        let committed = match &refusal {
            _ if failed => None,
            Some(refusal) if !refusal.after_commit => None,
            _ => Some(one(cloud, tenant, caller, call, &part)),
        };
        let (status, body) = match (refusal, committed) {
            (Some(refusal), _) => {
                if let Some(wait) = refusal.retry_after {
                    headers["Retry-After"] = wait.into();
                }
                (refusal.status, Some(refusal.body))
            }
            (None, Some(answer)) => answer,
            (None, None) => (StatusCode::FAILED_DEPENDENCY, None),
        };
        cloud.log_part(&part.method, &part.url, status.as_u16());
        statuses.insert(part.id.to_lowercase(), status.as_u16());
        let mut response = json!({ "id": part.id, "status": status.as_u16(), "headers": headers });
        if let Some(body) = body {
            response["body"] = body;
        }
        responses.push(response);
    }
    // In any order, says the documentation; here never in the one that was asked in.
    responses.reverse();
    responses.rotate_left(batch_size / 3);
    Ok((StatusCode::OK, Some(json!({ "responses": responses }))))
}

fn one(cloud: &mut Cloud, tenant: &str, caller: &Caller, batch: &Call, part: &Part) -> (StatusCode, Option<Value>) {
    let has_type = part.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
    let (path, query) = part.url.split_once('?').unwrap_or((&part.url, ""));
    let reply = match part.method.to_uppercase().parse::<Method>() {
        _ if part.body.is_some() && !has_type => {
            Err(Failure::bad_request("A request with a body needs a Content-Type header."))
        }
        _ if part.url.contains("://") => Err(Failure::bad_request("The url of a batched request is relative.")),
        Err(_) => Err(Failure::wrong_method()),
        Ok(method) => {
            let path = format!("/{}", odata::unescape(path.trim_start_matches('/')));
            let header = |name: &str| {
                let found = part.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.and_then(|(_, value)| value.as_str()).unwrap_or_default()
            };
            let call = Call {
                method,
                path,
                query: query.to_owned(),
                body: part.body.clone(),
                prefer: header("prefer").to_owned(),
                eventual: header("consistencylevel").eq_ignore_ascii_case("eventual"),
                page_size: batch.page_size,
                base: batch.base.clone(),
            };
            lag::handle(&mut cloud.lag, &mut cloud.world, tenant, caller, &call)
        }
    };
    reply.unwrap_or_else(|failure| failure.answer(cloud.world.now()))
}
