//! The machine that a client runs on: its identities, and what its platforms let it show.

use crate::sandbox::errors::Failure;
use crate::sandbox::store::{CLIENT, TENANT, new_id};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the machine is, and what it has to show.
pub(in crate::sandbox) struct Machine {
    pub(super) tenant: String,
    /// Client id of the system-assigned identity; empty where there is none.
    system_assigned: String,
    /// Client ids.
    user_assigned: Vec<String>,
    pub(super) github_subject: String,
    pub(super) azure_devops_subject: String,
    /// Id of the only service connection that the pipeline may use.
    pub(super) service_connection: String,
    pub(super) identity_header: String,
    pub(super) github_token: String,
    pub(super) azure_devops_token: String,
}

impl Default for Machine {
    fn default() -> Self {
        let secret = |name: &str| format!("sandbox-{name}-{}", new_id());
        Self {
            tenant: TENANT.to_owned(),
            system_assigned: CLIENT.to_owned(),
            user_assigned: Vec::new(),
            github_subject: "repo:contoso/connectors:environment:production".to_owned(),
            azure_devops_subject: "sc://contoso/connectors/production".to_owned(),
            service_connection: new_id(),
            identity_header: secret("identity-header"),
            github_token: secret("github-token"),
            azure_devops_token: secret("azure-devops-token"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wishes {
    tenant_id: Option<String>,
    system_assigned: Option<String>,
    user_assigned: Option<Vec<String>>,
    github_subject: Option<String>,
    azure_devops_subject: Option<String>,
}

impl Machine {
    /// `POST {base}/control/platforms`.
    pub(in crate::sandbox) fn change(&mut self, body: &[u8]) -> Result<(), Failure> {
        let wishes: Wishes = serde_json::from_slice(body).map_err(|why| Failure::bad_request(why.to_string()))?;
        let set = |place: &mut String, wish: Option<String>| {
            if let Some(wish) = wish {
                *place = wish;
            }
        };
        set(&mut self.tenant, wishes.tenant_id);
        set(&mut self.system_assigned, wishes.system_assigned);
        set(&mut self.github_subject, wishes.github_subject);
        set(&mut self.azure_devops_subject, wishes.azure_devops_subject);
        self.user_assigned = wishes.user_assigned.unwrap_or_else(|| std::mem::take(&mut self.user_assigned));
        Ok(())
    }

    /// `GET {base}/control/platforms`: the variables that each platform sets.
    pub(in crate::sandbox) fn variables(&self, base: &str) -> Value {
        json!({
            "imds": { "AZURE_POD_IDENTITY_AUTHORITY_HOST": base },
            "app_service": { "IDENTITY_ENDPOINT": format!("{base}/platforms/app_service/token"), "IDENTITY_HEADER": self.identity_header },
            "github": {
                "ACTIONS_ID_TOKEN_REQUEST_URL": format!("{base}/platforms/github/token?api-version=2.0"),
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.github_token,
            },
            "azure_devops": {
                "SYSTEM_OIDCREQUESTURI": format!("{base}/platforms/azure_devops/oidctoken"),
                "SYSTEM_ACCESSTOKEN": self.azure_devops_token,
                "M365_ADO_PIPELINE_SERVICE_CONNECTION_ID": self.service_connection,
            },
            "subjects": { "github": self.github_subject, "azure_devops": self.azure_devops_subject },
        })
    }

    /// Client id of the identity that is asked for; `None` where the machine has no such.
    pub(super) fn identity(&self, asked: &str) -> Option<String> {
        let has = |client: &&String| client.eq_ignore_ascii_case(asked);
        match asked {
            "" => Some(self.system_assigned.clone()).filter(|client| !client.is_empty()),
            _ => self.user_assigned.iter().find(has).cloned(),
        }
    }
}
