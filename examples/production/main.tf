# A feature store for production use: authorization, pods spread over nodes and zones, a PodDisruptionBudget that evicts
# one pod at a time, resource requests and limits, network policies, images from a registry mirror, and hourly
# materialization. It is accepted in namespaces with the Pod Security level "restricted", a ResourceQuota on requests and
# limits, and a NetworkPolicy that denies everything.
#
# Requires the Secret "feast-data-stores" with the keys "postgres" and "sql" (see the guide "Secrets"), both images in the
# registry mirror, the Secret "registry-mirror" to pull them, and a git repository with feature definitions.

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

variable "mirror" {
  description = "Registry and path prefix from which the cluster pulls images."
  type        = string
  default     = "registry.example.com/mirror"
}

variable "repository" {
  description = "URL of the git repository with the feature definitions."
  type        = string
  default     = "https://github.com/example/features"
}

locals {
  feature_server = "${var.mirror}/feastdev/feature-server:0.67.0"
}

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
  # Rejects every other cluster. To get the UID, run: kubectl get namespace kube-system -o jsonpath={.metadata.uid}
  # expected_cluster_uid = "6f9c3b1e-52c4-4f0e-9d0f-0f6f0a7d2b11"
}

resource "feast_feature_store" "production" {
  name          = "production"
  feast_project = "production"

  # Without it, Feast creates and serves its sample definitions.
  feast_project_dir = {
    git = { url = var.repository, ref = "v1.2.0" }
  }

  # Kubernetes RBAC authorizes requests. Terraform needs additional permissions: see the guide "Access to the cluster".
  authz = { kubernetes = {} }

  cron_job = {
    schedule = "@hourly"
    container_configs = {
      image    = "${var.mirror}/openshift/origin-cli:4.17"
      commands = ["feast materialize-incremental $(date -u +'%Y-%m-%dT%H:%M:%S')"]
      resources = {
        requests = { cpu = "50m", memory = "64Mi" }
        limits   = { cpu = "500m", memory = "256Mi" }
      }
    }
  }

  services = {
    scaling = {
      autoscaling = {
        min_replicas = 3
        max_replicas = 12
        metrics = [{
          type     = "Resource"
          resource = { name = "cpu", target = { type = "Utilization", average_utilization = 70 } }
        }]
        behavior = {
          scale_down = { stabilization_window_seconds = 600 }
        }
      }
    }

    # A node drain evicts one pod at a time.
    pod_disruption_budgets = { max_unavailable = 1 }

    # Prefers one pod per node, and an even distribution over zones.
    topology_spread_constraints = [
      for key in ["kubernetes.io/hostname", "topology.kubernetes.io/zone"] : {
        max_skew           = 1
        topology_key       = key
        when_unsatisfiable = "ScheduleAnyway"
        label_selector     = { match_labels = { "feast.dev/name" = "production" } }
      }
    ]

    # Containers can write only to volumes. The other settings of the Pod Security level "restricted" are the defaults.
    container_security_context = { read_only_root_filesystem = true }

    network_policy = {
      ingress = [
        {
          from      = [{ namespace_selector = { match_labels = { "feast-client" = "true" } } }]
          endpoints = ["online_store"]
        },
        {
          from      = [{ namespace_selector = { match_labels = { "kubernetes.io/metadata.name" = "monitoring" } } }]
          endpoints = ["metrics"]
        },
      ]
      # PostgreSQL, the git repository, and the API server, which authorizes requests.
      egress = [{ ports = [for port in [5432, 443, 6443] : { port = port, protocol = "TCP" }] }]
    }

    init_image         = local.feature_server
    image_pull_secrets = [{ name = "registry-mirror" }]

    online_store = {
      persistence = {
        store = {
          type       = "postgres"
          secret_ref = { name = "feast-data-stores" }
        }
      }
      server = {
        image = local.feature_server
        resources = {
          requests = { cpu = "500m", memory = "1Gi" }
          limits   = { cpu = "2", memory = "1Gi" }
        }
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
