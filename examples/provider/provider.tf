terraform {
  required_providers {
    feast = {
      source  = "feast-dev/feast"
      version = "~> 0.1"
    }
  }
}

provider "feast" {
  config_path    = "~/.kube/config"
  config_context = "my-cluster"
  namespace      = "feast"
}
