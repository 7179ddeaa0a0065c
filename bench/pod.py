"""A pod of ordinary size (about 6 KB as JSON), as a Deployment's pod looks on a running cluster."""

from __future__ import annotations

from typing import Any

_FIELDS = {
    "f:metadata": {
        "f:generateName": {},
        "f:labels": {".": {}, "f:app": {}, "f:pod-template-hash": {}},
        "f:ownerReferences": {".": {}, 'k:{"uid":"1c2d3e4f"}': {}},
    },
    "f:spec": {
        "f:containers": {
            'k:{"name":"web"}': {
                ".": {},
                **{f"f:{name}": {} for name in ("env", "image", "imagePullPolicy", "ports")},
                **{f"f:{name}": {} for name in ("livenessProbe", "readinessProbe", "resources")},
            }
        },
        **{f"f:{name}": {} for name in ("dnsPolicy", "restartPolicy", "schedulerName")},
    },
}
_PROBE = {
    "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
    "initialDelaySeconds": 5,
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_TIME = "2026-01-02T03:04:05Z"


def _container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": f"registry.example.com/team/{name}:1.25.3",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{i}", "value": f"value-{i}-of-{name}"} for i in range(8)],
        "resources": {
            "requests": {"cpu": "500m", "memory": "512Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "volumeMounts": [
            {
                "name": "kube-api-access-x7k2p",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            }
        ],
        "livenessProbe": _PROBE,
        "readinessProbe": _PROBE,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def _status(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "state": {"running": {"startedAt": _TIME}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": f"registry.example.com/team/{name}:1.25.3",
        "imageID": f"registry.example.com/team/{name}@sha256:" + "ab" * 32,
        "containerID": "containerd://" + "cd" * 32,
        "started": True,
    }


def realistic_pod(index: int) -> dict[str, Any]:
    """The `index`-th pod, two containers, Running; valid for the official client's models."""
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"web-7fc9f746b6-{index:05}",
            "generateName": "web-7fc9f746b6-",
            "namespace": "default",
            "uid": f"4d3a7c5e-8d1f-4b0a-9b57-{index:012}",
            "resourceVersion": str(100 + index),
            "creationTimestamp": _TIME,
            "labels": {"app": "web", "pod-template-hash": "7fc9f746b6", "tier": "front"},
            "annotations": {"example.com/checksum": "ef" * 32, "example.com/team": "shop"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "web-7fc9f746b6",
                    "uid": "1c2d3e4f-0000-4000-8000-000000000000",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [
                {
                    "manager": manager,
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": _TIME,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": _FIELDS,
                }
                for manager in ("kube-controller-manager", "kubelet")
            ],
        },
        "spec": {
            "volumes": [
                {
                    "name": "kube-api-access-x7k2p",
                    "projected": {
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
                        ],
                        "defaultMode": 420,
                    },
                }
            ],
            "containers": [_container("web"), _container("sidecar")],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "nodeName": "virtual-kubelet-cn-hangzhou-k",
            "schedulerName": "default-scheduler",
            "nodeSelector": {"type": "virtual-kubelet"},
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoSchedule"}
                for key in ("virtual-kubelet.io/provider", "example.com/spot")
            ],
            "priority": 0,
            "enableServiceLinks": True,
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {
                    "type": kind,
                    "status": "True",
                    "lastProbeTime": None,
                    "lastTransitionTime": _TIME,
                }
                for kind in (*conditions, "PodScheduled")
            ],
            "hostIP": "10.0.0.1",
            "podIP": "10.1.2.3",
            "podIPs": [{"ip": "10.1.2.3"}],
            "startTime": _TIME,
            "qosClass": "Burstable",
            "containerStatuses": [_status("web"), _status("sidecar")],
        },
    }
