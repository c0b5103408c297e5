data "m365_client_config" "this" {}

# Stops a run whose identity can do more than it should.
check "least_privilege" {
  assert {
    condition     = !contains(data.m365_client_config.this.roles, "RoleManagement.ReadWrite.Directory")
    error_message = "The provider's identity can make itself an administrator."
  }
}
