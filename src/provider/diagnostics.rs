//! Diagnostics for the errors of the other layers.

use std::collections::BTreeSet;
use std::error::Error;

use crate::cluster::connection::{ConnectionError, Problem};
use crate::cluster::{self, StoreName};
use crate::feast::config::{Drift, DriftKind};
use crate::feast::feature_store_yaml::SecretError;
use crate::feast::names;
use crate::feast::objects::Key;
use crate::feast::remote_store::RemoteStoreError;
use crate::feast::spec::RemoteStore;
use crate::schema::{Diagnostic, Diagnostics, Path, Severity, Value};

mod import_operator;
mod replacement;

pub use import_operator::*;
pub use replacement::*;

/// What was being done at the API server, why it failed, and what to do.
pub fn cluster_error(summary: &str, error: &cluster::Error) -> Diagnostic {
    let mut detail = chain(error);
    if error.is_about_the_connection() {
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
    if let Some(hint) = error.hint() {
        detail.push_str("\n\n");
        detail.push_str(&hint);
    }
    Diagnostic::error(summary, detail)
}

/// An attribute of the provider block that cannot be used, whatever the others say.
pub fn provider_problem(problem: &Problem) -> Diagnostic {
    let Problem {
        attribute,
        problem,
        is_untrimmed,
    } = problem;
    let advice = match is_untrimmed {
        true => " Remove what is around it with trimspace(), as in trimspace(file(…)).",
        false => "",
    };
    Diagnostic::error(
        "Invalid value",
        format!("`{attribute}` in the provider block is not valid: {problem}.{advice}"),
    )
    .at(Path::of(attribute))
}

/// A feature store that would be replaced because the provider block's namespace is an empty string.
pub fn empty_namespace(prior: &Value) -> Diagnostic {
    let text = |name: &str| {
        let value = prior.attribute(name).as_str();
        value.unwrap_or_default().to_owned()
    };
    Diagnostic::error(
        "The namespace is not configured",
        format!(
            "`namespace` in the provider block is an empty string, which counts as absent, and the default is \
             {default:?}. But the feature store {name:?} is in the namespace {namespace:?}: a plan would have to \
             destroy it and create another. Check the variable that the namespace comes from. To move the feature \
             store, write `namespace = {default:?}`.",
            default = names::DEFAULT_NAMESPACE,
            name = text("name"),
            namespace = text("namespace"),
        ),
    )
    .at(Path::of("namespace"))
}

/// The provider block does not lead to a cluster.
pub fn connection_error(error: &ConnectionError) -> Diagnostic {
    Diagnostic::error("Cannot connect to the cluster", chain(error))
}

/// An error with its whole chain, said once: what was being done, and below it why it failed.
fn chain(error: &dyn Error) -> String {
    let mut text = sentence(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\nBecause: ");
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

/// Another feature store whose registry cannot be used, at the attribute that names it.
pub fn remote_store_error(error: &RemoteStoreError) -> Diagnostic {
    Diagnostic::error("The remote registry cannot be used", chain(error)).at(RemoteStore::path())
}

/// What others have added to our objects, for those who have asked to hear of it.
pub fn added_by_others(added: &[&Drift]) -> Option<Diagnostic> {
    let lines: Vec<String> = (added.iter())
        .map(|drift| format!("  {} {}{}", drift.object, drift.field, author(drift)))
        .collect();
    (!lines.is_empty()).then(|| {
        Diagnostic::warning(
            "Others have added to the feature store's objects",
            format!(
                "`drift_policy` is \"strict\", and these fields are not this provider's:\n{}\n\nAn apply leaves them \
                 alone. Remove them where they should not be.",
                lines.join("\n")
            ),
        )
    })
}

/// Fields of which the API server's answer to an apply says something else than was applied.
pub fn altered(fields: &[Drift]) -> Option<Diagnostic> {
    let lines: Vec<String> = (fields.iter())
        .map(|drift| {
            let Drift {
                object,
                field,
                wanted,
                live,
                ..
            } = drift;
            let values = match (wanted, live) {
                (Some(wanted), Some(live)) => {
                    format!(": {wanted:?} was applied, and it is {live:?}")
                }
                (Some(wanted), None) => format!(": {wanted:?} was applied, and it is not there"),
                // Values that are not shown.
                (None, _) => ": it has another value than was applied".to_owned(),
            };
            format!("  {object} {field}{values}{}", author(drift))
        })
        .collect();
    (!lines.is_empty()).then(|| {
        Diagnostic::warning(
            "The cluster has changed what was applied",
            format!(
                "The API server accepted the apply, and its answer differs from what was applied:\n{}\n\nAn admission \
                 policy, a webhook or a controller of the cluster does this, and the next plan shows these fields as \
                 drift. Write the live values into the configuration, or exempt the feature store from the policy.",
                lines.join("\n")
            ),
        )
    })
}

/// Fields that are no longer wanted and that other managers keep.
pub fn retained(fields: &[Drift]) -> Option<Diagnostic> {
    let lines: Vec<String> = (fields.iter())
        .map(|drift| format!("  {} {}{}", drift.object, drift.field, author(drift)))
        .collect();
    (!lines.is_empty()).then(|| {
        Diagnostic::warning(
            "Fields that are no longer wanted were not removed",
            format!(
                "The configuration does not have these fields any more, but other managers own them, so they stay in \
                 the cluster:\n{}\n\nThe next plan does not show them. Remove them with the tool that owns them, if \
                 nothing else needs them.",
                lines.join("\n")
            ),
        )
    })
}

/// A value that breaks a rule, but is the one of the prior state.
pub fn tolerated(broken: Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        detail: format!(
            "{}\n\nThe value is the one in the state: somebody has set it in the cluster, and `ignore_changes` or the \
             configuration keeps it. It is left as it is.",
            broken.detail
        ),
        ..broken
    }
}

fn author(drift: &Drift) -> String {
    let Drift {
        manager,
        operation,
        time,
        ..
    } = drift;
    let Some(manager) = manager else {
        return String::new();
    };
    let how = match operation.as_deref() {
        Some("Apply") => "applied",
        _ => "set",
    };
    let time = (time.as_ref()).map_or_else(String::new, |time| format!(" at {time}"));
    format!(": {how} by \"{manager}\"{time}")
}

/// Fields that another manager applies and that the plan would change.
pub fn predicted_conflict(conflicts: &[Drift]) -> Diagnostic {
    let lines: Vec<String> = (conflicts.iter())
        .map(|drift| {
            let live = match (drift.live.as_deref(), drift.change) {
                (Some(live), _) => format!(", to {live}"),
                (None, DriftKind::Removed) => ", to nothing".to_owned(),
                // A value that is not shown.
                (None, _) => String::new(),
            };
            format!("  {} {}{}{live}", drift.object, drift.field, author(drift))
        })
        .collect();
    Diagnostic::warning(
        "An apply of this plan will stop at a conflict",
        format!(
            "Another manager applies these fields, and the plan would change them:\n{}\n\n{}",
            lines.join("\n"),
            cluster::error::WAYS_OUT_OF_A_CONFLICT
        ),
    )
}

/// At the first of these attributes, with all of them named: Terraform points at no attribute inside of another.
pub fn at_attributes(mut diagnostic: Diagnostic, places: Vec<Path>) -> Diagnostic {
    let names: Vec<String> = places.iter().map(|path| format!("`{path}`")).collect();
    match places.into_iter().next() {
        None => diagnostic,
        Some(first) => {
            let text = format!("\n\nIn the configuration: {}.", names.join(", "));
            diagnostic.detail.push_str(&text);
            diagnostic.at(first)
        }
    }
}

/// A claim of ours that a plan leaves behind.
pub fn pvc_left_behind(name: &str, deleted: bool) -> Diagnostic {
    if deleted {
        return Diagnostic::warning(
            "Data will be deleted",
            format!(
                "The persistent volume claim {name:?} will be deleted with everything in it, because \
                 `delete_data` is true. There is no way back."
            ),
        );
    }
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "The persistent volume claim {name:?} will not be part of a feature store any more. It stays with \
             its data, and a feature store of the same name that creates it takes it up again; \
             `delete_data = true` would delete it."
        ),
    )
}

