# The logic of the module, with a mock in place of the provider: nothing is called, and no cluster is needed.

mock_provider "feast" {
  mock_resource "feast_feature_store" {
    defaults = {
      id              = "ml/demo"
      deployment_name = "feast-demo"
      # OpenTofu needs a value for each attribute.
      endpoints = {
        online_store  = "feast-demo-online.ml.svc.cluster.local:80"
        offline_store = null
        registry      = null
        registry_rest = null
        ui            = null
        lineage       = null
      }
    }
  }
}

run "defaults" {
  variables {
    stores = { driver-stats = { secret = "databases" } }
  }

  assert {
    condition     = feast_feature_store.this["driver-stats"].feast_project == "driver_stats"
    error_message = "The project is not derived from the name."
  }
  assert {
    condition     = feast_feature_store.this["driver-stats"].services.scaling.replicas == 2
    error_message = "There are not two replicas."
  }
  assert {
    condition     = feast_feature_store.this["driver-stats"].cron_job == null && feast_feature_store.this["driver-stats"].feast_project_dir == null
    error_message = "Optional parts are not left out."
  }
  assert {
    condition     = output.online_stores == { driver-stats = "feast-demo-online.ml.svc.cluster.local:80" }
    error_message = "The output does not have the address of the online server."
  }
}

run "autoscaling_replaces_replicas" {
  variables {
    stores = {
      demo = {
        secret      = "databases"
        replicas    = 5
        autoscaling = { max_replicas = 4 }
        resources   = { requests = { cpu = "500m" } }
      }
    }
  }

  assert {
    condition     = feast_feature_store.this["demo"].services.scaling.replicas == null
    error_message = "`replicas` is not left out."
  }
  assert {
    condition     = feast_feature_store.this["demo"].services.scaling.autoscaling.min_replicas == 2
    error_message = "The minimum is not the default."
  }
}

run "autoscaling_needs_a_cpu_request" {
  command = plan

  variables {
    stores = { demo = { secret = "databases", autoscaling = { max_replicas = 4 } } }
  }

  expect_failures = [var.stores]
}
