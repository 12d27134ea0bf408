//! The configurations of the tests.

use serde_json::{Value as Json, json};

/// Configurations in the serde form: valid ones, and some that break rules.
pub(super) fn configurations() -> Vec<Json> {
    let store = |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "stores"}}});
    let server = json!({
        "image": "feast:1",
        "env": [{"name": "A", "value": "b"}, {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "envFrom": [{"configMapRef": {"name": "more"}}],
        "imagePullPolicy": "Always",
        "logLevel": "debug",
        "resources": {"requests": {"cpu": "1000m"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    });
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}});
    vec![
        json!({"name": "minimal", "feastProject": "p"}),
        json!({
            "name": "scaled", "namespace": "ns", "feastProject": "p",
            "labels": {"team": "a"}, "annotations": {"note": "b"},
            "waitForRollout": false, "timeouts": {"create": "5m"}, "deleteData": true, "driftPolicy": "strict",
            "services": {
                "scaling": {"autoscaling": {"minReplicas": 2, "maxReplicas": 5, "metrics": [metric],
                    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}},
                "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}},
                "onlineStore": {"persistence": store("postgres"), "server": server},
                "offlineStore": {"persistence": store("postgres"), "server": server},
                "registry": {"local": {"persistence": store("sql"), "server": server}},
            },
        }),
        json!({
            "name": "files", "feastProject": "p",
            "services": {
                "scaling": {"replicas": 1},
                "onlineStore": {"persistence": {"file": {"path": "online.db", "pvc": {"create": {"resources": {"requests": {"storage": "5Gi"}}}, "mountPath": "/online"}}}},
                "offlineStore": {"persistence": {"file": {"type": "duckdb", "pvc": {"ref": {"name": "data"}, "mountPath": "/offline"}}}},
                "registry": {"local": {"persistence": {"file": {"path": "s3://b/r.db", "s3_additional_kwargs": {"A": "b"}, "cache_ttl_seconds": 5, "cache_mode": "sync"}}}},
            },
        }),
        json!({
            "name": "remote", "feastProject": "p",
            "services": {"registry": {"remote": {"hostname": "registry.ns.svc:80"}}},
        }),
        json!({
            "name": "git", "feastProject": "p", "protectedProject": true,
            "feastProjectDir": {"git": {
                "url": "https://example.com/features", "ref": "v1", "featureRepoPath": "a/b",
                "configs": {"http.sslVerify": "false"},
                "env": [{"name": "A", "value": "b"}], "envFrom": [{"secretRef": {"name": "token"}}],
            }},
            "cronJob": {
                "schedule": "0 3 * * *", "timeZone": "Etc/UTC", "concurrencyPolicy": "Forbid", "suspend": true,
                "startingDeadlineSeconds": 60, "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 2,
                "annotations": {"team": "a"},
                "jobSpec": {
                    "podTemplateAnnotations": {"a": "b"}, "parallelism": 1, "completions": 2,
                    "activeDeadlineSeconds": 60, "backoffLimit": 3, "backoffLimitPerIndex": 1,
                    "maxFailedIndexes": 1, "ttlSecondsAfterFinished": 60, "completionMode": "Indexed",
                    "suspend": false, "podReplacementPolicy": "Failed",
                    "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}}]},
                },
                "containerConfigs": {
                    "image": "kubectl:1", "commands": ["feast apply"], "imagePullPolicy": "Always",
                    "env": [{"name": "A", "value": "b"}], "envFrom": [{"configMapRef": {"name": "m"}}],
                    "resources": {"requests": {"cpu": "50m"}}, "nodeSelector": {"kubernetes.io/os": "linux"},
                },
            },
            "services": {
                "feastApply": "job", "initImage": "init:1",
                "onlineStore": {"persistence": store("redis")},
                "registry": {"local": {"persistence": store("sql")}},
            },
        }),
        json!({
            "name": "packaged", "feastProject": "p",
            "feastProjectDir": {"packaged": {"image": "fs:1", "featureRepoPath": "/opt/feature_repo"}},
            "services": {"disableInitContainers": true, "runFeastApplyOnInit": false},
        }),
        json!({
            "name": "refused-project", "feastProject": "p",
            "feastProjectDir": {"init": {"minimal": true, "template": "aws"}, "git": {"url": "-x", "featureRepoPath": "../x"}},
            "cronJob": {"schedule": "never", "jobSpec": {"maxFailedIndexes": 1}},
            "services": {"feastApply": "job", "runFeastApplyOnInit": true},
        }),
        json!({
            "name": "guarded", "feastProject": "p",
            "authz": {"kubernetes": {"roles": ["reader", "writer"]}},
            "batchEngine": {"configMapRef": {"name": "engine"}, "configMapKey": "k", "sparkApplication": {"serviceAccount": "driver"}},
            "materialization": {"onlineWriteBatchSize": 10, "extraConfig": {"pull_latest_features": "true"}},
            "openlineage": {
                "enabled": true, "transportType": "http", "transportUrl": "http://x", "transportEndpoint": "e",
                "apiKeySecretRef": {"name": "lineage"}, "extraConfig": {"namespace": "n"},
                "consumer": {
                    "enabled": true, "storeType": "sql", "connectionStringSecretRef": {"name": "c"}, "apiKeySecretRef": {"name": "a"},
                    "namespaceMapping": {"a": "b"}, "retentionDays": 1, "retentionCheckIntervalHours": 2,
                },
            },
            "mlflow": {
                "enabled": true, "trackingUri": "u", "uiUrl": "u", "autoLog": true, "autoLogEntityDf": false, "entityDfMaxRows": 1,
                "logOperations": true, "opsExperimentSuffix": "-x", "trackingAuth": "", "extraConfig": {"a": "b"},
            },
            "dataQualityMonitoring": {"autoBaseline": false},
        }),
        json!({
            "name": "oidc", "feastProject": "p",
            "authz": {"oidc": {
                "issuerUrl": "https://idp", "secretRef": {"name": "s"}, "secretKeyName": "k", "tokenEnvVar": "T", "verifySSL": false,
                "caCertConfigMap": {"name": "ca", "key": "k"}, "jwksCacheLifespanSeconds": 1, "jwksRequestTimeoutSeconds": 1,
            }},
        }),
        // Lists with an invalid element after the first.
        json!({
            "name": "behind", "feastProject": "p",
            "authz": {"kubernetes": {"roles": ["a", "b", "a"]}},
            "cronJob": {"jobSpec": {"podFailurePolicy": {"rules": [
                {"action": "Count", "onExitCodes": {"operator": "In", "values": [1]}},
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3, 4, 0]}},
                {"action": "Never", "onExitCodes": {"operator": "In", "values": [3, 4, 3]}},
            ]}}},
            "services": {
                "imagePullSecrets": [{"name": "a"}, {"name": "b"}, {"name": "a"}],
                "tolerations": [{"operator": "Exists"}, {"key": "a", "value": "b"}, {"operator": "Maybe"}],
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"},
                    {"maxSkew": 1, "topologyKey": "b", "whenUnsatisfiable": "DoNotSchedule"},
                    {"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "Never"},
                ],
                "securityContext": {
                    "sysctls": [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}, {"name": "a", "value": "1"}],
                    "supplementalGroups": [1, 2, -3],
                },
                "volumes": [
                    {"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}, {"name": "c", "emptyDir": {}},
                    {"name": "a", "emptyDir": {}},
                ],
                "scaling": {"keda": {"maxReplicas": 3, "triggers": [
                    {"type": "cpu", "metadata": {}}, {"type": "redis", "name": "a", "metadata": {}},
                    {"type": "redis", "name": "a", "metricType": "Utilization", "metadata": {}},
                ]}},
                "onlineStore": {
                    "persistence": {"store": {"type": "redis", "secretRef": {"name": "s"}}},
                    "server": {
                        "env": [{"name": "A", "value": "b"}, {"name": "B", "value": "b"}, {"name": "A", "value": "b"}],
                        "envFrom": [{"configMapRef": {"name": "a"}}, {"prefix": "A"}, {"prefix": "="}],
                        "volumeMounts": [
                            {"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"},
                            {"name": "c", "mountPath": "/a"}, {"name": "d", "mountPath": "/d"},
                        ],
                    },
                },
            },
        }),
        json!({
            "name": "refused", "feastProject": "p",
            "authz": {"kubernetes": {"roles": ["feast-refused", "a", "a"]}, "oidc": {"secretKeyName": "k"}, "noAuth": false},
            "openlineage": {"enabled": true, "transportType": "http", "extraConfig": {"enabled": "x"}},
            "mlflow": {"enabled": true, "extraConfig": {"enabled": "x"}},
            "services": {
                "scaling": {"replicas": 3, "autoscaling": {"minReplicas": 4, "maxReplicas": 2}},
                "onlineStore": {"persistence": {"file": {"path": "relative.db"}, "store": {"type": "redis", "secretRef": {"name": "s"}}}},
                "registry": {"local": {}, "remote": {"hostname": "http://x"}},
            },
        }),
    ]
}
