{{/* Names: <release>-<service>. */}}
{{- define "millrace.name" -}}
{{ printf "%s-%s" .root.Release.Name .service }}
{{- end }}

{{/* What pods are chosen by; it never changes, so that an upgrade restarts none for its sake. */}}
{{- define "millrace.selector" -}}
app.kubernetes.io/name: millrace
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "millrace.labels" -}}
{{ include "millrace.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "millrace.image" -}}
{{- $image := .root.Values.image -}}
{{- $name := printf "millrace-%s:%s" .service (default (default .root.Chart.AppVersion $image.tag) .values.tag) -}}
{{ ternary $name (printf "%s/%s" $image.registry $name) (empty $image.registry) }}
{{- end }}

{{/* Nobody, by number, with no way to become somebody. */}}
{{- define "millrace.pod.security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "millrace.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Settings that are no secret, those of the service last: they win. */}}
{{- define "millrace.settings" -}}
{{- $own := dict "MILLRACE_PROFILE" "production" "MILLRACE_KEYS" "/etc/millrace/keys" "MILLRACE_DRAIN_SECONDS" (toString .root.Values.drainSeconds) -}}
{{- if .root.Values.secrets.kafkaCertificate -}}
{{- $_ := set $own "MILLRACE_KAFKA_CAFILE" "/etc/millrace/kafka/ca.crt" -}}
{{- end -}}
{{- if eq .service "gateway" -}}
{{- range $name := list "catalog" "training" "inference" "billing" "experiments" -}}
{{- $_ := set $own (printf "MILLRACE_%s_URL" (upper $name)) (printf "http://%s-%s:8000" $.root.Release.Name $name) -}}
{{- end -}}
{{- end -}}
{{- $all := mergeOverwrite $own (deepCopy .root.Values.settings) (deepCopy .values.settings) -}}
{{- range $name, $value := $all }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Not empty where the cluster serves the lag of pods: as it is told, or else as far as it shows. */}}
{{- define "millrace.lag.served" -}}
{{- $served := .Values.autoscaling.lagServed -}}
{{- if kindIs "bool" $served -}}
{{- if $served }}yes{{ end -}}
{{- else if .Capabilities.APIVersions.Has "custom.metrics.k8s.io/v1beta1" }}yes
{{- else if .Capabilities.APIVersions.Has "custom.metrics.k8s.io/v1beta2" }}yes
{{- end -}}
{{- end }}

{{- define "millrace.secret.settings" -}}
- secretRef: {name: {{ .root.Values.secrets.settings }}}
{{- with .values.secret }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end }}

{{/* Which files of the keys a service gets: only who signs gets a private one. */}}
{{- define "millrace.keys" -}}
{{- $files := dict "gateway" (list "assertion.pem" "assertion.pub.pem") "training" (list "assertion.pub.pem" "artefact.pem" "artefact.pub.pem") "inference" (list "assertion.pub.pem" "artefact.pub.pem") -}}
{{- range default (list "assertion.pub.pem") (get $files .service) }}
- {key: {{ . }}, path: {{ . }}}
{{- end }}
{{- end }}

{{- define "millrace.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ default "1Gi" .values.scratch }}}
- name: keys
  secret:
    secretName: {{ .root.Values.secrets.keys }}
    # Read by the group, which is ours.
    defaultMode: 0440
    items:
      {{- include "millrace.keys" . | nindent 6 }}
{{- with .root.Values.secrets.kafkaCertificate }}
- name: kafka
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{- define "millrace.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /var/lib/millrace}
- {name: keys, mountPath: /etc/millrace/keys, readOnly: true}
{{- if .root.Values.secrets.kafkaCertificate }}
- {name: kafka, mountPath: /etc/millrace/kafka, readOnly: true}
{{- end }}
{{- end }}
