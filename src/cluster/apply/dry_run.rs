//! Checks writes before anything is written: each object is sent as a server-side dry run.
//!
//! A dry run passes authentication, authorization, admission and validation, so it finds missing permissions, policies,
//! quotas and values that the API server rejects. An admission webhook that does not support dry runs makes the object
//! unchecked. The values of the store's Secret are not sent: others of the same length are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::super::error::{Error, Reason, UnstoredField};
use super::super::operator::is_managed_by_operator;
use super::super::request::Request;
use super::super::resource::is_custom;
use super::super::{Cluster, Options, StoreName};
use super::handover::has_foreign_strategy;
use super::job::has_succeeded;
use super::object::{Writer, immutable_change, to_apply_body};
use super::{is_autoscaler, is_terminating, lacks_role, push_error};
use crate::kubernetes::diff::{is_applied, project};
use crate::kubernetes::field_versions::{Requirement, newer_fields};
use crate::kubernetes::kind::{Key, Kind};

/// A create to check, and what is deleted before it.
pub struct PlannedCreate<'a> {
    pub store: &'a StoreName,
    /// The objects to create. A null is an object of unknown content, of which only the name is checked.
    pub wanted: &'a BTreeMap<Key, Json>,
    /// The objects that are deleted before the create.
    pub freed: &'a BTreeSet<Key>,
    /// True if the deletion frees quota of the namespace.
    pub frees_quota: bool,
}

/// The writes of an apply over the live objects.
#[derive(Clone, Copy)]
pub struct Writes<'a> {
    pub store: &'a StoreName,
    /// The manifests of all objects of the feature store. A null is an object of unknown content, which is not checked.
    pub manifests: &'a BTreeMap<Key, Json>,
    /// The objects of [`Cluster::read`].
    pub live: &'a BTreeMap<Key, Json>,
    /// See [`DesiredState::prior`](super::DesiredState::prior); empty for a create.
    pub prior: &'a BTreeMap<Key, Json>,
}

/// The result of checking writes.
#[derive(Debug, Default)]
pub struct Checked {
    /// Errors that the writes would have. Each is about one object, unless it is about the server, the account or the
    /// namespace.
    pub refused: Vec<Error>,
    /// Errors that prevented a check.
    pub unchecked: Vec<Error>,
}

/// The write that a dry run stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    Create,
    Update,
    /// A write of an object that is another one during the dry run: it is deleted or taken over before the write.
    Replace,
    /// A create of an object that is deleted before it, sent under another name.
    Recreate,
}

/// The meaning of the error of a dry run for the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DryRunResult {
    /// The write would fail in the same way.
    Refused,
    /// The error says nothing about the write.
    Irrelevant,
    /// The dry run was not carried out.
    Unchecked,
}

impl Cluster {
    /// Checks the objects that an apply would create or change, in parallel. Writes nothing.
    ///
    /// An object is not checked if the apply deletes something or corrects its field managers before it writes the
    /// object: the dry run would not see that. A Service that is created again is checked under another name.
    pub async fn check_writes(&self, writes: &Writes<'_>, cancel: &CancellationToken) -> Checked {
        self.check_selected(writes, |_| true, cancel).await
    }

    /// Returns what the API server would refuse in an update, and the errors of dry runs that were not answered or
    /// failed in the server: the writes would fail in the same way, in the middle of the update.
    pub(super) async fn check_update(
        &self,
        writes: &Writes<'_>,
        cancel: &CancellationToken,
    ) -> Vec<Error> {
        let Checked { refused, unchecked } = self.check_writes(writes, cancel).await;
        let failed = unchecked.into_iter().filter(|error| {
            let reason = &error.reason;
            reason.is_unanswered() || reason.is_server_failure()
        });
        refused.into_iter().chain(failed).collect()
    }

