//! The scenarios: the operation that a fault interrupts, and the configurations before and after it.

use crate::lifecycle::store::DATABASES;

/// One operation of Terraform on a feature store.
pub struct Scenario {
    pub name: &'static str,
    /// The configuration that is applied before the operation, if any.
    pub before: Option<Configuration>,
    pub operation: Operation,
    /// The configuration of the operation, and the expected final state.
    pub after: Configuration,
}

/// The operation during which the fault is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An apply without a refresh, so that every request belongs to the apply itself.
    Apply,
    /// A plan without changes.
    Plan,
    /// A refresh-only apply without changes.
    Refresh,
    /// A destroy without a refresh, followed by another destroy.
    Destroy,
    /// A destroy without a refresh, followed by an apply.
    DestroyAndRestore,
    /// An apply without a refresh, followed by an apply of the previous configuration.
    ApplyAndRevert,
    /// An import of the store, which is not in the state.
    Import,
    /// A plan that reads the data source.
    DataSource,
}

/// The arguments of a feature store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    pub services: &'static str,
    pub attributes: &'static str,
    /// The minimum replica count after an apply of this configuration.
    pub replicas: u64,
}

const TIMEOUTS: &str = r#"timeouts = { create = "60s", update = "60s", delete = "60s" }"#;

impl Configuration {
    /// Returns the arguments of [`crate::lifecycle::store::configuration`]: services and attributes.
    pub fn arguments(&self) -> (String, String) {
        let stores = match self.services.contains("online_store") {
            true => "",
            false => DATABASES,
        };
        let Self {
            services,
            attributes,
            ..
        } = self;
        (
            format!("{services}\n{stores}"),
            format!("{TIMEOUTS}\n{attributes}"),
        )
    }
}

const fn scaled(services: &'static str, replicas: u64) -> Configuration {
    Configuration {
        services,
        attributes: "",
        replicas,
    }
}

const FIXED_1: Configuration = scaled("scaling = { replicas = 1 }\nfeast_apply = \"none\"", 1);
const FIXED_3: Configuration = scaled("scaling = { replicas = 3 }\nfeast_apply = \"none\"", 3);
const HPA: Configuration = scaled(
    "scaling = { autoscaling = { min_replicas = 2, max_replicas = 4 } }\nfeast_apply = \"none\"",
    2,
);
/// The replica count is kept: it is two after an HPA.
const EXTERNAL: Configuration = scaled("feast_apply = \"none\"", 1);
const ROLLING: Configuration = scaled(
    "deployment_strategy = { type = \"RollingUpdate\" }\nscaling = { replicas = 2 }\nfeast_apply = \"none\"",
    2,
);
const RECREATE: Configuration = scaled(
    "deployment_strategy = { type = \"Recreate\" }\nscaling = { replicas = 2 }\nfeast_apply = \"none\"",
    2,
);

/// One object of each kind that a single feature store can have.
const EVERYTHING: Configuration = Configuration {
    services: r#"
    scaling = { autoscaling = { min_replicas = 2, max_replicas = 3 } }
    pod_disruption_budgets = { max_unavailable = 1 }
    ui = { resources = { requests = { cpu = "100m" } } }
    "#,
    attributes: r#"
    authz    = { kubernetes = { roles = ["feast-reader"] } }
    cron_job = { schedule = "0 3 * * *" }
    "#,
    replicas: 2,
};

/// A PVC that is deleted with the store.
const ON_PVC: Configuration = Configuration {
    services: r#"
    online_store = {
      persistence = { file = { path = "online.db", pvc = { create = {}, mount_path = "/data" } } }
    }
    feast_apply = "init_container"
    "#,
    attributes: "delete_data = true",
    replicas: 1,
};

const WITH_EXTRAS: Configuration = Configuration {
    services: r#"
    scaling = { replicas = 2 }
    ui = {}
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server = {
        image     = "quay.io/feastdev/feature-server:0.65.0"
        env       = [{ name = "LOG_LEVEL", value = "debug" }]
        resources = { requests = { cpu = "100m" } }
      }
    }
    registry = {
      local = { persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } } }
    }
    "#,
    attributes: r#"labels = { team = "a" }"#,
    replicas: 2,
};
const WITHOUT_EXTRAS: Configuration = Configuration {
    services: r#"
    scaling = { replicas = 2 }
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server = {
        image     = "quay.io/feastdev/feature-server:0.67.0"
        resources = { requests = { cpu = "100m" } }
      }
    }
    registry = {
      local = { persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } } }
    }
    "#,
    attributes: "",
    replicas: 2,
};

const fn create(name: &'static str, after: Configuration) -> Scenario {
    Scenario {
        name,
        before: None,
        operation: Operation::Apply,
        after,
    }
}

const fn update(name: &'static str, before: Configuration, after: Configuration) -> Scenario {
    Scenario {
        name,
        before: Some(before),
        operation: Operation::Apply,
        after,
    }
}

const fn unchanged(
    name: &'static str,
    operation: Operation,
    configuration: Configuration,
) -> Scenario {
    Scenario {
        name,
        before: Some(configuration),
        operation,
        after: configuration,
    }
}

const fn reverted(name: &'static str, before: Configuration, after: Configuration) -> Scenario {
    Scenario {
        name,
        before: Some(before),
        operation: Operation::ApplyAndRevert,
        after,
    }
}

pub const SCENARIOS: [Scenario; 20] = [
    create("create", EVERYTHING),
    create("create_on_pvc", ON_PVC),
    update("scale_up", FIXED_1, FIXED_3),
    update("scale_down", FIXED_3, FIXED_1),
    update("fixed_to_hpa", FIXED_3, HPA),
    update("hpa_to_fixed", HPA, FIXED_3),
    update("hpa_to_external", HPA, EXTERNAL),
    update("external_to_hpa", EXTERNAL, HPA),
    update("rolling_to_recreate", ROLLING, RECREATE),
    update("recreate_to_rolling", RECREATE, ROLLING),
    update("remove_extras", WITH_EXTRAS, WITHOUT_EXTRAS),
    unchanged("plan", Operation::Plan, WITH_EXTRAS),
    unchanged("refresh", Operation::Refresh, WITH_EXTRAS),
    unchanged("destroy", Operation::Destroy, EVERYTHING),
    unchanged("destroy_pvc", Operation::Destroy, ON_PVC),
    unchanged(
        "destroy_and_restore",
        Operation::DestroyAndRestore,
        WITHOUT_EXTRAS,
    ),
    reverted("extras_reverted", WITHOUT_EXTRAS, WITH_EXTRAS),
    reverted("hpa_reverted", FIXED_3, HPA),
    unchanged("import", Operation::Import, WITH_EXTRAS),
    unchanged("data_source", Operation::DataSource, WITH_EXTRAS),
];
