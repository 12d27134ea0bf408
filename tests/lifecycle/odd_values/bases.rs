//! Valid configurations that together set every attribute, in their serde form.

use serde_json::{Value as Json, json};

/// A configuration, and the name by which a failure refers to it.
pub struct Base {
    pub name: &'static str,
    pub config: Json,
}

/// Returns the configurations. Each attribute must be set by one of them, or be part of a block that is.
pub fn bases() -> Vec<Base> {
    [
        ("servers", servers()),
        ("pods", pods()),
        ("restricted", restricted()),
        ("volumes", volumes()),
        ("jobs", jobs()),
        ("autoscaling", autoscaling()),
        ("keda", keda()),
        ("lineage", lineage()),
        ("exposed", exposed()),
        ("pvcs", pvcs()),
        ("packaged", packaged()),
        ("files", files()),
        ("reference", reference()),
    ]
    .map(|(name, config)| Base { name, config })
    .into()
}

/// Returns a feature store of these services, with `more` attributes.
fn store(services: &Json, more: Json) -> Json {
    let mut store = json!({"name": "demo", "feastProject": "demo", "services": services});
    merge(&mut store, more);
    store
}

fn merge(target: &mut Json, more: Json) {
    match (target, more) {
        (Json::Object(target), Json::Object(more)) => {
            for (key, value) in more {
                merge(target.entry(key).or_insert(Json::Null), value);
            }
        }
        (target, more) => *target = more,
    }
}

/// Returns services whose stores are databases, so that they can have several pods.
fn databases(more: Json) -> Json {
    let mut services = json!({
        "onlineStore": {"persistence": {"store": {
            "type": "postgres", "secretRef": {"name": "stores"}, "secretKeyName": "online",
        }}},
        "registry": {"local": {"persistence": {"store": {
            "type": "sql", "secretRef": {"name": "stores"}, "secretKeyName": "registry",
        }}}},
    });
    merge(&mut services, more);
    services
}

/// Returns the environment of a container.
fn environment() -> Json {
    json!({
        "env": [
            {"name": "PLAIN", "value": "a"},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
            {"name": "CONFIG", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": true}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "FILE", "valueFrom": {"fileKeyRef": {
                "volumeName": "scratch", "path": "a/b", "key": "KEY", "optional": true}}},
            {"name": "BYTES", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}},
        ],
        "envFrom": [
            {"prefix": "A_", "configMapRef": {"name": "more", "optional": true}},
            {"secretRef": {"name": "more", "optional": true}},
        ],
    })
}

/// Returns what the containers of servers and of the CronJob have in common.
fn container() -> Json {
    let mut container = environment();
    merge(
        &mut container,
        json!({
            "image": "registry.example.com:5000/feast/server:0.66.0",
            "imagePullPolicy": "IfNotPresent",
            "resources": {
                "requests": {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "1Gi", "example.com/gpu": "1"},
                "limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi", "example.com/gpu": "1"},
            },
            "nodeSelector": {"example.com/pool": "feast"},
        }),
    );
    container
}

fn server() -> Json {
    let mut server = container();
    merge(
        &mut server,
        json!({
            "logLevel": "info",
            "resources": {"claims": [{"name": "gpu", "request": "one"}]},
            "volumeMounts": [
                {"name": "scratch", "mountPath": "/mnt/scratch", "subPath": "a/b", "readOnly": false,
                 "mountPropagation": "HostToContainer", "recursiveReadOnly": "Disabled"},
                {"name": "scratch", "mountPath": "/mnt/expanded", "subPathExpr": "$(PLAIN)/b", "readOnly": true,
                 "recursiveReadOnly": "IfPossible", "bindMountOptions": ["noexec"]},
            ],
            "metrics": true,
            "workerConfigs": {
                "workers": 2, "workerConnections": 100, "maxRequests": 1000, "maxRequestsJitter": 10,
                "keepAliveTimeout": 30, "registryTTLSeconds": 60,
            },
            "tls": {"disable": false, "secretRef": {"name": "tls"},
                    "secretKeyNames": {"tlsCrt": "tls.crt", "tlsKey": "tls.key"}},
        }),
    );
    server
}

/// Returns what servers with [`server`] refer to.
fn shared() -> Json {
    json!({
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}],
    })
}

