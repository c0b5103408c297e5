output "defender" {
  value = provider::m365::profile_permissions("md-eco-m365-defender", [], false)
}
