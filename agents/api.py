"""Native API: agents."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents import services
from agents.errors import AgentNotFound
from agents.models import Agent
from agents.scopes import Scope
from agents.serializers import AgentSerializer, AgentWithSecretSerializer, SecretSerializer
from agents.views import NativeListView, NativeView


class AgentListView(NativeListView):
    scopes = {"GET": Scope.CALLS_READ, "POST": Scope.CALLS_WRITE}

    @extend_schema(
        operation_id="listAgents",
        summary="List agents, newest first",
        responses=AgentSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return self.page(Agent.objects.for_account(self.account).enabled(), AgentSerializer)

    @extend_schema(
        operation_id="createAgent",
        summary="Create an agent; its secret is shown once",
        request=AgentSerializer,
        responses={201: AgentWithSecretSerializer},
    )
    def post(self, request: Request) -> Response:
        given = AgentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        agent, secret = services.create_agent(self.account, **given.fields_given())
        return Response({**AgentSerializer(agent).data, "secret": secret}, status=201)


class AgentView(NativeView):
    scopes = {"GET": Scope.CALLS_READ, "PATCH": Scope.CALLS_WRITE, "DELETE": Scope.CALLS_WRITE}

    @extend_schema(operation_id="getAgent", summary="Look at an agent", responses=AgentSerializer)
    def get(self, request: Request, agent_id: str) -> Response:
        return Response(AgentSerializer(self._agent(agent_id)).data)

    @extend_schema(
        operation_id="changeAgent",
        summary="Change an agent",
        request=AgentSerializer(partial=True),
        responses=AgentSerializer,
    )
    def patch(self, request: Request, agent_id: str) -> Response:
        agent = self._agent(agent_id)
        given = AgentSerializer(agent, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        changed = services.change_agent(agent, **given.fields_given())
        return Response(AgentSerializer(changed).data)

    @extend_schema(
        operation_id="deleteAgent",
        summary="Delete an agent: it places no more calls",
        responses={204: None},
    )
    def delete(self, request: Request, agent_id: str) -> Response:
        services.disable_agent(self._agent(agent_id))
        return Response(status=204)

    def _agent(self, agent_id: str) -> Agent:
        return enabled_agent(self, agent_id)


class AgentSecretView(NativeView):
    scopes = {"POST": Scope.CALLS_WRITE}

    @extend_schema(
        operation_id="rotateAgentSecret",
        summary="Replace an agent's secret",
        request=None,
        responses=SecretSerializer,
    )
    def post(self, request: Request, agent_id: str) -> Response:
        secret = services.rotate_agent_secret(enabled_agent(self, agent_id))
        return Response({"secret": secret})


def enabled_agent(view: NativeView, agent_id: str) -> Agent:
    """The caller's agent; a deleted one is not there any more."""
    agent = services.find_agent(view.account, agent_id)
    if not agent.is_enabled:
        raise AgentNotFound
    return agent
