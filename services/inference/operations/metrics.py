"""What inference counts beside what every service counts."""

from prometheus_client import Counter, Gauge

MODELS_LOADED = Gauge("millrace_models_loaded", "Models in memory.")
MODEL_BYTES = Gauge("millrace_model_bytes", "Memory that models hold.")
MODELS_REFUSED = Counter("millrace_models_refused_total", "Artefacts that were refused.")
SWAPS = Counter("millrace_model_swaps_total", "Models that took over an algorithm.")
MODELS_SERVING = Gauge(
    "millrace_models_serving", "Tenants whose algorithm a model answers for.", ["algorithm"]
)
NEWEST_MODEL = Gauge(
    "millrace_newest_model_id", "Id of the newest model that took over.", ["algorithm"]
)
SPOOL_BYTES = Gauge("millrace_spool_bytes", "Announcements of answers that wait to be sent.")
SPOOL_FULL = Counter("millrace_spool_full_total", "Answers refused because the spool was full.")
