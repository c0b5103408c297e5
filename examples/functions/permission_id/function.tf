# df021288-bdef-4463-88db-98f22de89214
output "user_read_all" {
  value = provider::m365::permission_id("microsoft_graph", "application", "User.Read.All")
}
