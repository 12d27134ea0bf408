# A module for the feature stores of an organization: databases for all of them, with connection parameters in one Secret each,
# and the settings that differ between teams as optional attributes of one variable. `terraform test` runs its tests without a
# cluster.

terraform {
  required_version = ">= 1.7"

  required_providers {
    feast = {
      source = "feast-dev/feast"
    }
  }
}

resource "feast_feature_store" "this" {
  for_each = var.stores

  name          = each.key
  namespace     = var.namespace
  feast_project = coalesce(each.value.project, replace(each.key, "-", "_"))
  labels        = merge(var.labels, each.value.labels)

  # An attribute that is null counts as absent, so the optional parts need no dynamic blocks.
  feast_project_dir = each.value.git == null ? null : {
    git = {
      url               = each.value.git.url
      ref               = each.value.git.ref
      feature_repo_path = each.value.git.path
    }
  }

  cron_job = each.value.schedule == null ? null : {
    schedule = each.value.schedule
    container_configs = {
      image     = var.kubectl_image
      resources = { requests = { cpu = "50m", memory = "64Mi" }, limits = { memory = "256Mi" } }
    }
  }

  services = {
    init_image         = var.image
    image_pull_secrets = var.image_pull_secrets

    scaling = {
      replicas    = each.value.autoscaling == null ? each.value.replicas : null
      autoscaling = each.value.autoscaling
    }

    online_store = {
      persistence = { store = { type = each.value.online_store, secret_ref = { name = each.value.secret } } }
      server = {
        image     = var.image
        env       = [for name, value in each.value.env : { name = name, value = value }]
        resources = each.value.resources
      }
    }

    registry = {
      local = {
        persistence = { store = { type = "sql", secret_ref = { name = each.value.secret } } }
        # For Python clients, which need the registry. An autoscaler needs the requests of every server.
        server = {
          image     = var.image
          env       = [for name, value in each.value.env : { name = name, value = value }]
          resources = each.value.resources
        }
      }
    }
  }

  timeouts = var.timeouts
}
