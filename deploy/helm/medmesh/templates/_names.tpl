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
{{- else }}
image: { reference: {{ .Values.modelRepository.image | quote }}, pullPolicy: {{ .Values.image.pullPolicy }} }
{{- end }}
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
