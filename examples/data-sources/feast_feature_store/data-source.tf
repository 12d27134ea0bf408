data "feast_feature_store" "example" {
  name      = "example"
  namespace = "default"
}

output "online_store" {
  description = "Address of the online server inside the cluster."
  value       = data.feast_feature_store.example.endpoints.online_store
}
