//! Log lines as the CLI reads them from standard error: one JSON object each, with the keys of its own logger.

use serde_json::{Map, Value};
use std::fmt;
use std::io::Write;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Longer lines would be split by the CLI and lose their level.
const LONGEST_LINE: usize = 60_000;

/// Starts to log at the level that the CLI was given, and makes panics visible to its user.
pub(super) fn start() {
    std::panic::set_hook(Box::new(|panic| {
        // The CLI shows lines from this prefix on as a crash report, also without any log level set.
        eprintln!("panic: {panic}\n{}", std::backtrace::Backtrace::force_capture());
    }));
    let level = level(|name| std::env::var(name).ok());
    if level == LevelFilter::OFF {
        return;
    }
    // Ours only: what the libraries below log may hold headers, and with them tokens.
    let ours = tracing_subscriber::filter::filter_fn(move |event| {
        (event.target().starts_with("m365") || event.target().starts_with("terraform_provider_m365"))
            && *event.level() <= level
    });
    // A second start in one process, as in tests, keeps the first.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines.with_filter(ours))).ok();
}

/// The provider's own variable, else the one for all providers, else the one for everything. Nothing set: off.
fn level(lookup: impl Fn(&str) -> Option<String>) -> LevelFilter {
    let named = ["TF_LOG_PROVIDER_M365", "TF_LOG_PROVIDER", "TF_LOG"]
        .iter()
        .find_map(|name| lookup(name).filter(|text| !text.is_empty()));
    match named.map(|text| text.to_uppercase()).as_deref() {
        None | Some("OFF") => LevelFilter::OFF,
        Some("ERROR") => LevelFilter::ERROR,
        Some("WARN") => LevelFilter::WARN,
        Some("INFO") => LevelFilter::INFO,
        Some("DEBUG") => LevelFilter::DEBUG,
        // `JSON` is TRACE in JSON; so is whatever the CLI does not know.
        Some(_) => LevelFilter::TRACE,
    }
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = line(event, jiff::Timestamp::now());
        // One write, so that lines of several threads do not mix. There is nobody to tell when it fails.
        std::io::stderr().lock().write_all(line.as_bytes()).ok();
    }
}

fn line(event: &Event<'_>, now: jiff::Timestamp) -> String {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    let message = fields.0.remove("message").unwrap_or_else(|| "event".into());
    object(*event.metadata().level(), &message, fields.0, now)
}

/// The CLI casts `@level` and `@message` to text without a check, and takes `@timestamp` only with six digits of a second.
fn object(level: Level, message: &Value, fields: Map<String, Value>, now: jiff::Timestamp) -> String {
    let mut all = Map::new();
    all.insert("@level".into(), level.as_str().to_lowercase().into());
    let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    all.insert("@message".into(), message.chars().take(LONGEST_LINE / 4).collect::<String>().into());
    all.insert("@module".into(), "m365".into());
    all.insert("@timestamp".into(), format!("{now:.6}").into());
    all.extend(fields.into_iter().filter(|(key, _)| !key.starts_with('@')));
    let mut text = Value::Object(all.clone()).to_string();
    if text.len() > LONGEST_LINE {
        all.retain(|key, _| key.starts_with('@'));
        text = Value::Object(all).to_string();
    }
    text + "\n"
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_keys_of_the_clis_logger() {
        let now = "2026-11-24T10:00:00.123456789Z".parse().unwrap();
        let fields = Map::from_iter([("status".to_owned(), 200.into())]);
        let text = object(Level::DEBUG, &"request".into(), fields, now);
        assert_eq!(
            text,
            "{\"@level\":\"debug\",\"@message\":\"request\",\"@module\":\"m365\",\"@timestamp\":\"2026-11-24T10:00:00.123456Z\",\"status\":200}\n"
        );
    }

    #[test]
    fn a_line_stays_short_enough_to_keep_its_level() {
        let fields = Map::from_iter([("big".to_owned(), "x".repeat(100_000).into())]);
        assert!(object(Level::INFO, &"m".into(), fields, jiff::Timestamp::UNIX_EPOCH).len() < LONGEST_LINE);
    }

    #[test]
    fn the_own_variable_wins() {
        let of = |pairs: &'static [(&str, &str)]| {
            level(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[]), LevelFilter::OFF);
        assert_eq!(of(&[("TF_LOG", "json")]), LevelFilter::TRACE);
        assert_eq!(of(&[("TF_LOG", "trace"), ("TF_LOG_PROVIDER", "warn")]), LevelFilter::WARN);
        assert_eq!(of(&[("TF_LOG_PROVIDER", "warn"), ("TF_LOG_PROVIDER_M365", "off")]), LevelFilter::OFF);
    }
}
