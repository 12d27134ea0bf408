//! Diagnostics for the errors of the other layers, and for what an operation must tell the user.

mod actions;
mod configuration;
mod drift;
mod import_operator;
mod moved;
mod openshift;
mod preflight;
mod pvc;
mod replacement;
mod search;

use std::collections::BTreeSet;
use std::error::Error;

use crate::cluster::connection::{ConnectionError, Origin, Problem};
use crate::cluster::{self, StoreName, WarningTexts};
use crate::feast::feature_store_yaml::SecretError;
use crate::feast::names;
use crate::feast::remote_store::RemoteStoreError;
use crate::feast::spec::RemoteStore;
use crate::kubernetes::Key;
use crate::schema::{Diagnostic, Diagnostics, Path, Severity, Value};

pub use actions::*;
pub use configuration::*;
pub use drift::*;
pub use import_operator::*;
pub use moved::*;
pub use openshift::*;
pub use preflight::*;
pub use pvc::*;
pub use replacement::*;
pub use search::*;

/// An error of a request to the API server: the request, why it failed, and what to do.
pub fn cluster_error(summary: &str, error: &cluster::Error) -> Diagnostic {
    cluster_error_with(summary, error, error.hint().as_deref())
}

/// As [`cluster_error`], with this hint about what to do.
fn cluster_error_with(summary: &str, error: &cluster::Error, hint: Option<&str>) -> Diagnostic {
    let mut detail = chain(error);
    if error.may_be_wrong_cluster() {
        detail.push_str(&format!(
            "\nThe connection is configured by {}.",
            error.server.origin
        ));
    }
    if let Some(proxy) = &error.server.proxy
        && error.may_be_the_proxy()
    {
        detail.push_str(&format!("\nRequests go through the proxy {proxy}."));
    }
    if let Some(hint) = hint {
        detail.push_str("\n\n");
        detail.push_str(hint);
    }
    Diagnostic::error(summary, detail)
}

/// An error that ends an apply before its first write.
pub fn preparation_error(error: &cluster::Error) -> Diagnostic {
    cluster_error("Cannot prepare the feature store", error)
}

/// The warnings of the API server in one operation, by object. Terraform merges warnings with the same summary.
pub fn api_warnings(warnings: &WarningTexts) -> Diagnostics {
    let diagnostics = warnings.iter().map(|(object, texts)| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Diagnostic::warning(
            format!("The API server warns about {object}"),
            texts.join("\n"),
        )
    });
    diagnostics.collect()
}

/// An invalid attribute of the provider block.
pub fn provider_problem(problem: &Problem) -> Diagnostic {
    let Problem {
        attribute,
        problem,
        is_untrimmed,
    } = problem;
    let advice = match is_untrimmed {
        true => " Remove the surrounding whitespace with trimspace(), as in trimspace(file(…)).",
        false => "",
    };
    Diagnostic::error(
        "Invalid value",
        format!("`{attribute}` in the provider block is not valid: {problem}.{advice}"),
    )
    .at(Path::of(attribute))
}

/// An update that stops all pods before it starts new ones.
pub fn interruption(allows_several_pods: bool) -> Diagnostic {
    let advice = match allows_several_pods {
        true => {
            "To replace pods without an interruption, set `services.deployment_strategy = { type = \"RollingUpdate\" }`."
        }
        false => {
            "The old pod must end first, because two pods must not write the same files. Updates without an interruption \
             require persistence in a database for all services."
        }
    };
    Diagnostic::warning(
        "The update interrupts the feature store",
        format!(
            "The update replaces the pods, and with the strategy `Recreate`, Kubernetes stops the old pods before it \
             starts new ones. The feature store does not answer until a new pod is ready. {advice}"
        ),
    )
}

/// An update with Services that lead to other ports of the pods. The previous pods do not listen on them.
pub fn moved_ports(services: &[&Key]) -> Diagnostic {
    let services: Vec<String> = services.iter().map(|key| key.to_string()).collect();
    Diagnostic::warning(
        "The update interrupts the feature store",
        format!(
            "These Services lead to another port of the pods: {}. They do not answer until new pods are ready, because \
             only those listen on it. Clients that use the previous port or scheme must be changed, too.",
            services.join(", ")
        ),
    )
}

