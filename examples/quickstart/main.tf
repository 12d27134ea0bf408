# The configuration of `cargo run --example quickstart`: a feature store on PostgreSQL that a HorizontalPodAutoscaler
# scales between 1 and 5 replicas.
#
# Requires the Secret "feast-data-stores" with the keys "postgres" and "sql": see the guide "Secrets".

terraform {
  required_providers {
    feast = {
      source = "feast-dev/feast"
    }
  }
}

variable "kubeconfig" {
  description = "Path of the kubeconfig file of the cluster."
  type        = string
  default     = "~/.kube/config"
}

variable "namespace" {
  description = "Namespace of the feature store. It must exist."
  type        = string
  default     = "default"
}

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}

resource "feast_feature_store" "quickstart" {
  name          = "quickstart"
  feast_project = "quickstart"

  services = {
    scaling = {
      autoscaling = {
        min_replicas = 1
        max_replicas = 5
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
          requests = { cpu = "200m", memory = "256Mi" }
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

output "endpoint" {
  description = "Address of the online server inside the cluster."
  value       = feast_feature_store.quickstart.endpoints.online_store
}

output "strategy" {
  value = feast_feature_store.quickstart.strategy
}