    /// Checks the selected ones of the writes.
    pub(super) async fn check_selected(
        &self,
        writes: &Writes<'_>,
        selected: impl Fn(&Key) -> bool,
        cancel: &CancellationToken,
    ) -> Checked {
        let writer = Writer {
            cluster: self,
            store: writes.store,
            prior: writes.prior,
            dry_run: true,
            cancel,
        };
        let frees_quota = (writes.live.keys()).any(|key| !writes.manifests.contains_key(key));
        let sent = writer
            .checkable_writes(writes)
            .filter(|(key, ..)| selected(key));
        let sent = sent.map(|(key, body, live)| async move {
            let manager = &self.options().field_manager;
            let (write, sent) = match live {
                None => (
                    Write::Create,
                    writer.apply_as(key, manager, false, body).await,
                ),
                Some(live) if writer.recreates_service(key, &body, live) => (
                    Write::Recreate,
                    writer.check_recreated(key, body, live).await,
                ),
                Some(live) if is_managed_by_operator(live, writes.store) => (
                    Write::Replace,
                    writer.apply_as(key, manager, true, body).await,
                ),
                // The dry run sends masked values, so its conflicts say nothing about the apply.
                Some(_) if key.kind == Kind::Secret => (
                    Write::Update,
                    writer.apply_as(key, manager, true, body).await,
                ),
                Some(live) => (
                    Write::Update,
                    writer.send_apply(key, body, Cow::Borrowed(live)).await,
                ),
            };
            (
                key,
                write,
                writer.dry_run_error(key, &writes.manifests[key], sent),
            )
        });
        let mut checked = Checked::default();
        checked.add(join_all(sent).await, frees_quota);
        self.compare_versions(&mut checked, cancel).await;
        checked
    }

    /// Returns an error for each object of a create with fields that the API server does not store. Only objects with
    /// fields that not every supported version stores are checked.
    pub(super) async fn unstored_fields(
        &self,
        writes: &Writes<'_>,
        cancel: &CancellationToken,
    ) -> Vec<Error> {
        let has_newer = |key: &Key| !newer_fields(key.kind, &writes.manifests[key]).is_empty();
        let checked = self.check_selected(writes, has_newer, cancel).await;
        // The other errors can be about prerequisites that do not exist yet.
        let refused = checked.refused.into_iter();
        refused
            .filter(|error| matches!(error.reason, Reason::NotStored { .. }))
            .collect()
    }

    /// Adds the version of the API server to errors about fields that it does not store. Removes fields that this
    /// version stores: admission control has removed them, which the apply reports as a warning.
    async fn compare_versions(&self, checked: &mut Checked, cancel: &CancellationToken) {
        let is_about_version = |error: &Error| {
            matches!(error.reason, Reason::NotStored { .. }) && !is_custom(error.target.group)
        };
        if !checked.refused.iter().any(is_about_version) {
            return;
        }
        let Ok(answer) = self.send(Request::version(), cancel).await else {
            return;
        };
        let minor = answer["minor"].as_str().and_then(minor_version);
        let is_explained = |field: &UnstoredField| match field.requirement {
            Some(Requirement::Version(first)) => minor.is_none_or(|minor| minor < first),
            Some(Requirement::FeatureGate(_)) | None => true,
        };
        checked.refused.retain_mut(|error| {
            if is_custom(error.target.group) {
                return true;
            }
            let Reason::NotStored { version, fields } = &mut error.reason else {
                return true;
            };
            *version = answer["gitVersion"].as_str().map(str::to_owned);
            fields.retain(is_explained);
            !fields.is_empty()
        });
    }

    /// Checks whether the wanted objects could be created, given the `live` ones of [`Cluster::read`]. Writes nothing.
    pub async fn check_create(
        &self,
        live: &BTreeMap<Key, Json>,
        create: &PlannedCreate<'_>,
        cancel: &CancellationToken,
    ) -> Checked {
        let PlannedCreate {
            store,
            wanted,
            freed,
            frees_quota,
        } = create;
        let mut remaining = live.clone();
        remaining.retain(|key, _| !freed.contains(key));
        let keys = || wanted.keys();
        let mut checked = Checked {
            refused: self.foreign_objects(store, keys(), &BTreeMap::new(), &remaining),
            ..Checked::default()
        };
        let missing = self.missing_apis(store, keys(), live, cancel).await;
        checked.refused.extend(missing);
        let left = wanted.iter().filter(|(key, manifest)| {
            let mut refused = checked.refused.iter();
            !manifest.is_null() && !refused.any(|error| error.is_about(key))
        });
        let writer = Writer {
            cluster: self,
            store,
            prior: &BTreeMap::new(),
            dry_run: true,
            cancel,
        };
        let sent = left.map(|(key, manifest)| async move {
            let write = match live.contains_key(key) {
                true => Write::Replace,
                false => Write::Create,
            };
            let Options { field_manager, .. } = self.options();
            // The create will not find the objects that conflicts are about.
            let sent = writer.apply_as(key, field_manager, true, to_dry_run_body(key, manifest));
            (key, write, writer.dry_run_error(key, manifest, sent.await))
        });
        checked.add(join_all(sent).await, *frees_quota);
        self.compare_versions(&mut checked, cancel).await;
        checked
    }
}

