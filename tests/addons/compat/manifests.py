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
