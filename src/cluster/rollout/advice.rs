//! Advice on an issue, with the command that shows its details.

use std::borrow::Cow;

use super::super::error::PodClass;
use super::JobRole;
use super::pod_issue::{Cause, PodIssue, Workload};
use super::pods::{NOT_READY_ON_NODE, NOT_SCHEDULED};

/// Returns two or three sentences for the user. Commands in them can be copied as they are.
pub(super) fn advice(issue: &PodIssue) -> String {
    let described = |solution: &str| format!("{solution} {}", describe(issue));
    match issue.cause {
        Cause::ImageName => "correct the image's name in the configuration.".to_owned(),
        Cause::Image => described(
            "check the image's name and tag, and whether the nodes can reach its registry and have permission to pull it (`image_pull_secrets`).",
        ),
        Cause::Crash => with_sidecars(issue, crash(issue), &log(issue)),
        Cause::Memory => with_sidecars(
            issue,
            "raise `resources.limits.memory` of this container, or reduce its load.",
            &describe(issue),
        ),
        Cause::Configuration => described(configuration(&issue.message)),
        Cause::Start => described(
            "the container runtime could not start the container: check the image's command, and the volumes and devices of the pod.",
        ),
        Cause::Ended => described(ended(&issue.message)),
        Cause::Denied => denied(&issue.message, issue.role).into_owned(),
        Cause::Terminating => terminating(issue),
        Cause::Unschedulable => described(unschedulable(&issue.reason)),
        Cause::UnboundPvc => described(
            "no volume is bound: check the storage class and its provisioner, and the size and access modes of the PersistentVolumeClaim.",
        ),
        Cause::NotReady => format!(
            "the server runs and its probe does not succeed: check its log, and check that the stores can be reached. {} {}",
            log(issue),
            describe(issue)
        ),
        Cause::NodeSetup => described(
            "the node cannot prepare the pod: check the node's network plugin and container runtime, and the volumes that the message names; the pod starts when this is repaired.",
        ),
        Cause::Starting => {
            described("the node prepares the pod: it pulls images and mounts volumes.")
        }
        Cause::Sidecar => sidecar(issue),
        Cause::Paused => format!(
            "find out why it was paused, resume it with {}, then apply again.",
            command(issue, |it| format!(
                "kubectl rollout resume deployment/{}",
                it.name
            ))
        ),
        Cause::Suspended => suspended(issue),
        Cause::NoPod => format!(
            "grant this user the verb list on events in the namespace, so that the error has the reason, such as a quota or an admission policy. A user with this permission sees it with {}.",
            command(issue, |it| format!(
                "kubectl get events --field-selector involvedObject.name={}",
                it.name
            ))
        ),
        Cause::Other => match not_ready(issue) {
            Some(solution) => described(solution),
            None => describe(issue),
        },
    }
}

/// Returns the advice on an old pod that has not ended.
fn terminating(issue: &PodIssue) -> String {
    let pod = issue.pod.as_deref().unwrap_or("<pod>");
    format!(
        "if the pod stays after its grace period, check that its node responds, and the controllers that remove its finalizers. As a last resort, `kubectl delete pod {pod}{} --force` removes it without its node; make sure that its containers have ended, because two pods can damage files that both write. {}",
        namespace(issue),
        describe(issue)
    )
}

/// Returns the solution for a pod that has no node, from the reason of the scheduler.
fn unschedulable(reason: &str) -> &'static str {
    match reason {
        "SchedulingGated" => {
            "a controller has set a scheduling gate (`schedulingGates` of the pod), and the scheduler ignores the pod until the controller removes the gate: check it, such as Kueue and the quota of its queue."
        }
        NOT_SCHEDULED => {
            "no node has been assigned yet: check that the scheduler of the cluster runs, and check its log."
        }
        _ => {
            "no node can run the pod: add nodes, or change its `resources`, `node_selector`, `tolerations` or `affinity`. A cluster autoscaler may still add one."
        }
    }
}

/// Returns the solution for a pod that is not ready although its containers are; `None` for other issues.
fn not_ready(issue: &PodIssue) -> Option<&'static str> {
    match issue.reason.as_str() {
        "ReadinessGatesNotReady" => Some(readiness_gate(&issue.message)),
        NOT_READY_ON_NODE => Some(
            "check the node that the message names: if it does not respond for 5 minutes, Kubernetes replaces its pods.",
        ),
        _ => None,
    }
}

