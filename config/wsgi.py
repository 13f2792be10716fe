"""The web application, for any WSGI server."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django.setup(set_prefix=False)

import config.urls  # noqa: E402, F401 - else the first request would wait for it
from config.arriving import Handler  # noqa: E402 - needs the settings
from operations.usage import start_flushing  # noqa: E402 - needs the settings

start_flushing()

application = Handler()
