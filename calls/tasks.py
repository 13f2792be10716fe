"""What workers do for calls."""

from celery import shared_task

from calls.dialing import dialing
from calls.sending import sending


@shared_task(name="calls.dial")
def dial() -> None:
    dialing().run()


@shared_task(name="sms.send")
def send() -> None:
    sending().run()