/// An update that deletes a Service and creates it again. `is_certain` is false if the prior state does not show
/// whether the live Service has the value already.
pub fn recreated_service(service: &Key, field: &str, is_certain: bool) -> Diagnostic {
    let condition = match is_certain {
        true => "",
        false => ", unless it has this value already",
    };
    Diagnostic::warning(
        format!("The apply deletes {service} and creates it again"),
        format!(
            "`{field}` of a Service is immutable, so the apply deletes {service} and creates it again{condition}. \
             Until then, requests to it fail, and afterwards it has another cluster IP address and, with \
             the type LoadBalancer, another load balancer."
        ),
    )
}

/// A plan that would replace a feature store because no namespace is configured.
pub fn missing_namespace(prior: &Value) -> Diagnostic {
    let text = |name: &str| {
        let value = prior.attribute(name).as_str();
        value.unwrap_or_default().to_owned()
    };
    Diagnostic::error(
        "The namespace is not configured",
        format!(
            "The feature store has no `namespace`, and the one of the provider block is null or an empty string, so the \
             default {default:?} applies. But the feature store {name:?} is in the namespace {namespace:?}: the plan would \
             destroy it and create another one. Check the variable that the namespace comes from. To move the feature \
             store, set `namespace = {default:?}`. To destroy it, run `terraform destroy -refresh=false`.",
            default = names::DEFAULT_NAMESPACE,
            name = text("name"),
            namespace = text("namespace"),
        ),
    )
    .at(Path::of("namespace"))
}

/// A provider block, or an environment variable, that does not connect to a cluster.
pub fn connection_error(error: &ConnectionError) -> Diagnostic {
    let summary = match error {
        // The variable can be one of another setting.
        ConnectionError::NotABoolean { .. } => "Invalid value",
        _ => "Cannot connect to the cluster",
    };
    Diagnostic::error(summary, chain(error))
}

/// Returns an error and its sources, one per line.
fn chain(error: &dyn Error) -> String {
    let mut text = sentence(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\nCaused by: ");
        text.push_str(&sentence(&cause.to_string()));
        source = cause.source();
    }
    text
}

/// A Secret or ConfigMap of the user's that cannot be merged into `feature_store.yaml` or mounted, at the attribute
/// that names it.
pub fn secret_error(error: &SecretError) -> Diagnostic {
    let summary = format!("The {} cannot be used", error.source_.kind.as_str());
    Diagnostic::error(summary, chain(error)).at(error.path.clone())
}

/// A remote registry that cannot be used, at the attribute that names it.
pub fn remote_store_error(error: &RemoteStoreError) -> Diagnostic {
    Diagnostic::error("The remote registry cannot be used", chain(error)).at(RemoteStore::path())
}

/// Puts a diagnostic at the first of these attributes, and names all of them: a diagnostic has one path, and Terraform
/// shows the line of the outermost attribute.
pub fn at_attributes(mut diagnostic: Diagnostic, mut paths: Vec<Path>) -> Diagnostic {
    let names: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    let is_shown = matches!(paths.as_slice(), [path] if path.steps().len() == 1);
    if !paths.is_empty() && !is_shown {
        let text = format!("\n\nIn the configuration: {}.", names.join(", "));
        diagnostic.detail.push_str(&text);
    }
    match paths.is_empty() {
        true => diagnostic,
        false => diagnostic.at(paths.swap_remove(0)),
    }
}

/// Puts the diagnostic at the attribute, if there is one, and names it in the text.
pub fn at_attribute(diagnostic: Diagnostic, place: Option<Path>) -> Diagnostic {
    at_attributes(diagnostic, Vec::from_iter(place))
}

/// Adds what to do next to the last error of an apply. `deletable` are the PersistentVolumeClaims that a replacement of
/// the feature store deletes.
pub fn add_next_steps(
    diagnostics: &mut Diagnostics,
    is_create: bool,
    deletable: &BTreeSet<String>,
) {
    match is_create {
        true => add_to_last_error(diagnostics, &failed_create(deletable)),
        false => add_to_last_error(diagnostics, FAILED_UPDATE),
    }
}

