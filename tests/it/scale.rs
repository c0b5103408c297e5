//! Two hundred connectors in one configuration, at the CLI's default parallelism: nothing is made twice, and nothing is asked twice.

use crate::tenant::{Tenant, list};
use crate::workspace::every_cli;
use reqwest::Method;
use std::collections::BTreeMap;
use terraform_provider_m365::cli::measure::configuration;

const CONNECTORS: usize = 200;

/// How often each kind of request was made, ids and names left out, and what was asked for more than once.
async fn requests(tenant: &Tenant) -> (BTreeMap<String, usize>, Vec<String>) {
    let (_, log) = tenant.control(Method::GET, "requests", None).await;
    let (mut kinds, mut whole) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
    // What is within a batch is in the log by itself.
    for one in list(&log).iter().filter(|one| one["path"] != "/graph/v1.0/$batch") {
        let (method, path) = (one["method"].as_str().unwrap(), one["path"].as_str().unwrap());
        let path = path.split("/v1.0").last().unwrap();
        let is_name = |part: &&str| part.len() != 36 && !part.starts_with("connector-");
        let kind = path.split('?').next().unwrap().split(['/', '\'', '(', ')', '=']).filter(is_name);
        let kind = kind.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        *kinds.entry(format!("{method} {kind}")).or_default() += 1;
        *whole.entry(format!("{method} {path}")).or_default() += 1;
    }
    let repeated = whole.into_iter().filter(|(_, times)| *times > 1).map(|(call, times)| format!("{times} × {call}"));
    (kinds, repeated.collect())
}

/// What `kinds` holds of one method, but for the sign-in.
fn of(kinds: &BTreeMap<String, usize>, method: &str) -> BTreeMap<String, usize> {
    let fits = |kind: &&String| kind.starts_with(method) && !kind.ends_with("/token");
    kinds.keys().filter(fits).map(|kind| (kind[method.len() + 1..].to_owned(), kinds[kind])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_connectors_are_made_looked_at_and_taken_away_without_a_request_too_many() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(CONNECTORS)).unwrap();
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        let (made, _) = requests(&tenant).await;
        let each =
            |kinds: &[&str]| kinds.iter().map(|kind| ((*kind).to_owned(), CONNECTORS)).collect::<BTreeMap<_, _>>();
        let posted =
            ["applications", "oauth2PermissionGrants", "servicePrincipals", "servicePrincipals/appRoleAssignedTo"];
        assert_eq!(of(&made, "POST"), each(&posted));
        assert_eq!(of(&made, "PATCH"), each(&["applications"]));
        // Per connector: whether the name is free, the application before and after it is written to, the principal, its grants of
        // either kind before, and the delegated one after. The name once more for those whose plan apply repeats before its first write.
        let read: usize = of(&made, "GET").values().sum();
        assert!(read <= 7 * CONNECTORS + 25, "{made:#?}");

        tenant.forget_requests().await;
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 0, "{output}");
        let (asked, repeated) = requests(&tenant).await;
        assert_eq!(repeated, Vec::<String>::new());
        // Per connector: the application, its owners, its principal, and what that was granted of either kind.
        let read: usize = of(&asked, "GET").values().sum();
        assert!(read <= 5 * CONNECTORS + 5, "{asked:#?}");

        tenant.forget_requests().await;
        workspace.apply(&["-destroy"]).await.unwrap();
        let (gone, _) = requests(&tenant).await;
        assert_eq!(of(&gone, "DELETE")["applications"], CONNECTORS, "{gone:#?}");
        assert_eq!(tenant.applications().await.len(), 0);
    })
    .await;
}
