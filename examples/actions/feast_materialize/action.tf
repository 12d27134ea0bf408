# Fills the online store after the feature store was created, and after each change of it.
resource "feast_feature_store" "demo" {
  name          = "demo"
  namespace     = "shop"
  feast_project = "demo"

  services = {
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
    }
    registry = {
      local = { persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } } }
    }
  }

  lifecycle {
    action_trigger {
      events  = [after_create, after_update]
      actions = [action.feast_materialize.demo]
    }
  }
}

action "feast_materialize" "demo" {
  config {
    name      = feast_feature_store.demo.name
    namespace = feast_feature_store.demo.namespace
  }
}

# Loads the values of one month again: terraform apply -invoke=action.feast_materialize.january
action "feast_materialize" "january" {
  config {
    name      = "demo"
    namespace = "shop"
    from      = "2026-01-01T00:00:00Z"
    to        = "2026-02-01T00:00:00Z"
    views     = ["driver_hourly_stats"]
    timeout   = "4h"
  }
}
