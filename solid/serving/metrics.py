"""What Prometheus reads at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Of one server; the share of cold answers is a quotient of two rates.

    >>> rate(solid_cold_answers_total[5m]) / rate(solid_histories_total[5m])
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        r = self.registry
        self.seconds = Histogram(
            "solid_request_seconds",
            "From a request's first byte to its answer.",
            ["endpoint"],
            buckets=_BUCKETS,
            registry=r,
        )
        self.requests = Counter("solid_requests", "Requests answered, by status.", ["endpoint", "status"], registry=r)
        self.histories = Counter("solid_histories", "Histories answered.", registry=r)
        self.unknown = Counter(
            "solid_histories_with_unknown_items", "Histories with an id that the model does not know.", registry=r
        )
        self.cold = Counter(
            "solid_cold_answers", "Histories without any known id, answered by what is popular.", registry=r
        )
        self.waiting = Gauge("solid_waiting_requests", "Requests that wait for the model.", registry=r)
        self.model = Gauge("solid_model_info", "1 for the version that answers.", ["model", "version"], registry=r)
        self.swaps = Counter("solid_model_swaps", "Versions that took over.", registry=r)
        self.refused = Gauge(
            "solid_model_refused",
            "1 while the registry names a version that was refused.",
            ["model", "version"],
            registry=r,
        )
        self.looks_failed = Counter("solid_registry_failures", "Looks at the registry that failed.", registry=r)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
