"""What workers do for webhooks."""

from celery import shared_task
from django.utils import timezone

from webhooks import outbox
from webhooks.delivery import deliveries


@shared_task(name="webhooks.deliver")
def deliver() -> None:
    deliveries().run()


@shared_task(name="webhooks.mend")
def mend() -> None:
    outbox.mend(now=timezone.now())
