# A feature store that an autoscaler outside Terraform scales, such as KEDA (the third example of the Feast
# blog of 2026-02-21).
#
# Without `scaling` the provider leaves the live replica count alone, on every kind of update. Several pods
# need the rolling strategy and database-backed stores; the strategy is set here, for the provider cannot
# know that there will be more than one pod. scaled-object.yaml is the KEDA resource that goes with it.
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
  name          = "sample-keda"
  feast_project = "my_project"

  services = {
    deployment_strategy = {
      type = "RollingUpdate"
    }

    online_store = {
      persistence = {
        store = {
          type       = "postgres"
          secret_ref = { name = "feast-data-stores" }
        }
      }
      # What the query in scaled-object.yaml counts.
      server = {
        metrics        = true
        worker_configs = { max_requests = 0 }
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

output "deployment_name" {
  description = "What scaled-object.yaml names as its target."
  value       = feast_feature_store.sample.deployment_name
}