/// Adds to the last error that the apply has written nothing.
pub fn add_nothing_written(diagnostics: &mut Diagnostics) {
    add_to_last_error(diagnostics, "Nothing was written.");
}

/// Adds to the last error that the create was undone, except for the objects that are `left`. `has_created` is false if
/// no object had been created.
pub fn add_undone(diagnostics: &mut Diagnostics, has_created: bool, left: &BTreeSet<Key>) {
    let names: Vec<String> = left.iter().map(Key::to_string).collect();
    let left = match (has_created, names.is_empty()) {
        (false, _) => "No object had been created.".to_owned(),
        (true, true) => "The objects that had been created were deleted again.".to_owned(),
        (true, false) => format!(
            "The objects that had been created were deleted again, except for these: {}. The next create of this \
             feature store adopts them. A PersistentVolumeClaim stays if its volume existed before it.",
            names.join(", ")
        ),
    };
    add_to_last_error(
        diagnostics,
        &format!(
            "{left} The feature store is not in the state. Correct the cause and apply again."
        ),
    );
}

fn add_to_last_error(diagnostics: &mut Diagnostics, text: &str) {
    let mut errors = diagnostics.iter_mut();
    let last = errors.rfind(|diagnostic| diagnostic.severity == Severity::Error);
    if let Some(last) = last {
        last.detail.push_str("\n\n");
        last.detail.push_str(text);
    }
}

fn failed_create(deletable: &BTreeSet<String>) -> String {
    let names: Vec<&str> = deletable.iter().map(String::as_str).collect();
    let loss = match names.as_slice() {
        [] => String::new(),
        names => format!(
            " This deletes these PersistentVolumeClaims with all their data, because `delete_data` is true: {}.",
            names.join(", ")
        ),
    };
    format!(
        "The state records the objects that exist. Terraform marks a resource whose create failed as tainted: its next \
         apply destroys the feature store and creates it again.{loss} To keep it, correct the cause, run `terraform \
         untaint <address>` and apply again. Pulumi records no state: correct the cause and run `pulumi up` again, which \
         adopts the objects that exist."
    )
}

const FAILED_UPDATE: &str = "The state records the objects that exist. The next plan is not empty; applying it resumes the update. Pulumi keeps the state before it: `pulumi up` resumes the update, and to go back to the previous configuration, run `pulumi refresh` first.";

/// An operation with unknown values, which Terraform must not request.
pub fn still_unknown(operation: &str, unknown: &BTreeSet<Path>) -> Diagnostic {
    let names: Vec<String> = unknown.iter().map(Path::to_string).collect();
    Diagnostic::error(
        "Values are unknown at apply",
        format!(
            "Terraform requested {operation} while these values are unknown: {}. This is a defect of Terraform or of this \
             provider. Please report it.",
            names.join(", ")
        ),
    )
}

/// Returns the text as a sentence, with a capital letter and a period. An attribute name at its start keeps its
/// spelling.
fn sentence(text: &str) -> String {
    let first = text.split(|letter: char| letter.is_whitespace()).next();
    let is_attribute = first.is_some_and(|word| word.contains('_'));
    let mut letters = text.chars();
    let start: String = match letters.next() {
        Some(letter) if is_attribute => letter.to_string(),
        letter => letter.into_iter().flat_map(char::to_uppercase).collect(),
    };
    let end = if text.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{start}{}{end}", letters.as_str())
}

/// An operation that needs the cluster while the provider block is unknown.
pub fn unknown_cluster<'a>(unknown: impl Iterator<Item = &'a Path>) -> Diagnostic {
    let names: Vec<String> = unknown.map(|path| format!("`{path}`")).collect();
    Diagnostic::error(
        "The cluster is not known yet",
        format!(
            "{} in the provider block will be known only after apply, so the provider cannot connect to the cluster. \
             Apply the resources that create the cluster first (`-target`), or keep the cluster and its feature stores in \
             separate configurations.",
            names.join(", ")
        ),
    )
}

