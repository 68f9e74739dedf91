"""What Prometheus reads. Labels are routes, stages and decisions: never ids, names or collections."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from app.service.index import Index

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry an application, so that two of them in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "frontalis_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "frontalis_request_seconds", "Time to answer", ["route"], registry=self.registry, buckets=SECONDS
        )
        self.stage_seconds = Histogram(
            "frontalis_stage_seconds", "Time by stage", ["stage"], registry=self.registry, buckets=SECONDS
        )
        self.decisions = Counter("frontalis_decisions", "Faces identified", ["decision"], registry=self.registry)
        self.enrolled = Counter("frontalis_templates_enrolled", "Templates written", registry=self.registry)
        self.rejected = Counter(
            "frontalis_pictures_rejected", "Pictures not enrolled", ["code"], registry=self.registry
        )
        self.ready = Gauge("frontalis_ready", "1 while the index answers", registry=self.registry)

    def watch(self, index: Index) -> None:
        """Read readiness whenever somebody asks."""
        self.ready.set_function(lambda: float(index.ready))

    def answered(self) -> tuple[int, int]:
        """Requests since the start, and those of them that failed by our fault."""
        samples = [one for family in self.requests.collect() for one in family.samples if one.name.endswith("_total")]
        failed = [one for one in samples if one.labels["status"] >= "500"]
        return int(sum(one.value for one in samples)), int(sum(one.value for one in failed))

    def stages(self, timings_ms: dict[str, float]) -> None:
        """One request's milliseconds by stage."""
        for stage, ms in timings_ms.items():
            self.stage_seconds.labels(stage).observe(ms / 1000)
