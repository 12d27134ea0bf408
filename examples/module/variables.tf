variable "stores" {
  description = "Feature stores, by name."
  type = map(object({
    # Secret with the connection parameters: the type of the online store, and "sql", are its keys.
    secret       = string
    online_store = optional(string, "postgres")

    # Project in Feast. Default: the name, with "_" in place of "-".
    project = optional(string)
    git = optional(object({
      url  = string
      ref  = optional(string)
      path = optional(string)
    }))

    replicas = optional(number, 2)
    # In place of `replicas`, as in the resource. Without metrics, Kubernetes scales by 80% of the CPU request.
    autoscaling = optional(object({
      min_replicas = optional(number, 2)
      max_replicas = number
    }))
    resources = optional(object({
      requests = optional(map(string))
      limits   = optional(map(string))
    }))

    # Schedule of `feast apply` and the materialization.
    schedule = optional(string)
    env      = optional(map(string), {})
    labels   = optional(map(string), {})
  }))

  validation {
    condition     = alltrue([for store in var.stores : store.autoscaling == null || try(store.resources.requests.cpu, null) != null])
    error_message = "A feature store with `autoscaling` needs `resources.requests.cpu`: the utilization refers to the request."
  }
}

variable "namespace" {
  description = "Namespace of the feature stores. Default: that of the provider."
  type        = string
  default     = null
}

variable "image" {
  description = "Image of Feast. Default: that of the provider."
  type        = string
  default     = null
}

variable "kubectl_image" {
  description = "Image with kubectl, for schedules. Default: that of the provider."
  type        = string
  default     = null
}

variable "image_pull_secrets" {
  description = "Secrets for pulling images."
  type        = list(object({ name = string }))
  default     = null
}

variable "labels" {
  description = "Labels of all objects."
  type        = map(string)
  default     = {}
}

variable "timeouts" {
  description = "Time limits, as in the resource."
  type = object({
    create = optional(string)
    update = optional(string)
    delete = optional(string)
  })
  default = null
}
