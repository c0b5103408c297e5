//! What a person does to a tenant by hand. Everything goes through the rules of Graph, as the administrator.

use super::permissions::{self, Permission};
use crate::catalog::Kind;
use crate::sandbox::call::{Call, Caller};
use crate::sandbox::directory;
use crate::sandbox::errors::Failure;
use crate::sandbox::store::{Object, Tenant, World, id_of, text};
use axum::http::Method;
use serde_json::{Value, json};

/// Somebody at work in a tenant.
pub(super) struct Hand<'a> {
    pub world: &'a mut World,
    pub tenant: &'a str,
}

impl Hand<'_> {
    /// One request to the directory.
    pub(super) fn ask(&mut self, method: Method, path: String, body: Option<Value>) -> Result<Value, Failure> {
        let call = Call {
            method,
            path,
            query: String::new(),
            body,
            prefer: String::new(),
            eventual: false,
            page_size: self.world.page_size,
            base: String::new(),
        };
        let (_, body) = directory::handle(self.world, self.tenant, &Caller::Administrator, &call)?;
        Ok(body.unwrap_or_default())
    }

    pub(super) fn directory(&mut self) -> &mut Tenant {
        self.world.tenant(self.tenant)
    }

    /// Object id of the principal with this client id, which is made where it is missing, as a consent does.
    fn principal(&mut self, client: &str) -> Result<String, Failure> {
        if let Some(found) = self.directory().principal_by("appId", client) {
            return Ok(id_of(found));
        }
        let made = self.ask(Method::POST, "/servicePrincipals".to_owned(), Some(json!({ "appId": client })))?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Grants a permission to everybody in the tenant.
    pub(super) fn grant(&mut self, client: &str, one: &Permission) -> Result<(), Failure> {
        let (holder, resource) = (self.principal(client)?, self.principal(&one.api_id)?);
        if one.kind == Kind::Application {
            let body = json!({ "principalId": holder, "resourceId": resource, "appRoleId": one.id });
            return self
                .ask(Method::POST, format!("/servicePrincipals/{holder}/appRoleAssignments"), Some(body))
                .map(drop);
        }
        match self.scopes(&holder, &resource) {
            Some((grant, mut scopes)) => {
                scopes.push(one.name.clone());
                self.rewrite(&grant, &scopes)
            }
            None => {
                let body = json!({
                    "clientId": holder, "consentType": "AllPrincipals", "resourceId": resource, "scope": one.name,
                });
                self.ask(Method::POST, "/oauth2PermissionGrants".to_owned(), Some(body)).map(drop)
            }
        }
    }

    /// Takes a permission away from everybody in the tenant.
    pub(super) fn revoke(&mut self, client: &str, one: &Permission) -> Result<(), Failure> {
        let (holder, resource) = (self.principal(client)?, self.principal(&one.api_id)?);
        if one.kind == Kind::Application {
            let is_it = |found: &&Object| permissions::is_assignment(found, &holder, &resource, &one.id);
            let Some(id) = self.directory().assignments.values().find(is_it).map(id_of) else {
                return Err(Failure::no_such(&one.id));
            };
            return self
                .ask(Method::DELETE, format!("/servicePrincipals/{holder}/appRoleAssignments/{id}"), None)
                .map(drop);
        }
        let Some((grant, mut scopes)) = self.scopes(&holder, &resource) else {
            return Err(Failure::no_such(&one.name));
        };
        scopes.retain(|scope| !scope.eq_ignore_ascii_case(&one.name));
        self.rewrite(&grant, &scopes)
    }

    /// A grant of scopes to everybody: its id, and the scopes.
    fn scopes(&mut self, holder: &str, resource: &str) -> Option<(String, Vec<String>)> {
        let grants = self.directory().grants.values();
        let found = grants.into_iter().find(|one| permissions::is_for_everybody(one, holder, resource))?;
        Some((id_of(found), text(found, "scope").split_whitespace().map(str::to_owned).collect()))
    }

    fn rewrite(&mut self, grant: &str, scopes: &[String]) -> Result<(), Failure> {
        let path = format!("/oauth2PermissionGrants/{grant}");
        if scopes.is_empty() {
            return self.ask(Method::DELETE, path, None).map(drop);
        }
        self.ask(Method::PATCH, path, Some(json!({ "scope": scopes.join(" ") }))).map(drop)
    }

    /// Consents to everything that the application asks for, and takes back what it does not ask for any more. Source: Microsoft's lab
    /// "Grant tenant-wide admin consent to an application", which warns that this revokes what was granted tenant-wide before.
    pub(super) fn consent(&mut self, client: &str) -> Result<(), Failure> {
        self.principal(client)?;
        self.world.tenant(self.tenant);
        for one in permissions::of(self.world, self.tenant, client) {
            match (one.requested, one.granted) {
                (true, false) => self.grant(client, &one)?,
                (false, true) => self.revoke(client, &one)?,
                _ => {}
            }
        }
        Ok(())
    }
}
