data "m365_connector_profile" "this" {
  profile          = var.profile
  features         = var.features
  include_optional = var.include_optional
}

data "m365_connector_prerequisites" "this" {
  tenant_id        = var.tenant_id
  profile          = var.profile
  features         = var.features
  include_optional = var.include_optional
}

resource "m365_connector_app" "this" {
  tenant_id    = var.tenant_id
  unique_name  = var.unique_name
  profile      = var.profile
  display_name = var.display_name
  on_existing  = var.on_existing

  lifecycle {
    precondition {
      condition     = (var.certificate != null) == (var.credential == "certificate")
      error_message = "`certificate` is given with `credential = \"certificate\"`, and only then."
    }
    precondition {
      condition     = (var.federated != null) == (var.credential == "federated")
      error_message = "`federated` is given with `credential = \"federated\"`, and only then."
    }
    precondition {
      condition     = var.recipient == null || var.credential == "secret"
      error_message = "`recipient` is given with `credential = \"secret\"` only: nothing else is encrypted."
    }
  }
}

resource "m365_connector_permission_set" "this" {
  tenant_id        = m365_connector_app.this.tenant_id
  application_id   = m365_connector_app.this.id
  profile          = var.profile
  features         = var.features
  include_optional = var.include_optional
  exclusive        = var.exclusive
  acknowledge      = var.acknowledge
}

resource "m365_admin_consent" "this" {
  tenant_id            = m365_connector_app.this.tenant_id
  service_principal_id = m365_connector_app.this.service_principal_id
  permissions          = m365_connector_permission_set.this.permissions
  exclusive            = var.exclusive
  exceptions           = var.exceptions
  acknowledge          = var.acknowledge
}

resource "m365_connector_secret" "this" {
  count = var.credential == "secret" ? 1 : 0

  tenant_id      = m365_connector_app.this.tenant_id
  application_id = m365_connector_app.this.id
  display_name   = data.m365_connector_profile.this.slug
  recipient      = var.recipient
}

resource "m365_connector_certificate" "this" {
  count = var.credential == "certificate" ? 1 : 0

  tenant_id      = m365_connector_app.this.tenant_id
  application_id = m365_connector_app.this.id
  certificate    = var.certificate
}

resource "m365_connector_federated_credential" "this" {
  count = var.credential == "federated" ? 1 : 0

  tenant_id      = m365_connector_app.this.tenant_id
  application_id = m365_connector_app.this.id
  name           = var.federated.name
  issuer         = var.federated.issuer
  subject        = var.federated.subject
  audiences      = var.federated.audiences
}

# Once the consent is there: what the tenant shows, and not what was asked of it.
data "m365_consent_status" "this" {
  tenant_id            = m365_connector_app.this.tenant_id
  service_principal_id = m365_connector_app.this.service_principal_id
  permissions          = m365_connector_permission_set.this.permissions
  depends_on           = [m365_admin_consent.this]
}

# What cannot be seen is left to a person: `prerequisites` has it all.
check "prerequisites" {
  assert {
    condition = alltrue([
      for one in values(data.m365_connector_prerequisites.this.items) :
      one.status != "missing" if contains(["licence", "service"], one.kind)
    ])
    error_message = join("\n", [
      for name, one in data.m365_connector_prerequisites.this.items : "${name} is missing: ${one.detail}"
      if one.status == "missing" && contains(["licence", "service"], one.kind)
    ])
  }
}
