locals {
  sample = provider::feast::from_manifest(file("${path.module}/store.yaml"))
}

# The object has every attribute. Attributes that the custom resource does not set are null.
resource "feast_feature_store" "sample" {
  name          = local.sample.name
  namespace     = local.sample.namespace
  labels        = local.sample.labels
  annotations   = local.sample.annotations
  feast_project = local.sample.feast_project
  authz         = local.sample.authz
  services      = local.sample.services
}
