"""What can be wrong with the webhook or the delivery a client names."""

from core.errors import DomainError


class WebhookNotFound(DomainError):
    status = 404
    code = "webhook_not_found"
    message = "There is no such webhook"
    zapier = "subscription not found"


class WebhookNotEnabled(DomainError):
    status = 409
    code = "webhook_not_enabled"
    message = "This webhook is paused or disabled. Enable it first"


class WebhookLimitReached(DomainError):
    status = 409
    code = "webhook_limit_reached"

    def __init__(self, limit: int) -> None:
        super().__init__(f"This account has {limit} webhooks, the most it may have")


class DeliveryNotFound(DomainError):
    status = 404
    code = "delivery_not_found"
    message = "There is no such delivery"
