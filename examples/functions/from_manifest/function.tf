locals {
  sample = provider::feast::from_manifest(file("${path.module}/store.yaml"))
}

# Pass every attribute: those that the custom resource does not set are null, and null counts as absent.
resource "feast_feature_store" "sample" {
  name                    = local.sample.name
  namespace               = local.sample.namespace
  labels                  = local.sample.labels
  annotations             = local.sample.annotations
  feast_project           = local.sample.feast_project
  feast_project_dir       = local.sample.feast_project_dir
  protected_project       = local.sample.protected_project
  authz                   = local.sample.authz
  batch_engine            = local.sample.batch_engine
  cron_job                = local.sample.cron_job
  data_quality_monitoring = local.sample.data_quality_monitoring
  materialization         = local.sample.materialization
  mlflow                  = local.sample.mlflow
  openlineage             = local.sample.openlineage
  services                = local.sample.services
}
