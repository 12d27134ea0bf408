output "online_stores" {
  description = "Addresses of the online servers in the cluster, by name."
  value       = { for name, store in feast_feature_store.this : name => store.endpoints.online_store }
}

output "client_config_maps" {
  description = "ConfigMaps with the feature_store.yaml of clients, by name."
  value       = { for name, store in feast_feature_store.this : name => "${store.deployment_name}-client" }
}

output "ids" {
  description = "Namespaces and names, for `terraform import`, by name."
  value       = { for name, store in feast_feature_store.this : name => store.id }
}
