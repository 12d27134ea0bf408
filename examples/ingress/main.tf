# A feature store behind an Ingress: see ingress.yaml, which has its host names and refers to its Services.

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

resource "feast_feature_store" "ingress" {
  name          = "sample"
  feast_project = "ingress"

  services = {
    online_store = { server = { service = { traffic_distribution = "PreferSameZone" } } }
    ui           = {}
  }
}
