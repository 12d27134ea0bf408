# Replaces the pods: terraform apply -invoke=action.feast_restart.demo
action "feast_restart" "demo" {
  config {
    name      = "demo"
    namespace = "shop"
    timeout   = "10m"
  }
}
