//! Certificates that another controller issues once this apply has written the objects that ask for them, such as the
//! service CA of OpenShift.
//!
//! # Guarantees
//!
//! - An update changes nothing else before the certificates exist: of an object that exists, only the annotations are
//!   new.
//! - A create writes the objects that need no certificate, and can be undone if a certificate is not issued.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use serde_json::Value as Json;

use super::super::error::Error;
use super::{Applier, Written, push_error};
use crate::feast::objects::Objects;
use crate::feast::secrets::resolve::Resolved;
use crate::kubernetes::kind::Key;

/// Certificates that do not exist when the apply begins.
#[derive(Clone, Copy)]
pub struct PendingCertificates<'a> {
    /// The objects that ask for them.
    pub requested_by: &'a BTreeSet<Key>,
    /// Waits until they exist, and returns the objects of the feature store with their hashes.
    pub wait: &'a (dyn Fn() -> BoxFuture<'a, Result<&'a Objects<Resolved>, Vec<Error>>> + Sync),
}

impl Applier<'_> {
    /// Asks for certificates before an update, and waits for them.
    pub(super) async fn request_certificates(&mut self) {
        let Some(certificates) = self.certificates.filter(|_| self.ok_so_far()) else {
            return;
        };
        for key in certificates.requested_by {
            if !self.ok_so_far() {
                return;
            }
            let Some(desired) = self.desired.objects.manifests.get(key) else {
                continue;
            };
            let applied = self.desired.prior.get(key);
            let manifest = match applied {
                Some(applied) => with_annotations(applied.clone(), desired),
                None => desired.clone(),
            };
            let written = {
                let live = self.outcome.objects.get(key);
                self.apply_object(key, &manifest, live).await
            };
            match written {
                // The object has not got its desired state yet, so it does not count as changed.
                Ok(Written::Changed(live)) if applied.is_some() => {
                    self.outcome.objects.insert(key.clone(), live);
                }
                Ok(written) => self.note_write(key, written),
                Err(error) => self.note_failure(key, error),
            }
        }
        self.await_certificates().await;
    }

    /// Waits for the certificates that written objects ask for. From then on, the objects have their hashes.
    pub(super) async fn await_certificates(&mut self) {
        let Some(certificates) = self.certificates.filter(|_| self.ok_so_far()) else {
            return;
        };
        match (certificates.wait)().await {
            Ok(objects) => self.desired.objects = objects,
            Err(errors) => {
                for error in errors {
                    push_error(&mut self.outcome.errors, error);
                }
            }
        }
    }
}

/// Returns the manifest with the annotations of another one.
fn with_annotations(mut manifest: Json, other: &Json) -> Json {
    let annotations = other["metadata"]["annotations"].as_object();
    for (name, value) in annotations.into_iter().flatten() {
        manifest["metadata"]["annotations"][name] = value.clone();
    }
    manifest
}
