import {
  to = feast_feature_store.example
  identity = {
    namespace = "default"
    name      = "example"
  }
}
