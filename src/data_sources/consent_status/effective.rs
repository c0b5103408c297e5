//! Which application permissions are in the connector's own tokens.

use super::model::ConsentStatus;
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{Diagnostic, Result, Secret};
use crate::graph::{AuthError, ClientSecret, GraphError, ServicePrincipal};
use crate::provider::connector_sign_in::{Refused, signed_in};
use crate::provider::permissions::{Names, PermissionId};
use crate::provider::{Cx, Tenant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a secret is doubted that is refused: it may have been made a moment ago.
const BRIEFLY: Duration = Duration::from_secs(60);
/// Entra knows no service principal of the API in the tenant. Source: Microsoft's list of AADSTS error codes.
const NO_SUCH_API: u32 = 500_011;

/// What the tokens of some APIs carry, by client id of the API; `None` where the API's token cannot be read.
pub(super) type Effective = BTreeMap<String, Option<BTreeSet<PermissionId>>>;

impl ConsentStatus {
    /// Signs in once for each API: a token carries one API's roles.
    pub(super) async fn effective(
        &self,
        secret: &Secret,
        principal: &ServicePrincipal,
        tenant: &Tenant,
        apis: BTreeSet<String>,
        names: &Names<'_>,
        cx: &Cx,
    ) -> Result<Effective> {
        let source = Arc::new(ClientSecret::new(principal.app_id.clone(), secret.clone().into_inner()));
        let until = cx.deadline.min(Instant::now() + BRIEFLY);
        let mut effective = Effective::new();
        for app_id in apis {
            let graph = cx.graph_as(source.clone(), Some(&tenant.id), format!("{app_id}/.default"))?;
            let roles = match signed_in(&graph, until, cx).await {
                // A token without roles has no such claim; one that cannot be read has no end either.
                Ok(claims) => claims.exp.map(|_| claims.roles.into_iter().flatten().collect()),
                Err(Refused {
                    why: GraphError::Auth { why: AuthError::Rejected { code: NO_SUCH_API, .. }, .. },
                    ..
                }) => Some(Vec::new()),
                Err(Refused { why, .. }) => return Err(refused(why, principal).into()),
            };
            if roles.is_none() {
                cx.warn(Diagnostic::warning("A token of the connector cannot be read").at("client_secret").help(format!(
                    "The sign-in succeeded, but tokens of the API {app_id} are encrypted for it alone: whether its permissions are effective is not known."
                )));
            }
            let meant =
                |value: String| names.id(&PermissionKey { api: app_id.clone(), kind: Kind::Application, value });
            let meant = roles.map(|roles: Vec<String>| roles.into_iter().map(meant).collect());
            effective.insert(app_id, meant);
        }
        Ok(effective)
    }
}

fn refused(why: GraphError, principal: &ServicePrincipal) -> Diagnostic {
    let name = principal.display_name.as_deref().unwrap_or(&principal.app_id);
    let text = match why {
        GraphError::Auth { why: AuthError::Rejected { text, .. }, .. } => text,
        other => other.to_string(),
    };
    Diagnostic::error(format!("The connector \"{name}\" cannot sign in"))
        .at("client_secret")
        .help(text)
        .help("What is effective cannot be seen. Give the value of a secret that the application has, or leave `client_secret` out.")
}
