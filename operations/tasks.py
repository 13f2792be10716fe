"""What workers do for the figures."""

from celery import shared_task
from django.conf import settings

from operations import rollups


@shared_task(name="operations.roll_up")
def roll_up() -> None:
    rollups.roll_up()
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from operations import traces  # needs packages that are an extra

        traces.export()