/// Returns the solution for a readiness gate that is not set, by its name in the message.
fn readiness_gate(message: &str) -> &'static str {
    if message.contains("\"cloud.google.com/load-balancer-neg-ready\"") {
        "the GKE ingress controller sets this readiness gate when the load balancer reports the pod as healthy: check the events of the Service, and the health check of its backend."
    } else if message.contains("\"target-health.") {
        "the AWS Load Balancer Controller sets this readiness gate when the target group reports the pod as healthy: check that the controller runs, its log, and the health check of the target group."
    } else {
        "the controller that the name of the readiness gate refers to sets the gate: check that it runs, and check its log."
    }
}

/// Returns the solution for a container that the kubelet does not create, from its message.
fn configuration(message: &str) -> &'static str {
    if message.contains("runAsNonRoot") || message.contains("non-root") {
        "the image runs as root, or its user is not a number, so the node cannot tell: use an image with a numeric user, or set `services.security_context = { run_as_user = <number> }`. `run_as_non_root = false` permits root, unless the Pod Security level of the namespace is `restricted`."
    } else if message.contains("subPath") {
        "the node cannot create or open the `sub_path` of the volume mount that the message names: check that the volume is writable, and that no part of the path is a file or a symbolic link out of the volume. The log of the kubelet has the reason."
    } else {
        "create the missing Secret, ConfigMap or key in this namespace, or correct its name."
    }
}

/// Returns the solution for a container that has failed, from the end of its log.
fn crash(issue: &PodIssue) -> &'static str {
    let contains = |part: &str| issue.log.iter().any(|line| line.contains(part));
    // Not that of a server, such as `Permission denied (publickey)`.
    let is_denied = contains("[Errno 13] Permission denied")
        || (issue.log.iter()).any(|line| line.trim_end().ends_with(": Permission denied"));
    if contains("No space left on device") {
        "the volume that the log names is full: enlarge it, or keep less on it."
    } else if is_denied || contains("unable to open database file") {
        "the container's user has no permission to write to the path in the log. If a PersistentVolumeClaim is mounted there, set `services.security_context = { fs_group = 1001 }` (on OpenShift, `services.openshift = {}` instead); a volume that ignores it (`hostPath`, NFS) needs an owner or a mode that lets the user write."
    } else if contains("Read-only file system") {
        "the path in the log is read-only: mount a volume there (`volumes` and `volume_mounts`), or remove `read_only_root_filesystem` from `services.container_security_context`."
    } else if contains("Operation not permitted") {
        "the container lacks a capability or a privilege, because containers have none by default: set what it needs in `services.container_security_context`, such as `capabilities = { add = [\"NET_BIND_SERVICE\"] }`."
    } else if contains("SSL was required") {
        "the database does not offer TLS, which Feast requires by default: enable TLS in the database, or add `sslmode: disable` to the connection parameters in the Secret."
    } else if contains("protobuf.message.DecodeError") {
        "the registry file is damaged, as by two processes that wrote it at the same time: restore a backup, or delete the file and run `feast apply` again (action `feast_apply`). A registry in a database (`services.registry.local.persistence.store`) is safe."
    } else if issue.init {
        "fix the problem reported in the container log: the feature repository, its definitions, or the connections of the stores."
    } else {
        "fix the problem reported in the container log."
    }
}

/// Returns the solution for a pod that the kubelet has ended or rejected, from its message.
fn ended(message: &str) -> &'static str {
    let contains = |part: &str| message.contains(part);
    if contains("EmptyDir volume") {
        "the container writes more into the volume than its `size_limit`: raise it, or write less."
    } else if contains("local ephemeral storage") || contains("ephemeral local storage") {
        "the container writes more files than its limit: raise `resources.limits.ephemeral-storage`, or write into a volume."
    } else if contains("low on resource") {
        "the node ran out of the resource that the message names: set `resources.requests` for what the pod needs, or add nodes with more of it."
    } else {
        "the node has ended or rejected the pod: resolve the reason in the message."
    }
}

