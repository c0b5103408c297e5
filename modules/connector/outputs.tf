output "client_id" {
  description = "Application (client) id."
  value       = m365_connector_app.this.client_id
}

output "tenant_id" {
  description = "Tenant (GUID)."
  value       = m365_connector_app.this.tenant_id
}

output "application_id" {
  description = "Object id of the application."
  value       = m365_connector_app.this.id
}

output "service_principal_id" {
  description = "Object id of the service principal."
  value       = m365_connector_app.this.service_principal_id
}

output "secret" {
  description = "The client secret. Null with a `recipient` or another credential."
  value       = one(m365_connector_secret.this[*].value)
  sensitive   = true
}

output "encrypted_secret" {
  description = "The client secret for the `recipient` alone, as an armoured age file. Null without one."
  value       = one(m365_connector_secret.this[*].encrypted_value)
}

output "certificate_key_id" {
  description = "Id under which the application has the certificate. Null with another credential."
  value       = one(m365_connector_certificate.this[*].key_id)
}

output "consent_url" {
  description = "Page on which an administrator can consent."
  value       = m365_connector_app.this.consent_url
}

output "consent_status" {
  description = "What is true of each permission, by permission key: declared, requested, granted."
  value       = data.m365_consent_status.this.permissions_status
}

output "consent_complete" {
  description = "Whether every declared permission was seen to be requested and granted."
  value       = data.m365_consent_status.this.complete
}

output "prerequisites" {
  description = "What has to be in the tenant before the connector works, and what of it is there."
  value       = data.m365_connector_prerequisites.this.items
}

output "outputs" {
  description = "What the vendor's portal asks for, by the document's names. Null where it is a secret, which `secret` or `encrypted_secret` has, or nothing that this module knows."
  value = {
    for name in data.m365_connector_profile.this.outputs : name => lookup({
      client_id              = m365_connector_app.this.client_id
      tenant_id              = m365_connector_app.this.tenant_id
      certificate_thumbprint = one(m365_connector_certificate.this[*].thumbprint)
      secret_expiry          = one(m365_connector_secret.this[*].end_date_time)
    }, name, null)
  }
}
