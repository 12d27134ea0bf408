# A feature store that KEDA scales by its request rate. Requires KEDA, and a Prometheus server that scrapes port 8000 of
# the Service feast-sample-events-online.
#
# The provider creates the ScaledObject and does not set the replica count. In examples/external-autoscaler, the
# ScaledObject is managed outside Terraform instead.
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
  name          = "sample-events"
  feast_project = "sample_events"

  services = {
    scaling = {
      keda = {
        min_replicas = 2
        max_replicas = 10

        triggers = [{
          type = "prometheus"
          metadata = {
            serverAddress = "http://prometheus.monitoring.svc:9090"
            query         = "sum(rate(feast_feature_server_request_total{service=\"feast-sample-events-online\"}[2m]))"
            threshold     = "100"
          }
        }]
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
