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

resource "feast_feature_store" "first" {
  name          = "first"
  feast_project = "first"

  services = {
    # The gRPC server of the registry, which Python clients need.
    registry = { local = { server = {} } }
  }
}
