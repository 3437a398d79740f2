{{/* The pod of a service. */}}
{{- define "millrace.pod" -}}
metadata:
  labels:
    {{- include "millrace.selector" . | nindent 4 }}
  {{- with .root.Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ .root.Release.Name }}
  automountServiceAccountToken: false
  # Variables that Kubernetes makes of service names would look like our own settings.
  enableServiceLinks: false
  # The service drains by itself from SIGTERM on, so there is no preStop: it goes on accepting for
  # drainSeconds, answers what is in flight (8 s at most), takes leave of Kafka (6 s at most), and
  # inference announces what is left in its spool (3 s at most).
  terminationGracePeriodSeconds: {{ add .root.Values.drainSeconds 25 }}
  securityContext:
    {{- include "millrace.pod.security" . | nindent 4 }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - {name: {{ . }}}
    {{- end }}
  {{- end }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "millrace.selector" $ | nindent 10 }}
    {{- end }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .service }}
      image: {{ include "millrace.image" . }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      securityContext:
        {{- include "millrace.container.security" . | nindent 8 }}
      ports:
        - {name: http, containerPort: 8000}
      envFrom:
        {{- include "millrace.secret.settings" . | nindent 8 }}
      env:
        {{- if ne .service "gateway" }}
        # A name that is the same after a restart: nobody else takes over its partitions meanwhile.
        - name: MILLRACE_REPLICA
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- end }}
        {{- include "millrace.settings" . | nindent 8 }}
      # Alive is soon; ready is who has read what it holds in memory, however long that takes.
      startupProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 1
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        {{- include "millrace.mounts" . | nindent 8 }}
  volumes:
    {{- include "millrace.volumes" . | nindent 4 }}
    {{- if not .values.storage }}
    - name: home
      emptyDir: {sizeLimit: {{ default "1Gi" .values.scratch }}}
    {{- end }}
{{- end }}
