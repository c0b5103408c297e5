//! Graph's `servicePrincipalLockConfiguration`: what of an application's service principals cannot be changed, their credentials among it.
//! The tenant that the application lives in is no exception: adding a secret there is refused too (azure-cli#28734), and the way on is
//! to lift the lock on the application.

use super::errors::GraphError;
use super::http::escaped;
use super::transport::Graph;
use super::writes::WINDOW;
use serde::{Deserialize, Serialize};

/// A lock with all that Graph knows of it, so that it can be set again as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceLock {
    /// Whether it counts at all.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// All sensitive properties, whatever the others say.
    #[serde(default)]
    pub all_properties: Option<bool>,
    /// Credentials that verify, secrets too.
    #[serde(default)]
    pub credentials_with_usage_verify: Option<bool>,
    /// Credentials that sign, secrets too.
    #[serde(default)]
    pub credentials_with_usage_sign: Option<bool>,
    /// The key that tokens are encrypted with.
    #[serde(default)]
    pub token_encryption_key_id: Option<bool>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Locked {
    #[serde(default)]
    service_principal_lock_configuration: Option<InstanceLock>,
}

impl InstanceLock {
    /// Whether it keeps anybody from changing credentials. Source: Graph's documentation of the type.
    pub fn locks_credentials(&self) -> bool {
        let on = |property: Option<bool>| property == Some(true);
        on(self.is_enabled)
            && (on(self.all_properties)
                || on(self.credentials_with_usage_verify)
                || on(self.credentials_with_usage_sign))
    }
}

impl Graph {
    /// The lock of an application; `None` where it has none, or is gone.
    pub async fn instance_lock(&self, application: &str) -> Result<Option<InstanceLock>, GraphError> {
        let path = format!("/applications/{}?$select=id,servicePrincipalLockConfiguration", escaped(application));
        Ok(self.find::<Locked>(&path).await?.and_then(|found| found.service_principal_lock_configuration))
    }

    /// Sets the lock of an application.
    pub async fn set_instance_lock(&self, application: &str, lock: InstanceLock) -> Result<(), GraphError> {
        let path = format!("/applications/{}", escaped(application));
        let body = Locked { service_principal_lock_configuration: Some(lock) };
        self.settled(|| self.patch(&path, &body)).await
    }

    /// Does `work` on the service principal of `application`, with the lock lifted where Graph refuses it because of that, and set again
    /// whatever comes of it. To be called under the application's lock of this process. A run that is killed in between leaves the
    /// application unlocked, which the next plan of it shows.
    pub async fn with_lock_lifted<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        application: &str,
        work: impl Fn() -> F,
    ) -> Result<T, GraphError> {
        let refused = match work().await {
            Err(error) if error.is_locked_principal() => error,
            other => return other,
        };
        let Some(lock) = self.instance_lock(application).await?.filter(InstanceLock::locks_credentials) else {
            return Err(refused);
        };
        self.set_instance_lock(application, InstanceLock { is_enabled: Some(false), ..lock }).await?;
        let done = self.once_unlocked(work).await;
        // Also when the CLI asked to stop meanwhile: an application that stays unlocked is worse than a late end.
        let locked = self.regardless_of_a_stop().set_instance_lock(application, lock).await;
        done.and_then(|done| locked.map(|()| done))
    }

    /// For a while some replicas still know the lock.
    async fn once_unlocked<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        work: impl Fn() -> F,
    ) -> Result<T, GraphError> {
        let mut waits = self.waits();
        loop {
            match work().await {
                Err(error) if error.is_locked_principal() && waits.again(WINDOW, Some(&error)).await? => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_off_or_is_for_other_properties_locks_no_credentials() {
        let lock = |text: &str| serde_json::from_str::<InstanceLock>(text).unwrap().locks_credentials();
        assert!(lock(r#"{ "isEnabled": true, "allProperties": true }"#));
        assert!(lock(r#"{ "isEnabled": true, "credentialsWithUsageVerify": true }"#));
        assert!(!lock(r#"{ "isEnabled": false, "allProperties": true }"#));
        assert!(!lock(r#"{ "isEnabled": true, "tokenEncryptionKeyId": true, "allProperties": null }"#));
    }
}
