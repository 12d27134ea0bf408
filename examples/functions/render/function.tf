# The manifests of a feature store, for a review or a repository that GitOps applies from.
output "manifests" {
  value = provider::feast::render({
    name          = "sample"
    namespace     = "default"
    feast_project = "sample"

    services = {
      registry = { local = { server = { rest_api = true } } }
    }
  })
}
