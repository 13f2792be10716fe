"""The web application of one process of `make web`."""

from django.conf import settings

from config.cores import keep_to_a_core
from config.memory import settle
from config.wsgi import application as application

# Where it is not forked; else there is little left to do.
settle()
if settings.WEB_PINNED:
    keep_to_a_core()
