# The rules of the provider. It plans without a cluster, so no address is contacted.

provider "feast" {
  host      = "https://127.0.0.1:1"
  namespace = "ml"
}

run "nulls_for_everything_optional" {
  command = plan

  variables {
    image              = null
    kubectl_image      = null
    image_pull_secrets = null
    namespace          = null
    timeouts           = { create = null, update = null, delete = null }
    stores = {
      demo = {
        secret       = "databases"
        online_store = null
        project      = null
        git          = null
        replicas     = null
        autoscaling  = null
        resources    = { requests = null, limits = null }
        schedule     = null
        env          = null
        labels       = null
      }
      clone = {
        secret   = "databases"
        git      = { url = "https://git.example.com/features", ref = null, path = null }
        schedule = "@daily"
        env      = { LOG_LEVEL = null }
        labels   = { team = null }
      }
    }
  }

  assert {
    condition     = feast_feature_store.this["demo"].namespace == "ml"
    error_message = "The namespace is not that of the provider."
  }
  assert {
    condition     = output.online_stores["demo"] == "feast-demo-online.ml.svc.cluster.local:80"
    error_message = "The address is not known at plan time."
  }
}
