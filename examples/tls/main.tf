# Every server of a feature store with TLS. The guide "TLS" explains it.
#
# The Secret "feast-certificate" has a certificate for every Service under "tls.crt", and its private key under
# "tls.key", such as cert-manager makes them.

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
  description = "Namespace for the feature store; it must exist. The certificate must be for its Services."
  type        = string
  default     = "feast"
}

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}

locals {
  tls = { secret_ref = { name = "feast-certificate" } }
}

resource "feast_feature_store" "secured" {
  name          = "secured"
  feast_project = "my_project"

  services = {
    online_store  = { server = { tls = local.tls } }
    offline_store = { server = { tls = local.tls } }
    registry      = { local = { server = { rest_api = true, tls = local.tls } } }
    ui            = { tls = local.tls }
  }
}

output "endpoints" {
  value = feast_feature_store.secured.endpoints
}
