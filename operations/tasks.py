"""What workers do for the figures, and for the alerts that come of them."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from operations import incidents, rollups, telling


@shared_task(name="operations.roll_up")
def roll_up() -> None:
    rollups.roll_up()
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from operations import traces  # needs packages that are an extra

        traces.export()


@shared_task(name="operations.alert")
def alert() -> None:
    incidents.check(now=timezone.now())
    telling.send_due()
