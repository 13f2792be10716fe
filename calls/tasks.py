"""What workers do for calls."""

from celery import shared_task

from calls.dialing import dialing


@shared_task(name="calls.dial")
def dial() -> None:
    dialing().run()
