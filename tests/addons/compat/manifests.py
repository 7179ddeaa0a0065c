"""Manifests of the tests."""

from __future__ import annotations

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      hostNetwork: true
      nodeSelector: {type: virtual-kubelet}
      tolerations:
      - key: virtual-kubelet.io/provider
        operator: Exists
      containers:
      - name: app
        image: nginx:1.25
        startupProbe: {tcpSocket: {port: 80}}
        resources:
          limits: {cpu: 1500m, memory: 3Gi}
      volumes:
      - {name: settings, configMap: {name: web}}
      - {name: shared, cephfs: {monitors: [a]}}
"""
PLAIN = WEB.replace("      hostNetwork: true\n", "").partition("      volumes:")[0]
NODE_PORT = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80}]
"""
AGENT = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: agent:1}]}
"""
REPORTS = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: reports}
spec:
  schedule: "0 4 * * *"
  jobTemplate:
    spec:
      parallelism: 4
      template:
        spec:
          restartPolicy: Never
          containers: [{name: reports, image: reports:1}]
"""
RICH = """
kind: Pod
metadata: {name: rich, labels: {app: rich}, annotations: {example.org/a: b}}
spec:
  nodeSelector: {type: virtual-kubelet}
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
    {matchExpressions: [{key: type, operator: In, values: [virtual-kubelet]}]}]}}}
  tolerations: [{key: virtual-kubelet.io/provider, operator: Equal, value: a, effect: NoSchedule}]
  securityContext: {runAsUser: 1000, sysctls: [{name: net.core.somaxconn, value: "1024"}]}
  dnsConfig: {nameservers: [10.0.0.1], searches: [a.example], options: [{name: ndots, value: "2"}]}
  hostAliases: [{ip: 10.0.0.2, hostnames: [a]}]
  imagePullSecrets: [{name: pull}]
  initContainers: [{name: first, image: busybox:1, restartPolicy: Always}]
  containers:
  - name: app
    image: nginx:1.25
    command: [run]
    args: [$(A)]
    ports: [{containerPort: 80, hostPort: 80, protocol: TCP, name: http}]
    env: [{name: A, value: b}, {name: B, valueFrom: {secretKeyRef: {name: c, key: k}}}]
    envFrom: [{configMapRef: {name: c}, prefix: P_}]
    resources: {limits: {cpu: 1, memory: 2Gi, nvidia.com/gpu: 1}, requests: {cpu: 500m}}
    volumeMounts: [{name: files, mountPath: /files, subPath: a, readOnly: true}]
    livenessProbe: {httpGet: {port: http, path: /, httpHeaders: [{name: a, value: b}]}}
    startupProbe: {grpc: {port: 80, service: a}}
    lifecycle: {postStart: {exec: {command: [a]}}, preStop: {sleep: {seconds: 1}}}
    securityContext: {privileged: true, capabilities: {add: [NET_ADMIN], drop: [ALL]}}
  volumes:
  - {name: files, configMap: {name: c, items: [{key: a, path: b, mode: 256}], defaultMode: 420}}
  - {name: secret, secret: {secretName: s}}
  - {name: all, projected: {sources: [{serviceAccountToken: {path: t, audience: a}},
      {downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}},
      {path: m, resourceFieldRef: {containerName: app, resource: limits.memory, divisor: 1Mi}}]}}]}}
  - {name: empty, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
  - {name: nas, nfs: {server: 10.0.0.3, path: /, readOnly: true}}
  - {name: flex, flexVolume: {driver: alicloud/nas, fsType: nfs, options: {a: b}}}
  - {name: claim, persistentVolumeClaim: {claimName: data}}
  - {name: host, hostPath: {path: /var, type: Directory}}
"""
