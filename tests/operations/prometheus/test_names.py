"""Rules, dashboard and docs speak of nothing but what is really exported."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from calls.explanations import REASONS
from core.observing import SURFACES
from operations import tallies
from operations.tallies import Tallies
from tests.operations.exposed import Exposed, scrape
from webhooks.explanations import FAILURES

DOCS = Path(__file__).resolve().parents[3] / "docs/operations"
# What Prometheus adds to every series.
ITS_OWN = {"job", "instance"}

Exported = Mapping[str, Mapping[str, set[str]]]


@pytest.fixture
def exported(db: None) -> Exported:
    """The values of each label of each sample's name, where everything has happened once."""
    happened = Tallies()
    for surface in SURFACES.values():
        for status in ("200", "403", "500"):
            happened.add(tallies.HTTP, surface, "GET", "/", status)
    for reason in REASONS:
        happened.add(tallies.CALLS, "simulated", "live", "failed", reason)
    for failure in FAILURES:
        happened.add(tallies.ATTEMPTS, "native", "failed", failure)
    happened.write()
    return _values(scrape()) | {"up": {"job": {"outdial"}}}


def _values(exposed: Exposed) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for name, labels in exposed.samples:
        values = found.setdefault(name, defaultdict(set))
        for label, value in labels:
            values[label].add(value)
    return found


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DOCS / "prometheus-rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text())
    return board


def queries() -> Iterator[tuple[str, str]]:
    """Each expression, with the text that is shown with its labels put in."""
    for rule in alerts():
        yield rule["expr"], " ".join(rule["annotations"].values())
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            columns = _columns(panel)
            yield target["expr"], target["legendFormat"] + "".join(f"{{{{{c}}}}}" for c in columns)


def _columns(panel: Mapping[str, Any]) -> list[str]:
    options = [step["options"] for step in panel.get("transformations", [])]
    return [name for one in options for name in one["indexByName"] if name != "Value"]


SELECTOR = re.compile(r"\b(outdial_\w+|up)\b\s*(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on)\s*\(([^)]*)\)")
SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


def test_every_metric_is_exported(exported: Exported) -> None:
    for expression, _ in queries():
        for name, _ in SELECTOR.findall(expression):
            assert name in exported, expression


def test_every_label_exists_and_can_have_that_value(exported: Exported) -> None:
    for expression, _ in queries():
        for name, matchers in SELECTOR.findall(expression):
            for label, _, value in MATCHER.findall(matchers):
                values = exported[name].get(label, set())
                assert values, f"{name} has no label {label}"
                for part in [] if "$" in value else _alternatives(value):
                    assert any(re.fullmatch(part, one) for one in values), (name, label, part)


def _alternatives(pattern: str) -> list[str]:
    """`a|b` as two, so that each has to be there; `x_(a|b)` likewise."""
    before, _, inside = pattern.rstrip(")").partition("(")
    return [before + one for one in inside.split("|")] if inside else pattern.split("|")


def test_labels_that_are_grouped_by_and_shown_exist(exported: Exported) -> None:
    for expression, text in queries():
        names = [name for name, _ in SELECTOR.findall(expression)]
        known = ITS_OWN | {label for name in names for label in exported[name]}
        grouped = re.findall(r"\w+", " ".join(GROUPING.findall(expression)))
        assert set(grouped) <= known, expression
        assert set(SHOWN.findall(text)) <= known, (expression, text)


def test_variables_of_the_dashboard_are_labels_and_are_used(exported: Exported) -> None:
    board = dashboard()
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"])))
    used -= {"__range", "__rate_interval"}
    variables = {one["name"]: one["query"] for one in board["templating"]["list"]}
    assert used == set(variables)
    for name, query in variables.items():
        if name == "datasource":
            continue
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", query["query"])
        assert found, query
        metric, label = found.groups()
        assert label in exported[metric]


def test_panels_stand_side_by_side() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]


def test_docs_name_every_metric_with_its_labels_and_every_alert(exported: Exported) -> None:
    page = (DOCS / "metrics.md").read_text()
    rows = dict(re.findall(r"^\| `(outdial_\w+)` \| ([^|]*)\|", page, re.MULTILINE))
    suffixes = re.compile(r"_(bucket|count|sum)$")
    really: dict[str, set[str]] = defaultdict(set)
    for name, labels in exported.items():
        if name != "up":
            really[suffixes.sub("", name)] |= set(labels) - {"le"}
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows.items()} == really
    documented = re.findall(r"^\| `(Outdial\w+)` \|", page, re.MULTILINE)
    assert documented == [rule["alert"] for rule in alerts()]
