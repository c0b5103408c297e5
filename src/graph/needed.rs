//! Which application permission allows which call: the one table behind refusals' advice and the guide on permissions.
//! Source: Graph's reference pages and permission model file; tried against the simulated tenant, which enforces them apart.

/// A kind of call to Microsoft Graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What it is for, as a user would say it.
    pub purpose: &'static str,
    /// HTTP methods.
    pub methods: &'static [&'static str],
    /// A part that its paths have. The first row that fits a call is the one that counts.
    pub path: &'static str,
    /// Least application permission, in Markdown.
    pub permission: &'static str,
}

/// What a run does, and the least roles of Microsoft Graph that let an identity do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// What the run does.
    pub purpose: &'static str,
    /// Application permissions.
    pub roles: &'static [&'static str],
}

const READ: &[&str] = &["GET"];
const WRITE: &[&str] = &["POST", "PATCH", "DELETE"];
const OWNED: &str =
    "`Application.ReadWrite.OwnedBy` for applications that it made or owns, else `Application.ReadWrite.All`";
const READ_ALL: &str = "`Application.Read.All`";

/// Every kind of call that the provider makes.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        purpose: "See which application permissions are granted",
        methods: READ,
        path: "appRoleAssign",
        permission: READ_ALL,
    },
    Operation {
        purpose: "Grant an application permission",
        methods: &["POST"],
        path: "appRoleAssign",
        permission: "`AppRoleAssignment.ReadWrite.All`, and `Application.Read.All` or `Directory.Read.All`",
    },
    Operation {
        purpose: "Revoke an application permission",
        methods: &["DELETE"],
        path: "appRoleAssign",
        permission: "`AppRoleAssignment.ReadWrite.All`",
    },
    Operation {
        purpose: "See which delegated permissions are granted",
        methods: READ,
        path: "oauth2PermissionGrants",
        permission: "`Directory.Read.All`, or `DelegatedPermissionGrant.ReadWrite.All`",
    },
    Operation {
        purpose: "Grant and revoke delegated permissions",
        methods: WRITE,
        path: "oauth2PermissionGrants",
        permission: "`DelegatedPermissionGrant.ReadWrite.All`",
    },
    Operation {
        purpose: "Read the tenant's name and domains (`m365_tenant`)",
        methods: READ,
        path: "/organization",
        permission: "`Organization.Read.All`",
    },
    Operation {
        purpose: "See whether an application has a policy of its own that counts instead of the tenant's (optional)",
        methods: READ,
        path: "/appManagementPolicies",
        permission: "`Policy.Read.All`",
    },
    Operation {
        purpose: "Compare secrets with the tenant's app management policy while planning (optional)",
        methods: READ,
        path: "/policies/defaultAppManagementPolicy",
        permission: "`Policy.Read.All`",
    },
    Operation {
        purpose: "See applications that were deleted",
        methods: READ,
        path: "/directory/deletedItems",
        permission: READ_ALL,
    },
    Operation {
        purpose: "Restore or purge an application that was deleted",
        methods: WRITE,
        path: "/directory/deletedItems",
        permission: OWNED,
    },
    Operation {
        purpose: "Read applications: what they ask for, their owners and credentials",
        methods: READ,
        path: "/applications",
        permission: READ_ALL,
    },
    Operation {
        purpose: "Make, change and delete applications, what they ask for and their credentials",
        methods: WRITE,
        path: "/applications",
        permission: OWNED,
    },
    Operation {
        purpose: "Read service principals, also those of the APIs",
        methods: READ,
        path: "/servicePrincipals",
        permission: READ_ALL,
    },
    Operation {
        purpose: "Make, change and delete service principals",
        methods: WRITE,
        path: "/servicePrincipals",
        permission: OWNED,
    },
];

/// The ways of working, from the least powerful identity to the most.
pub const DUTIES: &[Duty] = &[
    Duty { purpose: "Plan only, such as the nightly search for drift", roles: &["Directory.Read.All"] },
    Duty {
        purpose: "Make connectors and ask for permissions, without any consent",
        roles: &["Application.ReadWrite.OwnedBy"],
    },
    Duty {
        purpose: "Make connectors and consent to application permissions",
        roles: &["Application.ReadWrite.OwnedBy", "AppRoleAssignment.ReadWrite.All", "Directory.Read.All"],
    },
    Duty {
        purpose: "Make connectors and consent to application and delegated permissions",
        roles: &[
            "Application.ReadWrite.OwnedBy",
            "AppRoleAssignment.ReadWrite.All",
            "DelegatedPermissionGrant.ReadWrite.All",
            "Application.Read.All",
        ],
    },
];

/// Least application permission for a call.
pub(super) fn needed(method: &str, path: &str) -> Option<&'static str> {
    let fits = |one: &&Operation| one.methods.contains(&method) && path.contains(one.path);
    OPERATIONS.iter().find(fits).map(|one| one.permission)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_needs_what_its_row_says() {
        assert_eq!(needed("GET", "/applications/x"), Some(READ_ALL));
        assert_eq!(needed("POST", "/applications/x/addPassword"), Some(OWNED));
        assert_eq!(
            needed("DELETE", "/servicePrincipals/x/appRoleAssignments/y"),
            Some("`AppRoleAssignment.ReadWrite.All`")
        );
        assert_eq!(needed("PATCH", "/oauth2PermissionGrants/x"), Some("`DelegatedPermissionGrant.ReadWrite.All`"));
        assert_eq!(needed("POST", "/directory/deletedItems/x/restore"), Some(OWNED));
        assert_eq!(needed("GET", "/users"), None);
    }
}
