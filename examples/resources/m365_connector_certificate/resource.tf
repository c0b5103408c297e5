variable "siem_certificate" {
  description = "Public part of the vendor's certificate, in PEM."
  type        = string
}

resource "m365_connector_certificate" "siem" {
  application_id = m365_connector_app.siem.id
  certificate    = var.siem_certificate
  display_name   = "SIEM collector 2026"
}