impl Writer<'_> {
    /// Returns the error of a dry run. A success is one if the API server has dropped fields of the manifest.
    fn dry_run_error(
        &self,
        key: &Key,
        manifest: &Json,
        sent: Result<Json, Error>,
    ) -> Option<Error> {
        let stored = match sent {
            Ok(stored) => stored,
            Err(error) => return Some(error),
        };
        let newer = newer_fields(key.kind, manifest);
        if newer.is_empty() {
            return None;
        }
        // With the empty lists of the manifest, which the API server leaves out.
        let stored = project(manifest, &stored);
        let dropped = newer.into_iter();
        let dropped = dropped.filter(|(field, _)| field.get(&stored).is_none());
        let fields: Vec<UnstoredField> = dropped
            .map(|(field, requirement)| UnstoredField {
                field: field.to_string(),
                requirement: Some(requirement),
            })
            .collect();
        let version = None;
        (!fields.is_empty()).then(|| self.apply_error(key, Reason::NotStored { version, fields }))
    }

    /// Returns the writes that can be checked, each with its body and the object that it changes.
    fn checkable_writes<'w>(
        &self,
        writes: &Writes<'w>,
    ) -> impl Iterator<Item = (&'w Key, Json, Option<&'w Json>)> {
        let Writes {
            manifests, live, ..
        } = *writes;
        let deletes_autoscaler = live
            .keys()
            .any(|key| is_autoscaler(key) && !manifests.contains_key(key));
        manifests.iter().filter_map(move |(key, manifest)| {
            let body = to_dry_run_body(key, manifest);
            let live_object = live.get(key);
            let is_unchecked = match live_object {
                _ if manifest.is_null() => true,
                Some(_) if key.kind == Kind::Job => true,
                Some(live) if self.recreates_service(key, &body, live) => is_terminating(live),
                Some(live) => {
                    let manager = &self.cluster.options().field_manager;
                    is_terminating(live)
                        || immutable_change(&body, self.prior.get(key), live).is_some()
                        || is_applied(&to_apply_body(key, manifest), live, manager)
                        || self.corrected_record(key, &body, live).is_some()
                        || has_foreign_strategy(self.cluster, &body, live)
                }
                None if key.kind == Kind::Job => has_succeeded(manifests, live),
                // Two autoscalers of one Deployment are refused.
                None => is_autoscaler(key) && deletes_autoscaler,
            };
            (!is_unchecked).then_some((key, body, live_object))
        })
    }
}

/// Parses the minor version of a cluster, such as `30`, or `30+` in a version of a vendor.
fn minor_version(text: &str) -> Option<u32> {
    text.trim_end_matches(|letter: char| !letter.is_ascii_digit())
        .parse()
        .ok()
}

/// Returns the body of the dry run of an apply. The values of a Secret are replaced by others of the same length.
fn to_dry_run_body(key: &Key, manifest: &Json) -> Json {
    let mut body = to_apply_body(key, manifest).into_owned();
    if key.kind == Kind::Secret {
        for field in ["data", "stringData"] {
            let values = body.get_mut(field).and_then(Json::as_object_mut);
            for value in values.into_iter().flat_map(|values| values.values_mut()) {
                let text = value.as_str().unwrap_or_default();
                // Valid in base64, too.
                let masked = text
                    .chars()
                    .map(|letter| if letter == '=' { '=' } else { 'A' });
                *value = Json::String(masked.collect());
            }
        }
    }
    body
}

