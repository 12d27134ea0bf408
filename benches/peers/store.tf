resource "feast_feature_store" "store" {
  count            = @stores@
  name             = "bench-${count.index}"
  feast_project    = "bench"
  wait_for_rollout = false
  cron_job         = { schedule = "0 3 * * *" }
  services = {
    feast_apply = "none"
    scaling     = { autoscaling = { min_replicas = 1, max_replicas = 3 } }
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server = {
        image     = "quay.io/feastdev/feature-server:${count.index == 0 ? var.tag : "0.67.0"}"
        resources = { requests = { cpu = "100m" } }
      }
    }
    offline_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server      = { resources = { requests = { cpu = "100m" } } }
    }
    registry = {
      local = {
        persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } }
        server      = { resources = { requests = { cpu = "100m" } } }
      }
    }
  }
}
