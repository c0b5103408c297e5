//! Which application permission allows which call: the one table behind refusals' advice, the guide on permissions and the comparison
//! with the run's own token. Sources: the permission tables of Graph's reference (microsoft-graph-docs-contrib,
//! `includes/permissions/{application-get,approleassignment-get-2,serviceprincipal-post-approleassignments,oauth2permissiongrant-list}`)
//! and its permission model file; tried against the simulated tenant, which enforces them apart.

use std::sync::LazyLock;

/// A kind of call to Microsoft Graph.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it is for, as a user would say it.
    pub purpose: &'static str,
    /// HTTP methods.
    pub methods: &'static [&'static str],
    /// A part that its paths have. The first row that fits a call is the one that counts.
    pub path: &'static str,
    /// What allows it: all of these together.
    pub rights: &'static [Right],
    /// Template ids of directory roles, each of which may allow it without any application permission.
    pub directory_roles: &'static [&'static str],
}

/// What an identity has to hold in one of several forms.
#[derive(Debug, PartialEq, Eq)]
pub struct Right {
    /// The application permission to give where nothing else decides.
    pub least: &'static str,
    /// Enough for what the identity made or owns.
    pub own: Option<&'static str>,
    /// Another one that does as well.
    pub or: Option<&'static str>,
    /// Wider ones, which nobody should be told to give for this.
    pub wider: &'static [&'static str],
}

/// What a run does, and the least roles of Microsoft Graph that let an identity do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// What the run does.
    pub purpose: &'static str,
    /// Application permissions.
    pub roles: &'static [&'static str],
}

/// Application permissions with which an identity can write anything that this provider writes.
pub const WRITERS: &[&str] = &[
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.ReadWrite.All",
    "RoleManagement.ReadWrite.Directory",
];

const READ: &[&str] = &["GET"];
const WRITE: &[&str] = &["POST", "PATCH", "DELETE"];

