"""What workers do for the figures, and for the alerts that come of them."""

from celery import shared_task
from django.utils import timezone

from operations import incidents, rollups, telling


@shared_task(name="operations.roll_up")
def roll_up() -> None:
    rollups.roll_up()


@shared_task(name="operations.alert")
def alert() -> None:
    incidents.check(now=timezone.now())
    telling.send_due(now=timezone.now())
