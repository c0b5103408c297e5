//! HTTP as all requests of this client need it: trust roots, answers of bounded size, and what headers say of time.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Response};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// Longest time that a number of another service stands for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Largest answer, unpacked. The largest honest one is a page of 999 objects, or an API with all its permissions: some megabytes.
const LARGEST: usize = 32 * 1024 * 1024;

/// A client for Graph and its login service. `own_machine`: neither proxy nor the machine's trust roots, whose parsing takes a while.
pub(super) fn client(
    own_machine: bool,
    roots: Option<&Path>,
    timeout: Duration,
    user_agent: &str,
) -> Result<Client, String> {
    let builder = Client::builder().timeout(timeout).user_agent(user_agent).redirect(reqwest::redirect::Policy::none());
    let roots = roots.map(certificates).transpose()?;
    let builder = match (own_machine, roots) {
        (true, roots) => builder.no_proxy().tls_certs_only(roots.unwrap_or_default()),
        (false, Some(roots)) => builder.tls_certs_merge(roots),
        (false, None) => builder,
    };
    builder.build().map_err(|why| format!("The HTTP client could not be set up: {}", root_cause(&why)))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let unreadable = |why: String| format!("`ca_certificate_path`: {} is no usable PEM file: {why}", path.display());
    let text = std::fs::read(path).map_err(|why| unreadable(why.to_string()))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|why| unreadable(root_cause(&why)))?;
    if found.is_empty() { Err(unreadable("it holds no certificate".to_owned())) } else { Ok(found) }
}

/// The innermost cause: reqwest's own text is only "error sending request".
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The whole body, unpacked. Fails where it is cut short, or larger than any honest answer.
pub(super) async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|why| root_cause(&why))? {
        if whole.len() + piece.len() > LARGEST {
            return Err(format!("the answer is larger than {} MiB", LARGEST / 1024 / 1024));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// What `Retry-After` asks for, in seconds or as a date; a day at most.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let wait = Duration::try_from(http_date(text)?.duration_since(now)).unwrap_or(Duration::ZERO);
    Some(wait.min(LONGEST))
}

/// The server's time, as its `Date` header tells.
pub(super) fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get("date")?.to_str().ok()?)
}

/// A date as HTTP writes it: `Tue, 24 Nov 2026 12:00:00 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.replace("GMT", "+0000")).ok()
}

/// A number of seconds as services write it: as a number or a text, and of any size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seconds(f64);

impl Seconds {
    /// So long; a day at most.
    pub(super) fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0.clamp(0.0, LONGEST.as_secs_f64()))
    }

    /// From `now` until so many seconds after 1970; a day at most.
    pub(super) fn from(self, now: Timestamp) -> Duration {
        Self(self.0 - now.as_duration().as_secs_f64()).duration()
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        let number = match Either::deserialize(input)? {
            Either::Number(number) => Some(number),
            Either::Text(text) => text.trim().parse().ok(),
        };
        let number = number.filter(|number: &f64| !number.is_nan());
        number.map(Self).ok_or_else(|| serde::de::Error::custom("no number of seconds"))
    }
}

/// Text inside an OData key or filter: quotes doubled, then percent-encoded for the URL.
pub(super) fn quoted(text: &str) -> String {
    escaped(&text.replace('\'', "''"))
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        headers
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date_of_any_size() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let read = |text: &str| retry_after(&header(text), now);
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Tue, 24 Nov 2026 12:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Tue, 24 Nov 2026 11:00:00 GMT"), Some(Duration::ZERO));
        for endless in ["18446744073709551615", "99999999999999999999999", "Fri, 24 Nov 2090 12:00:00 GMT"] {
            assert_eq!(read(endless), Some(LONGEST), "{endless}");
        }
        assert_eq!((read("soon"), read("-1"), read("")), (None, None, None));
    }

    #[test]
    fn seconds_are_numbers_or_texts_of_any_size() {
        let read = |text: &str| serde_json::from_str::<Seconds>(text).map(Seconds::duration).ok();
        assert_eq!(read("3599"), Some(Duration::from_secs(3599)));
        assert_eq!(read("\"3599\""), Some(Duration::from_secs(3599)));
        assert_eq!((read("18446744073709551615"), read("1e300")), (Some(LONGEST), Some(LONGEST)));
        assert_eq!((read("-5"), read("\"-5\"")), (Some(Duration::ZERO), Some(Duration::ZERO)));
        assert_eq!((read("\"nan\""), read("\"soon\""), read("null")), (None, None, None));
    }

    #[test]
    fn keys_are_quoted_for_odata_and_the_url() {
        assert_eq!(quoted("a'b c/d"), "a%27%27b%20c%2Fd");
    }
}
