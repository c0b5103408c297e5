//! Graph's `passwordCredential`: client secrets of an application. The service chooses the text and shows it once.

use super::date::Date;
use super::errors::GraphError;
use super::http::escaped;
use super::lenient::null_as_default;
use super::transport::{Graph, Retry};
use super::writes::WINDOW;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

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
    #[serde(default)]
    pub start_date_time: Option<Date>,
    /// Valid until then.
    #[serde(default)]
    pub end_date_time: Option<Date>,
    /// Whether an earlier try may have made another one: [`Graph::passwords_made_by`] tells.
    #[serde(skip)]
    pub may_have_doubles: bool,
}

/// A secret as it is read: without its text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Password {
    /// GUID.
    #[serde(default, deserialize_with = "null_as_default")]
    pub key_id: String,
    /// Name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// First characters of the text.
    #[serde(default)]
    pub hint: Option<String>,
    /// Valid from then.
    #[serde(default)]
    pub start_date_time: Option<Date>,
    /// Valid until then.
    #[serde(default)]
    pub end_date_time: Option<Date>,
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
    #[serde(default, deserialize_with = "null_as_default")]
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

    /// Makes a secret. Waits where the directory still replicates the application. What was certainly not done is repeated; so is what
    /// was answered with an error of the service, which may have come after the secret was made: then the answer says so. A request
    /// whose answer was lost is not sent again: nobody would know the text of the first secret.
    pub async fn add_password(&self, application: &str, new: &NewPassword) -> Result<AddedPassword, GraphError> {
        let path = format!("/applications/{}/addPassword", escaped(application));
        let wish = Wish {
            display_name: &new.display_name,
            start_date_time: new.start.to_string(),
            end_date_time: new.end.to_string(),
        };
        let (body, doubts) = (Body { password_credential: wish }, AtomicBool::new(false));
        let added = self.settled(|| self.post(&path, &body, Retry::Doubtful(&doubts))).await?;
        Ok(AddedPassword { may_have_doubles: doubts.load(Ordering::Relaxed), ..added })
    }

    /// The secrets that calls of [`Graph::add_password`] with just this have made: those of its name and start. With the id of the
    /// answer's, waits until that one shows, as then those before it do. All but that one are doubles, whose text nobody knows.
    pub async fn passwords_made_by(
        &self,
        application: &str,
        new: &NewPassword,
        answered: Option<&str>,
    ) -> Result<Vec<Password>, GraphError> {
        let shows =
            |all: &[Password]| answered.is_none_or(|id| all.iter().any(|one| one.key_id.eq_ignore_ascii_case(id)));
        let found = self.passwords_once(application, self.now() + WINDOW, shows).await?;
        Ok(found.into_iter().flatten().filter(|one| one.is_made_by(new)).collect())
    }

    /// Reads an application's secrets until they are as `settled` expects, or until that time by the server's clock: then as they are.
    /// `None` where there is no such application.
    pub async fn passwords_once(
        &self,
        application: &str,
        until: Timestamp,
        settled: impl Fn(&[Password]) -> bool,
    ) -> Result<Option<Vec<Password>>, GraphError> {
        let shows = |found: &Option<Vec<Password>>| found.as_deref().is_some_and(&settled);
        self.read_until(until, || self.passwords(application), shows).await
    }
}

impl Password {
    /// By name and start, to the microsecond where Graph keeps that.
    fn is_made_by(&self, new: &NewPassword) -> bool {
        let start = self.start_date_time.as_ref().and_then(Date::time);
        self.display_name.as_deref() == Some(new.display_name.as_str())
            && start.is_some_and(|start| {
                start.as_microsecond() == new.start.as_microsecond()
                    || (start.subsec_nanosecond() == 0 && start.as_second() == new.start.as_second())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_date_of_a_secret_fails_the_read() {
        let holder = r#"{ "passwordCredentials": [
            { "keyId": "a", "displayName": null, "startDateTime": "0001-01-01T00:00:00Z", "endDateTime": "9999-12-31T23:59:59Z" },
            { "keyId": null, "endDateTime": null } ] }"#;
        let found = serde_json::from_str::<Holder>(holder).unwrap().password_credentials;
        let end = found[0].end_date_time.as_ref().unwrap();
        assert_eq!((end.text(), end.time()), ("9999-12-31T23:59:59Z", Some(Timestamp::MAX)));
        assert_eq!(
            serde_json::from_str::<Holder>(r#"{ "passwordCredentials": null }"#).unwrap().password_credentials,
            []
        );
    }

    #[test]
    fn a_call_knows_its_secrets_by_name_and_start() {
        let start: Timestamp = "2026-11-24T12:00:00.000123Z".parse().unwrap();
        let new = NewPassword { display_name: "siem (m365)".to_owned(), start, end: start };
        let made = |name: &str, start: &str| {
            let text = format!(r#"{{ "keyId": "a", "displayName": "{name}", "startDateTime": "{start}" }}"#);
            serde_json::from_str::<Password>(&text).unwrap().is_made_by(&new)
        };
        assert!(made("siem (m365)", "2026-11-24T12:00:00.0001230Z"));
        assert!(made("siem (m365)", "2026-11-24T12:00:00Z"), "a service that keeps whole seconds");
        assert!(!made("siem (m365)", "2026-11-24T12:00:00.000124Z") && !made("siem (m365)", "2026-11-24T12:00:01Z"));
        assert!(!made("siem", "2026-11-24T12:00:00.000123Z"));
    }
}
