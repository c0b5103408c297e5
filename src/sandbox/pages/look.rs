//! How pages look, and what they are made of. maud escapes every text that is put into them.

use crate::sandbox::errors::Failure;
use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use std::collections::BTreeMap;

/// What a browser gets.
pub(in crate::sandbox) enum Page {
    /// A page.
    Shown(StatusCode, String),
    /// Another address to go to.
    Moved(String),
    /// The style of all pages.
    Style,
}

/// A page, or why there is none.
pub(super) type Outcome = Result<Page, Failure>;
/// What a form says.
pub(super) type Fields = BTreeMap<String, String>;

/// The text of the style.
pub(in crate::sandbox) const STYLE: &str = include_str!("style.css");

/// Reads a form, or a query.
pub(super) fn fields(form: &[u8]) -> Fields {
    url::form_urlencoded::parse(form).into_owned().collect()
}

/// A field of a form; empty where there is none.
pub(super) fn field<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

/// A whole page.
#[expect(clippy::needless_pass_by_value, reason = "markup is made for one page")]
pub(super) fn page(title: &str, content: Markup) -> Page {
    Page::Shown(StatusCode::OK, whole(title, &content).into_string())
}

/// A page that says what does not go.
pub(super) fn refusal(status: StatusCode, why: &str) -> Page {
    let content = html! { h1 { "That does not go" } p role="alert" { (why) } };
    Page::Shown(status, whole("That does not go", &content).into_string())
}

fn whole(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · sandbox" }
                link rel="stylesheet" href="/pages/style.css";
                // Browsers ask for one by themselves otherwise.
                link rel="icon" href="data:,";
            }
            body {
                header {
                    a.skip href="#content" { "Skip to the content" }
                    nav aria-label="Sandbox" {
                        a href="/pages" { "Tenants" }
                        a href="/pages/requests" { "Requests" }
                        a href="/pages/clock" { "Clock" }
                        a href="/pages/faults" { "Faults" }
                    }
                }
                main id="content" { (content) }
                footer { small { "A simulated tenant: nothing here is real." } }
            }
        }
    }
}

/// A button that sends these fields. `of` says to a screen reader what the button is about.
pub(super) fn button(label: &str, of: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        form method="post" {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button { (label) @if !of.is_empty() { span.hidden { " " (of) } } }
        }
    }
}

/// A list of rows, or that there is none.
pub(super) fn rows(all: &[Markup]) -> Markup {
    html! {
        @if all.is_empty() { p { "None." } } @else { ul.rows { @for row in all { li { (row) } } } }
    }
}
