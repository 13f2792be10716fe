"""Django's middleware for people's browsers, out of the way of programs.

Programs have no session, no form and no message to read; and they ask a thousand times as often.
"""

from collections.abc import Awaitable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

PROGRAMS = ("/api/", "/carriers/")


class OnPages(MiddlewareMixin):
    """What a middleware does around a view, left out for programs.

    Its `process_view` is not: a view that programs reach and that takes no key or signature is
    still to be asked for with a CSRF token.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if request.path.startswith(PROGRAMS):
            return self.get_response(request)
        return super().__call__(request)


class Sessions(OnPages, SessionMiddleware):
    pass


class Csrf(OnPages, CsrfViewMiddleware):
    pass


class Users(OnPages, AuthenticationMiddleware):
    pass


class Messages(OnPages, MessageMiddleware):
    pass
