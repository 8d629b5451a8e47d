"""What every manifest must keep to: a policy takes the manifests of an overlay and returns its violations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from manifests import Manifest, Workload, containers, key, of_kind, texts, workloads

Policy = Callable[[list[Manifest]], list[str]]

# What the manifests use and do not bring, with who brings it; docs/kubernetes.md tells how.
EXTERNAL = {
    ("Secret", "solid", "mlflow-server"): "k8s/make_secrets.py",
    ("Secret", "solid", "mlflow-database"): "k8s/make_secrets.py",
    ("Secret", "solid", "mlflow-s3"): "k8s/make_secrets.py",
    ("Secret", "solid", "solid-mlflow"): "k8s/make_secrets.py",
    ("Secret", "solid", "seaweedfs-identities"): "k8s/make_secrets.py",
    ("Secret", "kubeflow", "solid-s3"): "k8s/make_secrets.py",
    ("ConfigMap", "solid", "database-ca"): "the operator of the database",
    ("Secret", "solid", "solid-serve"): "the operator, see docs/serve.md",
}

_EXACT = re.compile(r":\d+\.\d+[\w.-]*$|@sha256:[0-9a-f]{64}$")
_CONFIDENTIAL = re.compile(r"password|passwd|secret|token|access_?key|credential|private_?key", re.IGNORECASE)
_LOGIN_IN_ADDRESS = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_UNITS = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def pods_run_as_a_user_that_is_not_root(manifests: list[Manifest]) -> list[str]:
    found = []
    for where, workload, container in containers(manifests):
        context = {**workload.pod.get("securityContext", {}), **container.get("securityContext", {})}
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser") or not context.get("runAsGroup"):
            found.append(f"{where}: may run as root; set runAsNonRoot, runAsUser and runAsGroup")
    return found


def nothing_gains_privileges(manifests: list[Manifest]) -> list[str]:
    found = []
    for where, _, container in containers(manifests):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            found.append(f"{where}: may gain privileges; set allowPrivilegeEscalation: false")
    for workload in workloads(manifests):
        if any(workload.pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
            found.append(f"{workload}: shares a namespace of its node")
        if any("hostPath" in volume for volume in workload.pod.get("volumes", [])):
            found.append(f"{workload}: mounts a path of its node")
    return found


def capabilities_are_dropped(manifests: list[Manifest]) -> list[str]:
    found = []
    for where, _, container in containers(manifests):
        capabilities = container.get("securityContext", {}).get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
            found.append(f"{where}: keeps capabilities; drop ALL and add none")
    return found


def seccomp_filters_system_calls(manifests: list[Manifest]) -> list[str]:
    found = []
    for where, workload, container in containers(manifests):
        context = {**workload.pod.get("securityContext", {}), **container.get("securityContext", {})}
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            found.append(f"{where}: lacks seccompProfile RuntimeDefault")
    return found


def root_file_systems_are_read_only(manifests: list[Manifest]) -> list[str]:
    return [
        f"{where}: can write to its root file system"
        for where, _, container in containers(manifests)
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True
    ]


def resources_are_bounded(manifests: list[Manifest]) -> list[str]:
    return [
        f"{where}: has no {bound} of {resource}"
        for where, _, container in containers(manifests)
        for bound in ("requests", "limits")
        for resource in ("cpu", "memory")
        if resource not in container.get("resources", {}).get(bound, {})
    ]


def servers_are_probed(manifests: list[Manifest]) -> list[str]:
    """Jobs end by themselves; everything else is watched, on a port that it opens."""
    found = []
    for workload in workloads(manifests):
        if workload.kind in ("Job", "CronJob"):
            continue
        for container in workload.pod["containers"]:
            where = f"{workload}, container {container['name']}"
            ports = {
                value for port in container.get("ports", []) for value in (port.get("name"), port["containerPort"])
            }
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe not in container:
                    found.append(f"{where}: has no {probe}")
                elif "exec" not in container[probe]:
                    asked = container[probe].get("httpGet", container[probe].get("tcpSocket", {})).get("port")
                    if asked not in ports:
                        found.append(f"{where}: its {probe} asks port {asked}, which it does not open")
    return found


def images_are_pinned(manifests: list[Manifest]) -> list[str]:
    return [
        f"{where}: image {container['image']} is pinned neither by digest nor by an exact version"
        for where, _, container in containers(manifests)
        if not _EXACT.search(container["image"])
    ]


def no_secret_stands_in_a_manifest(manifests: list[Manifest]) -> list[str]:
    found = [f"Secret {key(manifest)[2]}: its values would stand in git" for manifest in of_kind(manifests, "Secret")]
    for where, _, container in containers(manifests):
        for variable in container.get("env", []):
            if _CONFIDENTIAL.search(variable["name"]) and variable.get("value"):
                found.append(f"{where}: {variable['name']} has its value written out; refer to a secret")
    for manifest in of_kind(manifests, "ConfigMap"):
        for name in manifest.get("data", {}):
            if _CONFIDENTIAL.search(name):
                found.append(f"ConfigMap {key(manifest)[2]}: {name} belongs in a secret")
    for manifest in manifests:
        for path, text in texts(manifest):
            if _LOGIN_IN_ADDRESS.search(text) or "PRIVATE KEY-----" in text:
                found.append(f"{manifest['kind']} {key(manifest)[2]}: {path} holds a password or a private key")
    return found


def rights_are_named_one_by_one(manifests: list[Manifest]) -> list[str]:
    found = [
        f"{m['kind']} {key(m)[2]}: rules the whole cluster"
        for m in of_kind(manifests, "ClusterRole", "ClusterRoleBinding")
    ]
    for role in of_kind(manifests, "Role"):
        for rule in role["rules"]:
            words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            if any("*" in word for word in words):
                found.append(f"Role {key(role)[2]}: has a wildcard in {words}")
            if {"escalate", "bind", "impersonate"} & set(rule["verbs"]):
                found.append(f"Role {key(role)[2]}: can give itself more rights")
            if "secrets" in rule["resources"] and not rule.get("resourceNames"):
                found.append(f"Role {key(role)[2]}: reads every secret; name them in resourceNames")
    roles = {key(role)[1:] for role in of_kind(manifests, "Role")}
    for binding in of_kind(manifests, "RoleBinding"):
        if (key(binding)[1], binding["roleRef"]["name"]) not in roles or binding["roleRef"]["kind"] != "Role":
            found.append(f"RoleBinding {key(binding)[2]}: binds a role that is not here")
        found += [
            f"RoleBinding {key(binding)[2]}: gives rights to a {subject['kind']}"
            for subject in binding["subjects"]
            if subject["kind"] != "ServiceAccount"
        ]
    return found


def accounts_are_own_and_tokens_stay_out(manifests: list[Manifest]) -> list[str]:
    found = []
    used = Counter(
        (workload.namespace, workload.pod.get("serviceAccountName", "default")) for workload in workloads(manifests)
    )
    for workload in workloads(manifests):
        account = workload.pod.get("serviceAccountName", "default")
        if account == "default" or used[workload.namespace, account] > 1:
            found.append(f"{workload}: has no service account of its own")
        if workload.pod.get("automountServiceAccountToken") is not False:
            found.append(f"{workload}: holds a token of the Kubernetes API that it does not use")
    return found


def every_workload_has_a_network_policy(manifests: list[Manifest]) -> list[str]:
    """A namespace with workloads denies everything; what each workload may do, a policy that names it allows."""
    found = []
    policies = of_kind(manifests, "NetworkPolicy")
    for namespace in sorted({workload.namespace for workload in workloads(manifests)}):
        if not any(
            policy["metadata"]["namespace"] == namespace
            and policy["spec"]["podSelector"] == {}
            and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
            and not {"ingress", "egress"} & set(policy["spec"])
            for policy in policies
        ):
            found.append(f"namespace {namespace}: has no policy that denies everything")
    for workload in workloads(manifests):
        naming = [
            policy
            for policy in policies
            if policy["metadata"]["namespace"] == workload.namespace
            and policy["spec"]["podSelector"]
            and _selects(policy["spec"]["podSelector"], workload)
        ]
        if not naming:
            found.append(f"{workload}: no network policy names it")
    for policy in policies:
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            if not rule.get("from", rule.get("to")) or not rule.get("ports"):
                found.append(f"NetworkPolicy {key(policy)[2]}: a rule is open to anybody or on any port")
    return found


def selectors_match_pods(manifests: list[Manifest]) -> list[str]:
    found = []
    pods = workloads(manifests)
    for workload in pods:
        if workload.kind in ("Deployment", "StatefulSet") and not _selects(workload.spec["selector"], workload):
            found.append(f"{workload}: its selector misses its own pods")
    for service in of_kind(manifests, "Service"):
        chosen = [pod for pod in pods if _chooses(service, {"matchLabels": service["spec"]["selector"]}, pod)]
        if not chosen:
            found.append(f"Service {key(service)[2]}: its selector matches no pod")
        for port in service["spec"]["ports"]:
            found += [
                f"Service {key(service)[2]}: {pod} opens no port {port['targetPort']}"
                for pod in chosen
                if port["targetPort"] not in _ports(pod)
            ]
    for policy in of_kind(manifests, "NetworkPolicy"):
        where = f"NetworkPolicy {key(policy)[2]}"
        chosen = [pod for pod in pods if _chooses(policy, policy["spec"]["podSelector"], pod)]
        if not chosen:
            found.append(f"{where}: its selector matches no pod")
        for rule in policy["spec"].get("ingress", []):
            numbers = {port["port"] for port in rule.get("ports", [])}
            found += [
                f"{where}: {pod} opens no port of {sorted(numbers)}" for pod in chosen if not numbers & _ports(pod)
            ]
        peers = [
            peer
            for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]
            for peer in rule.get("from", rule.get("to", []))
            if "podSelector" in peer and "namespaceSelector" not in peer
        ]
        if not all(any(_chooses(policy, peer["podSelector"], pod) for pod in pods) for peer in peers):
            found.append(f"{where}: one of its peers matches no pod")
    return found


def references_lead_somewhere(manifests: list[Manifest]) -> list[str]:
    """Every ConfigMap, Secret, claim and account that a workload names is here, or is known to come from elsewhere."""
    known = {key(manifest) for manifest in manifests} | set(EXTERNAL)
    found = []
    for workload in workloads(manifests):
        names = [("ServiceAccount", workload.pod.get("serviceAccountName", "default"))]
        for container in workload.containers:
            for source in container.get("envFrom", []):
                names += [(kind, source[field]["name"]) for field, kind in _FROM.items() if field in source]
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {})
                names += [(kind, source[field]["name"]) for field, kind in _KEY.items() if field in source]
        volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
        for volume in volumes.values():
            names += [("ConfigMap", volume["configMap"]["name"])] if "configMap" in volume else []
            names += [("Secret", volume["secret"]["secretName"])] if "secret" in volume else []
            if "persistentVolumeClaim" in volume:
                names.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        found += [
            f"{workload}: {kind} {name} is nowhere"
            for kind, name in names
            if (kind, workload.namespace, name) not in known
        ]
        claimed = {claim["metadata"]["name"] for claim in workload.spec.get("volumeClaimTemplates", [])}
        found += [
            f"{workload}: mounts {mount['name']}, which is no volume"
            for container in workload.containers
            for mount in container.get("volumeMounts", [])
            if mount["name"] not in volumes and mount["name"] not in claimed
        ]
    return found


def quotas_hold_what_runs(manifests: list[Manifest]) -> list[str]:
    """A quota smaller than the sum would leave a pod unborn; a namespace with workloads has one, and default limits."""
    found = []
    for namespace in sorted({workload.namespace for workload in workloads(manifests)}):
        here = [workload for workload in workloads(manifests) if workload.namespace == namespace]
        quotas = [quota for quota in of_kind(manifests, "ResourceQuota") if key(quota)[1] == namespace]
        if not quotas or not any(key(limit)[1] == namespace for limit in of_kind(manifests, "LimitRange")):
            found.append(f"namespace {namespace}: has no ResourceQuota or no LimitRange")
        for quota in quotas:
            for bound in ("requests", "limits"):
                for resource in ("cpu", "memory"):
                    needed = sum(_needs(workload, bound, resource) for workload in here)
                    if needed > _amount(quota["spec"]["hard"][f"{bound}.{resource}"]):
                        found.append(
                            f"ResourceQuota {key(quota)[2]}: {bound}.{resource} is below what runs, {needed:g}"
                        )
    return found


def namespaces_admit_restricted_pods_only(manifests: list[Manifest]) -> list[str]:
    labels = {
        key(namespace)[2]: namespace["metadata"].get("labels", {}) for namespace in of_kind(manifests, "Namespace")
    }
    return [
        f"{workload}: namespace {workload.namespace} does not enforce the restricted Pod Security Standard"
        for workload in workloads(manifests)
        if labels.get(workload.namespace, {}).get("pod-security.kubernetes.io/enforce") != "restricted"
    ]


def addresses_name_their_namespace(manifests: list[Manifest]) -> list[str]:
    """A server may hand its settings on to clients elsewhere, as MLflow does with the address of its store."""
    services = "|".join(re.escape(key(service)[2]) for service in of_kind(manifests, "Service"))
    address = re.compile(rf"https?://({services})(?![\w.-])")
    settings = [
        (f"ConfigMap {key(manifest)[2]}", name, value)
        for manifest in of_kind(manifests, "ConfigMap")
        for name, value in manifest.get("data", {}).items()
    ]
    settings += [
        (where, variable["name"], variable.get("value", ""))
        for where, _, container in containers(manifests)
        for variable in container.get("env", [])
    ]
    return [
        f"{where}: {name} names {service} without its namespace; write {service}.<namespace>.svc"
        for where, name, value in settings
        for service in address.findall(value)
        + ([value] if name.endswith("HOST") and re.fullmatch(services, value) else [])
    ]


POLICIES: tuple[Policy, ...] = (
    addresses_name_their_namespace,
    pods_run_as_a_user_that_is_not_root,
    nothing_gains_privileges,
    capabilities_are_dropped,
    seccomp_filters_system_calls,
    root_file_systems_are_read_only,
    resources_are_bounded,
    servers_are_probed,
    images_are_pinned,
    no_secret_stands_in_a_manifest,
    rights_are_named_one_by_one,
    accounts_are_own_and_tokens_stay_out,
    every_workload_has_a_network_policy,
    selectors_match_pods,
    references_lead_somewhere,
    quotas_hold_what_runs,
    namespaces_admit_restricted_pods_only,
)

_FROM = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_KEY = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


def _selects(selector: dict[str, Any], workload: Workload) -> bool:
    assert not set(selector) - {"matchLabels"}, f"matchExpressions is not understood here: {selector}"
    return selector.get("matchLabels", {}).items() <= workload.labels.items()


def _chooses(manifest: Manifest, selector: dict[str, Any], workload: Workload) -> bool:
    """Whether a selector that stands in a manifest matches the pods of a workload, which takes the same namespace."""
    return workload.namespace == key(manifest)[1] and _selects(selector, workload)


def _ports(workload: Workload) -> set[object]:
    ports = [port for container in workload.pod["containers"] for port in container.get("ports", [])]
    return {value for port in ports for value in (port.get("name"), port["containerPort"])}


def _needs(workload: Workload, bound: str, resource: str) -> float:
    """What Kubernetes counts for all pods of a workload: the larger of the first containers and the rest together."""

    def of(container: dict[str, Any]) -> float:
        return _amount(container["resources"][bound][resource])

    initial = max((of(container) for container in workload.pod.get("initContainers", [])), default=0.0)
    return max(initial, sum(of(container) for container in workload.pod["containers"])) * workload.spec.get(
        "replicas", 1
    )


def _amount(text: str) -> float:
    """A quantity of Kubernetes in cores or bytes."""
    number, unit = re.fullmatch(r"([\d.]+)(\w*)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * (_UNITS[unit] if unit else 1)
