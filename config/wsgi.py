"""The web application, for any WSGI server."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django.setup(set_prefix=False)

from config.arriving import Handler  # noqa: E402 - needs the settings
from operations.usage import start_flushing  # noqa: E402 - needs the settings

start_flushing()

application = Handler()
