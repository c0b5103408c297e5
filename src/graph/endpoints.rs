//! Where a cloud's login service and Graph are. Source: Microsoft's documentation of national clouds.

/// Base URLs without version path and without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Authority, such as `https://login.microsoftonline.com`.
    pub login: String,
    /// Such as `https://graph.microsoft.com`.
    pub graph: String,
}

/// A URL that cannot be a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{url}\" {why}")]
pub struct EndpointError {
    url: String,
    why: &'static str,
}

impl Endpoints {
    fn of(login: &str, graph: &str) -> Self {
        Self { login: login.to_owned(), graph: graph.to_owned() }
    }

    /// The worldwide cloud.
    pub fn public() -> Self {
        Self::of("https://login.microsoftonline.com", "https://graph.microsoft.com")
    }

    /// US Government L4.
    pub fn usgovernment() -> Self {
        Self::of("https://login.microsoftonline.us", "https://graph.microsoft.us")
    }

    /// US Government L5.
    pub fn usgovernmentdod() -> Self {
        Self::of("https://login.microsoftonline.us", "https://dod-graph.microsoft.us")
    }

    /// 21Vianet.
    pub fn china() -> Self {
        Self::of("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn")
    }

    /// Whether both are absolute URLs to which credentials may be sent: `https`, or `http` to a loopback address.
    pub fn check(&self) -> Result<(), EndpointError> {
        [&self.login, &self.graph]
            .into_iter()
            .try_for_each(|url| check(url).map_err(|why| EndpointError { url: url.clone(), why }))
    }

    /// Whether both are on this machine, where neither proxies nor public trust roots matter.
    pub(super) fn are_loopback(&self) -> bool {
        [&self.login, &self.graph].into_iter().all(|url| reqwest::Url::parse(url).is_ok_and(|url| is_loopback(&url)))
    }
}

fn check(url: &str) -> Result<(), &'static str> {
    let url = reqwest::Url::parse(url).map_err(|_| "is not an absolute URL such as https://graph.microsoft.com")?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must be a base URL: no query, fragment or user name");
    }
    match url.scheme() {
        _ if may_get_credentials(&url) => Ok(()),
        "http" => {
            Err("would send credentials unencrypted: use https (plain http is allowed to loopback addresses only)")
        }
        _ => Err("is neither https nor http"),
    }
}

/// Whether a token may be sent there: `https`, or `http` to a loopback address.
pub(super) fn may_get_credentials(url: &reqwest::Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(Endpoints::of("http://127.0.0.1:1/login", "http://localhost:1/graph").check().is_ok());
        assert!(Endpoints::of("http://[::1]:1/login", "https://graph.microsoft.com").check().is_ok());
        assert!(Endpoints::of("http://login.example.com", "https://graph.microsoft.com").check().is_err());
        assert!(Endpoints::of("login.example.com", "https://graph.microsoft.com").check().is_err());
        assert!(Endpoints::public().check().is_ok());
    }
}
