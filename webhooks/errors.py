"""What can be wrong with the webhook a client names."""

from core.errors import DomainError


class WebhookNotFound(DomainError):
    status = 404
    code = "webhook_not_found"
    message = "There is no such webhook"
    zapier = "subscription not found"
