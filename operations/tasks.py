"""What workers do for the figures."""

from celery import shared_task

from operations import rollups


@shared_task(name="operations.roll_up")
def roll_up() -> None:
    rollups.roll_up()
