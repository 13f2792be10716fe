"""The web application of one process of `make web`."""

from django.conf import settings

from config.cores import keep_to_a_core
from config.wsgi import application as application

if settings.WEB_PINNED:
    keep_to_a_core()