const READ_ALL: Right = Right {
    least: "Application.Read.All",
    own: None,
    or: None,
    wider: &["Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
};
const OWNED: Right =
    Right { least: "Application.ReadWrite.All", own: Some("Application.ReadWrite.OwnedBy"), or: None, wider: &[] };
const ASSIGN: Right = Right { least: "AppRoleAssignment.ReadWrite.All", own: None, or: None, wider: &[] };
const READ_APIS: Right = Right { or: Some("Directory.Read.All"), wider: READ_ALL.wider, ..READ_ALL };
const READ_GRANTS: Right = Right {
    least: "Directory.Read.All",
    own: None,
    or: Some("DelegatedPermissionGrant.ReadWrite.All"),
    wider: &["Directory.ReadWrite.All"],
};
const WRITE_GRANTS: Right = Right { least: "DelegatedPermissionGrant.ReadWrite.All", own: None, or: None, wider: &[] };
const READ_TENANT: Right = Right {
    least: "Organization.Read.All",
    own: None,
    or: None,
    wider: &["Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
};
/// An identity that acts as itself has to own the application whose principal it makes with the narrow permission, and nobody owns
/// Microsoft's. Source: microsoft-graph-docs, issue 16138.
const ADD_PRINCIPAL: Right =
    Right { least: "Application.ReadWrite.All", own: None, or: None, wider: &["Directory.ReadWrite.All"] };
const READ_POLICIES: Right = Right { least: "Policy.Read.All", own: None, or: None, wider: &[] };

const READ_SUBSCRIPTIONS: Right = Right {
    least: "LicenseAssignment.Read.All",
    own: None,
    or: Some("Organization.Read.All"),
    wider: &[
        "LicenseAssignment.ReadWrite.All",
        "Organization.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
};
const READ_ROLE_HOLDERS: Right = Right {
    least: "RoleManagement.Read.Directory",
    own: None,
    or: None,
    wider: &[
        "RoleManagement.Read.All",
        "RoleManagement.ReadWrite.Directory",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
};

/// Global Administrator.
const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";
/// Privileged Role Administrator.
const PRIVILEGED: &str = "e8611ab8-c189-46e8-94e1-60213ab1f814";
/// Application Administrator.
const APPLICATION: &str = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3";
/// Cloud Application Administrator.
const CLOUD_APPLICATION: &str = "158c047a-c907-4556-b7ef-446551a6b5f7";
/// Global Reader.
const READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
/// Directory Readers.
const DIRECTORY_READER: &str = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";

const MANAGERS: &[&str] = &[GLOBAL, APPLICATION, CLOUD_APPLICATION];
/// The application administrators consent to everything but Graph's own application permissions. Source: Entra's "Grant tenant-wide
/// admin consent to an application".
const CONSENTERS: &[&str] = &[GLOBAL, PRIVILEGED, APPLICATION, CLOUD_APPLICATION];
const READERS: &[&str] = &[GLOBAL, PRIVILEGED, APPLICATION, CLOUD_APPLICATION, READER, DIRECTORY_READER];

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $row:expr;)*) => {
        $($(#[$doc])* pub static $name: Operation = $row;)*
        /// Every kind of call that the provider makes.
        pub static OPERATIONS: &[&Operation] = &[$(&$name),*];
    };
}
operations! {
    /// See which application permissions are granted.
    READ_ROLES = Operation {
        purpose: "See which application permissions are granted",
        methods: READ,
        path: "appRoleAssign",
        rights: &[READ_ALL],
        directory_roles: READERS,
    };
    /// Grant an application permission.
    GRANT_ROLE = Operation {
        purpose: "Grant an application permission",
        methods: &["POST"],
        path: "appRoleAssign",
        rights: &[ASSIGN, READ_APIS],
        directory_roles: CONSENTERS,
    };
    /// Revoke an application permission.
    REVOKE_ROLE = Operation {
        purpose: "Revoke an application permission",
        methods: &["DELETE"],
        path: "appRoleAssign",
        rights: &[ASSIGN],
        directory_roles: CONSENTERS,
    };
    /// See which delegated permissions are granted.
    READ_SCOPES = Operation {
        purpose: "See which delegated permissions are granted",
        methods: READ,
        path: "oauth2PermissionGrants",
        rights: &[READ_GRANTS],
        directory_roles: READERS,
    };
    /// Grant and revoke delegated permissions.
    WRITE_SCOPES = Operation {
        purpose: "Grant and revoke delegated permissions",
        methods: WRITE,
        path: "oauth2PermissionGrants",
        rights: &[WRITE_GRANTS],
        directory_roles: CONSENTERS,
    };
    /// Read the tenant's name and domains (`m365_tenant`).
    READ_ORGANIZATION = Operation {
        purpose: "Read the tenant's name and domains (`m365_tenant`)",
        methods: READ,
        path: "/organization",
        rights: &[READ_TENANT],
        directory_roles: READERS,
    };
    /// See what the tenant is licensed for (`m365_connector_prerequisites`).
    READ_LICENCES = Operation {
        purpose: "See what the tenant is licensed for (`m365_connector_prerequisites`)",
        methods: READ,
        path: "/subscribedSkus",
        rights: &[READ_SUBSCRIPTIONS],
        directory_roles: READERS,
    };
    /// See who holds a directory role (`m365_connector_prerequisites`).
    READ_HOLDERS = Operation {
        purpose: "See who holds a directory role (`m365_connector_prerequisites`)",
        methods: READ,
        path: "/roleManagement/directory/roleAssignments",
        rights: &[READ_ROLE_HOLDERS],
        directory_roles: READERS,
    };
    /// See whether an application has a policy of its own that counts instead of the tenant's (optional).
    READ_OWN_POLICY = Operation {
        purpose: "See whether an application has a policy of its own that counts instead of the tenant's (optional)",
        methods: READ,
        path: "/appManagementPolicies",
        rights: &[READ_POLICIES],
        directory_roles: READERS,
    };
    /// Compare secrets with the tenant's app management policy while planning (optional).
    READ_POLICY = Operation {
        purpose: "Compare secrets with the tenant's app management policy while planning (optional)",
        methods: READ,
        path: "/policies/defaultAppManagementPolicy",
        rights: &[READ_POLICIES],
        directory_roles: READERS,
    };
    /// See applications that were deleted.
    READ_DELETED = Operation {
        purpose: "See applications that were deleted",
        methods: READ,
        path: "/directory/deletedItems",
        rights: &[READ_ALL],
        directory_roles: READERS,
    };
    /// Restore or purge an application that was deleted.
    WRITE_DELETED = Operation {
        purpose: "Restore or purge an application that was deleted",
        methods: WRITE,
        path: "/directory/deletedItems",
        rights: &[OWNED],
        directory_roles: MANAGERS,
    };
    /// Read applications: what they ask for, their owners and credentials.
    READ_APPLICATION = Operation {
        purpose: "Read applications: what they ask for, their owners and credentials",
        methods: READ,
        path: "/applications",
        rights: &[READ_ALL],
        directory_roles: READERS,
    };
    /// Make, change and delete applications, what they ask for and their credentials.
    WRITE_APPLICATION = Operation {
        purpose: "Make, change and delete applications, what they ask for and their credentials",
        methods: WRITE,
        path: "/applications",
        rights: &[OWNED],
        directory_roles: MANAGERS,
    };
    /// Read service principals, also those of the APIs.
    READ_PRINCIPAL = Operation {
        purpose: "Read service principals, also those of the APIs",
        methods: READ,
        path: "/servicePrincipals",
        rights: &[READ_ALL],
        directory_roles: READERS,
    };
    /// Make, change and delete service principals.
    WRITE_PRINCIPAL = Operation {
        purpose: "Make, change and delete service principals",
        methods: WRITE,
        path: "/servicePrincipals",
        rights: &[OWNED],
        directory_roles: MANAGERS,
    };
    /// Add the service principal of an API that the tenant lacks.
    ADD_API = Operation {
        purpose: "Add the service principal of an API that the tenant lacks",
        methods: &["POST"],
        path: "/servicePrincipals",
        rights: &[ADD_PRINCIPAL],
        directory_roles: MANAGERS,
    };
}

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

impl Right {
    /// In Markdown.
    fn text(&self) -> String {
        match (self.own, self.or) {
            (Some(own), _) => format!("`{own}` for applications that it made or owns, else `{}`", self.least),
            (None, Some(or)) => format!("`{}` or `{or}`", self.least),
            (None, None) => format!("`{}`", self.least),
        }
    }
}

impl Operation {
    /// Least application permissions, in Markdown.
    pub fn permission(&self) -> String {
        self.rights.iter().map(Right::text).collect::<Vec<_>>().join(", and ")
    }
}

/// Least application permission for a call.
pub(super) fn needed(method: &str, path: &str) -> Option<&'static str> {
    static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| OPERATIONS.iter().map(|one| one.permission()).collect());
    let fits = |one: &&Operation| one.methods.contains(&method) && path.contains(one.path);
    OPERATIONS.iter().position(fits).and_then(|row| TEXTS.get(row)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_needs_what_its_row_says() {
        assert_eq!(needed("GET", "/applications/x"), Some("`Application.Read.All`"));
        let owned = Some(
            "`Application.ReadWrite.OwnedBy` for applications that it made or owns, else `Application.ReadWrite.All`",
        );
        assert_eq!(needed("POST", "/applications/x/addPassword"), owned);
        assert_eq!(
            needed("DELETE", "/servicePrincipals/x/appRoleAssignments/y"),
            Some("`AppRoleAssignment.ReadWrite.All`")
        );
        assert_eq!(needed("PATCH", "/oauth2PermissionGrants/x"), Some("`DelegatedPermissionGrant.ReadWrite.All`"));
        assert_eq!(needed("POST", "/directory/deletedItems/x/restore"), owned);
        assert_eq!(
            needed("POST", "/servicePrincipals/x/appRoleAssignedTo"),
            Some("`AppRoleAssignment.ReadWrite.All`, and `Application.Read.All` or `Directory.Read.All`")
        );
        assert_eq!(needed("GET", "/users"), None);
    }
}