fn servers() -> Json {
    let mut services = databases(json!({
        "scaling": {"replicas": 2},
        "podDisruptionBudgets": {"minAvailable": "1"},
        "onlineStore": {
            "persistence": {"store": {"type": "ours.OurOnlineStore", "shared": true}},
            "server": server(),
            "serving": {
                "metrics": {"enabled": true, "categories": {"push": false}, "featureCountBins": [10, 50]},
                "offlinePushBatching": {"enabled": true, "batchSize": 10, "batchIntervalSeconds": 5},
                "mcp": {"enabled": true, "serverName": "shop", "serverVersion": "1.0.0", "transport": "http"},
                "auditLogging": {
                    "enabled": true, "sink": "file", "filePath": "/tmp/audit.log", "logSuccessfulReads": false,
                },
                "featureLogging": {
                    "enabled": true, "flushIntervalSecs": 60, "writeToDiskIntervalSecs": 10, "queueCapacity": 1000,
                    "emitTimeoutMicroSecs": 1000,
                },
            },
        },
        "offlineStore": {
            "persistence": {"store": {
                "type": "ours.OurOfflineStore", "shared": true, "secretRef": {"name": "stores"},
                "secretKeyName": "offline",
            }},
            "server": server(),
        },
        "registry": {"local": {"server": server()}},
        "ui": server(),
    }));
    merge(&mut services, shared());
    merge(
        &mut services["registry"]["local"]["server"],
        json!({"grpc": true, "restAPI": true, "mcp": {
            "enabled": true, "serverName": "shop", "serverVersion": "1.0.0", "transport": "sse",
        }}),
    );
    services["ipv6"] = json!(true);
    services["registry"]["serveFeaturesWhileMaterializing"] = json!(true);
    services["registry"]["enableOnlineFeatureViewVersioning"] = json!(true);
    services["registry"]["local"]["purgeFeastMetadata"] = json!(false);
    store(
        &services,
        json!({
            "authz": {"noAuth": true},
            "projectDescription": "Features of the shop",
            "embeddingModel": {"model": "all-MiniLM-L6-v2", "provider": "sentence_transformers"},
            "coerceTzAware": true,
            "extraYaml": "registry: {sqlalchemy_config_kwargs: {pool_size: 10}}",
            "client": {
                "onlineStore": {"connectionPoolSize": 10, "connectionIdleTimeout": 60, "connectionRetries": 1},
                "offlineStore": {"connectionRetries": 1},
                "extraYaml": "flags: {}",
            },
        }),
    )
}

/// Returns a label selector with a label and with expressions.
fn label_selector() -> Json {
    json!({
        "matchLabels": {"app": "feast"},
        "matchExpressions": [
            {"key": "example.com/tier", "operator": "In", "values": ["a", "b"]},
            {"key": "example.com/tier", "operator": "Exists"},
        ],
    })
}

fn affinity() -> Json {
    let term = json!({
        "topologyKey": "kubernetes.io/hostname", "labelSelector": label_selector(),
        "namespaceSelector": label_selector(), "namespaces": ["other"], "matchLabelKeys": ["pod-template-hash"],
        "mismatchLabelKeys": ["tenant"],
    });
    let pods = json!({
        "requiredDuringSchedulingIgnoredDuringExecution": [term],
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 10, "podAffinityTerm": term}],
    });
    let node = json!({
        "matchExpressions": [
            {"key": "example.com/gpu", "operator": "In", "values": ["a", "b"]},
            {"key": "example.com/gpu", "operator": "Gt", "values": ["1"]},
            {"key": "example.com/gpu", "operator": "DoesNotExist"},
        ],
        "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}],
    });
    json!({
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [node]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": node}],
        },
        "podAffinity": pods,
        "podAntiAffinity": pods,
    })
}

fn pod_security_context() -> Json {
    json!({
        "runAsNonRoot": true, "runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 1001,
        "fsGroupChangePolicy": "OnRootMismatch", "supplementalGroups": [1002],
        "supplementalGroupsPolicy": "Merge", "seLinuxChangePolicy": "Recursive",
        "seLinuxOptions": {"level": "s0:c1", "role": "r", "type": "t", "user": "u"},
        "seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/a.json"},
        "appArmorProfile": {"type": "Localhost", "localhostProfile": "a"},
        "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        "windowsOptions": {
            "gmsaCredentialSpec": "{}", "gmsaCredentialSpecName": "gmsa", "hostProcess": false,
            "runAsUserName": "User",
        },
    })
}

