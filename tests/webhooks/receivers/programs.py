"""Other people's receivers as programs: the body on standard input, exit status 0 to accept it."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.receiver import Received

ROOT = Path(__file__).resolve().parents[3]
NODE = Path(__file__).parent / "node"
# Installed wherever these tests run for good; elsewhere, whoever has the tool runs its tests.
SURE = {"python3", "node", "npm", "bash", "openssl"}


@dataclass(frozen=True)
class Program:
    command: tuple[str, ...]
    folder: Path

    def accepts(self, request: Received, *, secret: str | None) -> bool:
        headers = {
            name.upper().replace("-", "_"): value
            for name, value in request.headers.items()
            if name.startswith(("webhook-", "x-trillet-"))
        }
        environment = {"PATH": os.environ["PATH"], **headers}
        if secret is not None:
            environment["WEBHOOK_SECRET"] = secret
        done = subprocess.run(
            self.command,
            input=request.body,
            env=environment,
            cwd=self.folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        # Neither a crash by a signal nor a shell that found no program is an answer.
        assert done.returncode not in (126, 127), done.stderr
        assert done.returncode >= 0, done.stderr
        return done.returncode == 0


def snippet(heading: str, *, language: str, folder: Path) -> Program:
    """The last program in that language under that heading of docs/webhooks.md."""
    code = _snippets(heading, language=language)[-1]
    file, command = _RUN[language]
    tool(command[0])
    (folder / file).write_text(code)
    if language == "go":
        build = ["go", "build", "-o", "verify", file]
        subprocess.run(build, cwd=folder, check=True, timeout=110)
        return Program(command=("./verify",), folder=folder)
    return Program(command=(*command, file), folder=folder)


def library(name: str, *, folder: Path) -> Program:
    """An npm package out of those installed in `folder`."""
    return Program(command=(tool("node"), "verify.js", name), folder=folder)


@cache
def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None and not (os.environ.get("CI") and name in SURE):
        pytest.skip(f"{name} is not installed")
    assert path, f"{name} is not installed"
    return path


def _snippets(heading: str, *, language: str) -> list[str]:
    page = (ROOT / "docs/webhooks.md").read_text()
    section = re.split(r"^#+ ", page.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.M | re.S)


_RUN = {
    "python": ("verify.py", ("python3",)),
    "javascript": ("verify.js", ("node",)),
    "php": ("verify.php", ("php",)),
    "ruby": ("verify.rb", ("ruby",)),
    "go": ("verify.go", ("go",)),
    "bash": ("verify.sh", ("bash",)),
}
