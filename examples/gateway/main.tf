# A feature store behind a Gateway: see routes.yaml, which has an HTTPRoute to the online server and a GRPCRoute to the
# registry.

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

resource "feast_feature_store" "gateway" {
  name          = "sample"
  feast_project = "gateway"

  services = {
    online_store = {}
    registry     = { local = { server = {} } }
  }
}
