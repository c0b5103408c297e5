//! One request to a tenant's directory, who asks, and what that caller may read and write.

use super::errors::Failure;
use super::store::{Object, Tenant};
use super::types;
use axum::http::{Method, StatusCode};
use serde_json::Value;

/// One request to the directory, from outside or from within a batch.
pub(super) struct Call {
    pub method: Method,
    /// Behind `/v1.0`, without the query.
    pub path: String,
    pub query: String,
    pub body: Option<Value>,
    /// The header `Prefer`.
    pub prefer: String,
    /// Elements on a page unless the request says otherwise.
    pub page_size: usize,
    /// Base URL up to and including `/v1.0`.
    pub base: String,
}

impl Call {
    /// Whether an update by alternate key of what is not there is to create it.
    pub(super) fn creates_if_missing(&self) -> bool {
        self.prefer.split([',', ';']).any(|wish| wish.trim() == "create-if-missing")
    }

    /// The body as an object.
    pub(super) fn object(&self) -> Result<Object, Failure> {
        match &self.body {
            Some(Value::Object(object)) => Ok(object.clone()),
            _ => Err(Failure::bad_request("A JSON object is expected as the body.")),
        }
    }

    /// The body as an object of a type of Graph's, checked, and as it is stored.
    pub(super) fn body(&self, type_name: &str) -> Result<Object, Failure> {
        let body = self.object()?;
        types::check(type_name, &body)?;
        Ok(types::stored(type_name, body))
    }
}

/// An answer's status and body; no body for 204.
pub(super) type Reply = Result<(StatusCode, Option<Value>), Failure>;

/// Who asks.
pub(super) enum Caller {
    /// Anybody at the control endpoint.
    Administrator,
    /// The holder of a token.
    Application { principal_id: String, roles: Vec<String> },
}

/// Roles that read applications and principals, if only those that their holder owns.
pub(super) const READERS: &[&str] =
    &["Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All"];
/// Roles that read all of them.
pub(super) const READERS_OF_ALL: &[&str] = &["Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All"];
/// Roles that create applications and principals.
pub(super) const CREATORS: &[&str] = &["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"];

impl Caller {
    /// Whether one of these roles is held.
    pub(super) fn needs(&self, any_of: &[&str]) -> Result<(), Failure> {
        match self {
            Self::Administrator => Ok(()),
            Self::Application { roles, .. } if roles.iter().any(|role| any_of.contains(&role.as_str())) => Ok(()),
            Self::Application { .. } => Err(Failure::denied()),
        }
    }

    /// Whether the object may be read: the narrow role reads what its holder owns.
    pub(super) fn may_read(&self, tenant: &Tenant, ids: &[&str]) -> Result<(), Failure> {
        self.needs(READERS_OF_ALL).or_else(|_| self.owns(READERS, tenant, ids))
    }

    /// Whether the object may be written: with the broad role, or with the narrow one by its owner.
    pub(super) fn may_write(&self, tenant: &Tenant, ids: &[&str]) -> Result<(), Failure> {
        self.needs(&["Application.ReadWrite.All"]).or_else(|_| self.owns(CREATORS, tenant, ids))
    }

    fn owns(&self, roles: &[&str], tenant: &Tenant, ids: &[&str]) -> Result<(), Failure> {
        self.needs(roles)?;
        match self {
            Self::Application { principal_id, .. } if tenant.owned_by(principal_id, ids) => Ok(()),
            _ => Err(Failure::denied()),
        }
    }
}
