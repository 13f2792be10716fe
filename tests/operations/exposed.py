"""What /metrics says, parsed as Prometheus would."""

from dataclasses import dataclass

from django.test import Client
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Exposed:
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float | None:
        """Of the series that has exactly these labels."""
        return self.samples.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """Of all series that have these labels, and maybe others."""
        wanted = frozenset(labels.items())
        return sum(
            value for (one, has), value in self.samples.items() if one == name and wanted <= has
        )


def scrape() -> Exposed:
    answer = Client().get("/metrics", headers={"Host": "localhost"})
    assert answer.status_code == 200, answer.content
    return parsed(answer.content.decode())


def parsed(text: str) -> Exposed:
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            samples[sample.name, frozenset(sample.labels.items())] = sample.value
    return Exposed(samples)
