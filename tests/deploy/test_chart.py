"""What the Helm chart makes: valid to the letter, and with every promise of a careful operator."""

import copy
import re
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from chassis.edge import QUIET
from embedded.stack import SERVICES
from gateway.routes import ROUTES
from tests.deploy.chart import (
    CHART,
    EXAMPLES,
    Manifest,
    component,
    of_kind,
    pods,
    rendered,
    values_of,
)
from tests.deploy.settings import variables_of
from tests.observability.promql import OBSERVABILITY, exported, names_in

KUBERNETES = ("1.29", "1.37")
#: Definitions of an operator's, not of Kubernetes itself.
FOREIGN = {"PodMonitor"}


@pytest.fixture(
    params=[None, *EXAMPLES], ids=lambda file: file.stem if file else "default", scope="module"
)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    file: Path | None = request.param
    return rendered(values_of(file))


def test_helms_own_linter_finds_no_error() -> None:
    found = helm_python.lint(str(CHART))
    assert found["errors"] == []
    assert [one for one in found["messages"] if one["severity"] > 1] == []


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_valid_to_the_letter(manifests: list[Manifest], version: str) -> None:
    assert len(of_kind(manifests, "StatefulSet", "Deployment")) == len(SERVICES)
    for manifest in manifests:
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_every_pod_is_nobody_and_can_become_nobody_else(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


def test_no_secret_is_in_any_manifest(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret", "ConfigMap") == []
    for name, pod in pods(manifests):
        for container in pod["containers"]:
            plain = {one["name"] for one in container["env"] if "value" in one}
            secret = re.compile("PASSWORD|SECRET|STRIPE_KEY|DATABASE_URL|DOCUMENTS_URL|RATES_URL")
            assert [variable for variable in plain if secret.search(variable)] == [], name
            assert {"secretRef": {"name": "millrace-settings"}} in container["envFrom"]


@pytest.mark.parametrize("variable", ["MILLRACE_ADMIN_PASSWORD", "MILLRACE_DATABASE_URL"])
def test_a_secret_among_the_values_is_refused(variable: str) -> None:
    with pytest.raises(helm_python.HelmError, match=variable):
        rendered({"settings": {variable: "secret"}})


def test_a_misspelt_value_is_refused() -> None:
    with pytest.raises(helm_python.HelmError, match="replica"):
        rendered({"services": {"catalog": {"replica": 3}}})


def test_every_setting_that_is_named_exists(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        if name not in SERVICES:
            continue
        [container] = pod["containers"]
        named = {one["name"] for one in container["env"]}
        assert named <= variables_of(name), name


def test_only_who_signs_holds_a_private_key(manifests: list[Manifest]) -> None:
    holders: dict[str, set[str]] = {"assertion.pem": set(), "artefact.pem": set()}
    for name, pod in pods(manifests):
        [keys] = [
            volume["secret"]["items"] for volume in pod["volumes"] if volume["name"] == "keys"
        ]
        for item in keys:
            holders.setdefault(item["key"], set()).add(name)
    assert holders["assertion.pem"] - {"tables-gateway"} == {"gateway"}
    assert holders["artefact.pem"] - {"tables-training"} == {"training"}
    assert set(SERVICES) <= holders["assertion.pub.pem"]


def test_every_service_outlives_the_loss_of_a_node(manifests: list[Manifest]) -> None:
    for kind in ("PodDisruptionBudget", "Service"):
        assert {component(one) for one in of_kind(manifests, kind)} == set(SERVICES)
    for name, pod in pods(manifests):
        if name in SERVICES:
            spread = {one["topologyKey"] for one in pod["topologySpreadConstraints"]}
            assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_every_service_is_asked_whether_it_started_lives_and_is_ready(
    manifests: list[Manifest],
) -> None:
    for name, pod in pods(manifests):
        if name not in SERVICES:
            continue
        [container] = pod["containers"]
        paths = {
            probe: container[f"{probe}Probe"]["httpGet"]["path"]
            for probe in ("startup", "liveness", "readiness")
        }
        assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_nobody_is_killed_before_it_has_drained(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        if name not in SERVICES:
            continue
        [container] = pod["containers"]
        [drain] = [
            int(one["value"]) for one in container["env"] if one["name"] == "MILLRACE_DRAIN_SECONDS"
        ]
        # A gateway looks every few seconds; a request in flight may take ten, and then Kafka is
        # left and the spool emptied.
        assert drain >= 2 * container["readinessProbe"]["periodSeconds"]
        assert pod["terminationGracePeriodSeconds"] >= drain + 20


def test_who_consumes_keeps_its_name(manifests: list[Manifest]) -> None:
    for one in of_kind(manifests, "Deployment", "StatefulSet"):
        [container] = one["spec"]["template"]["spec"]["containers"]
        named = [each for each in container["env"] if each["name"] == "MILLRACE_REPLICA"]
        assert bool(named) == (one["kind"] == "StatefulSet")
        assert (one["kind"] == "StatefulSet") == (component(one) != "gateway")


def test_what_waits_in_the_spool_outlives_its_pod() -> None:
    [inference] = [
        one for one in of_kind(rendered({}), "StatefulSet") if component(one) == "inference"
    ]
    [claim] = inference["spec"]["volumeClaimTemplates"]
    [container] = inference["spec"]["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == "/var/lib/millrace"
    retained = inference["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert set(retained.values()) == {"Retain"}


def test_one_service_is_deployed_without_touching_another() -> None:
    before = rendered({})
    after = rendered({"services": {"catalog": {"tag": "9.9.9"}}})
    changed = {component(new) for old, new in zip(before, after, strict=True) if old != new}
    # Topics are made by catalog's image.
    assert changed == {"catalog", "tables-catalog", "topics"}


def test_tables_and_topics_are_made_before_the_pods_that_need_them() -> None:
    jobs = of_kind(rendered({}), "Job")
    assert {component(job) for job in jobs} == {"topics", *(f"tables-{name}" for name in SERVICES)}
    for job in jobs:
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        [container] = job["spec"]["template"]["spec"]["containers"]
        name = component(job).removeprefix("tables-")
        expected = (
            ["chassis.topics"] if name == "topics" else ["chassis.migrations", "upgrade", name]
        )
        assert container["command"] == ["python", "-m", *expected]


def test_scaling_follows_processors_and_lag() -> None:
    scalers = of_kind(rendered({"autoscaling": {"lagServed": True}}), "HorizontalPodAutoscaler")
    assert {component(one) for one in scalers} == set(SERVICES)
    for one in scalers:
        metrics = {metric["type"] for metric in one["spec"]["metrics"]}
        wanted = {"Resource"} if component(one) == "gateway" else {"Resource", "Pods"}
        assert metrics == wanted
        target = one["spec"]["scaleTargetRef"]
        [kind] = [
            each["kind"]
            for each in of_kind(rendered({}), "Deployment", "StatefulSet")
            if each["metadata"]["name"] == target["name"]
        ]
        assert target["kind"] == kind


@pytest.mark.parametrize("autoscaling", [{}, {"lagServed": False}])
def test_a_cluster_that_serves_no_lag_scales_by_processors_alone(
    autoscaling: dict[str, bool],
) -> None:
    for one in of_kind(rendered({"autoscaling": autoscaling}), "HorizontalPodAutoscaler"):
        assert {metric["type"] for metric in one["spec"]["metrics"]} == {"Resource"}


def test_the_adapter_serves_the_metric_that_pods_are_scaled_by() -> None:
    adapter = yaml.safe_load((OBSERVABILITY / "adapter.yml").read_text())
    [rule] = adapter["rules"]["custom"]
    assert names_in(rule["seriesQuery"]) <= exported()
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
    scalers = of_kind(rendered({"autoscaling": {"lagServed": True}}), "HorizontalPodAutoscaler")
    asked = {
        metric["pods"]["metric"]["name"]
        for one in scalers
        for metric in one["spec"]["metrics"]
        if metric["type"] == "Pods"
    }
    assert asked == {rule["name"]["as"]}


def test_what_a_collector_chooses_from_is_every_trace(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        [container] = pod["containers"]
        plain = {one["name"]: one.get("value") for one in container["env"]}
        if "MILLRACE_OTLP_ENDPOINT" in plain:
            assert float(plain.get("MILLRACE_TRACE_RATIO", "1")) == 1, name


def test_without_scaling_the_values_say_how_many_there_are() -> None:
    values = {"autoscaling": {"enabled": False}, "services": {"billing": {"replicas": 5}}}
    found = rendered(copy.deepcopy(values))
    assert of_kind(found, "HorizontalPodAutoscaler") == []
    replicas = {component(one): one["spec"]["replicas"] for one in of_kind(found, "StatefulSet")}
    assert replicas["billing"] == 5


def test_only_the_gateway_is_reached_from_outside_and_services_from_the_gateway() -> None:
    policies = {
        one["metadata"]["name"]: one["spec"] for one in of_kind(rendered({}), "NetworkPolicy")
    }
    assert policies["millrace-nothing-else"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policies["millrace-nothing-else"]
    assert "egress" not in policies["millrace-nothing-else"]
    [into_gateway] = policies["millrace-into-gateway"]["ingress"]
    assert peers(into_gateway) == ["ingress-nginx"]
    [into_services] = policies["millrace-into-services"]["ingress"]
    assert peers(into_services) == ["gateway"]
    [chosen] = policies["millrace-into-services"]["podSelector"]["matchExpressions"]
    assert set(chosen["values"]) == set(SERVICES) - {"gateway"}


def test_the_ingress_leads_to_the_gateway_alone() -> None:
    values = {"ingress": {"enabled": True, "host": "a.example.com", "tls": "certificate"}}
    [ingress] = of_kind(rendered(values), "Ingress")
    [rule] = ingress["spec"]["rules"]
    behind = {path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert behind == {"millrace-gateway"}
    assert ingress["spec"]["tls"] == [{"hosts": ["a.example.com"], "secretName": "certificate"}]
    with pytest.raises(helm_python.HelmError, match="host"):
        rendered({"ingress": {"enabled": True}})


def test_the_ingress_lets_through_all_that_is_served_but_what_is_ours_alone() -> None:
    values = {"ingress": {"enabled": True, "host": "a.example.com"}}
    [ingress] = of_kind(rendered(values), "Ingress")
    [rule] = ingress["spec"]["rules"]
    assert {path["pathType"] for path in rule["http"]["paths"]} == {"Prefix"}
    served = {f"/{route.prefix.split('/')[1]}" for route in ROUTES.routes}
    assert {path["path"] for path in rule["http"]["paths"]} == served - QUIET
    for private in ("/", "/metrics", "/readyz"):
        with pytest.raises(helm_python.HelmError, match="paths"):
            rendered({"ingress": {**values["ingress"], "paths": ["/api", private]}})


def test_metrics_carry_the_labels_that_rules_go_by() -> None:
    [monitor] = of_kind(rendered({"monitoring": {"podMonitor": True}}), "PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert {one["targetLabel"] for one in endpoint["relabelings"]} == {"job", "service"}
    assert endpoint["path"] == "/metrics"


def peers(rule: dict[str, Any]) -> list[str]:
    """Return the last words of a rule's peers: a namespace's name, or a component."""
    selectors = [next(iter(peer.values()))["matchLabels"] for peer in rule["from"]]
    return [list(labels.values())[-1] for labels in selectors]