/// Returns the solution for a suspended Job.
fn suspended(issue: &PodIssue) -> String {
    match issue.role {
        // The Job is deleted at the end of the run.
        Some(JobRole::OnRequest { .. }) => {
            "find out what has suspended the Job, then invoke the action again, which creates another one. A queue such as Kueue resumes its Jobs itself.".to_owned()
        }
        Some(JobRole::BeforeRollout) | None => format!(
            "find out why it was suspended, resume it with {}, then apply again. A queue such as Kueue resumes its Jobs itself.",
            command(issue, |it| {
                let patch = r#"'{"spec":{"suspend":false}}'"#;
                format!("kubectl patch job/{} --type merge --patch {patch}", it.name)
            })
        ),
    }
}

/// Returns the advice for a message of the API server that rejects pods.
pub fn denied(message: &str, role: Option<JobRole>) -> Cow<'static, str> {
    match PodClass::missing(message) {
        Some(PodClass {
            kind, attribute, ..
        }) => format!("create the {kind}, or correct `{attribute}`.").into(),
        None => denied_by(message, role).into(),
    }
}

/// Returns the advice by what rejects the pods.
fn denied_by(message: &str, role: Option<JobRole>) -> &'static str {
    let contains = |part: &str| message.contains(part);
    if contains("must specify") {
        match role {
            Some(JobRole::OnRequest {
                in_server: true, ..
            }) => {
                "a ResourceQuota of the namespace counts the resources that the message names, so every container must set them: write them under `cron_job.container_configs.resources`, because this is the pod of the CronJob, and apply the feature store; or give the namespace a LimitRange with defaults."
            }
            Some(JobRole::OnRequest { .. }) => {
                "a ResourceQuota of the namespace counts the resources that the message names, so every container must set them: write them under `resources` of every server, of which this pod has the largest, or under `services.init_resources`, and apply the feature store; or give the namespace a LimitRange with defaults."
            }
            Some(JobRole::BeforeRollout) | None => {
                "a ResourceQuota of the namespace counts the resources that the message names, so every container must set them: write them under `resources` of every server (init containers and the Job have those of the largest server, or `services.init_resources`), or give the namespace a LimitRange with defaults."
            }
        }
    } else if contains("exceeded quota") {
        match role {
            Some(JobRole::OnRequest {
                in_server: true, ..
            }) => {
                "raise the quota, reduce what others use of it, or lower `cron_job.container_configs.resources`, because this is the pod of the CronJob, and apply the feature store."
            }
            Some(JobRole::OnRequest { .. }) => {
                "raise the quota, reduce what others use of it, or lower `services.init_resources` (by default the largest `resources` of the servers) and apply the feature store."
            }
            Some(JobRole::BeforeRollout) | None => {
                "raise the quota, reduce what others use of it, or request less: fewer replicas, or lower `resources`."
            }
        }
    } else if contains("violates PodSecurity") {
        "remove what the message names from `services.security_context`, `services.container_security_context` or `services.volumes`: without these, the pods meet the level `restricted`. Otherwise it comes from an injected container, or the level must be lowered (namespace label `pod-security.kubernetes.io/enforce`)."
    } else if contains(" usage per ") || contains("limit to request ratio") {
        "set `resources` within the bounds of the namespace's LimitRange, or change the LimitRange."
    } else if contains("failed calling webhook") {
        "an admission webhook of the cluster does not respond: repair its service, or ask its owner."
    } else if contains("serviceaccount") && contains("not found") {
        "the pods' ServiceAccount does not exist: create it, or apply again if this provider creates it."
    } else if contains("denied the request") || contains("ValidatingAdmissionPolicy") {
        "change what the admission policy in the message rejects, or ask its owner for an exception."
    } else {
        "change what the message names: the admission control of the cluster rejects it."
    }
}

/// Returns the solution for an injected container that runs after the containers of the Job have succeeded.
fn sidecar(issue: &PodIssue) -> String {
    let exclude = exclude(issue);
    match issue.role {
        Some(JobRole::OnRequest { .. }) => format!(
            "the command has succeeded and does not have to run again. This container was added to the pod of the Job, and the Job cannot end before it. {exclude}"
        ),
        Some(JobRole::BeforeRollout) | None => format!(
            "this container was added to the pod of the Job, and the Job cannot end before it. {exclude}"
        ),
    }
}

