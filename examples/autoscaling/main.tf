# A feature store that Kubernetes scales between 2 and 10 replicas, at 70 % of the requested CPU (the second
# example of the Feast blog of 2026-02-21).
#
# The provider makes the HorizontalPodAutoscaler and leaves the replica count to it. Utilization is measured
# against what the container requests, so a request is needed.
#
# It needs the Secret "feast-data-stores" with the keys "postgres" and "sql": see the guide "Secrets".

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
  description = "Namespace for the feature store; it must exist."
  type        = string
  default     = "default"
}

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}

resource "feast_feature_store" "sample" {
  name          = "sample-hpa"
  feast_project = "my_project"

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
