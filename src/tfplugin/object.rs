//! Values of a registered object (resource, data source, list resource, action) to and from protocol messages.

use super::codec;
use super::proto::tfplugin6::{DynamicValue, ResourceIdentityData};
use crate::schema::provider::IdentitySchema;
use crate::schema::{Diagnostic, Diagnostics, Schema, Type, Value};

/// The types of an object's values.
pub(super) struct ObjectTypes {
    name: String,
    value: Type,
    /// Without attributes for an object that has no identity.
    identity: Type,
}

impl ObjectTypes {
    pub fn new(name: &str, schema: &Schema, identity: Option<&IdentitySchema>) -> Self {
        let attributes = identity.into_iter().flat_map(|schema| &schema.attributes);
        let attributes =
            attributes.map(|attribute| (attribute.name.clone(), attribute.r#type.clone()));
        Self {
            name: name.to_owned(),
            value: schema.block.value_type(),
            identity: Type::Object(attributes.collect()),
        }
    }

    /// Reads a value of the object's schema. `role` names the value in the error: `the prior state`.
    pub fn read(&self, value: Option<&DynamicValue>, role: &str) -> Result<Value, Diagnostics> {
        codec::read(value, &self.value)
            .map_err(|error| vec![unreadable(&format!("{role} of {}", self.name), error)])
    }

    /// Reads a stored state as far as it fits the current schema.
    pub fn read_stored(&self, json: &[u8]) -> Result<Value, codec::Error> {
        codec::from_stored_json(json, &self.value)
    }

    /// Reads a stored identity as far as it fits the current schema.
    pub fn read_stored_identity(&self, json: &[u8]) -> Result<Value, Diagnostics> {
        codec::from_stored_json(json, &self.identity)
            .map_err(|error| self.unreadable_identity(error))
    }

    /// Reads an identity. A null identity is `None`: Terraform sends it where it has none yet.
    pub fn read_identity(
        &self,
        identity: Option<&ResourceIdentityData>,
    ) -> Result<Option<Value>, Diagnostics> {
        let data = identity.and_then(|identity| identity.identity_data.as_ref());
        let identity =
            codec::read(data, &self.identity).map_err(|error| self.unreadable_identity(error))?;
        Ok(Some(identity).filter(|identity| !identity.is_null()))
    }

    /// Writes a value of the object's schema, or adds to `diagnostics` why it does not fit.
    pub fn write(&self, value: &Value, diagnostics: &mut Diagnostics) -> Option<DynamicValue> {
        self.write_as(value, &self.value, diagnostics)
    }

    /// Writes an identity, or adds to `diagnostics` why it does not fit.
    pub fn write_identity(
        &self,
        identity: Option<&Value>,
        diagnostics: &mut Diagnostics,
    ) -> Option<ResourceIdentityData> {
        let data = self.write_as(identity?, &self.identity, diagnostics)?;
        Some(ResourceIdentityData {
            identity_data: Some(data),
        })
    }

    fn write_as(
        &self,
        value: &Value,
        ty: &Type,
        diagnostics: &mut Diagnostics,
    ) -> Option<DynamicValue> {
        codec::write(value, ty)
            .map_err(|error| diagnostics.push(unwritable(&self.name, error)))
            .ok()
    }

    fn unreadable_identity(&self, error: codec::Error) -> Diagnostics {
        vec![unreadable(&format!("the identity of {}", self.name), error)]
    }
}

/// Returns the diagnostic for a value from Terraform that does not fit its type. `value` names it.
pub(super) fn unreadable(value: &str, error: codec::Error) -> Diagnostic {
    let detail = format!(
        "Terraform sent {value}, which the provider cannot read: {error}.\n\nIf the provider was upgraded or \
         downgraded, make sure that every run uses the same version of it."
    );
    Diagnostic::error("Value does not fit the provider's schema", detail).at(error.path)
}

fn unwritable(name: &str, error: codec::Error) -> Diagnostic {
    let detail = format!(
        "The provider's response for {name} does not fit its own schema: {error}.\n\nThis is a bug in the \
         provider."
    );
    Diagnostic::error("Provider produced an invalid value", detail).at(error.path)
}
