# A feature store that a HorizontalPodAutoscaler scales between 2 and 10 replicas, with a target of 70% CPU utilization
# (the second example of the Feast blog post of 2026-02-21).
#
# The provider creates the HorizontalPodAutoscaler and does not set the replica count. Utilization is relative to the
# CPU request of the container, so a request is required.
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

resource "feast_feature_store" "sample" {
  name          = "sample-hpa"
  feast_project = "sample_hpa"

  services = {
    scaling = {
      autoscaling = {
        min_replicas = 2
        max_replicas = 10

        metrics = [
          {
            type = "Resource"
            resource = {
              name = "cpu"
              target = {
                type                = "Utilization"
                average_utilization = 70
              }
            }
          },
        ]
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

output "replicas_owner" {
  value = feast_feature_store.sample.replicas_owner
}
