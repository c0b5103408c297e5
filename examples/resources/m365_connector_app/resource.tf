resource "m365_connector_app" "siem" {
  display_name = "Contoso SIEM"
  unique_name  = "contoso-siem"
  notes        = "Owned by the security team."
}
