resource "m365_connector_credentials_exclusive" "siem" {
  application_id             = m365_connector_app.siem.id
  key_ids                    = [m365_connector_certificate.siem.key_id]
  federated_credential_names = [m365_connector_federated_credential.pipeline.name]
}