fn pods() -> Json {
    let services = databases(json!({
        "scaling": {"replicas": 3},
        "podDisruptionBudgets": {"maxUnavailable": "25%"},
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        "preStopSleepSeconds": 5,
        "terminationGracePeriodSeconds": 60,
        "minReadySeconds": 5,
        "feastApply": "job",
        "initImage": "registry.example.com/feast/init:1",
        "nodeSelector": {"example.com/pool": "feast"},
        "tolerations": [
            {"key": "example.com/dedicated", "operator": "Equal", "value": "a", "effect": "NoExecute",
             "tolerationSeconds": 60},
            {"key": "example.com/dedicated", "operator": "Exists"},
        ],
        "affinity": affinity(),
        "priorityClassName": "feature-serving",
        "runtimeClassName": "sandbox",
        "topologySpreadConstraints": [{
            "maxSkew": 1, "minDomains": 2, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore",
            "matchLabelKeys": ["pod-template-hash"], "labelSelector": label_selector(),
        }],
        "securityContext": pod_security_context(),
        "podAnnotations": {"example.com/note": "a"},
        "resourceClaims": [
            {"name": "gpu", "resourceClaimTemplateName": "gpu"},
            {"name": "nic", "resourceClaimName": "nic"},
        ],
        "automountServiceAccountToken": true,
        "imagePullSecrets": [{"name": "mirror"}],
    }));
    store(
        &services,
        json!({
            "labels": {"example.com/team": "features"},
            "annotations": {"example.com/note": "a"},
            "protectedProject": true,
            "waitForRollout": true,
            "deleteData": false,
            "driftPolicy": "owned",
            "timeouts": {"create": "10m", "update": "10m", "delete": "10m"},
            "dataQualityMonitoring": {"autoBaseline": true},
            "mlflow": {
                "enabled": true, "trackingUri": "https://mlflow.example.com", "uiUrl": "https://mlflow.example.com",
                "autoLog": true, "autoLogEntityDf": true, "entityDfMaxRows": 10, "logOperations": true,
                "opsExperimentSuffix": "-ops", "trackingAuth": "kubernetes-namespaced", "extraConfig": {"a": "b"},
                "supportedArtifactFormats": ["csv"],
                "datasetSync": {
                    "defaultFieldMapping": {"inputs.question": "question"}, "watermarkKey": "last_sync",
                    "defaultBatchSize": 100,
                },
            },
        }),
    )
}

