# The step needs `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in its `env`.
provider "m365" {
  tenant_id                          = "contoso.onmicrosoft.com"
  client_id                          = "11111111-2222-3333-4444-555555555555"
  ado_pipeline_service_connection_id = "66666666-7777-8888-9999-000000000000"
}
