//! Settings that have an attribute, and settings of the provider.

/// A setting that `extra_yaml` cannot have: its section (empty for a top-level setting), its name, and the attribute or
/// the reason. A name that ends with `*` is a prefix.
pub type Reserved = (&'static str, &'static str, &'static str);

/// In place of the attribute of a setting that the provider sets.
pub const BY_PROVIDER: &str = "";

/// Settings of servers and clients.
pub const BOTH: &[Reserved] = &[
    ("", "project", "feast_project"),
    ("", "project_description", "project_description"),
    ("", "provider", BY_PROVIDER),
    ("", "entity_key_serialization_version", BY_PROVIDER),
    ("", "coerce_tz_aware", "coerce_tz_aware"),
    ("auth", "type", "authz"),
    ("auth", "token_env_var", "authz.oidc.token_env_var"),
    ("registry", "registry_type", "services.registry"),
    ("registry", "type", "services.registry"),
    ("registry", "cert", "services.registry.remote.tls"),
    ("registry", "is_tls", "services.registry.remote.is_tls"),
    (
        "registry",
        "client_cert",
        "services.registry.remote.client_cert",
    ),
    (
        "registry",
        "client_key",
        "services.registry.remote.client_key",
    ),
    (
        "registry",
        "authority",
        "services.registry.remote.authority",
    ),
    (
        "registry",
        "serve_features_while_materializing",
        "services.registry.serve_features_while_materializing",
    ),
    (
        "registry",
        "enable_online_feature_view_versioning",
        "services.registry.enable_online_feature_view_versioning",
    ),
    ("online_store", "type", "services.online_store.persistence"),
    (
        "offline_store",
        "type",
        "services.offline_store.persistence",
    ),
    ("mlflow", "enabled", "mlflow.enabled"),
    ("mlflow", "tracking_uri", "mlflow.tracking_uri"),
    ("mlflow", "ui_url", "mlflow.ui_url"),
    ("mlflow", "auto_log", "mlflow.auto_log"),
    ("mlflow", "auto_log_entity_df", "mlflow.auto_log_entity_df"),
    ("mlflow", "entity_df_max_rows", "mlflow.entity_df_max_rows"),
    ("mlflow", "log_operations", "mlflow.log_operations"),
    (
        "mlflow",
        "ops_experiment_suffix",
        "mlflow.ops_experiment_suffix",
    ),
    ("mlflow", "dataset_sync", "mlflow.dataset_sync"),
    (
        "mlflow",
        "supported_artifact_formats",
        "mlflow.supported_artifact_formats",
    ),
];

/// Settings of the servers alone.
pub const SERVERS: &[Reserved] = &[
    ("auth", "auth_discovery_url", "authz.oidc.issuer_url"),
    ("auth", "ca_cert_path", "authz.oidc.ca_cert_config_map"),
    (
        "auth",
        "jwks_cache_lifespan_seconds",
        "authz.oidc.jwks_cache_lifespan_seconds",
    ),
    (
        "auth",
        "jwks_request_timeout_seconds",
        "authz.oidc.jwks_request_timeout_seconds",
    ),
    ("auth", "verify_ssl", "authz.oidc.verify_ssl"),
    ("auth", "client_id", "authz.oidc.secret_ref"),
    ("registry", "mcp", "services.registry.local.server.mcp"),
    (
        "registry",
        "purge_feast_metadata",
        "services.registry.local.purge_feast_metadata",
    ),
    (
        "feature_server",
        "type",
        "services.online_store.serving.mcp",
    ),
    (
        "feature_server",
        "mcp_*",
        "services.online_store.serving.mcp",
    ),
    (
        "feature_server",
        "metrics",
        "services.online_store.serving.metrics",
    ),
    (
        "feature_server",
        "audit_logging",
        "services.online_store.serving.audit_logging",
    ),
    (
        "feature_server",
        "feature_logging",
        "services.online_store.serving.feature_logging",
    ),
    (
        "feature_server",
        "offline_push_batching_*",
        "services.online_store.serving.offline_push_batching",
    ),
    (
        "materialization",
        "online_write_batch_size",
        "materialization.online_write_batch_size",
    ),
    ("openlineage", "enabled", "openlineage.enabled"),
    (
        "openlineage",
        "transport_type",
        "openlineage.transport_type",
    ),
    ("openlineage", "transport_url", "openlineage.transport_url"),
    (
        "openlineage",
        "transport_endpoint",
        "openlineage.transport_endpoint",
    ),
    ("openlineage", "api_key", "openlineage.api_key_secret_ref"),
    ("openlineage", "consumer", "openlineage.consumer"),
    ("embedding_model", "model", "embedding_model.model"),
    ("embedding_model", "provider", "embedding_model.provider"),
    (
        "data_quality_monitoring",
        "auto_baseline",
        "data_quality_monitoring.auto_baseline",
    ),
];

/// Settings of a registry, an online and an offline store in a file. In a database, they are parameters of the store.
pub const FILES: [&[Reserved]; 3] = [
    &[
        (
            "registry",
            "path",
            "services.registry.local.persistence.file.path",
        ),
        (
            "registry",
            "cache_ttl_seconds",
            "services.registry.local.persistence.file.cache_ttl_seconds",
        ),
        (
            "registry",
            "cache_mode",
            "services.registry.local.persistence.file.cache_mode",
        ),
        (
            "registry",
            "s3_additional_kwargs",
            "services.registry.local.persistence.file.s3_additional_kwargs",
        ),
    ],
    &[
        (
            "online_store",
            "path",
            "services.online_store.persistence.file.path",
        ),
        (
            "online_store",
            "vector_enabled",
            "services.online_store.persistence.file.vector_enabled",
        ),
        (
            "online_store",
            "similarity",
            "services.online_store.persistence.file.similarity",
        ),
        (
            "online_store",
            "text_search_enabled",
            "services.online_store.persistence.file.text_search_enabled",
        ),
        (
            "online_store",
            "enable_openai_compatible_store",
            "services.online_store.persistence.file.enable_openai_compatible_store",
        ),
    ],
    &[
        (
            "offline_store",
            "staging_location",
            "services.offline_store.persistence.file.staging_location",
        ),
        (
            "offline_store",
            "staging_location_endpoint_override",
            "services.offline_store.persistence.file.staging_location_endpoint_override",
        ),
    ],
];

/// Settings that make a registry, an online or an offline store in a database a file. They are read with the Secret,
/// which the apply checks.
pub const DATABASES: [&[Reserved]; 3] = [
    &[
        (
            "registry",
            "path",
            "services.registry.local.persistence.store.secret_ref",
        ),
        (
            "registry",
            "read_path",
            "services.registry.local.persistence.store.secret_ref",
        ),
    ],
    &[
        (
            "online_store",
            "path",
            "services.online_store.persistence.store.secret_ref",
        ),
        (
            "online_store",
            "online_stores",
            "services.online_store.persistence.store.secret_ref",
        ),
        (
            "online_store",
            "uri",
            "services.online_store.persistence.store.secret_ref",
        ),
        (
            "online_store",
            "location",
            "services.online_store.persistence.store.secret_ref",
        ),
    ],
    &[(
        "offline_store",
        "offline_stores",
        "services.offline_store.persistence.store.secret_ref",
    )],
];

/// Settings of clients alone.
pub const CLIENTS: &[Reserved] = &[
    ("registry", "path", BY_PROVIDER),
    ("online_store", "path", BY_PROVIDER),
    ("online_store", "cert", BY_PROVIDER),
    (
        "online_store",
        "connection_pool_size",
        "client.online_store.connection_pool_size",
    ),
    (
        "online_store",
        "connection_idle_timeout",
        "client.online_store.connection_idle_timeout",
    ),
    (
        "online_store",
        "connection_retries",
        "client.online_store.connection_retries",
    ),
    ("offline_store", "host", BY_PROVIDER),
    ("offline_store", "port", BY_PROVIDER),
    ("offline_store", "scheme", BY_PROVIDER),
    ("offline_store", "cert", BY_PROVIDER),
    (
        "offline_store",
        "connection_retries",
        "client.offline_store.connection_retries",
    ),
];
