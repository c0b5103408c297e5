//! Graph's `application`.

use super::date::Date;
use super::errors::GraphError;
use super::http::{escaped, quoted};
use super::lenient::null_as_default;
use super::transport::{Graph, Retry};
use super::writes::is_recent;
use serde::{Deserialize, Serialize, Serializer};

/// What is read of one.
pub(super) const SELECT: &str = "id,appId,displayName,description,notes,uniqueName,signInAudience,createdDateTime,publisherDomain,\
deletedDateTime,serviceManagementReference,tags,api,web,spa,publicClient,requiredResourceAccess,servicePrincipalLockConfiguration";

/// An application as read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Wire")]
pub struct Application {
    /// Object id.
    pub id: String,
    /// Client id.
    pub app_id: String,
    /// Name.
    pub display_name: String,
    /// Description.
    pub description: Option<String>,
    /// Notes.
    pub notes: Option<String>,
    /// Alternate key.
    pub unique_name: Option<String>,
    /// Whose accounts may sign in.
    pub sign_in_audience: Option<String>,
    /// Version of the access tokens that its own API accepts: 1, 2, or none, which is 1.
    pub access_token_version: Option<i32>,
    /// RFC 3339.
    pub created_date_time: Option<String>,
    /// Verified domain.
    pub publisher_domain: Option<String>,
    /// RFC 3339; set while it is among the deleted items.
    pub deleted_date_time: Option<String>,
    /// Reference into a service or asset database.
    pub service_management_reference: Option<String>,
    /// All tags.
    pub tags: Vec<String>,
    /// Web platform.
    pub web_redirect_uris: Vec<String>,
    /// Single-page platform.
    pub spa_redirect_uris: Vec<String>,
    /// Public client platform.
    pub public_client_redirect_uris: Vec<String>,
    /// What it asks for.
    pub required_resource_access: Vec<RequiredResourceAccess>,
    /// Whether all properties of its service principals are locked.
    pub lock_instance_properties: bool,
}

/// Permissions that are asked for of one API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequiredResourceAccess {
    /// The API's client id.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resource_app_id: String,
    /// The permissions.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resource_access: Vec<ResourceAccess>,
}

/// One permission that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceAccess {
    /// Id of the app role or scope.
    pub id: String,
    /// `Role` or `Scope`.
    #[serde(default, rename = "type", deserialize_with = "null_as_default")]
    pub kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: String,
    app_id: String,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    notes: Option<String>,
    #[serde(default)]
    unique_name: Option<String>,
    #[serde(default)]
    sign_in_audience: Option<String>,
    #[serde(default)]
    created_date_time: Option<String>,
    #[serde(default)]
    publisher_domain: Option<String>,
    #[serde(default)]
    deleted_date_time: Option<String>,
    #[serde(default)]
    service_management_reference: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    tags: Vec<String>,
    #[serde(default)]
    api: Option<Api>,
    #[serde(default)]
    web: Option<Platform>,
    #[serde(default)]
    spa: Option<Platform>,
    #[serde(default)]
    public_client: Option<Platform>,
    #[serde(default, deserialize_with = "null_as_default")]
    required_resource_access: Vec<RequiredResourceAccess>,
    #[serde(default)]
    service_principal_lock_configuration: Option<Lock>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Platform {
    #[serde(default, deserialize_with = "null_as_default")]
    redirect_uris: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    #[serde(default)]
    requested_access_token_version: Option<i32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    #[serde(default)]
    is_enabled: Option<bool>,
    #[serde(default)]
    all_properties: Option<bool>,
}

impl From<Wire> for Application {
    fn from(wire: Wire) -> Self {
        let uris = |platform: Option<Platform>| platform.map(|platform| platform.redirect_uris).unwrap_or_default();
        let locked = |lock: &Lock| lock.is_enabled == Some(true) && lock.all_properties == Some(true);
        Self {
            id: wire.id,
            app_id: wire.app_id,
            display_name: wire.display_name.unwrap_or_default(),
            description: wire.description,
            notes: wire.notes,
            unique_name: wire.unique_name,
            sign_in_audience: wire.sign_in_audience,
            access_token_version: wire.api.and_then(|api| api.requested_access_token_version),
            created_date_time: wire.created_date_time,
            publisher_domain: wire.publisher_domain,
            deleted_date_time: wire.deleted_date_time,
            service_management_reference: wire.service_management_reference,
            tags: wire.tags,
            web_redirect_uris: uris(wire.web),
            spa_redirect_uris: uris(wire.spa),
            public_client_redirect_uris: uris(wire.public_client),
            required_resource_access: wire.required_resource_access,
            lock_instance_properties: wire.service_principal_lock_configuration.as_ref().is_some_and(locked),
        }
    }
}

