import hashlib

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from bench.peers.straightforward.models import Account, ApiKey


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Account, ApiKey]:
        given = request.headers.get("X-API-Key", "")
        digest = hashlib.sha256(given.encode()).hexdigest()
        key = ApiKey.objects.select_related("account").filter(digest=digest).first()
        if key is None:
            raise exceptions.AuthenticationFailed("Invalid API key")
        return key.account, key
