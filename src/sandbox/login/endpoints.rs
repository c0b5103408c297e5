//! The login's paths: `{tenant}/oauth2/…`, below `/login` and at the root, since some clients take the first segment for the tenant.

use super::refusal::Refusal;
use super::service::Service;
use super::token::{self, Request};
use super::{documents, keys};
use crate::sandbox::store::World;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

/// One of the login's addresses.
pub(in crate::sandbox) struct Endpoint<'a> {
    /// As the client names it: an id, a domain, or `common`.
    pub tenant: &'a str,
    what: What,
    /// Where the login is.
    root: String,
}

#[derive(Clone, Copy)]
enum What {
    Token { version: u8 },
    OpenId,
    Keys,
    Instance,
}

impl<'a> Endpoint<'a> {
    /// `None`: the path is none of the login's.
    pub(in crate::sandbox) fn at(base: &str, path: &'a str) -> Option<Self> {
        let (root, path) = match path.strip_prefix("/login/") {
            Some(rest) => (format!("{base}/login"), rest),
            None => (base.to_owned(), path.strip_prefix('/')?),
        };
        let (tenant, rest) = path.split_once('/')?;
        let what = match rest {
            "oauth2/v2.0/token" => What::Token { version: 2 },
            "oauth2/token" => What::Token { version: 1 },
            "v2.0/.well-known/openid-configuration" | ".well-known/openid-configuration" => What::OpenId,
            "discovery/v2.0/keys" | "discovery/keys" => What::Keys,
            "discovery/instance" => What::Instance,
            _ => return None,
        };
        Some(Self { tenant, what, root })
    }

    /// Answers a request to it.
    pub(in crate::sandbox) fn answer(
        &self,
        world: &mut World,
        service: &mut Service,
        base: &str,
        method: &Method,
        headers: &HeaderMap,
        body: &[u8],
    ) -> (StatusCode, Option<Value>) {
        let now = world.now();
        let no_tenant = || Refusal::no_tenant(self.tenant);
        let done = match self.what {
            What::Token { version } => {
                let request = Request { base, root: &self.root, tenant: self.tenant, version, method, headers, body };
                token::token(world, service, &request)
            }
            What::OpenId => documents::openid(world, &self.root, self.tenant).ok_or_else(no_tenant),
            What::Keys => keys::document(world).ok_or_else(no_tenant),
            What::Instance => Ok(documents::instance(&self.root)),
        };
        match done {
            Ok(document) => (StatusCode::OK, Some(document)),
            Err(refusal) => refusal.answer(now),
        }
    }
}