fn restricted() -> Json {
    let selector = || {
        json!({"matchLabels": {"team": "a"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold"]}]})
    };
    let peers = || {
        json!([
            {"namespaceSelector": selector(), "podSelector": selector()},
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        ])
    };
    let services = databases(json!({
        "scaling": {"replicas": 2},
        "containerSecurityContext": {
            "allowPrivilegeEscalation": false, "privileged": false, "procMount": "Default",
            "readOnlyRootFilesystem": true, "runAsNonRoot": true, "runAsUser": 1001, "runAsGroup": 1001,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "seLinuxOptions": {"level": "s0:c1", "role": "r", "type": "t", "user": "u"},
            "seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/a.json"},
            "appArmorProfile": {"type": "Localhost", "localhostProfile": "a"},
            "windowsOptions": {
                "gmsaCredentialSpec": "{}", "gmsaCredentialSpecName": "gmsa", "hostProcess": false,
                "runAsUserName": "User",
            },
        },
        "initResources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "enableServiceLinks": false,
        "podLabels": {"example.com/team": "a"},
        "feastApplyJob": {
            "podLabels": {"example.com/team": "a"},
            "podAnnotations": {"example.com/note": "a"},
        },
        "podDisruptionBudgets": {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "IfHealthyBudget"},
        "networkPolicy": {
            "ingress": [{"from": peers(), "endpoints": ["online_store", "registry"]}],
            "egress": [{"to": peers(), "ports": [{"port": 5432, "endPort": 5433, "protocol": "TCP"}, {"port": "http"}]}],
        },
    }));
    store(&services, json!({}))
}

fn projected_sources(items: &Json, selector: &Json, facts: &Json) -> Json {
    json!([
        {"configMap": {"name": "c", "optional": true, "items": items}},
        {"secret": {"name": "s", "optional": true, "items": [{"key": "b", "path": "s/b"}]}},
        {"downwardAPI": {"items": facts}},
        {"serviceAccountToken": {
            "path": "token", "audience": "store", "expirationSeconds": 3600, "user": 1001}},
        {"clusterTrustBundle": {"name": "a", "path": "ca.pem", "optional": true, "user": 1001}},
        {"clusterTrustBundle": {
            "signerName": "example.com/signer", "labelSelector": selector, "path": "more.pem"}},
        {"podCertificate": {
            "signerName": "example.com/signer", "keyType": "ED25519", "keyPath": "key.pem",
            "certificateChainPath": "chain.pem", "maxExpirationSeconds": 86400, "user": 1001,
            "userAnnotations": {"example.com/note": "a"}}},
        {"podCertificate": {
            "signerName": "example.com/signer", "keyType": "ECDSAP256", "credentialBundlePath": "all.pem"}},
    ])
}

fn volumes() -> Json {
    let items = || json!([{"key": "a", "path": "a/b", "mode": 256, "user": 1001}]);
    let selector = || {
        json!({
            "matchLabels": {"app": "feast"},
            "matchExpressions": [{"key": "example.com/tier", "operator": "In", "values": ["a"]}],
        })
    };
    let facts = || {
        json!([
            {"path": "name", "mode": 256, "user": 1001, "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}},
            {"path": "cpus", "resourceFieldRef": {"containerName": "online", "resource": "limits.cpu", "divisor": "1m"}},
        ])
    };
    let sources = projected_sources(&items(), &selector(), &facts());
    let volumes = json!([
        {"name": "config", "configMap": {
            "name": "c", "optional": true, "defaultMode": 420, "defaultUser": 1001, "items": items()}},
        {"name": "secret", "secret": {
            "secretName": "s", "optional": true, "defaultMode": 256, "defaultUser": 1001, "items": items()}},
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi", "mode": 511}},
        {"name": "pvc", "persistentVolumeClaim": {"claimName": "c", "readOnly": true}},
        {"name": "facts", "downwardAPI": {"defaultMode": 256, "defaultUser": 1001, "items": facts()}},
        {"name": "csi", "csi": {
            "driver": "secrets-store.csi.k8s.io", "fsType": "ext4", "readOnly": true,
            "volumeAttributes": {"secretProviderClass": "vault"}, "nodePublishSecretRef": {"name": "s"}}},
        {"name": "work", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "standard", "volumeMode": "Filesystem",
            "resources": {"requests": {"storage": "1Gi"}, "limits": {"storage": "2Gi"}},
            "selector": selector(), "volumeAttributesClassName": "fast", "volumeName": "pv",
            "dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"},
        }}}},
        {"name": "copy", "ephemeral": {"volumeClaimTemplate": {"metadata": {
            "labels": {"example.com/team": "features"}, "annotations": {"example.com/note": "a"},
        }, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            "dataSourceRef": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"},
        }}}},
        {"name": "nfs", "nfs": {"server": "nfs.example.com", "path": "/a", "readOnly": true}},
        {"name": "host", "hostPath": {"path": "/var/log", "type": "Directory"}},
        {"name": "image", "image": {"reference": "registry.example.com/models:1", "pullPolicy": "IfNotPresent"}},
        {"name": "iscsi", "iscsi": {
            "targetPortal": "10.0.0.1:3260", "portals": ["10.0.0.2:3260"], "iqn": "iqn.2015-02.example.com:storage",
            "lun": 1, "fsType": "ext4", "iscsiInterface": "default", "initiatorName": "iqn.2015-02.example.com:node",
            "chapAuthDiscovery": true, "chapAuthSession": true, "secretRef": {"name": "s"}, "readOnly": true}},
        {"name": "fibre", "fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 2, "fsType": "ext4", "readOnly": true}},
        {"name": "wide", "fc": {"wwids": ["3600508b400105e210000900000490000"]}},
        {"name": "identity", "projected": {"defaultMode": 256, "defaultUser": 1001, "sources": sources}},
    ]);
    let mounts = json!([{"name": "config", "mountPath": "/mnt/config"}]);
    let server = json!({"env": environment()["env"], "volumeMounts": mounts});
    store(
        &json!({"onlineStore": {"server": server}, "volumes": volumes}),
        json!({}),
    )
}

