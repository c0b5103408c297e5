# "microsoft_graph/application/User.Read.All", also by client id and permission id
output "by_id" {
  value = provider::m365::permission_key("00000003-0000-0000-c000-000000000000", "application", "df021288-bdef-4463-88db-98f22de89214")
}
