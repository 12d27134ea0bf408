data "feast_feature_store" "example" {
  name      = "example"
  namespace = "default"
}

output "online_store" {
  description = "Where applications inside the cluster ask for online features."
  value       = data.feast_feature_store.example.endpoints.online_store
}