fn jobs() -> Json {
    let mut git = environment();
    merge(
        &mut git,
        json!({
            "url": "git@github.com:example/features.git", "ref": "main", "configs": {"core.compression": "0"},
            "featureRepoPath": "feature_repo",
            "ssh": {
                "secretRef": {"name": "deploy-key"}, "strictHostKeyChecking": true,
                "secretKeyNames": {"privateKey": "ssh-privatekey", "knownHosts": "known_hosts"},
            },
        }),
    );
    let mut containers = container();
    containers["commands"] = json!(["feast apply"]);
    // The CronJob's pods have no volumes.
    let variables = containers["env"].as_array_mut().unwrap();
    variables.retain(|variable| variable["name"] != "FILE");
    let mut services = databases(json!({}));
    merge(&mut services, shared());
    store(
        &services,
        json!({
            "feastProjectDir": {"git": git},
            "authz": {"kubernetes": {"roles": ["feast-reader"]}},
            "batchEngine": {
                "configMapRef": {"name": "engine"}, "configMapKey": "config",
                "sparkApplication": {"serviceAccount": "spark"},
            },
            "materialization": {"onlineWriteBatchSize": 100, "extraConfig": {"a": "b"}},
            "cronJob": {
                "schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "concurrencyPolicy": "Forbid", "suspend": false,
                "startingDeadlineSeconds": 60, "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1,
                "annotations": {"example.com/note": "a"},
                "jobSpec": {
                    "podTemplateAnnotations": {"example.com/note": "a"},
                    "parallelism": 1, "completions": 2, "activeDeadlineSeconds": 600, "backoffLimit": 1,
                    "backoffLimitPerIndex": 1, "maxFailedIndexes": 1, "ttlSecondsAfterFinished": 60,
                    "completionMode": "Indexed", "suspend": false, "podReplacementPolicy": "Failed",
                    "podFailurePolicy": {"rules": [
                        {"action": "FailJob", "onExitCodes": {
                            "containerName": "feast-0", "operator": "In", "values": [1, 2]}},
                        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    ]},
                },
                "containerConfigs": containers,
            },
        }),
    )
}

fn behavior() -> Json {
    let rules = json!({
        "selectPolicy": "Max", "stabilizationWindowSeconds": 60, "tolerance": "0.1",
        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
    });
    json!({"scaleUp": rules, "scaleDown": rules})
}

fn autoscaling() -> Json {
    let metric = json!({"name": "requests", "selector": {
        "matchLabels": {"app": "feast"},
        "matchExpressions": [{"key": "example.com/tier", "operator": "In", "values": ["a"]}],
    }});
    let average = json!({"type": "AverageValue", "averageValue": "100"});
    let value = json!({"type": "Value", "value": "10k"});
    let utilization = json!({"type": "Utilization", "averageUtilization": 70});
    let metrics = json!([
        {"type": "Resource", "resource": {"name": "cpu", "target": utilization}},
        {"type": "Resource", "resource": {"name": "memory", "target": average}},
        {"type": "ContainerResource", "containerResource": {
            "name": "cpu", "container": "online", "target": utilization}},
        {"type": "ContainerResource", "containerResource": {
            "name": "memory", "container": "online", "target": average}},
        {"type": "Pods", "pods": {"metric": metric, "target": average}},
        {"type": "Object", "object": {
            "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main"},
            "metric": metric, "target": value}},
        {"type": "Object", "object": {
            "describedObject": {"kind": "Namespace", "name": "main"}, "metric": metric, "target": average}},
        {"type": "External", "external": {"metric": metric, "target": value}},
        {"type": "External", "external": {"metric": metric, "target": average}},
    ]);
    let services = databases(json!({
        "scaling": {"autoscaling": {"minReplicas": 2, "maxReplicas": 10, "metrics": metrics, "behavior": behavior()}},
        "onlineStore": {"server": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}},
    }));
    store(&services, json!({}))
}

