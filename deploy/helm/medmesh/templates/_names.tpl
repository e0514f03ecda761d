{{- define "medmesh.labels" -}}
app.kubernetes.io/name: medmesh
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "medmesh.name" -}}
{{ printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "medmesh.image" -}}
{{ .root.Values.image.registry }}medmesh/{{ .component }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* All services and the doors that are on, as YAML: {name: part}; each with what its template needs to know. */}}
{{- define "medmesh.parts" -}}
{{- $parts := dict }}
{{- range $name, $part := .Values.services }}
{{- $_ := set $parts $name (merge (dict "door" false "probe" "grpc" "telemetry" true) $part) }}
{{- end }}
{{- range $name, $part := .Values.doors }}
{{- if $part.enabled }}
{{- $_ := set $parts $name (merge (dict "door" true "telemetry" (eq $name "jobs")) $part) }}
{{- end }}
{{- end }}
{{- toYaml $parts }}
{{- end }}

{{- define "medmesh.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "medmesh.containerSecurity" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
privileged: false
capabilities: { drop: [ALL] }
{{- end }}

{{- define "medmesh.models" -}}
name: models
{{- if .Values.modelRepository.claim }}
persistentVolumeClaim: { claimName: {{ .Values.modelRepository.claim | quote }}, readOnly: true }
{{- else if .Values.modelRepository.image }}
image: { reference: {{ .Values.modelRepository.image | quote }}, pullPolicy: {{ .Values.image.pullPolicy }} }
{{- else }}
emptyDir: { sizeLimit: {{ .Values.modelRepository.objectStore.size }} }
{{- end }}
{{- end }}

{{/* What fills the models' volume from an object store before a pod's container starts; else nothing. A pod reads its own copy, so
what SHA256SUMS lists is copied, and held to it: Triton, and those who read the cards, have the same or do not start. */}}
{{- define "medmesh.fetch" -}}
{{- $store := .Values.modelRepository.objectStore }}
{{- if $store.url }}
initContainers:
  - name: fetch-models
    image: {{ $store.image | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    securityContext: {{- include "medmesh.containerSecurity" . | nindent 6 }}
    command:
      - sh
      - -ec
      - |
        cd /models
        if [ -e /run/store/ca.crt ]; then export RCLONE_CA_CERT=/run/store/ca.crt; fi
        rclone --config= copyto "$STORE/SHA256SUMS" SHA256SUMS
        echo "$SHA256  SHA256SUMS" | sha256sum -c -
        sed 's|^[0-9a-f]* [ *]\(\./\)*||' SHA256SUMS | rclone --config= copy --files-from-raw - --retries 5 "$STORE" .
        sha256sum -c SHA256SUMS
    env:
      - { name: STORE, value: {{ printf "store:%s" (trimPrefix "s3://" $store.url | trimSuffix "/") | quote }} }
      - { name: SHA256, value: {{ $store.sha256 | quote }} }
      - { name: RCLONE_CONFIG_STORE_TYPE, value: s3 }
      - { name: RCLONE_CONFIG_STORE_PROVIDER, value: {{ empty $store.endpoint | ternary "AWS" "Other" | quote }} }
      - { name: RCLONE_CONFIG_STORE_ENDPOINT, value: {{ $store.endpoint | quote }} }
      - { name: RCLONE_CONFIG_STORE_REGION, value: {{ $store.region | quote }} }
      - { name: RCLONE_CONFIG_STORE_ENV_AUTH, value: {{ not (empty $store.secret) | quote }} }
      {{- if $store.secret }}
      {{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
      - { name: {{ . }}, valueFrom: { secretKeyRef: { name: {{ $store.secret | quote }}, key: {{ . }} } } }
      {{- end }}
      {{- end }}
    resources:
      requests: { cpu: 100m, memory: 128Mi }
      limits: { memory: 512Mi }
    volumeMounts:
      - { name: models, mountPath: /models }
      {{- if $store.secret }}
      - { name: store, mountPath: /run/store, readOnly: true }
      {{- end }}
{{- end }}
{{- end }}

{{/* The volume that it needs beside. */}}
{{- define "medmesh.fetchVolume" -}}
{{- $store := .Values.modelRepository.objectStore }}
{{- if and $store.url $store.secret }}
- name: store
  secret: { secretName: {{ $store.secret | quote }}, items: [{ key: ca.crt, path: ca.crt }], optional: true, defaultMode: 0440 }
{{- end }}
{{- end }}

{{- define "medmesh.dns" -}}
- ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
{{- end }}

{{/* Kubernetes' variables for Services (MEDMESH_IMAGING_PORT=tcp://…) would be taken for the mesh's own settings. */}}
{{- define "medmesh.pod" -}}
enableServiceLinks: false
automountServiceAccountToken: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The rule that lets a pod reach the collector, where there is one. */}}
{{- define "medmesh.toCollector" -}}
- to: {{- toYaml .Values.telemetry.collector | nindent 4 }}
  ports: [{ protocol: TCP, port: {{ .Values.telemetry.otlpEndpoint | splitList ":" | last }} }]
{{- end }}
