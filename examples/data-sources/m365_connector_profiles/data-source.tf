data "m365_connector_profiles" "all" {}

output "vendors" {
  value = { for slug, one in data.m365_connector_profiles.all.profiles : slug => one.vendor }
}