/// A value to be written: not at all, as null, or as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Not written.
    #[default]
    Absent,
    /// Cleared.
    Null,
    /// Set.
    Value(T),
}

impl<T> Patch<T> {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(out),
            _ => out.serialize_none(),
        }
    }
}

/// What is to change, or how an application is to be made. Collections are replaced whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApplicationPatch {
    /// Name.
    pub display_name: Option<String>,
    /// Alternate key; can be set once.
    pub unique_name: Option<String>,
    /// Whose accounts may sign in.
    pub sign_in_audience: Option<String>,
    /// Version of the access tokens that its own API accepts.
    pub access_token_version: Option<i32>,
    /// Description.
    pub description: Patch<String>,
    /// Notes.
    pub notes: Patch<String>,
    /// Reference into a service or asset database.
    pub service_management_reference: Patch<String>,
    /// All tags.
    pub tags: Option<Vec<String>>,
    /// Web platform.
    pub web_redirect_uris: Option<Vec<String>>,
    /// Single-page platform.
    pub spa_redirect_uris: Option<Vec<String>>,
    /// Public client platform.
    pub public_client_redirect_uris: Option<Vec<String>>,
    /// What it asks for.
    pub required_resource_access: Option<Vec<RequiredResourceAccess>>,
    /// Lock all properties of its service principals.
    pub lock_instance_properties: Option<bool>,
    /// Removes every certificate.
    pub clear_key_credentials: bool,
}

impl ApplicationPatch {
    /// For a new application, on which nothing has to be cleared.
    fn without_nulls(&self) -> Self {
        let set = |patch: &Patch<String>| if *patch == Patch::Null { Patch::Absent } else { patch.clone() };
        Self {
            description: set(&self.description),
            notes: set(&self.notes),
            service_management_reference: set(&self.service_management_reference),
            ..self.clone()
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_name: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in_audience: Option<&'a String>,
    #[serde(skip_serializing_if = "Patch::is_absent")]
    description: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_absent")]
    notes: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_absent")]
    service_management_reference: Patch<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Api>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spa: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_client: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_resource_access: Option<&'a Vec<RequiredResourceAccess>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_principal_lock_configuration: Option<Lock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_credentials: Option<[(); 0]>,
}

impl<'a> From<&'a ApplicationPatch> for Body<'a> {
    fn from(patch: &'a ApplicationPatch) -> Self {
        let platform = |uris: &Option<Vec<String>>| uris.clone().map(|redirect_uris| Platform { redirect_uris });
        Self {
            display_name: patch.display_name.as_ref(),
            unique_name: patch.unique_name.as_ref(),
            sign_in_audience: patch.sign_in_audience.as_ref(),
            description: patch.description.clone(),
            notes: patch.notes.clone(),
            service_management_reference: patch.service_management_reference.clone(),
            tags: patch.tags.as_ref(),
            api: patch.access_token_version.map(|version| Api { requested_access_token_version: Some(version) }),
            web: platform(&patch.web_redirect_uris),
            spa: platform(&patch.spa_redirect_uris),
            public_client: platform(&patch.public_client_redirect_uris),
            required_resource_access: patch.required_resource_access.as_ref(),
            service_principal_lock_configuration: patch
                .lock_instance_properties
                .map(|on| Lock { is_enabled: Some(on), all_properties: Some(on) }),
            key_credentials: patch.clear_key_credentials.then_some([]),
        }
    }
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "@odata.id")]
    id: String,
}

