//! A claim on an object: what a hook holds while it changes it. It gives Graph and the tenant, keeps other writes of this process
//! out, and lets a create and a delete of one run know of each other: the CLI tells the provider nothing of the one in the other.

use super::run::Target;
use super::services::{Cx, Tenant};
use crate::framework::{Computed, Resource, Result, is_guid};
use std::collections::BTreeSet;
use tokio::sync::OwnedMutexGuard;

/// Held while an object is changed. Dropped without [`Claim::took`], a create has taken nothing.
pub struct Claim<'a> {
    /// Where the object is.
    pub tenant: Tenant,
    cx: &'a Cx,
    target: Target,
    /// The create that this claim registered.
    intent: Option<u64>,
    guards: Vec<OwnedMutexGuard<()>>,
}

impl Cx {
    /// A claim to create at `id` (what two resources of one type may not share: an object id, or a unique name). Registered before
    /// anything is read: a delete of the same object waits for this create, and sees what it took.
    pub async fn claim_create<R: Resource>(&self, tenant: &Computed<String>, id: &str) -> Result<Claim<'_>> {
        let mut claim = self.claim_of::<R>(tenant, id).await?;
        claim.intent = Some(self.run()?.intend(&claim.target));
        claim.lock(id).await?;
        Ok(claim)
    }

    /// A claim to change the object `id`.
    pub async fn claim_update<R: Resource>(&self, tenant: &Computed<String>, id: &str) -> Result<Claim<'_>> {
        let mut claim = self.claim_of::<R>(tenant, id).await?;
        claim.lock(id).await?;
        Ok(claim)
    }

    /// A claim to delete the object `id`, given once no create of this run has its hands on it.
    pub async fn claim_delete<R: Resource>(&self, tenant: &Computed<String>, id: &str) -> Result<Claim<'_>> {
        let mut claim = self.claim_of::<R>(tenant, id).await?;
        loop {
            self.unless_stopped(self.run()?.no_create_at(&claim.target)).await?;
            claim.lock(id).await?;
            // A create that registered meanwhile stands behind this delete in the line for the lock: it goes first.
            if !self.run()?.is_intended(&claim.target) {
                return Ok(claim);
            }
            claim.release();
        }
    }

    async fn claim_of<R: Resource>(&self, tenant: &Computed<String>, id: &str) -> Result<Claim<'_>> {
        let tenant = self.tenant(tenant.known().map(String::as_str)).await?;
        let target = Target::new(R::NAME, &tenant.id, id);
        Ok(Claim { tenant, cx: self, target, intent: None, guards: Vec::new() })
    }
}

