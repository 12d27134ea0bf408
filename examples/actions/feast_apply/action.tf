# Applies the definitions when CI passes another commit to Terraform, for a feature store that uses a branch of the
# repository. To run it alone: terraform apply -invoke=action.feast_apply.demo
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
