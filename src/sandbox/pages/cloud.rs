//! What concerns the simulated cloud as a whole: what clients asked, the clock, and faults on order. The forms say what the control
//! endpoint takes as JSON.

use super::look::{Fields, Outcome, Page, button, field, page, rows};
use crate::sandbox::control;
use crate::sandbox::errors::Failure;
use crate::sandbox::server::cloud::Cloud;
use axum::body::Bytes;
use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};

/// Requests on the page, the newest first.
const MOST: usize = 500;
/// What can be ordered by hand: name, what it is called, and what the control endpoint takes.
const FAULTS: &[(&str, &str, &str)] = &[
    ("throttle", "Throttle (429)", r#"{"throttle": {"retry_after": 2}}"#),
    ("unavailable", "Unavailable (503)", r#"{"fail": {"status": 503}}"#),
    ("done_504", "Time out (504) after it was done", r#"{"fail": {"status": 504, "after_commit": true}}"#),
    ("conflict", "Conflict (409)", r#""conflict""#),
    ("denied", "Forbidden (403)", r#"{"fail": {"status": 403, "code": "Authorization_RequestDenied"}}"#),
    ("drop", "Cut the connection before it is done", r#""drop_before_commit""#),
    ("drop_after", "Cut the connection after it is done", r#""drop_after_commit""#),
    ("slow", "Delay by three seconds", r#"{"delay": {"milliseconds": 3000}}"#),
];

/// The log.
pub(super) fn requests(cloud: &Cloud) -> Outcome {
    let line = |one: &Value| {
        let of = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let status = one["status"].as_u64();
        html! {
            span.what { strong { (of("method")) } " " code { (of("path")) } }
            @match status {
                Some(status) => span.good[status < 400].bad[status >= 400] { (status) },
                None => span.bad { "cut off" },
            }
        }
    };
    let all: Vec<Markup> = cloud.requests.iter().rev().take(MOST).map(line).collect();
    Ok(page(
        "Requests",
        html! {
            h1 { "Requests" }
            p { (cloud.requests.len()) " since the log was cleared, the newest first. " a href="/pages/requests" { "Look again" } }
            (button("Clear the log", "", &[("do", "clear")]))
            (rows(&all))
        },
    ))
}

/// The clock.
pub(super) fn clock(cloud: &Cloud) -> Outcome {
    let advance = |label, span| button(label, "", &[("do", "advance"), ("by", span)]);
    Ok(page(
        "Clock",
        html! {
            h1 { "Clock" }
            p { "Here it is " strong { (cloud.world.now()) } "." }
            p { (advance("One hour on", "PT1H")) " " (advance("One day on", "P1D")) " " (advance("30 days on", "P30D")) " " (advance("One year on", "P1Y")) }
            form method="post" {
                input type="hidden" name="do" value="set";
                label { "Date and time in UTC" input name="now" required value=(cloud.world.now()); }
                button { "Set the clock" }
            }
        },
    ))
}

/// The rules of faults.
pub(super) fn faults(cloud: &mut Cloud) -> Outcome {
    let (_, listed) = cloud.faults.control(&Method::GET, "", &Bytes::new())?;
    let listed = listed.unwrap_or_default();
    let line = |one: &Value| {
        let (id, path) = (one["id"].to_string(), one["path"].as_str().unwrap_or("*").to_owned());
        html! {
            span.what {
                code { (one["action"]) }
                small { "on " (path) " · struck " (one["struck"]) " of " (one["matched"]) " · held " (one["held"]) }
            }
            (button("Release", &format!("what fault {id} holds"), &[("do", "release"), ("id", &id)]))
            (button("Remove", &format!("fault {id}"), &[("do", "remove"), ("id", &id)]))
        }
    };
    let all: Vec<Markup> = listed["value"].as_array().into_iter().flatten().map(line).collect();
    Ok(page(
        "Faults",
        html! {
            h1 { "Faults" }
            (rows(&all))
            h2 { "Order one" }
            form method="post" {
                input type="hidden" name="do" value="order";
                label { "What happens" select name="action" { @for (name, label, _) in FAULTS { option value=(name) { (label) } } } }
                label { "Method" select name="method" { option value="" { "any" } @for name in ["GET", "POST", "PATCH", "DELETE"] { option { (name) } } } }
                label { "Path, * for any text" input name="path" value="/graph/*" required; }
                label { "How often" input name="times" type="number" min="1" value="1" required; }
                button { "Order" }
            }
        },
    ))
}

/// What the buttons do.
pub(super) fn change(cloud: &mut Cloud, base: &str, part: &str, form: &Fields) -> Outcome {
    let of = |name: &str| field(form, name);
    let none = Value::Null;
    let id = of("id");
    let (method, path, body) = match (part, of("do")) {
        ("requests", "clear") => (Method::DELETE, "requests".to_owned(), none),
        ("clock", "advance") => (Method::POST, "clock".to_owned(), json!({ "advance": of("by") })),
        ("clock", "set") => (Method::POST, "clock".to_owned(), json!({ "now": of("now").trim() })),
        ("faults", "order") => (Method::POST, "faults".to_owned(), order(form)?),
        ("faults", "release") => (Method::POST, format!("faults/{id}/release"), none),
        ("faults", "remove") => (Method::DELETE, format!("faults/{id}"), none),
        _ => return Err(Failure::bad_request("There is no such button.")),
    };
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let (status, answer) = control::answer(cloud, base, &method, &path, &body);
    if status.is_success() {
        return Ok(Page::Moved(format!("/pages/{part}")));
    }
    let why = answer.as_ref().and_then(|answer| answer["error"]["message"].as_str()).unwrap_or_default();
    Ok(super::look::refusal(status, why))
}

fn order(form: &Fields) -> Result<Value, Failure> {
    let chosen = FAULTS.iter().find(|(name, ..)| *name == field(form, "action"));
    let action = chosen.and_then(|(_, _, action)| serde_json::from_str::<Value>(action).ok());
    let action = action.ok_or_else(|| Failure::bad_request("There is no such fault."))?;
    let times: u64 =
        field(form, "times").parse().map_err(|_| Failure::bad_request("How often is a whole number from 1 on."))?;
    let methods: Vec<&str> = Some(field(form, "method")).into_iter().filter(|method| !method.is_empty()).collect();
    Ok(json!({ "action": action, "path": field(form, "path"), "times": times, "methods": methods }))
}
