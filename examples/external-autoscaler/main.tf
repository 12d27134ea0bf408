# A feature store that is scaled by an autoscaler outside Terraform, such as KEDA (the third example of the Feast blog
# post of 2026-02-21).
#
# Without `scaling`, the provider never changes the live replica count. Several pods need the RollingUpdate strategy and
# database-backed stores. The strategy is set here, because the provider cannot know that there will be more than one
# pod. scaled-object.yaml is the corresponding KEDA resource.
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
  name          = "sample-keda"
  feast_project = "sample_external"

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
      # The query in scaled-object.yaml uses these metrics.
      server = {
        metrics = true
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
  description = "Name of the Deployment, which is the target in scaled-object.yaml."
  value       = feast_feature_store.sample.deployment_name
}
