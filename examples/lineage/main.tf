# A feature store with a lineage server, which receives lineage events of the feature store and of other tools.
#
# Requires the Secret "feast-data-stores" with the registry's connection parameters in the key "sql"; that database also
# stores the events. Requires the Secret "feast-lineage" with the key "api_key", with which senders authenticate, as the
# header "X-API-Key" or as a bearer token.

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

variable "image" {
  description = "Image of Feast. To send its own events, it needs the OpenLineage client: see the guide \"Lineage\"."
  type        = string
  default     = "quay.io/feastdev/feature-server:0.67.0"
}

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}

resource "feast_feature_store" "traced" {
  name          = "traced"
  feast_project = "traced"

  services = {
    init_image   = var.image
    online_store = { server = { image = var.image } }
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
    extra_config = { namespace = "traced" }
    consumer = {
      enabled            = true
      api_key_secret_ref = { name = "feast-lineage" }
      namespace_mapping  = { airflow_production = "traced" }
      lineage_server     = { replicas = 2 }
    }
  }
}

output "events" {
  description = "Address of the lineage server. Other tools send events to http://<address>/api/v1/lineage."
  value       = feast_feature_store.traced.endpoints.lineage
}
