"""Grafana dashboards as code: `python -m observability.dashboards` writes dashboards/*.json."""

import json
from pathlib import Path

from observability.grafana import Dashboard, Panel

FOLDER = Path(__file__).parent / "dashboards"
_S = 'service=~"$service"'
_RATE = "$__rate_interval"


def _rate(metric: str, by: str, where: str = _S) -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[{_RATE}]))"


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', f'{by}, le')})"


READY = Panel("Ready", "bool", [(f"min by (service) (millrace_ready{{{_S}}})", "{{service}}")])
VERSIONS = Panel(
    "Processes by version",
    "short",
    [(f"count by (service, version) (millrace_build_info{{{_S}}})", "{{service}} {{version}}")],
)
REQUESTS = Panel(
    "Requests", "reqps", [(_rate("millrace_request_seconds_count", "service"), "{{service}}")]
)
ERRORS = Panel(
    "Share of answers that are errors of ours",
    "percentunit",
    [(f"service:millrace_request_errors:ratio_rate5m{{{_S}}}", "{{service}}")],
)
LATENCY = Panel(
    "Time to answer; the points lead to traces",
    "s",
    [
        (_quantile(0.5, "millrace_request_seconds", "service"), "{{service}} half"),
        (_quantile(0.99, "millrace_request_seconds", "service"), "{{service}} 99 in 100"),
    ],
    exemplars=True,
)
REFUSED = Panel(
    "Refused by the gateway",
    "reqps",
    [("sum by (reason) (rate(millrace_refused_total[$__rate_interval]))", "{{reason}}")],
)
LAG = Panel(
    "Records not yet handled, by subscription",
    "short",
    [(f"subscription:millrace_consumer_lag:sum{{{_S}}}", "{{subscription}}")],
)
OUTBOX_AGE = Panel(
    "Age of the oldest event not sent",
    "s",
    [(f"service:millrace_outbox_age_seconds:max{{{_S}}}", "{{service}}")],
)
DEAD = Panel(
    "Dead letters within the hour",
    "short",
    [
        (
            "sum by (subscription) "
            f'(increase(millrace_events_total{{outcome="dead", {_S}}}[1h])) > 0',
            "{{subscription}}",
        )
    ],
)
JOBS = Panel("Jobs at hand", "short", [("max by (state) (millrace_jobs)", "{{state}}")])

OVERVIEW = Dashboard(
    "overview",
    "Millrace",
    [READY, VERSIONS, REQUESTS, ERRORS, LATENCY, REFUSED, LAG, OUTBOX_AGE, DEAD, JOBS],
)

ANSWERS = Dashboard(
    "requests",
    "Millrace: requests",
    [
        REQUESTS,
        ERRORS,
        LATENCY,
        Panel(
            "Time to answer by route, 99 in 100",
            "s",
            [(_quantile(0.99, "millrace_request_seconds", "route"), "{{route}}")],
            exemplars=True,
        ),
        Panel(
            "Requests by route",
            "reqps",
            [(_rate("millrace_request_seconds_count", "method, route"), "{{method}} {{route}}")],
        ),
        Panel(
            "Answers by status",
            "reqps",
            [(_rate("millrace_request_seconds_count", "status"), "{{status}}")],
        ),
        REFUSED,
        Panel(
            "Requests under way, and how many may be",
            "short",
            [
                ("sum by (upstream) (millrace_upstream_requests)", "{{upstream}}"),
                ("sum by (upstream) (millrace_upstream_requests_limit)", "{{upstream}} limit"),
            ],
        ),
        Panel(
            "Replicas that get no requests",
            "short",
            [
                (
                    "max by (upstream) "
                    "(millrace_upstream_replicas - millrace_upstream_replicas_in)",
                    "{{upstream}}",
                )
            ],
        ),
        Panel(
            "Counted by each gateway alone, the store of the rates being away",
            "reqps",
            [("sum(rate(millrace_uncounted_requests_total[$__rate_interval]))", "requests")],
        ),
        Panel(
            "Time for which billing has not counted a use",
            "s",
            [("max(millrace_uncounted_spending_seconds)", "uncounted")],
        ),
        Panel(
            "Purchases that somebody has to see to",
            "short",
            [("max by (reason) (millrace_purchases_to_see_to)", "{{reason}}")],
        ),
        Panel(
            "Age of the oldest charge that the payment provider has not taken",
            "s",
            [("max(millrace_oldest_charge_seconds)", "charge")],
        ),
    ],
)

