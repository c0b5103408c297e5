//! How the CLI and a plugin find each other: environment in, one line out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::path::PathBuf;

/// Proves that a CLI is the parent. The same for every provider.
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");
/// The one major version that this provider speaks.
const MAJOR: u32 = 6;

/// What the CLI says in the environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    cookie: Option<String>,
    /// PEM; given means that mTLS is mandatory.
    pub client_certificate: Option<String>,
    /// Where to put the socket.
    pub socket_folder: Option<PathBuf>,
    /// Ports for platforms without sockets.
    #[cfg_attr(unix, expect(dead_code, reason = "Unix has sockets"))]
    pub ports: (u16, u16),
    multiplex: bool,
}

impl Environment {
    pub(super) fn of_process() -> Self {
        Self::from(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let port = |name: &str, default| lookup(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        Self {
            cookie: lookup(COOKIE.0),
            client_certificate: lookup("PLUGIN_CLIENT_CERT"),
            socket_folder: lookup("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            ports: (port("PLUGIN_MIN_PORT", 10_000), port("PLUGIN_MAX_PORT", 25_000)),
            multiplex: lookup("PLUGIN_MULTIPLEX_GRPC").is_some(),
        }
    }

    pub(super) fn has_cookie(&self) -> bool {
        self.cookie.as_deref() == Some(COOKIE.1)
    }
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// `unix` or `tcp`.
    pub network: &'static str,
    /// Absolute path, or host and port.
    pub place: String,
}

/// The line that tells the CLI where to connect. Where the CLI lacks our version we still say it: its message is the best one.
pub(super) fn line(environment: &Environment, address: &Address, certificate: Option<&[u8]>) -> String {
    // Padding would break some CLIs, on some runs only: it depends on the certificate's length.
    let certificate = certificate.map(|der| STANDARD_NO_PAD.encode(der)).unwrap_or_default();
    let multiplex = if environment.multiplex { "|false" } else { "" };
    format!("1|{MAJOR}|{}|{}|grpc|{certificate}{multiplex}", address.network, address.place)
}

/// Value of `TF_REATTACH_PROVIDERS` for both CLIs' default registries.
pub(super) fn reattach(address: &Address, pid: u32) -> String {
    let one = serde_json::json!({
        "Protocol": "grpc", "ProtocolVersion": MAJOR, "Pid": pid, "Test": true,
        "Addr": { "Network": address.network, "String": address.place },
    });
    let hosts = ["registry.terraform.io", "registry.opentofu.org"];
    let all: serde_json::Map<_, _> =
        hosts.iter().map(|host| (format!("{host}/connectors/m365"), one.clone())).collect();
    serde_json::Value::Object(all).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address { network: "unix", place: "/tmp/p/s".into() }
    }

    #[test]
    fn the_line_has_an_unpadded_certificate() {
        let environment = Environment::default();
        assert_eq!(line(&environment, &address(), Some(&[1, 2])), "1|6|unix|/tmp/p/s|grpc|AQI");
        assert_eq!(line(&environment, &address(), None), "1|6|unix|/tmp/p/s|grpc|");
        let multiplexed = Environment { multiplex: true, ..Environment::default() };
        assert_eq!(line(&multiplexed, &address(), None), "1|6|unix|/tmp/p/s|grpc||false");
    }

    #[test]
    fn only_the_right_cookie_counts() {
        let with = |cookie: &'static str| Environment::from(move |name| (name == COOKIE.0).then(|| cookie.to_owned()));
        assert!(with(COOKIE.1).has_cookie());
        assert!(!with("hello").has_cookie());
        assert!(!Environment::from(|_| None).has_cookie());
    }
}