/// Returns the solution for a failed container with the command that shows details, and what keeps its pod running.
fn with_sidecars(issue: &PodIssue, solution: &str, details: &str) -> String {
    if issue.kept_running_by.is_empty() {
        return format!("{solution} {details}");
    }
    let cause = "A container was added to the pod of the Job, and the Job cannot end before it.";
    let exclude = exclude(issue);
    match issue.role {
        // The pod is deleted at the end of the run.
        Some(JobRole::OnRequest { .. }) => format!("{solution} {cause} {exclude}"),
        Some(JobRole::BeforeRollout) | None => format!("{solution} {details} {cause} {exclude}"),
    }
}

/// Returns how to keep an injected container out of the pods of the Job, and what to do then.
fn exclude(issue: &PodIssue) -> String {
    let native = "inject it as a native sidecar (an init container with `restartPolicy: Always`)";
    let by = "Exclude the pods from the injection by an annotation of the mesh in";
    match issue.role {
        Some(JobRole::OnRequest { in_server, .. }) => {
            let attribute = match in_server {
                true => "cron_job.job_spec.pod_template_annotations",
                false => "services.feast_apply_job.pod_annotations",
            };
            format!("{by} `{attribute}`, or {native}, and apply the feature store.")
        }
        Some(JobRole::BeforeRollout) | None => {
            let delete = command(issue, |it| format!("kubectl delete job/{}", it.name));
            format!(
                "{by} `services.feast_apply_job.pod_annotations`, {native}, or set `feast_apply = \"init_container\"`. Then run {delete} and apply again."
            )
        }
    }
}

/// Returns the command for the log of the failed run. Only a container that was restarted has a previous log.
fn log(issue: &PodIssue) -> String {
    let (Some(pod), Some(container)) = (&issue.pod, &issue.container) else {
        return describe(issue);
    };
    let previous = if issue.in_previous_run {
        " --previous"
    } else {
        ""
    };
    format!(
        "`kubectl logs {pod} -c {container}{previous}{}` shows the whole log.",
        namespace(issue)
    )
}

fn describe(issue: &PodIssue) -> String {
    match &issue.pod {
        Some(pod) => format!(
            "`kubectl describe pod {pod}{}` shows its details.",
            namespace(issue)
        ),
        None => "`kubectl describe pod` shows its details.".to_owned(),
    }
}

fn command(issue: &PodIssue, of: impl Fn(&Workload) -> String) -> String {
    match &issue.workload {
        Some(workload) => format!("`{}{}`", of(workload), namespace(issue)),
        None => "kubectl".to_owned(),
    }
}

fn namespace(issue: &PodIssue) -> String {
    let namespace = issue.namespace.as_ref();
    namespace.map_or_else(String::new, |namespace| format!(" -n {namespace}"))
}

#[cfg(test)]
mod tests {
    use super::super::pod_issue::Recoverability;
    use super::*;

    fn crashed(log: &[&str]) -> PodIssue {
        PodIssue {
            pod: Some("p".into()),
            container: Some("c".into()),
            namespace: Some("ns".into()),
            log: log.iter().map(|&line| line.to_owned()).collect(),
            ..PodIssue::new(Cause::Crash, Recoverability::Never, "Error")
        }
    }

    fn of_container(init: bool, in_previous_run: bool) -> String {
        advice(&PodIssue {
            init,
            in_previous_run,
            ..crashed(&[])
        })
    }

    #[test]
    fn the_log_command_depends_on_the_state_of_the_container() {
        assert_eq!(
            of_container(false, false),
            "fix the problem reported in the container log. `kubectl logs p -c c -n ns` shows the whole log."
        );
        assert_eq!(
            of_container(false, true),
            "fix the problem reported in the container log. `kubectl logs p -c c --previous -n ns` shows the whole log."
        );
        assert_eq!(
            of_container(true, false),
            "fix the problem reported in the container log: the feature repository, its definitions, or the connections of the stores. `kubectl logs p -c c -n ns` shows the whole log."
        );
    }