/// A claim of the user's that a plan leaves behind.
pub fn referenced_pvc_unused(name: &str) -> Diagnostic {
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "The persistent volume claim {name:?} will not be mounted any more. It is yours: it stays with its \
             data, whatever `delete_data` says."
        ),
    )
}

/// A file on a claim that a plan leaves for another.
pub fn file_unused(claim: &str, before: &str, after: &str) -> Diagnostic {
    Diagnostic::warning(
        "Data will be left unused",
        format!(
            "On the persistent volume claim {claim:?} Feast will use the file {after:?} and start with an empty \
             one if there is none. The data of today stays in {before:?}."
        ),
    )
}

/// A claim that is no longer used.
pub fn pvc_kept(key: &Key) -> Diagnostic {
    let name = &key.name;
    Diagnostic::warning(
        "Data was kept",
        format!(
            "The persistent volume claim {name:?} is no longer part of the feature store. It was not deleted, \
             because its data would be lost; a feature store of the same name takes it up again. Delete it \
             with `kubectl delete pvc {name}`, or set `delete_data = true` before the next time."
        ),
    )
}

/// A destroy of what another create has taken up since.
pub fn owned_by_another(store: &StoreName) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::warning(
        "The feature store was left to another resource",
        format!(
            "What this resource instance has made as feature store {name:?} in namespace {namespace:?}, another \
             create has taken up since, as a replacement with `create_before_destroy` does. So its objects were not \
             deleted; only this instance is forgotten. If nothing else stands for the feature store, import it and \
             destroy it then: {}.",
            import(store)
        ),
    )
}

