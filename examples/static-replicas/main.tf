# A feature store with three replicas (the first example of the Feast blog post of 2026-02-21).
#
# Requires the Secret "feast-data-stores" with the connection parameters: the key "postgres" for the online store and
# the key "sql" for the registry, each a YAML mapping as in feature_store.yaml.

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
  name          = "sample-static"
  feast_project = "sample_static"

  services = {
    scaling = {
      replicas = 3
    }

    online_store = {
      persistence = {
        store = {
          type       = "postgres"
          secret_ref = { name = "feast-data-stores" }
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

output "scaling_status" {
  value = feast_feature_store.sample.scaling_status
}