    #[test]
    fn advice_on_a_crash_depends_on_the_log() {
        for (line, solution) in [
            ("OSError: [Errno 28] No space left on device", "enlarge it"),
            (
                "PermissionError: [Errno 13] Permission denied: '/data/x'",
                "`services.security_context = { fs_group = 1001 }`",
            ),
            (
                "fatal: could not create work tree dir 'p': Permission denied",
                "`services.security_context = { fs_group = 1001 }`",
            ),
            (
                "git@git.example.com: Permission denied (publickey).",
                "fix the problem reported in the container log.",
            ),
            (
                "sqlite3.OperationalError: unable to open database file",
                "`services.security_context = { fs_group = 1001 }`",
            ),
            (
                "OSError: [Errno 30] Read-only file system: '/opt/x'",
                "mount a volume there",
            ),
            (
                "OSError: [Errno 1] Operation not permitted",
                "`capabilities = { add = [\"NET_BIND_SERVICE\"] }`",
            ),
            (
                "server does not support SSL, but SSL was required",
                "`sslmode: disable`",
            ),
            (
                "google.protobuf.message.DecodeError: Error parsing message",
                "A registry in a database (`services.registry.local.persistence.store`) is safe.",
            ),
            (
                "ValueError: x",
                "fix the problem reported in the container log.",
            ),
        ] {
            let text = advice(&crashed(&["Traceback", line]));
            assert!(text.contains(solution), "{line}: {text}");
            let command = "`kubectl logs p -c c -n ns` shows the whole log.";
            assert!(text.ends_with(command), "{line}: {text}");
        }
    }

    #[test]
    fn advice_on_a_container_that_is_not_created_depends_on_the_message() {
        for (message, solution) in [
            (
                "container has runAsNonRoot and image will run as root (pod: \"p_ns(1)\", container: online)",
                "use an image with a numeric user",
            ),
            (
                "container has runAsNonRoot and image has non-numeric user (default), cannot verify user is non-root",
                "use an image with a numeric user",
            ),
            (
                "container's runAsUser breaks non-root policy (pod: \"p_ns(1)\", container: online)",
                "use an image with a numeric user",
            ),
            (
                "failed to create subPath directory for volumeMount \"data\" of container \"online\"",
                "the node cannot create or open the `sub_path`",
            ),
            (
                "failed to prepare subPath for volumeMount \"data\" of container \"online\"",
                "the node cannot create or open the `sub_path`",
            ),
            ("secret \"s\" not found", "create the missing Secret"),
        ] {
            let text = configuration(message);
            assert!(text.contains(solution), "{message}: {text}");
        }
    }

    /// Returns the advice on an issue of the pod `p` without the command at its end.
    fn of_pod(cause: Cause, reason: &str, message: &str) -> String {
        let text = advice(&PodIssue {
            pod: Some("p".into()),
            namespace: Some("ns".into()),
            message: message.to_owned(),
            ..PodIssue::new(cause, Recoverability::Eventually, reason)
        });
        let command = "`kubectl describe pod p -n ns` shows its details.";
        let solution = text.strip_suffix(command).expect("a command");
        solution.trim_end().to_owned()
    }

    #[test]
    fn advice_on_a_pod_without_a_node_depends_on_the_reason() {
        for (reason, solution) in [
            ("SchedulingGated", "a controller has set a scheduling gate"),
            (NOT_SCHEDULED, "no node has been assigned yet: "),
            ("Unschedulable", "no node can run the pod: add nodes"),
            ("SchedulerError", "no node can run the pod: add nodes"),
        ] {
            let text = of_pod(Cause::Unschedulable, reason, "m");
            assert!(text.starts_with(solution), "{reason}: {text}");
        }
    }

    #[test]
    fn advice_on_a_pod_with_ready_containers_depends_on_the_reason() {
        let gate = |name: &str| {
            format!("the status of pod readiness gate \"{name}\" is not \"True\", but False")
        };
        let gates = "ReadinessGatesNotReady";
        for (reason, message, solution) in [
            (
                gates,
                gate("cloud.google.com/load-balancer-neg-ready"),
                "the GKE ingress controller sets",
            ),
            (
                gates,
                gate("target-health.elbv2.k8s.aws/k8s-ns-x"),
                "the AWS Load Balancer Controller sets",
            ),
            (
                gates,
                gate("example.com/ready"),
                "the controller that the name of the readiness gate refers to",
            ),
            (NOT_READY_ON_NODE, "m".to_owned(), "check the node"),
        ] {
            let text = of_pod(Cause::Other, reason, &message);
            assert!(text.starts_with(solution), "{message}: {text}");
        }
        assert_eq!(of_pod(Cause::Other, "Running", "m"), "");
    }