fn keda() -> Json {
    let services = databases(json!({
        "scaling": {"keda": {
            "minReplicas": 1, "maxReplicas": 10, "idleReplicas": 0, "pollingInterval": 15, "cooldownPeriod": 60,
            "initialCooldownPeriod": 60, "hpaName": "scaler", "behavior": behavior(),
            "fallback": {"failureThreshold": 3, "replicas": 4, "behavior": "scalingModifiers"},
            "scalingModifiers": {
                "formula": "requests * 2", "target": "5", "activationTarget": "1.5", "metricType": "Value",
            },
            "restoreToOriginalReplicaCount": true,
            "triggers": [{
                "type": "prometheus", "name": "requests", "metricType": "AverageValue", "useCachedMetrics": true,
                "metadata": {"query": "sum(requests)", "threshold": "100"},
                "authenticationRef": {"name": "prometheus", "kind": "TriggerAuthentication"},
            }],
        }},
        "registry": {"local": null, "remote": {
            "hostname": "registry.example.com:443",
            "tls": {"configMapRef": {"name": "authority"}, "certName": "ca.crt"},
            "isTls": true, "clientCert": "/mnt/client/tls.crt", "clientKey": "/mnt/client/tls.key",
            "authority": "registry.example.com",
        }},
        "disableInitContainers": false,
    }));
    let mut config = store(
        &services,
        json!({
            "feastProjectDir": {"init": {"minimal": true, "template": "local"}},
            "authz": {"oidc": {
                "issuerUrl": "https://id.example.com", "secretRef": {"name": "oidc"}, "secretKeyName": "oidc",
                "tokenEnvVar": "TOKEN", "verifySSL": true,
                "caCertConfigMap": {"name": "authority", "key": "ca.crt"},
                "jwksCacheLifespanSeconds": 60, "jwksRequestTimeoutSeconds": 5,
            }},
        }),
    );
    config["services"]["registry"]
        .as_object_mut()
        .unwrap()
        .remove("local");
    config
}

fn lineage() -> Json {
    let mut services = databases(json!({}));
    merge(&mut services, shared());
    store(
        &services,
        json!({"openlineage": {
            "enabled": true, "transportType": "http", "transportUrl": "https://lineage.example.com",
            "transportEndpoint": "api/v1/lineage", "apiKeySecretRef": {"name": "key"}, "extraConfig": {"a": "b"},
            "consumer": {
                "enabled": true, "storeType": "sql", "connectionStringSecretRef": {"name": "lineage"},
                "apiKeySecretRef": {"name": "key"}, "namespaceMapping": {"airflow": "demo"}, "retentionDays": 7,
                "retentionCheckIntervalHours": 6, "lineageServer": {"replicas": 2, "server": server()},
            },
        }}),
    )
}

fn exposed() -> Json {
    let (services, more) = super::exposed::services();
    store(&databases(services), more)
}

fn pvcs() -> Json {
    let pvc = |path: &str| {
        json!({
            "create": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                "resources": {"requests": {"storage": "1Gi"}, "limits": {"storage": "2Gi"}},
            },
            "mountPath": path,
        })
    };
    let services = json!({
        "runFeastApplyOnInit": true,
        "deploymentStrategy": {"type": "Recreate"},
        "onlineStore": {"disabled": false, "persistence": {"file": {
            "path": "online.db", "pvc": pvc("/data/online"), "vectorEnabled": true, "similarity": "l2",
            "textSearchEnabled": true, "enableOpenaiCompatibleStore": true,
        }}},
        "offlineStore": {"persistence": {"file": {
            "type": "duckdb", "pvc": pvc("/data/offline"), "stagingLocation": "s3://bucket/staging",
            "stagingLocationEndpointOverride": "https://s3.example.com",
        }}},
        "registry": {"local": {"persistence": {"file": {
            "path": "registry.db", "pvc": pvc("/data/registry"), "cache_ttl_seconds": 60, "cache_mode": "thread",
        }}}},
    });
    store(&services, json!({}))
}

fn packaged() -> Json {
    let pvc = |path: &str| json!({"ref": {"name": "existing"}, "mountPath": path});
    let services = json!({
        "disableInitContainers": true,
        "onlineStore": {"persistence": {"file": {"path": "online.db", "pvc": pvc("/data/online")}}},
        "offlineStore": {"persistence": {"file": {"type": "duckdb", "pvc": pvc("/data/offline")}}},
        "registry": {"local": {"persistence": {"file": {"path": "registry.db", "pvc": pvc("/data/registry")}}}},
    });
    let packaged =
        json!({"image": "registry.example.com/features:1", "featureRepoPath": "/opt/features"});
    store(
        &services,
        json!({"feastProjectDir": {"packaged": packaged}}),
    )
}

fn files() -> Json {
    let services = json!({
        "registry": {"local": {"persistence": {"file": {
            "path": "s3://bucket/registry.db", "s3_additional_kwargs": {"ServerSideEncryption": "AES256"},
        }}}},
    });
    let ca_cert = json!({"name": "authority", "key": "ca.crt"});
    let git = json!({"url": "https://git.example.com/features", "caCertConfigMap": ca_cert});
    store(&services, json!({"feastProjectDir": {"git": git}}))
}

fn reference() -> Json {
    let reference = json!({"feastRef": {"name": "other", "namespace": "other"}});
    store(&json!({"registry": {"remote": reference}}), json!({}))
}
