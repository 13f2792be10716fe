"""The product's database and models, and nothing of what it does for a request."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "bench.peers.floor.urls"
MIDDLEWARE: list[str] = []
