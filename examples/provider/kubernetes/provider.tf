# The file is renewed while the pod runs, and read anew for every sign-in.
provider "m365" {
  tenant_id            = "contoso.onmicrosoft.com"
  client_id            = "11111111-2222-3333-4444-555555555555"
  oidc_token_file_path = "/var/run/secrets/azure/tokens/azure-identity-token"
}
