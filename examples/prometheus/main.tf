# A feature store whose metrics Prometheus scrapes. dashboard.json is a dashboard for Grafana. Requires the Prometheus
# Operator.

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
  default     = "feast"
}

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}

resource "feast_feature_store" "monitored" {
  name          = "sample"
  feast_project = "monitored"

  services = {
    online_store = { server = { metrics = true } }

    service_monitor = {
      labels   = { release = "kube-prometheus-stack" }
      interval = "30s"
    }
  }
}
