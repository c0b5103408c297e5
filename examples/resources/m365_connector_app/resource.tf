# An application of your own making.
resource "m365_connector_app" "siem" {
  display_name = "Contoso SIEM"
  unique_name  = "contoso-siem"
  notes        = "Owned by the security team."
}

# What a vendor documents, by the name of its profile: `terraform-provider-m365 catalog list` shows all.
resource "m365_connector_app" "xdr" {
  profile = "md-eco-m365-defender"
}
