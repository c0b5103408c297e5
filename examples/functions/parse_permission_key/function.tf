# { api = "microsoft_graph", kind = "application", value = "User.Read.All" }
output "parts" {
  value = provider::m365::parse_permission_key("microsoft_graph/application/User.Read.All")
}
