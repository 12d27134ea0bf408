# Requires the Secret "feast-data-stores" with the keys "postgres" and "sql": see the guide "Secrets".
resource "feast_feature_store" "example" {
  name          = "example"
  namespace     = "default"
  feast_project = "credit_scoring"

  services = {
    scaling = {
      autoscaling = {
        min_replicas = 2
        max_replicas = 10
      }
    }

    online_store = {
      persistence = {
        store = {
          type       = "postgres"
          secret_ref = { name = "feast-data-stores" }
        }
      }
      server = {
        resources = {
          requests = { cpu = "500m", memory = "512Mi" }
        }
      }
    }

    registry = {
      local = {
        persistence = {
          store = {
            type       = "sql"
            secret_ref = { name = "feast-data-stores" }
          }
        }
      }
    }
  }
}