    #[test]
    fn advice_on_a_terminating_pod_has_the_last_resort() {
        assert_eq!(
            of_pod(Cause::Terminating, "terminating since t, on node n", "m"),
            "if the pod stays after its grace period, check that its node responds, and the controllers that remove its finalizers. As a last resort, `kubectl delete pod p -n ns --force` removes it without its node; make sure that its containers have ended, because two pods can damage files that both write."
        );
    }

    #[test]
    fn advice_on_an_ended_pod_depends_on_the_message() {
        for (message, solution) in [
            (
                "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ",
                "`size_limit`",
            ),
            (
                "Container c exceeded its local ephemeral storage limit \"1Mi\". ",
                "`resources.limits.ephemeral-storage`",
            ),
            (
                "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
                "`resources.limits.ephemeral-storage`",
            ),
            ("The node was low on resource: memory. ", "add nodes"),
            ("Pod Predicate NodeAffinity failed", "resolve the reason"),
        ] {
            let text = ended(message);
            assert!(text.contains(solution), "{message}: {text}");
        }
    }

    #[test]
    fn advice_on_rejected_pods_depends_on_the_message() {
        for (message, cure) in [
            (
                "failed quota: q: must specify limits.cpu for: feast-apply",
                "every container must set them",
            ),
            ("exceeded quota: q, requested: pods=1", "raise the quota"),
            (
                "violates PodSecurity \"restricted:latest\": x",
                "without these, the pods meet the level `restricted`",
            ),
            (
                "maximum memory usage per Container is 1Mi, but limit is 2Mi",
                "LimitRange",
            ),
            (
                "minimum cpu usage per Pod is 1, but request is 100m",
                "LimitRange",
            ),
            (
                "cpu max limit to request ratio per Container is 2",
                "LimitRange",
            ),
            (
                "Internal error occurred: failed calling webhook \"w\": refused",
                "does not respond",
            ),
            (
                "admission webhook \"w\" denied the request: no",
                "admission policy",
            ),
            (
                "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
                "admission policy",
            ),
            (
                "error looking up service account ns/sa: serviceaccount \"sa\" not found",
                "ServiceAccount",
            ),
            (
                "pods \"x\" is forbidden: no PriorityClass with name gold was found",
                "create the PriorityClass, or correct `services.priority_class_name`.",
            ),
            (
                "pods \"x\" is forbidden: pod rejected: RuntimeClass \"gvisor\" not found",
                "create the RuntimeClass, or correct `services.runtime_class_name`.",
            ),
            ("something else", "admission control"),
        ] {
            let text = denied(message, None);
            assert!(text.contains(cure), "{message}: {text}");
            assert_eq!(
                text.contains("request less"),
                message.starts_with("exceeded"),
                "{text}"
            );
        }
    }

    #[test]
    fn commands_name_the_workload_and_the_namespace() {
        let of = |cause, kind| {
            advice(&PodIssue {
                workload: Some(Workload {
                    kind,
                    name: "feast-x".into(),
                }),
                namespace: Some("ns".into()),
                ..PodIssue::new(cause, Recoverability::Never, "r")
            })
        };
        let paused = of(Cause::Paused, "Deployment");
        assert!(
            paused.contains("`kubectl rollout resume deployment/feast-x -n ns`"),
            "{paused}"
        );
        let suspended = of(Cause::Suspended, "Job");
        let patch = r#"`kubectl patch job/feast-x --type merge --patch '{"spec":{"suspend":false}}' -n ns`"#;
        assert!(suspended.contains(patch), "{suspended}");
        let sidecar = of(Cause::Sidecar, "Job");
        assert!(
            sidecar.contains("`kubectl delete job/feast-x -n ns`"),
            "{sidecar}"
        );
    }

    const ROLES: [Option<JobRole>; 4] = [
        None,
        Some(JobRole::BeforeRollout),
        Some(JobRole::OnRequest {
            command: "feast materialize",
            in_server: false,
        }),
        Some(JobRole::OnRequest {
            command: "feast materialize",
            in_server: true,
        }),
    ];

    /// Returns the advice on an issue of a Job for each role.
    fn for_roles(issue: &PodIssue) -> [String; 4] {
        ROLES.map(|role| {
            advice(&PodIssue {
                role,
                namespace: Some("ns".into()),
                workload: Some(Workload {
                    kind: "Job",
                    name: "j".into(),
                }),
                ..issue.clone()
            })
        })
    }