impl Graph {
    /// Makes an application. The `uniqueName` guards it: a repeated request finds the name taken.
    pub async fn create_application(&self, new: &ApplicationPatch) -> Result<Application, GraphError> {
        let retry = if new.unique_name.is_some() { Retry::Safe } else { Retry::Unsafe };
        let made: Application = self.post("/applications", &Body::from(&new.without_nulls()), retry).await?;
        self.remember_application(&made.id, &made.app_id);
        Ok(made)
    }

    /// By object id.
    pub async fn application(&self, id: &str) -> Result<Option<Application>, GraphError> {
        let found = self.find(&format!("/applications/{}?$select={SELECT}", escaped(id))).await?;
        Ok(found.inspect(|app| self.meet(app)))
    }

    /// One that was made a moment ago, be it by an earlier process, is fresh: a replica that does not know it says nothing.
    fn meet(&self, app: &Application) {
        let made = app.created_date_time.as_deref().and_then(|made| Date::new(made).time());
        if made.is_some_and(|made| is_recent(made, self.now())) {
            self.remember_application(&app.id, &app.app_id);
        }
    }

    /// Whether there is such an application. One that this client may just have made is given some seconds to show.
    pub async fn application_is_there(&self, id: &str) -> Result<bool, GraphError> {
        #[derive(Deserialize)]
        struct Id {}
        let path = format!("/applications/{}?$select=id", escaped(id));
        let look = || self.get::<Id>(&path);
        match if self.has_written() { self.settled(look).await } else { look().await } {
            Err(error) if error.is_not_found() => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// By client id.
    pub async fn application_by_app_id(&self, app_id: &str) -> Result<Option<Application>, GraphError> {
        let found = self.find(&format!("/applications(appId='{}')?$select={SELECT}", quoted(app_id))).await?;
        Ok(found.inspect(|app| self.meet(app)))
    }

    /// By alternate key.
    pub async fn application_by_unique_name(&self, name: &str) -> Result<Option<Application>, GraphError> {
        let found = self.find(&format!("/applications(uniqueName='{}')?$select={SELECT}", quoted(name))).await?;
        Ok(found.inspect(|app| self.meet(app)))
    }

    /// All of this name, which need not be unique.
    pub async fn applications_by_display_name(&self, name: &str) -> Result<Vec<Application>, GraphError> {
        self.list(&format!("/applications?$filter=displayName%20eq%20'{}'&$select={SELECT}", quoted(name))).await
    }

    /// Changes what the patch says. Waits where the directory still replicates the application.
    pub async fn update_application(&self, id: &str, patch: &ApplicationPatch) -> Result<(), GraphError> {
        let (path, body) = (format!("/applications/{}", escaped(id)), Body::from(patch));
        self.settled(|| self.patch(&path, &body)).await
    }

    /// Soft: it can be restored for 30 days. `false`: it is gone already.
    pub async fn delete_application(&self, id: &str) -> Result<bool, GraphError> {
        self.delete(&format!("/applications/{}", escaped(id))).await
    }

    /// Object ids of its owners. Graph counts at most 100.
    pub async fn application_owners(&self, id: &str) -> Result<Vec<String>, GraphError> {
        #[derive(Deserialize)]
        struct Owner {
            id: String,
        }
        let all: Vec<Owner> = self.list(&format!("/applications/{}/owners?$select=id", escaped(id))).await?;
        Ok(all.into_iter().map(|owner| owner.id).collect())
    }

    /// Adds an owner: a user or a service principal. One already is success.
    pub async fn add_application_owner(&self, id: &str, owner: &str) -> Result<(), GraphError> {
        let body = Reference { id: format!("{}/directoryObjects/{}", self.base(), escaped(owner)) };
        let path = format!("/applications/{}/owners/$ref", escaped(id));
        match self.settled(|| self.post_empty(&path, &body, Retry::Safe)).await {
            Err(error) if error.is_reference_present() => Ok(()),
            other => other,
        }
    }

    /// Removes an owner. None already is success.
    pub async fn remove_application_owner(&self, id: &str, owner: &str) -> Result<(), GraphError> {
        self.delete(&format!("/applications/{}/owners/{}/$ref", escaped(id), escaped(owner))).await.map(|_| ())
    }
}
