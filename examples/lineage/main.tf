# A feature store that receives lineage events, its own and those of other tools, in pods made for that.
#
# The Secret "feast-data-stores" has the registry's connection under "sql"; that database holds the events too. The
# Secret "feast-lineage" has under "api_key" what senders must show, as the header "X-API-Key" or as a bearer token.

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

resource "feast_feature_store" "traced" {
  name          = "traced"
  feast_project = "my_project"

  services = {
    registry = {
      local = {
        persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } }
        server      = { rest_api = true }
      }
    }
    ui = {}
  }

  openlineage = {
    enabled      = true
    extra_config = { namespace = "my_project" }
    consumer = {
      enabled            = true
      api_key_secret_ref = { name = "feast-lineage" }
      namespace_mapping  = { airflow_production = "my_project" }
      lineage_server     = { replicas = 2 }
    }
  }
}

output "events" {
  description = "Where other tools send their events: http://<this>/api/v1/lineage."
  value       = feast_feature_store.traced.endpoints.lineage
}
