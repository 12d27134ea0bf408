# A feature store on OpenShift: certificates of the service CA for every server, a Route to the web UI and to the
# REST API of the registry, and metrics for the monitoring of user-defined projects. See the guide "OpenShift".
#
# Requires the Secret "feast-data-stores" with the connection parameters of the databases under "postgres" and "sql".

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
  description = "Project (namespace) of the feature store. It must exist."
  type        = string
  default     = "feast"
}

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}

resource "feast_feature_store" "openshift" {
  name          = "sample"
  feast_project = "openshift"

  services = {
    openshift = {
      serving_certificates = true
      routes               = { ui = {}, registry_rest = {} }
    }
    scaling = { replicas = 2 }

    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server      = { metrics = true }
    }
    registry = {
      local = {
        persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } }
        server      = { rest_api = true }
      }
    }
    ui = {}

    service_monitor = {}
  }

  cron_job = { schedule = "@hourly" }
}

output "endpoints" {
  value = feast_feature_store.openshift.endpoints
}
