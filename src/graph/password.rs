//! Graph's `passwordCredential`: client secrets of an application. The service chooses the text and shows it once.

use super::errors::GraphError;
use super::transport::{Graph, Retry, escaped};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// A secret to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPassword {
    /// Name; need not be unique.
    pub display_name: String,
    /// Valid from then.
    pub start: Timestamp,
    /// Valid until then.
    pub end: Timestamp,
}

/// A secret as it was made.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddedPassword {
    /// GUID.
    pub key_id: String,
    /// The text, in this one answer only.
    pub secret_text: SecretString,
    /// First characters of the text.
    #[serde(default)]
    pub hint: Option<String>,
    /// Valid from then.
    pub start_date_time: Timestamp,
    /// Valid until then.
    pub end_date_time: Timestamp,
}

/// A secret as it is read: without its text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Password {
    /// GUID.
    pub key_id: String,
    /// Name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// First characters of the text.
    #[serde(default)]
    pub hint: Option<String>,
    /// Valid from then.
    #[serde(default)]
    pub start_date_time: Option<Timestamp>,
    /// Valid until then.
    #[serde(default)]
    pub end_date_time: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    password_credential: Wish<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wish<'a> {
    display_name: &'a str,
    start_date_time: String,
    end_date_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    #[serde(default)]
    password_credentials: Vec<Password>,
}

impl Graph {
    /// Secrets of an application; `None` where there is no such application.
    pub async fn passwords(&self, application: &str) -> Result<Option<Vec<Password>>, GraphError> {
        let path = format!("/applications/{}?$select=id,passwordCredentials", escaped(application));
        Ok(self.find::<Holder>(&path).await?.map(|holder| holder.password_credentials))
    }

    /// Secrets of an application that is among the deleted items; `None` where it is not.
    pub async fn passwords_of_deleted(&self, application: &str) -> Result<Option<Vec<Password>>, GraphError> {
        // Without a type in the path, Graph takes no `$select` here.
        let path = format!("/directory/deletedItems/{}", escaped(application));
        Ok(self.find::<Holder>(&path).await?.map(|holder| holder.password_credentials))
    }

    /// Makes a secret. It is never sent again when its answer was lost, for nobody would know the text of the first one. Waits where
    /// the directory still replicates the application.
    pub async fn add_password(&self, application: &str, new: &NewPassword) -> Result<AddedPassword, GraphError> {
        let path = format!("/applications/{}/addPassword", escaped(application));
        let wish = Wish {
            display_name: &new.display_name,
            start_date_time: new.start.to_string(),
            end_date_time: new.end.to_string(),
        };
        let body = Body { password_credential: wish };
        self.settled(|| self.post(&path, &body, Retry::Unsafe)).await
    }

    /// Reads an application's secrets until they are as `settled` expects, or the directory's window of replication is over: then as
    /// they are. `None` where there is no such application.
    pub async fn passwords_once(
        &self,
        application: &str,
        until: Timestamp,
        settled: impl Fn(&[Password]) -> bool,
    ) -> Result<Option<Vec<Password>>, GraphError> {
        let mut round = 0;
        loop {
            let found = self.passwords(application).await?;
            if found.as_deref().is_some_and(&settled) || self.now() >= until {
                return Ok(found);
            }
            self.wait(round, "waiting for the directory to replicate", None).await?;
            round += 1;
        }
    }
}
