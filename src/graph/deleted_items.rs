//! Graph's `directory/deletedItems`: what was deleted less than 30 days ago and can be restored.

use super::application::Application;
use super::errors::GraphError;
use super::service_principal::ServicePrincipal;
use super::transport::{Graph, Retry, escaped, quoted};
use serde::Serialize;

#[derive(Serialize)]
struct Nothing {}

impl Graph {
    /// A deleted application, by object id.
    pub async fn deleted_application(&self, id: &str) -> Result<Option<Application>, GraphError> {
        self.find(&format!("/directory/deletedItems/{}", escaped(id))).await
    }

    /// A deleted service principal, by object id.
    pub async fn deleted_service_principal(&self, id: &str) -> Result<Option<ServicePrincipal>, GraphError> {
        self.find(&format!("/directory/deletedItems/{}", escaped(id))).await
    }

    /// The deleted application that holds the alternate key. Graph documents no filter by it here, so all are looked through.
    pub async fn deleted_application_by_unique_name(&self, name: &str) -> Result<Option<Application>, GraphError> {
        let all: Vec<Application> = self.list("/directory/deletedItems/microsoft.graph.application").await?;
        Ok(all.into_iter().find(|app| app.unique_name.as_deref() == Some(name)))
    }

    /// Deleted service principals of an application. There can be several: each deletion leaves one.
    pub async fn deleted_service_principals_of(&self, app_id: &str) -> Result<Vec<ServicePrincipal>, GraphError> {
        let filter = format!("$filter=appId%20eq%20'{}'", quoted(app_id));
        self.list(&format!("/directory/deletedItems/microsoft.graph.servicePrincipal?{filter}")).await
    }

    /// Restores a deleted object under its former ids. `false`: it is not among the deleted items (any more).
    pub async fn restore_deleted_item(&self, id: &str) -> Result<bool, GraphError> {
        let path = format!("/directory/deletedItems/{}/restore", escaped(id));
        match self.post_empty(&path, &Nothing {}, Retry::Safe).await {
            Err(error) if error.is_not_found() => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Removes a deleted object for good. Gone already is success.
    pub async fn purge_deleted_item(&self, id: &str) -> Result<(), GraphError> {
        self.delete(&format!("/directory/deletedItems/{}", escaped(id))).await
    }
}
