"""What the image, compose.yaml and the units run does run: unprivileged, on a read-only root."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from django.test import Client
from pytest_django import Settings

from config.apart import GRACE_SECONDS
from tests.e2e.container import Container, python_folders, require_root
from tests.e2e.product import ROOT, Process, Product, free_port

UNITS = ROOT / "deploy" / "systemd"
COMPOSE: Any = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = ("web", "worker", "beat")


class Image:
    """What Containerfile says, as far as it concerns what runs."""

    def __init__(self) -> None:
        text = re.sub(r"\\\n\s*", "", (ROOT / "Containerfile").read_text())
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.steps = [line.partition(" ")[::2] for line in lines]
        self.environment = dict(pair.split("=", 1) for pair in shlex.split(self.last("ENV")))

    def last(self, word: str) -> str:
        return [rest for step, rest in self.steps if step == word][-1]

    def command(self, word: str) -> list[str]:
        text = self.last(word)
        command: list[str] = json.loads(text[text.index("[") :])
        return command

    def copied(self) -> dict[str, str]:
        """What comes from this folder, and to where."""
        copies = [rest.split() for step, rest in self.steps if step == "COPY"]
        return {one[0]: one[1] for one in copies if not one[0].startswith("--")}


IMAGE = Image()


def test_image_has_what_the_program_needs_and_nothing_else() -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".containerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {what.partition("/")[0] for what in IMAGE.copied()}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench", "tests"}
    assert copied == allowed == packages | {"requirements.txt", "manage.py", "templates", "deploy"}
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()
    bases = [rest.split()[0] for step, rest in IMAGE.steps if step == "FROM"]
    assert bases == ["python:3.11-slim"] * 2
    assert IMAGE.last("USER") == "10001:10001"


def test_compose_file_is_one() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(ROOT / "compose.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    for name in SERVICES:
        service = COMPOSE["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert int(service["stop_grace_period"].removesuffix("s")) > GRACE_SECONDS
    images = [service["image"] for service in COMPOSE["services"].values()]
    assert sorted(set(images)) == ["outdial", "postgres:16", "redis:7"]


def test_example_environment_believes_the_proxy_on_this_machine(settings: Settings) -> None:
    lines = (ROOT / "deploy" / "env.example").read_text().splitlines()
    units_own = dict(line[1:].split("=", 1) for line in lines if re.match("#[A-Z_]+=", line))
    given = dict(line.split("=", 1) for line in lines if re.match("[A-Z_]+=", line))
    # In .env they would take the place of what compose.yaml sets.
    assert set(COMPOSE["x-outdial"]["environment"]) == set(units_own)
    assert not set(units_own) & set(given)
    settings.REQUIRE_HTTPS = given["PUBLIC_URL"].startswith("https:")
    settings.TRUSTED_PROXIES = [ip_network(units_own["TRUSTED_PROXIES"])]
    for proto, status in (("https", 401), ("http", 403)):
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": proto}
        asked = Client().get("/api/v1/account", headers=headers, REMOTE_ADDR="127.0.0.1")
        assert asked.status_code == status, asked.content


def test_units_are_valid(tool: Callable[[str], str], tmp_path: Path) -> None:
    for path in UNITS.iterdir():
        # There is no such install here.
        text = path.read_text().replace("/opt/outdial/.venv/bin/python", "/bin/true")
        (tmp_path / path.name).write_text(re.sub("(WorkingDirectory|User)=.*", "", text))
    (tmp_path / "outdial-worker@.service").rename(tmp_path / "outdial-worker@1.service")

    checked = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )

    complaints = [line for line in checked.stderr.splitlines() if str(tmp_path) in line]
    assert (checked.returncode, complaints) == (0, [])


@pytest.fixture(params=["image", "units"])
def shape(request: pytest.FixtureRequest, apart: Product) -> str:
    require_root()
    return str(request.param)


@pytest.mark.timeout(240)
def test_calls_are_placed(apart: Product, shape: str) -> None:
    container, commands = of_image(apart) if shape == "image" else of_units(apart)
    with running(container, commands, product=apart) as processes:
        made = container.run([*commands["web"][:2], "create_demo", "--json"])
        assert made.exit_code() == 0, made.output
        demo = json.loads(made.output)
        apart.environment |= container.environment
        placed = apart.demo_of(demo).place("+14155550123")
        assert apart.demo_of(demo).wait_for_end([placed])[placed]["status"] == "completed"
        if shape == "image":
            assert container.run(IMAGE.command("HEALTHCHECK")).exit_code() == 0
            asked_elsewhere = container.run(IMAGE.command("HEALTHCHECK"), PORT=str(free_port()))
            assert asked_elsewhere.exit_code() == 1
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            code = process.exit_code(seconds=GRACE_SECONDS + 10)
            assert (process.name, code) == (process.name, 0), process.output


@contextmanager
def running(
    container: Container, commands: dict[str, list[str]], *, product: Product
) -> Iterator[list[Process]]:
    processes: list[Process] = []
    try:
        for name in SERVICES:
            processes.append(container.run(commands[name], name=name))
            if name == "web":
                product.wait_until_alive()
        product.wait_until_ready()
        yield processes
    finally:
        for process in processes:
            process.kill()
            sys.stdout.write(f"--- {process.log.name}\n{process.output}")


def of_image(product: Product) -> tuple[Container, dict[str, list[str]]]:
    app = product.folder / "app"
    app.mkdir()
    for what, to in IMAGE.copied().items():
        if to.startswith("/app"):
            place = app / to.removeprefix("/app").strip("/")
            _copy(ROOT / what, place / Path(what).name if to.endswith("/") else place)
    container = _container(
        product, {app: "/app"}, venv="/venv", start=IMAGE.last("WORKDIR"), **IMAGE.environment
    )
    commands = {name: COMPOSE["services"][name]["command"] for name in SERVICES}
    return container, {
        name: [*IMAGE.command("ENTRYPOINT"), *command] for name, command in commands.items()
    }


def of_units(product: Product) -> tuple[Container, dict[str, list[str]]]:
    names = {"web": "outdial-web", "worker": "outdial-worker@", "beat": "outdial-beat"}
    units = {name: _unit(UNITS / f"{file}.service") for name, file in names.items()}
    app = product.folder / "app"
    app.mkdir()
    for what in IMAGE.copied():
        _copy(ROOT / what, app / what)
    (app / ".venv").mkdir()
    start = units["web"]["WorkingDirectory"]
    given = dict(pair.split("=", 1) for pair in units["web"]["Environment"].split())
    assert {unit["Environment"] for unit in units.values()} == {units["web"]["Environment"]}
    assert {unit["TimeoutStopSec"] for unit in units.values()} == {str(GRACE_SECONDS + 10)}
    container = _container(product, {app: start}, venv=f"{start}/.venv", start=start, **given)
    return container, {name: unit["ExecStart"].split() for name, unit in units.items()}


def _unit(path: Path) -> dict[str, str]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return dict(parser["Service"])


def _copy(what: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if what.is_dir():
        shutil.copytree(what, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(what, to)


def _container(
    product: Product, folders: dict[Path, str], *, venv: str, start: str, **given: str
) -> Container:
    """With what .env, or /etc/outdial/env, says; on this machine's PostgreSQL and Redis."""
    environment = {
        "PATH": "/usr/bin:/bin",
        **given,
        "HOST": "127.0.0.1",
        "PORT": str(product.port),
        "PUBLIC_URL": f"http://localhost:{product.port}",
        "SECRET_KEY": "s" * 50,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        **{name: product.environment[name] for name in ("DATABASE_URL", "REDIS_URL")},
    }
    return Container(
        folder=_folder(product),
        folders={**folders, **python_folders(venv)},
        data=given["VAR_DIR"],
        start=start,
        environment=environment,
    )


def _folder(product: Product) -> Path:
    folder = product.folder / "containers"
    folder.mkdir()
    os.chmod(folder, 0o755)
    return folder
