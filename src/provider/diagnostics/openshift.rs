//! Diagnostics about values that OpenShift assigns, or that only OpenShift has.

use crate::cluster::StoreName;
use crate::feast::names;
use crate::schema::{Diagnostic, Path};

/// The default group of volumes in a cluster that assigns groups itself.
pub fn group_on_openshift() -> Diagnostic {
    Diagnostic::error(
        "OpenShift assigns the group of volumes",
        "This is an OpenShift cluster (it serves security.openshift.io/v1). It assigns a group from the range of the \
         namespace to each pod and refuses pods with another group. Without a security context, this provider sets \
         `fs_group = 1001` for pods with PersistentVolumeClaims, as other clusters need it. Nothing was written.\n\n\
         Set `openshift = {}` in `services`, so that OpenShift assigns the group. If the pods have a \
         SecurityContextConstraints object that permits a fixed group, set `security_context = { fs_group = <group> }`.",
    )
    .at(Path::of("services.security_context"))
}

/// A CronJob whose pods have a fixed user in a cluster that assigns users itself. It is a warning, because the
/// configuration does not show which SecurityContextConstraints the pods have.
pub fn cron_job_user_on_openshift(store: &StoreName) -> Diagnostic {
    Diagnostic::warning(
        "OpenShift assigns the user of the CronJob's pods",
        format!(
            "This is an OpenShift cluster (it serves security.openshift.io/v1). It assigns a user from the range of the \
             namespace to each pod and refuses pods with another user, unless a SecurityContextConstraints object permits \
             it to their ServiceAccount {:?}. Without `openshift`, this provider sets `run_as_user = 1001` for the pods \
             of the CronJob, as other clusters need it. If OpenShift refuses them, every run fails.\n\n\
             Set `openshift = {{}}` in `services`, so that OpenShift assigns the user.",
            names::cron_job(&store.name)
        ),
    )
    .at(Path::of("cron_job"))
}

/// Certificates of OpenShift in a cluster that is not one of OpenShift.
pub fn not_openshift() -> Diagnostic {
    Diagnostic::error(
        "This cluster issues no certificates for Services",
        "`serving_certificates` needs the service CA of OpenShift, and this is not an OpenShift cluster (it does not \
         serve security.openshift.io/v1). Nothing was written.\n\nRemove `serving_certificates`, and set `tls` of each server, \
         for example with a Secret of cert-manager.",
    )
    .at(Path::of(names::SERVING_CERTIFICATES))
}
