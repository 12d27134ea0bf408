//! The generated pages of the reference, in the layout of the Terraform registry.
//! `UPDATE_DOCS=1 cargo test --test tidy` writes them.

mod actions;
mod functions;
mod rules;

use std::collections::BTreeMap;

use crate::schema::docs::schema_section;
use crate::schema::{Block, Provider};

use super::{FEATURE_STORE, Feast};

/// Returns the text of every generated page, by its path from the root of the package.
pub fn pages() -> BTreeMap<String, String> {
    let feast = Feast::new();
    let registry = feast.registry();
    let mut pages = functions::pages(&registry.functions);
    pages.extend(actions::pages(&registry.actions));
    pages.extend([
        ("docs/index.md".to_owned(), index(&feast.schema().block)),
        (
            "docs/data-sources/feature_store.md".to_owned(),
            object(
                "Data Source",
                FEATURE_STORE,
                "The live view of a Feast feature store on Kubernetes.",
                &registry.data_sources[FEATURE_STORE].schema().block,
                include_str!("../../examples/data-sources/feast_feature_store/data-source.tf"),
            ),
        ),
        (
            "docs/list-resources/feature_store.md".to_owned(),
            list_resource(&registry.list_resources[FEATURE_STORE].schema().block),
        ),
        (
            "docs/resources/feature_store.md".to_owned(),
            resource(&registry.resources[FEATURE_STORE].schema().block),
        ),
    ]);
    pages
}

fn index(block: &Block) -> String {
    let front = front_matter(
        "Provider: Feast",
        // The registry does not accept a subcategory on this page.
        None,
        "Manages Feast feature stores on Kubernetes.",
    );
    let example = include_str!("../../examples/provider/provider.tf");
    let schema = schema_section(block);
    format!(
        "{front}\
# Feast Provider

{description}

The provider creates the Kubernetes objects of a feature store itself. The cluster needs neither the Feast operator nor
a custom resource definition. The provider has:

- a resource, [`{FEATURE_STORE}`](resources/feature_store.md), with a [data source](data-sources/feature_store.md)
  and a [list resource](list-resources/feature_store.md) of the same name;
- three actions: [`feast_materialize`](actions/materialize.md), [`feast_apply`](actions/apply.md) and
  [`feast_restart`](actions/restart.md);
- two functions: [`render`](functions/render.md) shows the objects without a cluster,
  [`from_manifest`](functions/from_manifest.md) reads a custom resource of the operator.

Guides:

- [Getting started](guides/getting-started.md): from an empty namespace to a first feature, then your own definitions
  and clients
- [Operations](guides/operations.md): versions, pipelines, environments, limits, upgrades, troubleshooting
- [Scaling](guides/scaling.md): a fixed number of pods, a HorizontalPodAutoscaler, KEDA, or an autoscaler of your own
- [Drift and ownership](guides/drift-and-ownership.md): field ownership, and how changes by others are shown
- [Secrets](guides/secrets.md): how connection parameters reach Feast, and where they are never stored
- [TLS](guides/tls.md): TLS for every server, with certificates from Secrets
- [Networking](guides/networking.md): Services, load balancers, Ingress and Gateway routes, IPv6
- [OpenShift](guides/openshift.md): certificates, Routes, users and metrics, from an empty project to a served feature
- [Migrating from the Feast operator](guides/migration.md): custom resources as Terraform configuration;
  [differences from the Feast operator](guides/differences-from-the-feast-operator.md)
- [Authorization](guides/auth.md): permissions on the servers, by Kubernetes RBAC or OpenID Connect
- [Lineage](guides/lineage.md): sending and receiving OpenLineage events
- [MLflow](guides/mlflow.md): what Feast logs, where from, and how it authenticates
- [Data](guides/data.md): where data is kept, which changes affect PersistentVolumeClaims, and how the plan shows them
- [Access to the cluster](guides/cluster-access.md): the provider block, its environment variables, a minimal Role
- [Pulumi](guides/pulumi.md): options, and what to do after a failure
- [Preflight](guides/preflight.md): a plan that checks what the cluster would refuse
- [Restricted clusters](guides/restricted-clusters.md): Pod Security, quotas, service meshes, network policies, workload
  identity, admission policies

## Example Usage

This configuration creates a feature store whose data is in its pod, and lost with it. The guide [Getting
started](guides/getting-started.md) applies it and requests a feature.

```terraform
{example}```

{schema}",
        description = block.description,
    )
}

/// Returns the page of an object: its description, an example and its schema. `kind` is that of the registry:
/// `Data Source`.
fn object(kind: &str, name: &str, summary: &str, block: &Block, example: &str) -> String {
    let front = front_matter(&format!("{name} {kind} - Feast"), Some(""), summary);
    let schema = schema_section(block);
    format!(
        "{front}\
# {name} ({kind})

{description}

## Example Usage

```terraform
{example}```

{schema}",
        description = block.description,
    )
}