/// Says after the last error of an apply how to go on from what exists.
pub fn add_next_steps(diagnostics: &mut Diagnostics, is_create: bool) {
    let mut errors = diagnostics.iter_mut();
    let last = errors.rfind(|diagnostic| diagnostic.severity == Severity::Error);
    if let Some(last) = last {
        last.detail.push_str("\n\n");
        last.detail.push_str(match is_create {
            true => FAILED_CREATE,
            false => FAILED_UPDATE,
        });
    }
}

const FAILED_CREATE: &str = "What exists is in the state. Terraform marks a resource whose create has failed as tainted: its next apply destroys the feature store and creates it again. To keep it, correct the cause, remove the mark (`terraform untaint <address>`) and apply again. Pulumi has no state of it: correct the cause and run `pulumi up` again, which takes over what exists.";

const FAILED_UPDATE: &str =
    "What exists is in the state. The next plan is not empty, and applying it goes on from there.";

/// Core calls apply only when everything is known.
pub fn still_unknown(unknown: &BTreeSet<Path>) -> Diagnostic {
    let names: Vec<String> = unknown.iter().map(Path::to_string).collect();
    Diagnostic::error(
        "Values are unknown at apply",
        format!(
            "Terraform asked for an apply while these values are unknown: {}. This is a defect of Terraform or of \
             this provider; please report it.",
            names.join(", ")
        ),
    )
}

/// The text with a capital letter and a full stop. An attribute name at its start keeps its spelling.
fn sentence(text: &str) -> String {
    let first = text.split(|letter: char| letter.is_whitespace()).next();
    let is_a_name = first.is_some_and(|word| word.contains('_'));
    let mut letters = text.chars();
    let start: String = match letters.next() {
        Some(letter) if is_a_name => letter.to_string(),
        letter => letter.into_iter().flat_map(char::to_uppercase).collect(),
    };
    let end = if text.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{start}{}{end}", letters.as_str())
}

/// The provider block depends on something that does not exist yet.
pub fn unknown_cluster(unknown: &BTreeSet<Path>) -> Diagnostic {
    let names: Vec<String> = unknown.iter().map(|path| format!("`{path}`")).collect();
    Diagnostic::error(
        "The cluster is not known yet",
        format!(
            "The provider block's {} will be known only after apply, so there is no cluster to ask. Apply \
             what they depend on first (`-target`), or keep the cluster and its feature \
             stores in separate configurations.",
            names.join(", ")
        ),
    )
}

/// A stored state that does not fit the schema, and where and why it does not.
pub fn unreadable_state(why: &str) -> Diagnostic {
    Diagnostic::error(
        "The state cannot be read",
        format!(
            "The stored state of this feature store does not fit the provider's schema. {} Restore it from a \
             backup, or take the feature store out of the state (`terraform state rm`, `pulumi state delete`) and \
             import it again.",
            sentence(why)
        ),
    )
}

/// An import of something that cannot be a feature store.
pub fn invalid_import(id: &str, reasons: &[String]) -> Diagnostic {
    let given = match id.is_empty() {
        true => "The identity of the import".to_owned(),
        false => format!("The import id {id:?}"),
    };
    Diagnostic::error(
        "The import id is not valid",
        format!(
            "{given} cannot be the one of a feature store: {}\n\nImport a feast_feature_store by the id \
             \"<namespace>/<name>\", such as \"default/demo\"; by \"<name>\" in the namespace of the provider block; or \
             by an identity with `namespace` and `name`.",
            reasons.join(" ")
        ),
    )
}

/// An import by bare name, while the provider's `namespace` is known only after apply.
pub fn unknown_namespace(name: &str) -> Diagnostic {
    Diagnostic::error(
        "The namespace is not known yet",
        format!(
            "The id {name:?} names no namespace, and the provider block's `namespace` will be known only after apply. \
             Import by \"<namespace>/{name}\"."
        ),
    )
}

/// The operating system returned no random bytes.
pub fn no_random_numbers(reason: &str) -> Diagnostic {
    Diagnostic::error(
        "No random numbers",
        format!(
            "The operating system returned no random bytes for the Secret of the feature store: {reason}. Nothing was \
             changed."
        ),
    )
}

/// A state that fits the schema, and that this version of the provider cannot read all the same.
pub fn undecodable_state(store: &StoreName, reason: &str) -> Diagnostic {
    let StoreName { namespace, name } = store;
    Diagnostic::error(
        "The state cannot be read",
        format!(
            "The state of the feature store {namespace}/{name} does not fit this version of the provider: {reason}."
        ),
    )
}

/// An import of a feature store whose Secret holds a configuration that is not valid.
pub fn unreadable_configuration(store: &StoreName, errors: &Diagnostics) -> Diagnostic {
    let StoreName { namespace, name } = store;
    let reasons: Vec<&str> = errors.iter().map(|error| error.detail.as_str()).collect();
    Diagnostic::error(
        "The kept configuration cannot be read",
        format!(
            "The configuration that Secret {:?} in namespace {namespace:?} keeps is not one that this version of the \
             provider accepts: {}",
            names::main(name),
            reasons.join(" ")
        ),
    )
}
