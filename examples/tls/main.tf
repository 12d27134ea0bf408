# A feature store with TLS for every server: see the guide "TLS".
#
# Requires the Secret "feast-certificate" with a certificate for every Service in "tls.crt" and its private key in
# "tls.key", as cert-manager creates it.

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
  description = "Namespace of the feature store. It must exist, and the certificate must be valid for its Services."
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
  feast_project = "secured"

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
