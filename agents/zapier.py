"""Zapier: testing a connection, and what the schema says of every Zapier endpoint."""

from typing import Any

from django.http import JsonResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.auth import verified_agent
from agents.errors import AgentCredentialsRequired, AgentNotFound, InvalidAgentCredentials
from agents.models import Agent
from agents.views import ZapierView
from core.responses import error_response

ZAPIER_ERROR_REF = "#/components/schemas/ZapierError"


class ConnectionSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    account = serializers.CharField(help_text="The account's name.")
    agent_name = serializers.CharField(required=False, help_text="Where an agent was verified.")


class NoConnectionSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(required=False)
    error = serializers.CharField(required=False)
    detail = serializers.CharField(
        required=False, help_text="Instead of `ok` and `error`, for an invalid API key."
    )


def zapier_error(sentences: str) -> OpenApiResponse:
    """An error of a Zapier endpoint: what its `error` may say."""
    return OpenApiResponse({"$ref": ZAPIER_ERROR_REF}, description=sentences)


class AuthTestView(ZapierView):
    @extend_schema(
        operation_id="zapierTestAuth",
        summary="Test the key and, where they are given, an agent's credentials",
        parameters=[
            OpenApiParameter("agent_id"),
            OpenApiParameter("agent_secret"),
            OpenApiParameter("X-Agent-Id", location=OpenApiParameter.HEADER),
            OpenApiParameter("X-Agent-Secret", location=OpenApiParameter.HEADER),
        ],
        responses={
            200: ConnectionSerializer,
            401: OpenApiResponse(
                NoConnectionSerializer,
                description="Missing API key; Invalid API key; "
                "agent_id and agent_secret required; invalid agent credentials",
            ),
            404: OpenApiResponse(NoConnectionSerializer, description="agent not found"),
        },
    )
    def get(self, request: Request) -> Response | JsonResponse:
        try:
            agent = self._verified_agent(request)
        except (AgentCredentialsRequired, AgentNotFound, InvalidAgentCredentials) as error:
            return error_response(request._request, error, ok=False)
        named = {"agent_name": agent.name} if agent else {}
        return Response({"ok": True, "account": self.account.name, **named})

    def _verified_agent(self, request: Request) -> Agent | None:
        """The agent whose id and secret were given; None where neither was."""
        agent_id = self.inputs.get("agent_id") or request.headers.get("X-Agent-Id")
        secret = self.inputs.get("agent_secret") or request.headers.get("X-Agent-Secret")
        if not agent_id and not secret:
            return None
        if not agent_id or not secret:
            raise AgentCredentialsRequired
        return verified_agent(request, account=self.account, agent_id=agent_id, secret=secret)
