//! The check of a plan that replaces a feature store: whether the new one can be created.
//!
//! Terraform destroys the old feature store before it asks for the new one, and a destroy cannot know what follows it.
//! So this is the only plan that asks the cluster. It finds what an apply would be refused before its first write, and
//! by a dry run of each object what the API server would reject.
//!
//! Two requests of Terraform plan a replacement. The first has a prior state, and its answer names the attributes that
//! require it. The second has no prior state but the private data of the first answer; it is the only one that tells
//! of a replacement that the user has asked for (`-replace`, `replace_triggered_by`). The answer to a checked request
//! has no private data, so that each replacement is checked once.
//!
//! A tainted feature store is planned by one request, which looks like that of a create, and is not checked: Terraform
//! sends the same request before it destroys, where an error would be in the way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::cluster::{self, CancellationToken, Cluster, Reason, StoreName, apply};
use crate::feast::names;
use crate::feast::objects::{Key, Kind};
use crate::feast::secrets::resolve::Secrets;
use crate::kubernetes::kind::Scope;
use crate::provider::diagnostics;
use crate::provider::settings::Settings;
use crate::schema::provider::{PlanResourceChangeRequest, PlanResourceChangeResponse};
use crate::schema::{Block, Diagnostic, Diagnostics, Path, Severity, Value};

use super::apply::{remote_registry, unread};
use super::computed::Desired;
use super::creation::{Occupied, check_available, is_of_another};
use super::manifests;
use super::parse::{Parsed, parse_over};
use super::private_state::PrivateState;
use super::read::store_name;

/// A feature store that is to be destroyed and created again, elsewhere or anew.
pub struct Replacement {
    /// `None` where Terraform does not tell: it has the name of the new one then.
    old: Option<Old>,
    /// The new one; `None` while its name or namespace is unknown.
    new: Option<StoreName>,
    parsed: Parsed,
    /// The attribute that requires the replacement, for what is wrong with the new name.
    attribute: Path,
    /// The create that the old feature store is known to be of.
    creation: Option<String>,
}

/// What the state knows of the old feature store.
struct Old {
    store: StoreName,
    objects: BTreeSet<Key>,
    deletes_data: bool,
}

impl Replacement {
    /// Recognizes a plan that replaces, and takes the private data out of its answer.
    pub fn of(
        block: &Block,
        request: &PlanResourceChangeRequest,
        planned: &mut PlanResourceChangeResponse,
    ) -> Option<Self> {
        let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
        if planned.state.is_null() || planned.diagnostics.iter().any(is_error) {
            return None;
        }
        let prior = &request.prior_state;
        let required = !planned.requires_replace.is_empty();
        let asked_for = prior.is_null() && !request.prior_private.is_empty();
        if !required && !asked_for {
            return None;
        }
        planned.private.clear();
        let name = Path::of("name");
        let renamed = asked_for || planned.requires_replace.contains(&name);
        Some(Self {
            old: Old::of(prior),
            new: store_name(&planned.state),
            parsed: parse_over(block, &request.config, prior).ok()?,
            attribute: if renamed { name } else { Path::of("namespace") },
            creation: PrivateState::decode(&request.prior_private).creation,
        })
    }

    /// Checks whether the new feature store can be created: an error for everything that is known to prevent it, and
    /// a warning where that could not be checked.
    pub async fn check(&self, settings: &Settings, stop: &CancellationToken) -> Diagnostics {
        let Some(new) = &self.new else {
            return vec![diagnostics::replacement_unknown(self.old())];
        };
        let cluster = match settings.cluster().await {
            Ok(cluster) => cluster,
            Err(diagnostic) => return vec![diagnostics::replacement_unchecked(new, &diagnostic)],
        };
        let findings = match self.findings(&cluster, new, stop).await {
            Ok(findings) => findings,
            // Nothing else can be asked.
            Err(error) if error.reason.is_no_answer() => vec![unchecked(new, &error)],
            Err(error) => vec![self.refused(&error)],
        };
        let explained = |finding: Diagnostic| match finding.severity {
            Severity::Error => diagnostics::replacement_refused(self.old(), new, finding),
            Severity::Warning => finding,
        };
        findings.into_iter().map(explained).collect()
    }

