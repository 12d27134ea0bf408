//! The reference pages of the functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::front_matter;
use crate::schema::Type;
use crate::schema::docs::type_name;
use crate::schema::provider::{Function, FunctionDefinition, FunctionParameter};

/// The parts of a page that the definition does not have.
struct Text {
    name: &'static str,
    example: &'static str,
    /// The text after the arguments.
    more: &'static str,
}

const TEXTS: [Text; 2] = [
    Text {
        name: "from_manifest",
        example: include_str!("../../../examples/functions/from_manifest/function.tf"),
        more: "\
## Result

An object with the attributes of [`feast_feature_store`](../resources/feature_store.md). Attributes that the custom
resource does not set are null. Nested objects have only the attributes that it sets.

- `spec` is converted field by field: `spec.services.onlineStore` is `services.online_store`.
- `metadata.name`, `namespace`, `labels` and `annotations` are the attributes of these names. Labels and annotations of
  `kubectl`, Helm, Argo CD and Flux are left out, and so are Feast's own.
- `spec.replicas` is `services.scaling.replicas`. The operator's default, 1, is set explicitly unless there is an
  autoscaler.
- `status` and the other fields of `metadata` are left out.

A field that this provider does not support is an error that names it, and so is a value of the wrong type. Rules are
checked where the object is used.

The program performs the same conversion and writes Terraform configuration:
`terraform-provider-feast convert store.yaml`. See [Migrating from the Feast operator](../guides/migration.md).
",
    },
    Text {
        name: "render",
        example: include_str!("../../../examples/functions/render/function.tf"),
        more: "\
## Result

One YAML document for each object, in the order in which the provider applies them. A feature store without a namespace
is rendered for `default`, because a function has no access to the provider block.

The result never contains connection parameters. In their place, the Secret `feast-<name>` has a comment with the name
and the key of your Secret that contains them. Values of environment variables are in the result as they are in the
configuration.

The result is for reviews and policy checks. If you apply it by other means, such as a GitOps tool, note what only the
provider does:

- It inserts the connection parameters.
- It annotates the pods with hashes of the configuration and of the certificates, so that they are replaced when these
  change. Without the annotations, restart the Deployment after each change.
- It appends a hash to the name of the `feast apply` Job. A Job is immutable: delete it before you apply another one.
- It stores the configuration in the Secret. A feature store without it cannot be imported.

An unsupported attribute, a value of the wrong type and a violated rule are errors with their paths.
",
    },
];

/// Returns the text of each function's page, by its path.
pub(super) fn pages(functions: &BTreeMap<String, Arc<dyn Function>>) -> BTreeMap<String, String> {
    TEXTS
        .iter()
        .map(|text| {
            let path = format!("docs/functions/{}.md", text.name);
            (path, page(text, functions[text.name].definition()))
        })
        .collect()
}

fn page(text: &Text, function: &FunctionDefinition) -> String {
    let Text {
        name,
        example,
        more,
    } = text;
    let FunctionDefinition {
        summary,
        description,
        parameters,
        returns,
    } = function;
    let front = front_matter(&format!("{name} function - Feast"), Some(""), summary);
    let signature: Vec<String> = parameters
        .iter()
        .map(|parameter| format!("{} {}", parameter.name, word(&parameter.r#type)))
        .collect();
    let arguments: String = (1..)
        .zip(parameters)
        .map(|(position, parameter)| {
            let FunctionParameter {
                name,
                r#type,
                description,
            } = parameter;
            format!(
                "{position}. `{name}` ({}) {description}\n",
                type_name(r#type)
            )
        })
        .collect();
    format!(
        "{front}\
# function: {name}

{description}

Provider functions need Terraform 1.8 or OpenTofu 1.7.

## Example Usage

```terraform
{example}```

## Signature

```text
{name}({}) {}
```

## Arguments

{arguments}
{more}",
        signature.join(", "),
        word(returns)
    )
}

fn word(ty: &Type) -> String {
    type_name(ty).to_lowercase()
}