impl Claim<'_> {
    /// Keeps other writes away from a further object, such as the one that turned out to hold a unique name.
    pub async fn lock(&mut self, id: &str) -> Result<()> {
        // Object ids are unique everywhere, names in their tenant.
        let object = if is_guid(id) { id.to_owned() } else { format!("{}/{id}", self.tenant.id) };
        let guard = self.cx.lock(&object).await?;
        self.guards.push(guard);
        Ok(())
    }

    /// Lets others write: to be called before anything is waited for, such as the directory's replication.
    pub fn release(&mut self) {
        self.guards.clear();
    }

    /// Ends a create: from now on a delete in this run leaves these entries alone, or the object where there are none to name.
    pub fn took(&mut self, entries: impl IntoIterator<Item = String>) -> Result<()> {
        self.cx.run()?.take(self.target.clone(), entries);
        Ok(())
    }

    /// What creates of this run have found, granted or made here; `None` where there was none. What a delete has to leave alone.
    pub fn taken(&self) -> Result<Option<BTreeSet<String>>> {
        Ok(self.cx.run()?.taken(&self.target))
    }

    /// In a delete: names what it leaves for the create that takes its place, and that it has been here.
    pub fn leave(&mut self, entries: impl IntoIterator<Item = String>) -> Result<()> {
        self.cx.run()?.leave(self.target.clone(), entries);
        Ok(())
    }

    /// In a create: what deletes of this run left here; `None` where none has been here.
    pub fn left(&self) -> Result<Option<BTreeSet<String>>> {
        Ok(self.cx.run()?.left(&self.target))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let (Some(intent), Ok(run)) = (self.intent, self.cx.run()) {
            run.intended(&self.target, intent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{ProviderConfig, Services};
    use crate::resources::ConnectorApp;
    use std::sync::Arc;
    use tokio::sync::oneshot;

    const TENANT: &str = "0a1b0000-0000-4000-8000-00000000000c";

    /// Two calls of one run.
    fn calls() -> [Cx; 2] {
        let settings = ProviderConfig::default()
            .resolve(&|name| (name == "M365_ENVIRONMENT").then(|| "sandbox".to_owned()))
            .unwrap();
        let services = Arc::new(Services::new(settings).unwrap());
        [Cx::of(services.clone()), Cx::of(services)]
    }

    fn tenant() -> Computed<String> {
        TENANT.to_owned().into()
    }

    #[tokio::test]
    async fn a_delete_that_comes_while_a_create_is_under_way_sees_what_it_took() {
        let [one, two] = calls();
        let mut create = one.claim_create::<ConnectorApp>(&tenant(), "name").await.unwrap();
        let delete = async {
            let claim = two.claim_delete::<ConnectorApp>(&tenant(), "NAME").await.unwrap();
            claim.taken().unwrap()
        };
        let create = async {
            // Replication is waited for without the lock: the delete must not slip in between.
            create.release();
            tokio::task::yield_now().await;
            create.lock("name").await.unwrap();
            create.took(["entry".to_owned()]).unwrap();
            drop(create);
        };
        let (taken, ()) = futures_util::future::join(delete, create).await;
        assert_eq!(taken, Some(BTreeSet::from(["entry".to_owned()])));
    }

    #[tokio::test]
    async fn a_create_that_comes_while_a_delete_is_under_way_finds_its_work_done() {
        let [one, two] = calls();
        let delete = one.claim_delete::<ConnectorApp>(&tenant(), "name").await.unwrap();
        assert_eq!(delete.taken().unwrap(), None);
        let (deleted, after) = oneshot::channel();
        let create = async {
            let claim = two.claim_create::<ConnectorApp>(&tenant(), "name").await.unwrap();
            (after.await.unwrap(), claim.taken().unwrap())
        };
        let delete = async {
            tokio::task::yield_now().await;
            deleted.send("deleted").unwrap();
            drop(delete);
        };
        let (created, ()) = futures_util::future::join(create, delete).await;
        assert_eq!(created, ("deleted", None));
    }

    #[tokio::test]
    async fn a_create_that_fails_holds_up_no_delete_and_leaves_it_nothing() {
        let [one, two] = calls();
        drop(one.claim_create::<ConnectorApp>(&tenant(), "name").await.unwrap());
        assert_eq!(two.claim_delete::<ConnectorApp>(&tenant(), "name").await.unwrap().taken().unwrap(), None);
    }

    #[tokio::test]
    async fn what_one_tenant_takes_is_nothing_to_another() {
        let [one, two] = calls();
        one.claim_create::<ConnectorApp>(&tenant(), "name").await.unwrap().took([]).unwrap();
        let elsewhere = Computed::Known("0a1b0000-0000-4000-8000-00000000000d".to_owned());
        assert_eq!(two.claim_delete::<ConnectorApp>(&elsewhere, "name").await.unwrap().taken().unwrap(), None);
        assert!(two.claim_delete::<ConnectorApp>(&tenant(), "name").await.unwrap().taken().unwrap().is_some());
    }

    #[tokio::test]
    async fn a_delete_that_waits_for_a_create_ends_when_the_cli_asks_to_stop() {
        let [one, two] = calls();
        let _create = one.claim_create::<ConnectorApp>(&tenant(), "name").await.unwrap();
        two.cancelled.cancel();
        let refused = two.claim_delete::<ConnectorApp>(&tenant(), "name").await.err().unwrap();
        assert!(refused.0[0].summary.starts_with("Interrupted"), "{refused:?}");
    }
}
