"""What can be wrong with the agent a client names."""

from core.errors import DomainError


class AgentNotFound(DomainError):
    status = 404
    code = "agent_not_found"
    message = "There is no such agent"
    zapier = "agent not found"


class AgentDisabled(DomainError):
    status = 403
    code = "agent_disabled"
    message = "This agent was deleted and places no more calls"
    zapier = "agent disabled"


class AgentCredentialsRequired(DomainError):
    status = 401
    code = "agent_credentials_required"
    message = "Give both the agent's id and its secret"
    zapier = "agent_id and agent_secret required"


class InvalidAgentCredentials(DomainError):
    status = 401
    code = "invalid_agent_credentials"
    message = "The agent's secret is wrong"
    zapier = "invalid agent credentials"


class ScopeMissing(DomainError):
    status = 403
    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This key lacks the scope {scope}", scope=str(scope))


class AddressNotAllowed(DomainError):
    status = 403
    code = "address_not_allowed"
    message = "This key may not be used from this address"
