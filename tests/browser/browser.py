"""A browser that a person sits at: Debian's Chromium, driven by Playwright."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODE = Path(__file__).parent / "node"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser that CHROMIUM names, or the first one on PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUMS)), None)


@dataclass(frozen=True)
class Browser:
    """One page at a time. Selectors are Playwright's; each method waits for what it needs."""

    node: "subprocess.Popen[str]"
    url: str

    def do(self, method: str, *arguments: object) -> Any:
        """Playwright's Page method of this name, or one of browser.js. Fails as it does."""
        assert self.node.stdin
        assert self.node.stdout
        self.node.stdin.write(json.dumps([method, *arguments]) + "\n")
        self.node.stdin.flush()
        answer = json.loads(self.node.stdout.readline())
        if "error" in answer:
            shown = "" if method == "open" else self.do("innerText", "body")[:2_000]
            raise AssertionError(f"{method} {arguments}: {answer['error']}\n\n{shown}")
        return answer["result"]

    def open(self, **options: object) -> None:
        self.do("open", options)

    def goto(self, path: str) -> None:
        self.do("goto", self.url + path)

    def click(self, selector: str) -> None:
        self.do("click", selector)

    def fill(self, **fields: str) -> None:
        for name, text in fields.items():
            self.do("fill", f"[name={name}]", text)

    def choose(self, field: str, text: str) -> None:
        """Pick what is called `text` in a field that searches while one types."""
        self.click(f".field-{field} .select2-selection")
        self.do("fill", ".select2-search__field", text)
        self.click(f".select2-results__option:has-text('{text}')")

    def press(self, button: str) -> None:
        """Click the button or link that reads so, in the page's own part."""
        self.click(f"#main :is(a, button):visible:has-text('{button}')")

    def see(self, text: str, *, within: str = "body", seconds: float = 60) -> None:
        """Wait until `text` is seen, as somebody would who keeps looking."""
        selector = f"{within} >> text={text} >> visible=true"
        self.do("waitForSelector", f"{selector} >> nth=0", {"timeout": seconds * 1000})

    @property
    def text(self) -> str:
        return str(self.do("innerText", "body"))

    @property
    def address(self) -> str:
        return str(self.do("evaluate", "location.pathname"))

    def log_in(self, *, username: str, password: str) -> None:
        self.fill(username=username, password=password)
        self.click("button[type=submit]")


@contextmanager
def driven(folder: Path, *, url: str, npm: str = "npm") -> Iterator[Browser]:
    """A browser for the server at `url`; what it needs is installed into `folder`."""
    copy = shutil.copytree(NODE, folder / "node", ignore=shutil.ignore_patterns("node_modules"))
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([npm, "ci", *quiet], cwd=copy, check=True, timeout=110)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = ["node", "browser.js", chromium() or "chromium"]
    with subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        browser = Browser(node=process, url=url)
        browser.open()
        yield browser
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=20)