    #[test]
    fn advice_on_rejected_pods_names_the_attributes_of_the_pod() {
        let of = |message: &str| {
            for_roles(&PodIssue {
                message: message.to_owned(),
                ..PodIssue::new(Cause::Denied, Recoverability::MaybeSoon, "FailedCreate")
            })
        };
        let [deployment, before, own, cron_job] = of("failed quota: q: must specify limits.cpu");
        assert_eq!(deployment, before);
        assert!(before.contains("`resources` of every server (init containers"));
        assert!(own.contains("`services.init_resources`, and apply the feature store"));
        assert!(
            cron_job.contains("write them under `cron_job.container_configs.resources`"),
            "{cron_job}"
        );
        assert!(!cron_job.contains("services."), "{cron_job}");

        let [deployment, before, own, cron_job] = of("exceeded quota: q, requested: pods=1");
        assert_eq!(deployment, before);
        assert!(before.contains("fewer replicas"), "{before}");
        assert!(own.contains("lower `services.init_resources`"), "{own}");
        assert!(
            cron_job.contains("lower `cron_job.container_configs.resources`"),
            "{cron_job}"
        );
    }

    #[test]
    fn advice_on_a_suspended_job_of_an_action_does_not_resume_it() {
        let suspended = PodIssue::new(Cause::Suspended, Recoverability::Never, "suspended");
        let [_, before, own, cron_job] = for_roles(&suspended);
        assert!(before.contains("kubectl patch job/j"), "{before}");
        assert_eq!(own, cron_job);
        assert_eq!(
            own,
            "find out what has suspended the Job, then invoke the action again, which creates another one. A queue such as Kueue resumes its Jobs itself."
        );
    }

    #[test]
    fn advice_on_a_sidecar_depends_on_the_role_of_the_job() {
        let added = "his container was added to the pod of the Job, and the Job cannot end before it. Exclude the pods from the injection by an annotation of the mesh in";
        let native =
            "inject it as a native sidecar (an init container with `restartPolicy: Always`)";
        let sidecar = PodIssue::new(Cause::Sidecar, Recoverability::MaybeSoon, "still running");
        let [_, before, own, cron_job] = for_roles(&sidecar);
        assert_eq!(
            before,
            format!(
                "t{added} `services.feast_apply_job.pod_annotations`, {native}, or set `feast_apply = \"init_container\"`. Then run `kubectl delete job/j -n ns` and apply again."
            )
        );
        let succeeded = "the command has succeeded and does not have to run again. T";
        assert_eq!(
            own,
            format!(
                "{succeeded}{added} `services.feast_apply_job.pod_annotations`, or {native}, and apply the feature store."
            )
        );
        assert_eq!(
            cron_job,
            format!(
                "{succeeded}{added} `cron_job.job_spec.pod_template_annotations`, or {native}, and apply the feature store."
            )
        );
    }

    #[test]
    fn advice_on_a_crash_also_excludes_the_sidecar_that_keeps_the_pod_running() {
        let failed = PodIssue {
            kept_running_by: vec!["istio-proxy".into()],
            ..crashed(&["ValueError: x"])
        };
        let [_, before, own, cron_job] = for_roles(&failed);
        let (solution, log, cause) = (
            "fix the problem reported in the container log.",
            " `kubectl logs p -c c -n ns` shows the whole log.",
            " A container was added to the pod of the Job, and the Job cannot end before it. Exclude ",
        );
        let delete = "Then run `kubectl delete job/j -n ns` and apply again.";
        assert!(
            before.starts_with(&format!("{solution}{log}{cause}")),
            "{before}"
        );
        assert!(before.ends_with(delete), "{before}");
        // The Job of an action is deleted with its pod.
        for (text, attribute) in [
            (own, "`services.feast_apply_job.pod_annotations`, or"),
            (cron_job, "`cron_job.job_spec.pod_template_annotations`, or"),
        ] {
            assert!(text.starts_with(&format!("{solution}{cause}")), "{text}");
            assert!(text.contains(attribute), "{text}");
            assert!(!text.contains("kubectl"), "{text}");
        }
        let [_, alone, ..] = for_roles(&crashed(&["ValueError: x"]));
        assert!(!alone.contains("was added to the pod"), "{alone}");
    }
}
