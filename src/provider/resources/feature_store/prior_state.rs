//! The prior state of an operation, decoded once.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value as Json;

use crate::cluster::StoreName;
use crate::feast::config::{Drift, FeatureStore};
use crate::feast::render;
use crate::feast::rendered::StoreInputs;
use crate::feast::spec::{Defaults, Store};
use crate::kubernetes::Kind;
use crate::provider::diagnostics;
use crate::schema::{Block, Diagnostic, Value, decode};

use super::manifests::Manifests;
use super::parse::was_scaled;
use super::private_state::PrivateState;

/// The state and the private data that an operation starts from.
pub struct PriorState<'a> {
    pub block: &'a Block,
    /// The attributes as Terraform stores them; null on create.
    pub value: &'a Value,
    pub private: PrivateState,
    /// The objects as the last refresh saw them, which is what the user has seen in the state.
    pub observed: Manifests,
    /// The attribute `drift`.
    pub drift: Vec<Drift>,
    config: OnceLock<Result<FeatureStore, String>>,
}

impl<'a> PriorState<'a> {
    pub fn decode(block: &'a Block, value: &'a Value, private: &[u8]) -> Self {
        let private = PrivateState::decode(block, value, private);
        Self {
            block,
            value,
            observed: private.observed(),
            private,
            drift: drift(value),
            config: OnceLock::new(),
        }
    }

    /// Returns the configuration in the state, which has live values where others have changed them.
    ///
    /// # Errors
    ///
    /// The reason why this version of the provider cannot read the state.
    pub fn config(&self) -> Result<&FeatureStore, &str> {
        let config = (self.config).get_or_init(|| decode_config(self.block, self.value));
        config.as_ref().map_err(String::as_str)
    }

    /// Returns the specification of that configuration. `None` for a null state, and for one that this version of the
    /// provider cannot read.
    pub fn spec(&self) -> Option<Store> {
        let config = self.config().ok()?;
        Some(Store::new(config, &Defaults::default()))
    }

    /// Returns the names of the PersistentVolumeClaims that the configuration creates, and of those that the last apply
    /// could not remove.
    pub fn created_pvcs(&self) -> BTreeSet<String> {
        let Some(spec) = self.spec() else {
            return BTreeSet::new();
        };
        let (mut pvcs, referenced) = (spec.created_pvcs(), spec.referenced_pvcs());
        let observed = self.observed.keys();
        let observed = observed.filter(|key| {
            key.kind == Kind::PersistentVolumeClaim && !referenced.contains(&key.name)
        });
        pvcs.extend(observed.map(|key| key.name.clone()));
        pvcs
    }

    /// Returns the names of the PersistentVolumeClaims that an update or a destroy can delete: those of
    /// [`Self::created_pvcs`], and those that earlier applies kept. A plan names no others.
    pub fn deletable_pvcs(&self) -> BTreeSet<String> {
        &self.created_pvcs() | &self.private.kept_pvcs
    }

    /// Returns the state as the last apply wrote it, without the drift that refreshes have found since.
    pub fn applied_value(&self) -> Value {
        let mut value = self.value.clone();
        if let Some(attributes) = &self.private.applied_attributes {
            attributes.restore(self.block, &mut value);
        }
        value
    }

    /// Returns what the hashes of the last apply depend on, without rendering its objects. `value` is
    /// [`Self::applied_value`]. `None` where this version of the provider cannot read the configuration.
    pub fn applied_inputs(&self, value: &Value) -> Option<StoreInputs> {
        let defaults = Defaults {
            namespace: Some(value.attribute("namespace").as_str()?.to_owned()),
            was_scaled: was_scaled(value),
        };
        let spec = match &self.private.applied_attributes {
            Some(attributes) => Store::new(&attributes.config()?, &defaults),
            None => Store::new(self.config().ok()?, &defaults),
        };
        Some(render::inputs(&spec))
    }

    /// Checks that a moved state has been refreshed.
    ///
    /// # Errors
    ///
    /// A `moved` block has made the state, and it was not refreshed since.
    pub fn check_was_read(&self) -> Result<(), Diagnostic> {
        match self.store_name().filter(|_| self.private.is_moved) {
            Some(store) => Err(diagnostics::moved_and_unread(&store)),
            None => Ok(()),
        }
    }

    /// Returns the namespace and name of the feature store.
    pub fn store_name(&self) -> Option<StoreName> {
        store_name(self.value)
    }
}

/// Decodes the configuration in a state.
///
/// # Errors
///
/// The reason why this version of the provider cannot read the state.
pub fn decode_config(block: &Block, state: &Value) -> Result<FeatureStore, String> {
    #[cfg(test)]
    counters::DECODED.with(|count| count.set(count.get() + 1));
    serde_json::from_value(decode(block, state).json).map_err(|error| error.to_string())
}

/// Returns the namespace and name of the feature store in a state.
pub fn store_name(state: &Value) -> Option<StoreName> {
    Some(StoreName {
        namespace: state.attribute("namespace").as_str()?.to_owned(),
        name: state.attribute("name").as_str()?.to_owned(),
    })
}

/// Reads the attribute `drift`. Entries of unknown form are left out.
fn drift(state: &Value) -> Vec<Drift> {
    let Value::List(elements) = state.attribute("drift") else {
        return Vec::new();
    };
    let text = |element: &Value, name: &str| element.attribute(name).as_str().map(str::to_owned);
    let read = |element: &Value| {
        let change = element.attribute("change").as_str()?;
        Some(Drift {
            object: text(element, "object")?,
            change: serde_json::from_value(Json::from(change)).ok()?,
            field: text(element, "field")?,
            wanted: text(element, "wanted"),
            live: text(element, "live"),
            manager: text(element, "manager"),
            operation: text(element, "operation"),
            time: text(element, "time"),
        })
    };
    elements.iter().filter_map(read).collect()
}

/// Counters of expensive steps on this thread, for tests.
#[cfg(test)]
pub mod counters {
    use std::cell::Cell;

    thread_local! {
        /// Prior states whose configuration was decoded.
        pub static DECODED: Cell<usize> = const { Cell::new(0) };
        /// Private states that were decoded.
        pub static PRIVATE_DECODED: Cell<usize> = const { Cell::new(0) };
        /// Configurations that were rendered.
        pub static RENDERED: Cell<usize> = const { Cell::new(0) };
    }
}