    /// # Errors
    ///
    /// The first error that leaves nothing else to ask for.
    async fn findings(
        &self,
        cluster: &Cluster,
        new: &StoreName,
        stop: &CancellationToken,
    ) -> Result<Diagnostics, cluster::Error> {
        cluster.check_namespace(&new.namespace, stop).await?;
        let desired = Desired::of(&self.parsed, &new.namespace);
        let main = names::main(&new.name);
        // While a value is unknown, only these are certain.
        let certain = [Kind::Secret, Kind::Deployment].map(|kind| Key::new(kind, &main));
        let keys: BTreeSet<Key> = match &desired {
            Some(desired) => desired.objects.manifests.keys().cloned().collect(),
            None => certain.into(),
        };
        let live = cluster.read(new, &keys, stop).await?;
        let secret = live.get(&Key::new(Kind::Secret, &main));
        let mut findings = Diagnostics::new();
        // Whether another create had the same configuration is unknown, too.
        let tells = |occupied: &Occupied| desired.is_some() || *occupied == Occupied::Complete;
        let available = check_available(secret, &self.parsed.json, cluster.now());
        if let Some(occupied) = available.err().filter(tells)
            && !self.replaces(secret)
        {
            findings.push(diagnostics::exists_already(new, occupied).at(self.attribute.clone()));
        }
        let manifests = match &desired {
            Some(desired) => {
                let registry = remote_registry(cluster, desired, stop).await;
                findings.extend(registry.err().into_iter().flatten());
                let (manifests, unresolved) = resolved(cluster, new, desired, stop).await;
                findings.extend(unresolved);
                manifests
            }
            // Their content is unknown.
            None => keys.into_iter().map(|key| (key, Json::Null)).collect(),
        };
        let checked = cluster
            .check_create(
                &live,
                &apply::Replacement {
                    store: new,
                    wanted: &manifests,
                    freed: &self.freed(cluster, new, &live),
                    frees_quota: self.old().is_none_or(|old| old.namespace == new.namespace),
                },
                stop,
            )
            .await;
        findings.extend(checked.refused.iter().map(|error| self.refused(error)));
        findings.extend(checked.unchecked.first().map(|error| unchecked(new, error)));
        Ok(findings)
    }

    fn old(&self) -> Option<&StoreName> {
        self.old.as_ref().map(|old| &old.store)
    }

    /// Whether what exists under the new name is the feature store that is replaced.
    fn replaces(&self, secret: Option<&Json>) -> bool {
        let ours = |secret: &Json| match &self.creation {
            Some(creation) => !is_of_another(secret, creation),
            None => true,
        };
        self.old.is_none() && secret.is_none_or(ours)
    }

    /// The objects that the destroy deletes before the create.
    fn freed(
        &self,
        cluster: &Cluster,
        new: &StoreName,
        live: &BTreeMap<Key, Json>,
    ) -> BTreeSet<Key> {
        let mut freed: BTreeSet<Key> = match &self.old {
            Some(old) => {
                let same = old.store.namespace == new.namespace;
                let objects = old.objects.iter();
                objects
                    .filter(|key| same || key.kind.scope() == Scope::Cluster)
                    .cloned()
                    .collect()
            }
            None if self.replaces(live.get(&Key::new(Kind::Secret, names::main(&new.name)))) => {
                let ours = live
                    .iter()
                    .filter(|(_, live)| cluster.is_ours(new, live, false));
                ours.map(|(key, _)| key.clone()).collect()
            }
            None => BTreeSet::new(),
        };
        let deletes_data = self.old.as_ref().is_some_and(|old| old.deletes_data);
        freed.retain(|key| deletes_data || key.kind != Kind::PersistentVolumeClaim);
        freed
    }

    /// The error at the attribute that it is about.
    fn refused(&self, error: &cluster::Error) -> Diagnostic {
        let attribute = match &error.reason {
            Reason::NamespaceMissing(_)
            | Reason::NamespaceTerminating(_)
            | Reason::Forbidden { .. } => Path::of("namespace"),
            _ => self.attribute.clone(),
        };
        diagnostics::cluster_error("Cannot replace the feature store", error).at(attribute)
    }
}

impl Old {
    fn of(prior: &Value) -> Option<Self> {
        Some(Self {
            store: store_name(prior)?,
            objects: manifests::keys(prior).into_iter().collect(),
            deletes_data: prior.attribute("delete_data") == &Value::Bool(true),
        })
    }
}

fn unchecked(new: &StoreName, error: &cluster::Error) -> Diagnostic {
    diagnostics::replacement_unchecked(new, &diagnostics::cluster_error("", error))
}

/// The objects with the user's Secrets merged in. Without them, where that is not possible, and why it is not.
async fn resolved(
    cluster: &Cluster,
    new: &StoreName,
    desired: &Desired,
    stop: &CancellationToken,
) -> (BTreeMap<Key, Json>, Diagnostics) {
    let sources = desired.objects.sources();
    let namespace = &desired.store.namespace;
    let why = match cluster.contents(namespace, &sources, stop).await {
        Ok(contents) => {
            let secrets = Secrets {
                contents: &contents,
                // Any will do, since nothing is written.
                hash_key: &[0; 32],
                configuration: "",
            };
            match desired.objects.clone().resolve_secrets(&secrets) {
                Ok(filled) => return (filled.manifests, Vec::new()),
                Err(errors) => errors.iter().map(diagnostics::secret_error).collect(),
            }
        }
        Err(errors) => match errors.iter().find(|error| error.reason.is_no_answer()) {
            Some(error) => vec![unchecked(new, error)],
            None => unread(desired, &errors, None),
        },
    };
    (desired.objects.manifests.clone(), why)
}
