"""The address that the server answers on, taken before anything else is done."""

import socket

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def listen() -> socket.socket:
    """A socket on HOST and PORT. Raises ImproperlyConfigured where there can be none."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.HOST.strip("[]"), settings.PORT))
        listener.listen(128)
    except OSError as error:
        raise ImproperlyConfigured(
            f"Cannot listen on {settings.HOST}:{settings.PORT}: {error.strerror}. "
            "Set PORT to another one"
        ) from None
    return listener
