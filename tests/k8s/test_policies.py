"""Every overlay keeps to every policy, and every policy sees a manifest that is loosened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from manifests import K8S, OVERLAYS, SERVING, Manifest, find, of_kind, render
from policies import (
    EXTERNAL,
    POLICIES,
    Policy,
    accounts_are_own_and_tokens_stay_out,
    addresses_name_their_namespace,
    capabilities_are_dropped,
    every_workload_has_a_network_policy,
    images_are_pinned,
    namespaces_admit_restricted_pods_only,
    no_secret_stands_in_a_manifest,
    nothing_gains_privileges,
    pods_run_as_a_user_that_is_not_root,
    quotas_hold_what_runs,
    references_lead_somewhere,
    resources_are_bounded,
    rights_are_named_one_by_one,
    root_file_systems_are_read_only,
    seccomp_filters_system_calls,
    selectors_match_pods,
    servers_are_probed,
)

Loosen = Callable[[list[Manifest]], object]


def pod(manifests: list[Manifest], kind: str = "Deployment", name: str = "mlflow") -> dict[str, Any]:
    return find(manifests, kind, name)["spec"]["template"]["spec"]


def server(manifests: list[Manifest], kind: str = "Deployment", name: str = "mlflow") -> dict[str, Any]:
    return pod(manifests, kind, name)["containers"][0]


def context(manifests: list[Manifest]) -> dict[str, Any]:
    return server(manifests)["securityContext"]


def schema(manifests: list[Manifest]) -> dict[str, Any]:
    """The container that runs before the server, which a policy must not forget."""
    return pod(manifests)["initContainers"][0]


def rules(manifests: list[Manifest]) -> list[dict[str, Any]]:
    return find(manifests, "Role", "solid-submitter")["rules"]


def network(manifests: list[Manifest], name: str) -> dict[str, Any]:
    return find(manifests, "NetworkPolicy", name)["spec"]


def remove(manifests: list[Manifest], kind: str, name: str) -> None:
    manifests.remove(find(manifests, kind, name))


def variable(name: str, value: str) -> Loosen:
    return lambda manifests: server(manifests).update(env=[{"name": name, "value": value}])


def setting(name: str, value: str) -> Loosen:
    return lambda manifests: find(manifests, "ConfigMap", "mlflow-settings")["data"].update({name: value})


LOOSENED: list[tuple[Policy, Loosen, str]] = [
    (
        addresses_name_their_namespace,
        setting("AWS_ENDPOINT_URL_S3", "http://seaweedfs:8333"),
        "AWS_ENDPOINT_URL_S3 names seaweedfs without its namespace; write seaweedfs.<namespace>.svc",
    ),
    (addresses_name_their_namespace, setting("PGHOST", "postgres"), "PGHOST names postgres without its namespace"),
    (
        addresses_name_their_namespace,
        variable("MLFLOW_TRACKING_URI", "http://mlflow:5000"),
        "container mlflow: MLFLOW_TRACKING_URI names mlflow without",
    ),
    (
        pods_run_as_a_user_that_is_not_root,
        lambda m: pod(m)["securityContext"].pop("runAsNonRoot"),
        "mlflow: may run as root",
    ),
    (
        pods_run_as_a_user_that_is_not_root,
        lambda m: context(m).update(runAsUser=0),
        "container mlflow: may run as root",
    ),
    (
        pods_run_as_a_user_that_is_not_root,
        lambda m: schema(m)["securityContext"].update(runAsGroup=0),
        "container schema",
    ),
    (nothing_gains_privileges, lambda m: context(m).pop("allowPrivilegeEscalation"), "mlflow: may gain privileges"),
    (nothing_gains_privileges, lambda m: context(m).update(privileged=True), "container mlflow: may gain privileges"),
    (nothing_gains_privileges, lambda m: pod(m).update(hostNetwork=True), "mlflow: shares a namespace of its node"),
    (
        nothing_gains_privileges,
        lambda m: pod(m)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        "a path of its node",
    ),
    (capabilities_are_dropped, lambda m: context(m).pop("capabilities"), "container mlflow: keeps capabilities"),
    (
        capabilities_are_dropped,
        lambda m: context(m)["capabilities"].update(add=["NET_RAW"]),
        "mlflow: keeps capabilities",
    ),
    (
        seccomp_filters_system_calls,
        lambda m: pod(m)["securityContext"].pop("seccompProfile"),
        "mlflow: lacks seccompProfile",
    ),
    (
        seccomp_filters_system_calls,
        lambda m: context(m).update(seccompProfile={"type": "Unconfined"}),
        "container mlflow: lacks",
    ),
    (
        root_file_systems_are_read_only,
        lambda m: schema(m)["securityContext"].pop("readOnlyRootFilesystem"),
        "container schema: can",
    ),
    (
        resources_are_bounded,
        lambda m: server(m)["resources"]["limits"].pop("memory"),
        "mlflow: has no limits of memory",
    ),
    (resources_are_bounded, lambda m: schema(m).pop("resources"), "container schema: has no requests of cpu"),
    (servers_are_probed, lambda m: server(m).pop("livenessProbe"), "container mlflow: has no livenessProbe"),
    (servers_are_probed, lambda m: server(m)["readinessProbe"]["httpGet"].update(port=5001), "asks port 5001"),
    (
        images_are_pinned,
        lambda m: server(m).update(image="solid-mlflow:latest"),
        "image solid-mlflow:latest is pinned neither",
    ),
    (images_are_pinned, lambda m: server(m).update(image="solid-mlflow"), "image solid-mlflow is pinned neither"),
    (
        images_are_pinned,
        lambda m: server(m).update(image="localhost:5000/solid-mlflow"),
        "pinned neither by digest nor",
    ),
    (images_are_pinned, lambda m: server(m).update(image="solid-mlflow:3"), "image solid-mlflow:3 is pinned neither"),
    (no_secret_stands_in_a_manifest, variable("MLFLOW_TRACKING_PASSWORD", "hunter2"), "has its value written out"),
    (
        no_secret_stands_in_a_manifest,
        setting("AWS_SECRET_ACCESS_KEY", "x"),
        "AWS_SECRET_ACCESS_KEY belongs in a secret",
    ),
    (no_secret_stands_in_a_manifest, setting("MLFLOW_BACKEND_STORE_URI", "postgresql://a:b@c/d"), "holds a password"),
    (
        no_secret_stands_in_a_manifest,
        lambda m: m.append({"kind": "Secret", "metadata": {"name": "x"}, "data": {"k": "eA=="}}),
        "Secret x: its values would stand in git",
    ),
    (rights_are_named_one_by_one, lambda m: rules(m)[0]["verbs"].append("*"), "Role solid-submitter: has a wildcard"),
    (
        rights_are_named_one_by_one,
        lambda m: rules(m)[0].update(apiGroups=["*"]),
        "Role solid-submitter: has a wildcard",
    ),
    (rights_are_named_one_by_one, lambda m: rules(m)[0]["verbs"].append("impersonate"), "can give itself more rights"),
    (
        rights_are_named_one_by_one,
        lambda m: rules(m).append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
        "Role solid-submitter: reads every secret",
    ),
    (
        rights_are_named_one_by_one,
        lambda m: find(m, "Role", "solid-submitter").update(kind="ClusterRole"),
        "rules the whole",
    ),
    (
        rights_are_named_one_by_one,
        lambda m: find(m, "RoleBinding", "solid-submitter").update(
            subjects=[{"kind": "Group", "name": "system:authenticated"}]
        ),
        "gives rights to a Group",
    ),
    (accounts_are_own_and_tokens_stay_out, lambda m: pod(m).pop("serviceAccountName"), "no service account of its own"),
    (
        accounts_are_own_and_tokens_stay_out,
        lambda m: pod(m).update(serviceAccountName="postgres"),
        "no service account of its own",
    ),
    (
        accounts_are_own_and_tokens_stay_out,
        lambda m: pod(m).pop("automountServiceAccountToken"),
        "mlflow: holds a token",
    ),
    (
        every_workload_has_a_network_policy,
        lambda m: remove(m, "NetworkPolicy", "default-deny"),
        "no policy that denies everything",
    ),
    (
        every_workload_has_a_network_policy,
        lambda m: network(m, "default-deny").update(ingress=[{}]),
        "no policy that denies",
    ),
    (
        every_workload_has_a_network_policy,
        lambda m: remove(m, "NetworkPolicy", "postgres"),
        "postgres: no network policy names it",
    ),
    (
        every_workload_has_a_network_policy,
        lambda m: network(m, "mlflow")["ingress"][0].pop("from"),
        "mlflow: a rule is open to",
    ),
    (
        every_workload_has_a_network_policy,
        lambda m: network(m, "mlflow")["ingress"][0].pop("ports"),
        "mlflow: a rule is open to",
    ),
    (
        selectors_match_pods,
        lambda m: find(m, "Service", "mlflow")["spec"].update(selector={"app": "mlflow"}),
        "matches no pod",
    ),
    (
        selectors_match_pods,
        lambda m: server(m)["ports"][0].update(name="web"),
        "Service mlflow: Deployment mlflow opens no port",
    ),
    (
        selectors_match_pods,
        lambda m: network(m, "postgres")["podSelector"].update(matchLabels={"a": "b"}),
        "matches no pod",
    ),
    (
        selectors_match_pods,
        lambda m: network(m, "mlflow")["ingress"][0]["ports"][0].update(port=80),
        "opens no port of [80]",
    ),
    (
        selectors_match_pods,
        lambda m: network(m, "mlflow-reaches")["egress"][0]["to"][0]["podSelector"].update(matchLabels={"a": "b"}),
        "one of its peers matches no pod",
    ),
    (
        selectors_match_pods,
        lambda m: find(m, "Deployment", "mlflow")["spec"]["selector"]["matchLabels"].update(a="b"),
        "Deployment mlflow: its selector misses its own pods",
    ),
    (references_lead_somewhere, lambda m: remove(m, "ServiceAccount", "mlflow"), "ServiceAccount mlflow is nowhere"),
    (
        references_lead_somewhere,
        lambda m: remove(m, "ConfigMap", "mlflow-auth"),
        "Deployment mlflow: ConfigMap mlflow-auth",
    ),
    (
        references_lead_somewhere,
        lambda m: schema(m)["envFrom"].append({"secretRef": {"name": "typo"}}),
        "Secret typo is nowhere",
    ),
    (
        references_lead_somewhere,
        lambda m: pod(m)["volumes"].append({"name": "x", "persistentVolumeClaim": {"claimName": "x"}}),
        "PersistentVolumeClaim x is nowhere",
    ),
    (
        references_lead_somewhere,
        lambda m: server(m)["volumeMounts"][0].update(name="typo"),
        "mounts typo, which is no volume",
    ),
    (
        quotas_hold_what_runs,
        lambda m: server(m)["resources"]["limits"].update(memory="20Gi"),
        "limits.memory is below what runs",
    ),
    (
        quotas_hold_what_runs,
        lambda m: find(m, "Deployment", "mlflow")["spec"].update(replicas=9),
        "requests.cpu is below what runs",
    ),
    (quotas_hold_what_runs, lambda m: remove(m, "LimitRange", "services"), "has no ResourceQuota or no LimitRange"),
    (
        namespaces_admit_restricted_pods_only,
        lambda m: find(m, "Namespace", "solid")["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
        "does not enforce the restricted Pod Security Standard",
    ),
]


@pytest.mark.parametrize("overlay", [*OVERLAYS, *SERVING])
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_every_overlay_keeps_to_every_policy(policy: Policy, overlay: str) -> None:
    assert policy(render(overlay)) == []


@pytest.mark.parametrize(
    ("policy", "loosen", "violation"),
    [pytest.param(*row, id=f"{row[0].__name__}-{index}") for index, row in enumerate(LOOSENED)],
)
def test_a_loosened_manifest_is_seen(policy: Policy, loosen: Loosen, violation: str) -> None:
    manifests = render("local")
    loosen(manifests)
    assert [found for found in policy(manifests) if violation in found], policy(manifests)


@pytest.mark.parametrize("overlay", SERVING)
def test_what_serves_is_seen_by_policies_and_counted_at_its_largest(overlay: str) -> None:
    manifests = render(overlay)
    for quota in of_kind(manifests, "ResourceQuota"):
        quota["spec"]["hard"]["limits.memory"] = "13Gi"  # four pods of 2Gi, beside MLflow, store and database
    assert quotas_hold_what_runs(manifests)
    manifests = render(overlay)
    remove(manifests, "NetworkPolicy", "solid-serve")
    assert [one for one in every_workload_has_a_network_policy(manifests) if "no network policy names it" in one]


def test_every_policy_is_shown_to_fail() -> None:
    assert {policy for policy, _, _ in LOOSENED} == set(POLICIES)


def test_what_comes_from_elsewhere_is_used_by_an_overlay() -> None:
    rendered = " ".join(str(render(overlay)) for overlay in (*OVERLAYS, *SERVING))
    assert {name for name in EXTERNAL if name[2] in rendered} == set(EXTERNAL)


def test_the_page_names_what_comes_from_elsewhere_and_counts_right() -> None:
    page = (K8S.parent / "docs" / "kubernetes.md").read_text("utf-8")
    for _, _, name in EXTERNAL:
        assert name in page
    assert f"{len(render('local'))} lines" in page
    assert f"{len(render('cloud'))} resources" in page
    assert f"{len(POLICIES)} policies" in page
