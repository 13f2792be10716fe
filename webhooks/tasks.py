"""What workers do for webhooks."""

from celery import shared_task

from webhooks.delivery import deliveries


@shared_task(name="webhooks.deliver")
def deliver() -> None:
    deliveries().run()