impl Checked {
    /// Adds the errors of dry runs by their meaning.
    fn add<'k>(
        &mut self,
        sent: impl IntoIterator<Item = (&'k Key, Write, Option<Error>)>,
        frees_quota: bool,
    ) {
        for (key, write, error) in sent {
            let Some(error) = error else { continue };
            match dry_run_result(key, &error.reason, write, frees_quota) {
                DryRunResult::Refused => push_error(&mut self.refused, error),
                DryRunResult::Unchecked => push_error(&mut self.unchecked, error),
                DryRunResult::Irrelevant => {}
            }
        }
    }
}

/// Returns the meaning of the error for the write. `frees_quota` tells whether objects of the namespace are deleted
/// before it.
fn dry_run_result(key: &Key, reason: &Reason, write: Write, frees_quota: bool) -> DryRunResult {
    match reason {
        reason if reason.is_inconclusive() => DryRunResult::Unchecked,
        // The message about a Secret is withheld, so that it may be the refusal of a dry run.
        Reason::Rejected { code: 400, .. } if key.kind == Kind::Secret => DryRunResult::Unchecked,
        // Somebody else has written the object at the same time.
        Reason::Stale { .. } => DryRunResult::Irrelevant,
        Reason::Conflict(_) if write != Write::Update => DryRunResult::Irrelevant,
        // It was checked as an update.
        Reason::Invalid { .. } | Reason::Rejected { .. } if write == Write::Replace => {
            DryRunResult::Irrelevant
        }
        // A webhook for custom resources can look at an object that the same apply creates or changes.
        Reason::Denied { .. } if key.kind.is_custom() => DryRunResult::Unchecked,
        // The role that a binding names is created together with it.
        reason if lacks_role(key, reason) => DryRunResult::Irrelevant,
        reason if (frees_quota || write == Write::Recreate) && reason.exceeds_quota() => {
            DryRunResult::Irrelevant
        }
        _ => DryRunResult::Refused,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{DesiredState, PvcPolicy};
    use super::*;
    use crate::cluster::fake_api::{self, Reply};
    use crate::feast::objects::Objects;

    fn rejected(code: u16, message: &str) -> Reason {
        Reason::Rejected {
            code,
            reason: "Because".to_owned(),
            message: message.to_owned(),
        }
    }

    fn forbidden(message: &str) -> Reason {
        Reason::Forbidden {
            message: message.to_owned(),
        }
    }

    #[test]
    fn dry_run_results_depend_on_reason_and_object() {
        let invalid = || Reason::Invalid {
            message: "no".to_owned(),
            fields: Vec::new(),
        };
        let missing_api = || Reason::NotInstalled {
            api: "keda.sh/v1alpha1".to_owned(),
        };
        let quota = "deployments \"d\" is forbidden: exceeded quota: q";
        let webhook = "admission webhook \"w\" does not support dry run";
        let page = Reason::NotKubernetes {
            code: 200,
            content_type: "text/html".to_owned(),
        };
        let denied = || Reason::Denied {
            message: "no".to_owned(),
        };
        use DryRunResult::{Irrelevant, Refused, Unchecked};
        use Write::{Create, Recreate, Replace, Update};
        for (kind, reason, write, frees_quota, expected) in [
            (Kind::Deployment, invalid(), Create, false, Refused),
            (Kind::Deployment, invalid(), Update, false, Refused),
            (Kind::Deployment, invalid(), Replace, false, Irrelevant),
            (
                Kind::Deployment,
                forbidden("User \"u\" cannot"),
                Replace,
                true,
                Refused,
            ),
            (Kind::Deployment, forbidden(quota), Create, false, Refused),
            (Kind::Deployment, forbidden(quota), Create, true, Irrelevant),
            (Kind::Service, forbidden(quota), Recreate, false, Irrelevant),
            (Kind::Service, invalid(), Recreate, false, Refused),
            (Kind::Service, denied(), Recreate, false, Refused),
            (
                Kind::Deployment,
                rejected(400, webhook),
                Create,
                false,
                Unchecked,
            ),
            (
                Kind::Deployment,
                rejected(400, "denied"),
                Create,
                false,
                Refused,
            ),
            (
                Kind::Deployment,
                rejected(500, "no answer"),
                Create,
                false,
                Unchecked,
            ),
            (
                Kind::Secret,
                rejected(400, "withheld"),
                Update,
                false,
                Unchecked,
            ),
            (
                Kind::Secret,
                rejected(422, "withheld"),
                Create,
                false,
                Refused,
            ),
            (
                Kind::RoleBinding,
                rejected(404, "roles \"r\" not found"),
                Create,
                false,
                Irrelevant,
            ),
            (Kind::RoleBinding, missing_api(), Create, false, Refused),
            (Kind::ScaledObject, missing_api(), Create, false, Refused),
            (Kind::ScaledObject, denied(), Create, false, Unchecked),
            (Kind::Service, Reason::Cancelled, Create, false, Unchecked),
            (Kind::Service, page, Create, false, Unchecked),
            (Kind::Service, denied(), Replace, false, Refused),
            (
                Kind::Service,
                Reason::Conflict(Vec::new()),
                Update,
                false,
                Refused,
            ),
            (
                Kind::Service,
                Reason::Conflict(Vec::new()),
                Create,
                false,
                Irrelevant,
            ),
            (
                Kind::Service,
                Reason::Conflict(Vec::new()),
                Replace,
                false,
                Irrelevant,
            ),
        ] {
            let key = Key::new(kind, "x");
            let result = dry_run_result(&key, &reason, write, frees_quota);
            assert_eq!(result, expected, "{key}: {reason}");
        }
    }

    /// Creates an object, and returns the reasons of the errors. The API server has a version, and leaves `dropped` out
    /// of what it stores.
    async fn created(
        kind: Kind,
        spec: Json,
        dropped: &'static str,
        minor: u32,
    ) -> Result<(), Vec<String>> {
        let cluster = fake_api::cluster(move |request| {
            if request.line == "GET /version" {
                let version =
                    json!({"gitVersion": format!("v1.{minor}.0"), "minor": format!("{minor}+")});
                return Reply::Answer(200, version);
            }
            let mut stored = request.body.clone();
            let spec = stored.pointer_mut("/spec").and_then(Json::as_object_mut);
            spec.unwrap().remove(dropped);
            Reply::Answer(200, stored)
        });
        let key = Key::new(kind, "feast-x-online");
        let manifest = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.as_str(),
            "metadata": {"name": key.name},
            "spec": spec,
        });
        let objects = Objects::without_secrets("ns", [(key, manifest)].into());
        let desired = DesiredState {
            store: &fake_api::store("x"),
            objects: &objects,
            prior: &BTreeMap::new(),
            pvc_policy: &PvcPolicy::default(),
            deadline: tokio::time::Instant::now(),
            wait_for_job: None,
        };
        let (cluster, cancel) = (cluster.await, CancellationToken::new());
        let applied = cluster.apply(BTreeMap::new(), &desired, None, &cancel);
        match applied.await {
            Ok(outcome) => {
                assert_eq!(outcome.errors.len(), 0);
                Ok(())
            }
            Err(errors) => Err((errors.iter())
                .map(|error| error.reason.to_string())
                .collect()),
        }
    }

    #[tokio::test]
    async fn a_field_that_the_version_does_not_store_stops_a_create() {
        let service = || json!({"trafficDistribution": "PreferClose", "type": "ClusterIP"});
        let reason = "the API server (Kubernetes v1.30.0) does not store these fields:\n  .spec.trafficDistribution: requires Kubernetes 1.31";
        for (dropped, minor, expected) in [
            ("trafficDistribution", 30, Err(vec![reason.to_owned()])),
            // Admission control has removed it.
            ("trafficDistribution", 31, Ok(())),
            ("nothing", 30, Ok(())),
        ] {
            let created = created(Kind::Service, service(), dropped, minor).await;
            assert_eq!(created, expected, "{dropped} in 1.{minor}");
        }
    }

    #[tokio::test]
    async fn an_empty_list_need_not_be_stored() {
        let spec = json!({"resourceClaims": [], "nodeSelector": {}});
        let created = created(Kind::Deployment, spec, "resourceClaims", 30).await;
        assert_eq!(created, Ok(()));
    }
}
