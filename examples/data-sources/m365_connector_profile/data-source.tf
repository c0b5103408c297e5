data "m365_connector_profile" "xdr" {
  profile  = "md-eco-m365-defender"
  features = ["remediation"]
}

# What the vendor's document asks for, before anything is made.
output "permissions" {
  value = data.m365_connector_profile.xdr.permissions
}

# What is wrong with the document, and what the profile does about it.
output "discrepancies" {
  value = data.m365_connector_profile.xdr.discrepancies
}
