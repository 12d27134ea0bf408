# The feature stores in one namespace, of this provider and of the Feast operator.
list "feast_feature_store" "shop" {
  provider = feast

  config {
    namespace = "shop"
  }
}

# The feature stores of the Feast operator with the label `team=ml` in all namespaces, with their state.
list "feast_feature_store" "operator" {
  provider         = feast
  include_resource = true
  limit            = 1000

  config {
    all_namespaces = true
    managed_by     = "feast-operator"
    label_selector = "team=ml"
  }
}
