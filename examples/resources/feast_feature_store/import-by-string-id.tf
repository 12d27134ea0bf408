import {
  to = feast_feature_store.example
  id = "default/example"
}