EVENTS = Dashboard(
    "events",
    "Millrace: events",
    [
        LAG,
        Panel(
            "Age of the oldest deletion of a tenant that is not carried out",
            "s",
            [("max by (service) (millrace_oldest_tenant_erasure_seconds)", "{{service}}")],
        ),
        Panel(
            "Records by outcome",
            "short",
            [(_rate("millrace_events_total", "outcome"), "{{outcome}}")],
        ),
        Panel(
            "Records handled, by subscription",
            "short",
            [
                (
                    _rate("millrace_events_total", "subscription", f'outcome="handled", {_S}'),
                    "{{subscription}}",
                )
            ],
        ),
        DEAD,
        Panel(
            "Errors that consumers survived, within the hour",
            "short",
            [
                (
                    "sum by (subscription, stage) "
                    f"(increase(millrace_consumer_failures_total{{{_S}}}[1h])) > 0",
                    "{{subscription}} {{stage}}",
                )
            ],
        ),
        Panel(
            "Partitions that cannot be read, and records within the hour",
            "short",
            [
                (
                    f"sum by (subscription) (millrace_unreadable_partitions{{{_S}}}) > 0",
                    "{{subscription}} waits",
                ),
                (
                    "sum by (subscription) "
                    f"(increase(millrace_unread_records_total{{{_S}}}[1h])) > 0",
                    "{{subscription}} refused",
                ),
            ],
        ),
        OUTBOX_AGE,
        Panel(
            "Events not sent",
            "short",
            [(f"max by (service) (millrace_outbox_rows{{{_S}}})", "{{service}}")],
        ),
        Panel(
            "Announcements of answers not sent",
            "bytes",
            [("max by (instance) (millrace_spool_bytes)", "{{instance}}")],
        ),
        Panel(
            "Answers refused, the spool being full",
            "reqps",
            [("sum(rate(millrace_spool_full_total[$__rate_interval]))", "answers")],
        ),
    ],
)

MODELS = Dashboard(
    "models",
    "Millrace: jobs and models",
    [
        JOBS,
        Panel(
            "Age of the oldest job that waits",
            "s",
            [("max(millrace_oldest_waiting_job_seconds)", "oldest")],
        ),
        Panel(
            "Jobs that ended within the hour",
            "short",
            [
                (
                    "sum by (kind, state) (increase(millrace_jobs_ended_total[1h]))",
                    "{{kind}} {{state}}",
                )
            ],
        ),
        Panel(
            "Leases lost within the hour",
            "short",
            [("sum(increase(millrace_job_leases_lost_total[1h]))", "leases")],
        ),
        Panel(
            "Models that took over, and refused ones, within the hour",
            "short",
            [
                ("max(increase(millrace_model_swaps_total[1h]))", "took over"),
                ("max(increase(millrace_models_refused_total[1h]))", "refused"),
            ],
        ),
        Panel(
            "Tenants answered by a model of their own",
            "short",
            [("max by (algorithm) (millrace_models_serving)", "{{algorithm}}")],
        ),
        Panel(
            "Newest model that took over, by process",
            "none",
            [
                (
                    "max by (algorithm, instance) (millrace_newest_model_id)",
                    "{{algorithm}} {{instance}}",
                )
            ],
        ),
        Panel(
            "Memory of models",
            "bytes",
            [("max by (instance) (millrace_model_bytes)", "{{instance}}")],
        ),
        Panel(
            "Models in memory",
            "short",
            [("max by (instance) (millrace_models_loaded)", "{{instance}}")],
        ),
    ],
)

PROCESSES = Dashboard(
    "processes",
    "Millrace: processes",
    [
        READY,
        VERSIONS,
        Panel(
            "Processor",
            "short",
            [(_rate("process_cpu_seconds_total", "service, instance"), "{{service}} {{instance}}")],
        ),
        Panel(
            "Memory",
            "bytes",
            [
                (
                    f'process_resident_memory_bytes{{job="millrace", {_S}}}',
                    "{{service}} {{instance}}",
                )
            ],
        ),
        Panel(
            "How late the event loop is, 99 in 100",
            "s",
            [
                (
                    f"instance:millrace_event_loop_lag_seconds:p99_rate5m{{{_S}}}",
                    "{{service}} {{instance}}",
                )
            ],
        ),
        Panel(
            "Database connections in use",
            "percentunit",
            [
                (
                    f"instance:millrace_database_connections:ratio{{{_S}}}",
                    "{{service}} {{instance}}",
                )
            ],
        ),
        Panel(
            "Disk free",
            "percentunit",
            [(f"instance:millrace_disk_free:ratio{{{_S}}}", "{{service}} {{instance}}")],
        ),
        Panel(
            "Open files",
            "short",
            [
                (
                    f'process_open_fds{{job="millrace", {_S}}}',
                    "{{service}} {{instance}}",
                )
            ],
        ),
    ],
)

DASHBOARDS = (OVERVIEW, ANSWERS, EVENTS, MODELS, PROCESSES)


def written(dashboard: Dashboard) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard.to_dict(), indent=2) + "\n"


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.name}.json").write_text(written(dashboard))


if __name__ == "__main__":
    main()
