//! Refusals of the token endpoint. Source: Microsoft's documentation of AADSTS codes.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// One refusal.
pub(in crate::sandbox) struct Refusal {
    status: StatusCode,
    error: &'static str,
    code: u32,
    what: String,
}

impl Refusal {
    pub(super) fn new(error: &'static str, code: u32, what: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, code, what: what.into() }
    }

    /// The client has not shown who it is.
    pub(super) fn invalid_client(code: u32, what: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", code, what) }
    }

    /// Code and text.
    pub(super) fn text(&self) -> String {
        format!("AADSTS{}: {}", self.code, self.what)
    }

    /// As Entra writes it.
    pub(super) fn answer(&self, now: jiff::Timestamp) -> (StatusCode, Option<Value>) {
        let (trace, correlation, time) = (
            uuid::Uuid::new_v4().to_string(),
            uuid::Uuid::new_v4().to_string(),
            now.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        );
        let body = json!({
            "error": self.error,
            "error_description": format!("{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}", self.text()),
            "error_codes": [self.code], "timestamp": time, "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        (self.status, Some(body))
    }
}
