# Applies the definitions when the commit changes that CI passes to Terraform, for a repository of which the feature store
# uses a branch. Without Terraform's plan: terraform apply -invoke=action.feast_apply.demo
variable "commit" {
  type    = string
  default = "main"
}

resource "terraform_data" "definitions" {
  input = var.commit

  lifecycle {
    action_trigger {
      events  = [after_update]
      actions = [action.feast_apply.demo]
    }
  }
}

action "feast_apply" "demo" {
  config {
    name      = "demo"
    namespace = "shop"
  }
}
