//! Graph's `directory/deletedItems`: what was deleted less than 30 days ago and can be restored.

use super::application::{Application, SELECT};
use super::errors::GraphError;
use super::fresh::{APPLICATIONS, SERVICE_PRINCIPALS};
use super::http::{escaped, quoted};
use super::service_principal::ServicePrincipal;
use super::transport::{Graph, Retry};
use super::writes::WINDOW;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restored {
    #[serde(default)]
    app_id: Option<String>,
}

/// What became of a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// It is gone for good.
    Removed,
    /// It is not among the deleted items: it never was, is gone already, or does not show there yet.
    Absent,
}

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
        let all: Vec<Application> = self
            .list(&format!("/directory/deletedItems/microsoft.graph.application?$select={SELECT}&$top=999"))
            .await?;
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
        match self.post::<_, Restored>(&path, &Nothing {}, Retry::Safe).await {
            Ok(restored) => {
                // For a while a replica that lags knows it no more than one that was just made.
                let ids: Vec<_> = [Some(id), restored.app_id.as_deref()].into_iter().flatten().collect();
                for set in [APPLICATIONS, SERVICE_PRINCIPALS] {
                    self.remember(set, &ids);
                }
                Ok(true)
            }
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a deleted object for good.
    pub async fn purge_deleted_item(&self, id: &str) -> Result<Purged, GraphError> {
        let path = format!("/directory/deletedItems/{}", escaped(id));
        Ok(if self.delete(&path).await? { Purged::Removed } else { Purged::Absent })
    }

    /// The same for what was deleted a moment ago: it may not show among the deleted items yet, and is waited for.
    pub async fn purge_once_deleted(&self, id: &str) -> Result<Purged, GraphError> {
        let mut waits = self.waits();
        loop {
            let purged = self.purge_deleted_item(id).await?;
            if purged == Purged::Removed {
                return Ok(purged);
            }
            match waits.again(WINDOW, None).await {
                Ok(true) => {}
                Ok(false) | Err(GraphError::DeadlineExceeded { .. }) => return Ok(purged),
                Err(why) => return Err(why),
            }
        }
    }
}
