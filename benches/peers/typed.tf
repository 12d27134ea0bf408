# The twelve objects of a feature store, as the typed resources of hashicorp/kubernetes have them.

locals {
  names  = [for index in range(@stores@) : "bench-${index}"]
  labels = [for name in local.names : { "feast.dev/name" = name, "app.kubernetes.io/managed-by" = "feast" }]
}

resource "kubernetes_service_account_v1" "server" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
}

resource "kubernetes_service_account_v1" "cron_job" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}-cronjob"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
}

resource "kubernetes_role_v1" "cron_job" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}-cronjob"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
  rule {
    api_groups = [""]
    resources  = ["pods"]
    verbs      = ["get", "list"]
  }
  rule {
    api_groups = [""]
    resources  = ["pods/exec"]
    verbs      = ["create"]
  }
}

resource "kubernetes_role_binding_v1" "cron_job" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}-cronjob"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = kubernetes_role_v1.cron_job[count.index].metadata[0].name
  }
  subject {
    kind      = "ServiceAccount"
    name      = kubernetes_service_account_v1.cron_job[count.index].metadata[0].name
    namespace = var.namespace
  }
}

resource "kubernetes_secret_v1" "store" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
  data = { "feature_store.yaml" = "project: bench\nprovider: local\nentity_key_serialization_version: 3\n" }
}

resource "kubernetes_config_map_v1" "client" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}-client"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
  data = { "feature_store.yaml" = "project: bench\nprovider: local\nentity_key_serialization_version: 3\n" }
}

resource "kubernetes_service_v1" "service" {
  count = 3 * @stores@
  metadata {
    name      = "feast-${local.names[floor(count.index / 3)]}-${["online", "offline", "registry"][count.index % 3]}"
    namespace = var.namespace
    labels    = local.labels[floor(count.index / 3)]
  }
  spec {
    selector = { "feast.dev/name" = local.names[floor(count.index / 3)] }
    port {
      name        = "http"
      port        = 80
      target_port = 6566
    }
  }
}

resource "kubernetes_deployment_v1" "server" {
  count            = @stores@
  wait_for_rollout = false
  metadata {
    name      = "feast-${local.names[count.index]}"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
  spec {
    selector {
      match_labels = { "feast.dev/name" = local.names[count.index] }
    }
    strategy {
      type = "RollingUpdate"
    }
    template {
      metadata {
        labels = local.labels[count.index]
      }
      spec {
        service_account_name = kubernetes_service_account_v1.server[count.index].metadata[0].name
        dynamic "container" {
          for_each = { online = 6566, offline = 8815, registry = 6570 }
          content {
            name    = container.key
            image   = "quay.io/feastdev/feature-server:${count.index == 0 ? var.tag : "0.67.0"}"
            command = ["feast", "serve", "-h", "0.0.0.0"]
            port {
              name           = container.key
              container_port = container.value
            }
            resources {
              requests = { cpu = "100m" }
            }
            readiness_probe {
              tcp_socket {
                port = container.value
              }
              period_seconds = 10
            }
            volume_mount {
              name       = "config"
              mount_path = "/feast"
              read_only  = true
            }
          }
        }
        volume {
          name = "config"
          secret {
            secret_name = kubernetes_secret_v1.store[count.index].metadata[0].name
          }
        }
      }
    }
  }
  # The autoscaler's.
  lifecycle {
    ignore_changes = [spec[0].replicas]
  }
}

resource "kubernetes_horizontal_pod_autoscaler_v2" "server" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
  spec {
    min_replicas = 1
    max_replicas = 3
    scale_target_ref {
      api_version = "apps/v1"
      kind        = "Deployment"
      name        = kubernetes_deployment_v1.server[count.index].metadata[0].name
    }
    metric {
      type = "Resource"
      resource {
        name = "cpu"
        target {
          type                = "Utilization"
          average_utilization = 80
        }
      }
    }
  }
}

resource "kubernetes_cron_job_v1" "materialize" {
  count = @stores@
  metadata {
    name      = "feast-${local.names[count.index]}"
    namespace = var.namespace
    labels    = local.labels[count.index]
  }
  spec {
    schedule           = "0 3 * * *"
    concurrency_policy = "Replace"
    job_template {
      metadata {
        labels = local.labels[count.index]
      }
      spec {
        template {
          metadata {
            labels = local.labels[count.index]
          }
          spec {
            service_account_name = kubernetes_service_account_v1.cron_job[count.index].metadata[0].name
            restart_policy       = "Never"
            container {
              name    = "materialize"
              image   = "quay.io/openshift/origin-cli:4.17"
              command = ["/bin/bash", "-c", "kubectl exec deploy/feast-${local.names[count.index]} -- feast materialize-incremental now"]
            }
          }
        }
      }
    }
  }
}