fn list_resource(block: &Block) -> String {
    let page = object(
        "List Resource",
        FEATURE_STORE,
        "Finds Feast feature stores on Kubernetes, to import them.",
        block,
        include_str!("../../examples/list-resources/feast_feature_store/list-resource.tfquery.hcl"),
    );
    format!(
        "{page}
## Results

`terraform query` needs Terraform 1.14 or later, and reads the `list` blocks in files with the extension `.tfquery.hcl`.
Each feature store is one result:

- Its identity is the namespace and the name, as for an [import](../resources/feature_store.md#import).
- Its display name is `<namespace>/<name>`. `(Feast operator)` follows if the operator created the feature store, and
  this provider has not taken it over.
- With `include_resource = true`, it has the state that an import returns. A feature store that cannot be imported is a
  warning then, for example a custom resource for which the operator has created no objects yet.

`terraform query -generate-config-out=<file>` writes an `import` block and a `resource` block for each result. Terraform
writes `null` for every attribute that is not set; `grep -v ' = null$' <file>` prints the same configuration without
these lines. The configuration of a feature store of this provider is the one that it was created with, and its plan is
empty. A value that others have changed since is the live one. The configuration of a feature store of the operator is
converted from its custom resource, and the plan shows what taking it over changes. [Migrating from the Feast
operator](../guides/migration.md#migrate-a-whole-cluster) has the steps for a whole cluster.

## Permissions

| Results | Verbs | Resources |
|---|---|---|
| of this provider | `list`; with `include_resource` or generated configuration also `get` | `secrets`, of which `list` only reads metadata |
| of the Feast operator | `list`; with `include_resource` or generated configuration also `get` | `featurestores` in the API group `feast.dev` |

The permissions apply to the namespace, or with `all_namespaces` to the whole cluster. A missing permission is a
warning, and the other results are listed. With `include_resource` or generated configuration, the provider also reads
the objects of each feature store, with the permissions of a [refresh](../guides/cluster-access.md#a-minimal-role).
"
    )
}

fn resource(block: &Block) -> String {
    let front = front_matter(
        &format!("{FEATURE_STORE} Resource - Feast"),
        Some(""),
        "A Feast feature store on Kubernetes: servers, stores, scaling and configuration.",
    );
    let example = include_str!("../../examples/resources/feast_feature_store/resource.tf");
    let by_identity =
        include_str!("../../examples/resources/feast_feature_store/import-by-identity.tf");
    let by_id = include_str!("../../examples/resources/feast_feature_store/import-by-string-id.tf");
    let by_command = include_str!("../../examples/resources/feast_feature_store/import.sh");
    let schema = schema_section(block);
    let rules = rules::section();
    format!(
        "{front}\
# {FEATURE_STORE} (Resource)

{description}

The guide [Getting started](../guides/getting-started.md) leads to a first feature, [Scaling](../guides/scaling.md)
describes how the number of pods is set, and [Secrets](../guides/secrets.md) how connection parameters reach Feast.
`terraform validate` checks the [rules](#rules) about several attributes.

## Example Usage

```terraform
{example}```

{schema}
{rules}
## Import

A feature store that this provider created can be imported, because its Secret contains the configuration. A feature
store that the Feast operator created is imported from its custom resource, and the next apply takes it over. The guide
[Migrating from the Feast operator](../guides/migration.md) has the steps.

An [`import` block](https://developer.hashicorp.com/terraform/language/import) takes `<namespace>/<name>`, or `<name>`
in the provider's namespace:

```terraform
{by_id}```

In Terraform and OpenTofu 1.12 and later, it can specify the feature store by its identity:

```terraform
{by_identity}```

`terraform query` finds feature stores to import, and generates their configuration: see the
[list resource](../list-resources/feature_store.md). A `moved` block takes over a custom resource that is managed as a
`kubernetes_manifest` or `kubectl_manifest`: see [Migrating from the Feast
operator](../guides/migration.md#move-a-manifest-in-terraform).

An import does not know which values of the cluster were accepted before: values that an admission policy has rewritten,
and changes that `ignore_changes` keeps. The first plan after the import shows them as drift; its apply records them.

The command imports into a configuration that already exists:

```shell
{by_command}```
",
        description = block.description,
    )
}

fn front_matter(title: &str, subcategory: Option<&str>, description: &str) -> String {
    let subcategory =
        subcategory.map_or_else(String::new, |name| format!("subcategory: \"{name}\"\n"));
    format!("---\npage_title: \"{title}\"\n{subcategory}description: |-\n  {description}\n---\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::provider::Registry;

    #[test]
    fn every_object_has_a_page() {
        let feast = Feast::new();
        let Registry {
            resources,
            data_sources,
            functions,
            list_resources,
            actions,
        } = feast.registry();
        let names = (resources.keys().map(|name| ("resources", name)))
            .chain(data_sources.keys().map(|name| ("data-sources", name)))
            .chain(functions.keys().map(|name| ("functions", name)))
            .chain(list_resources.keys().map(|name| ("list-resources", name)))
            .chain(actions.keys().map(|name| ("actions", name)));
        let mut expected: Vec<String> = names
            .map(|(folder, name)| {
                let name = name.strip_prefix("feast_").unwrap_or(name);
                format!("docs/{folder}/{name}.md")
            })
            .collect();
        expected.push("docs/index.md".to_owned());
        expected.sort();
        assert_eq!(pages().into_keys().collect::<Vec<_>>(), expected);
    }
}
