resource "m365_connector_federated_credential" "pipeline" {
  application_id = m365_connector_app.siem.id
  name           = "github-production"
  issuer         = "https://token.actions.githubusercontent.com"
  subject        = "repo:octo-org/siem-collector:environment:production"
  description    = "Deployments of the collector"
}
