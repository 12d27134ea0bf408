# The manifests of a feature store, for a review or a GitOps repository.
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
