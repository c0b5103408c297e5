# The job needs `permissions: id-token: write`; nothing else is secret.
provider "m365" {
  tenant_id = "contoso.onmicrosoft.com"
  client_id = "11111111-2222-3333-4444-555555555555"
  use_oidc  = true
}
