"""Prometheus scrapes the running product, and its queries say what happened there."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.e2e.product import ROOT, Product, free_port, wait_until
from tests.operations.prometheus.programs import program
from tests.receiver import Receiver

TOKEN = "a-token-for-prometheus"
RULES = ROOT / "docs/operations/prometheus-rules.yml"


@dataclass(frozen=True)
class Prometheus:
    url: str

    def get(self, path: str, **query: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=query, timeout=10)
        return answer.json()["data"] if answer.ok else None

    def values(self, query: str) -> list[float]:
        """Of each series that the query finds."""
        found = self.get("query", query=query)
        return [float(one["value"][1]) for one in found["result"]] if found else []

    def wait_for(self, query: str, values: list[float]) -> None:
        wait_until(lambda: self.values(query) == values, what=f"{query} is {values}")

    def wait_for_rules(self) -> None:
        """Each of them was tried on what is really there, and could be evaluated."""
        wait_until(lambda: set(self._rules()) == {"ok"}, what="every rule is evaluated")

    def _rules(self) -> list[str]:
        groups = self.get("rules")["groups"]
        return [rule["health"] for group in groups for rule in group["rules"]]


@contextmanager
def scraping(ports: list[int], *, folder: Path) -> Iterator[Prometheus]:
    port = free_port()
    job = {
        "job_name": "outdial",
        "scrape_interval": "1s",
        "authorization": {"credentials": TOKEN},
        "static_configs": [{"targets": [f"127.0.0.1:{one}" for one in ports]}],
    }
    config = folder / "prometheus.yml"
    every = {"evaluation_interval": "1s"}
    content = {"global": every, "rule_files": [str(RULES)], "scrape_configs": [job]}
    config.write_text(json.dumps(content))  # which is YAML too
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield Prometheus(url=f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def test_it_finds_the_calls_that_were_placed(product: Product, receiver: Receiver) -> None:
    program("prometheus")
    product.environment |= {"METRICS_TOKEN": TOKEN, "WEB_WORKERS": "2"}
    product.boot()
    demo = product.make_demo()
    ports = [product.port]
    if product.runs_apart:
        # As on a second host: whoever is asked gives the same answer.
        ports.append(free_port())
        product.start("web", PORT=str(ports[-1]))
    assert requests.get(f"{product.url}/metrics", timeout=10).status_code == 403

    with scraping(ports, folder=product.folder) as prometheus:
        demo.subscribe(receiver.url)
        demo.wait_for_end([demo.place(number) for number in ("+14155550101", "+14155550104")])
        for query, value in (
            ("sum by (instance) (outdial_calls_accepted_total)", 2),
            ('outdial_calls_ended_total{mode="test", outcome="busy"} == 1', 1),
            ('outdial_calls_ended_total{mode="test", outcome="failed"} == 1', 1),
            ('outdial_call_reasons_total{reason="rejected"}', 1),
            ("sum by (instance) (outdial_dial_latency_seconds_count)", 2),
            ('sum by (instance) (outdial_delivery_attempts_total{outcome="delivered"})', 2),
            ('outdial_http_requests_total{route="/api/v1/calls/send", status="201"}', 2),
            ("outdial_worker_heard", 1),
            ("up", 1),
        ):
            prometheus.wait_for(query, [value] * len(ports))
        prometheus.wait_for_rules()