/// A stored state that does not fit the schema. `reason` names the attribute.
pub fn unreadable_state(reason: &str) -> Diagnostic {
    Diagnostic::error(
        "The state cannot be read",
        format!(
            "The stored state of this feature store does not fit the provider's schema. {} Restore it from a backup, or \
             remove the feature store from the state (`terraform state rm`, `pulumi state delete`) and import it again.",
            sentence(reason)
        ),
    )
}

/// A state that fits the schema and not the types that the schema is made from.
pub fn undecodable_state(store: &StoreName, reason: &str) -> Diagnostic {
    Diagnostic::error(
        "The state cannot be read",
        format!(
            "The state of the feature store {store} does not fit this version of the provider: {reason}. \
             Nothing was changed. Use the version of the provider that wrote the state, or import the feature store again."
        ),
    )
}

/// An import id or identity that cannot be that of a feature store.
pub fn invalid_import(id: &str, reasons: &[String]) -> Diagnostic {
    let given = match id.is_empty() {
        true => "The identity".to_owned(),
        false => format!("The import ID {id:?}"),
    };
    Diagnostic::error(
        "The import ID is not valid",
        format!(
            "{given} is not that of a feature store: {}\n\nImport a feast_feature_store by the ID \"<namespace>/<name>\", \
             such as \"default/demo\"; by \"<name>\" in the namespace of the provider block; or by an identity with \
             `namespace` and `name`.",
            reasons.join(" ")
        ),
    )
}

/// An import by name alone while the namespace of the provider block is unknown.
pub fn unknown_namespace(name: &str) -> Diagnostic {
    Diagnostic::error(
        UNKNOWN_NAMESPACE,
        format!(
            "The import ID {name:?} has no namespace, and `namespace` in the provider block will be known only after apply. \
             Import by \"<namespace>/{name}\"."
        ),
    )
}

/// A data source without a namespace while the namespace of the provider block is unknown.
pub fn unknown_namespace_to_read(name: &str) -> Diagnostic {
    Diagnostic::error(
        UNKNOWN_NAMESPACE,
        format!(
            "The data source of the feature store {name:?} has no `namespace`, and `namespace` in the provider block will \
             be known only after apply. Set `namespace` in the data source to the same value. Terraform then reads the \
             data source during the apply, when the value is known."
        ),
    )
    .at(Path::of("namespace"))
}

/// A feature store that the data source does not find. `origin` configures the connection to `server`.
pub fn no_such_deployment(store: &StoreName, server: &str, origin: &Origin) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "There is no such feature store",
        format!(
            "Namespace {namespace:?} of the cluster at {server} has no Deployment {:?}. Check the name, the namespace and \
             the cluster, whose connection is configured by {origin}.",
            names::main(name),
        ),
    )
}

/// A list without a namespace while the namespace of the provider block is unknown.
pub fn unknown_namespace_to_list() -> Diagnostic {
    Diagnostic::error(
        UNKNOWN_NAMESPACE,
        "The list has no `namespace`, and `namespace` in the provider block will be known only after apply. Set \
         `namespace`, or `all_namespaces = true` to search all namespaces.",
    )
    .at(Path::of("namespace"))
}

const UNKNOWN_NAMESPACE: &str = "The namespace is not known yet";

/// A feature store whose Secret holds a configuration that this version does not accept. `advice` is a sentence.
pub fn unreadable_configuration(store: &StoreName, reasons: &[String], advice: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The stored configuration cannot be read",
        format!(
            "The Secret {:?} in namespace {namespace:?} stores the configuration of the feature store, and this version of \
             the provider does not accept it: {}\n\n{advice}",
            names::main(name),
            reasons.join(" ")
        ),
    )
}

/// A random value that the operating system did not return.
pub fn no_random_numbers(purpose: &str, reason: &str) -> Diagnostic {
    Diagnostic::error(
        "No random numbers",
        format!(
            "The operating system returned no random bytes for {purpose}: {reason}. Nothing was changed."
        ),
    )
}
