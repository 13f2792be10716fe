"""One task per call."""

import os
import threading

import requests
from celery import Celery, shared_task
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.straightforward.settings")
app = Celery("straightforward")
app.config_from_object("django.conf:settings", namespace="CELERY")

_local = threading.local()


@shared_task(name="dial", acks_late=True)
def dial(call_id: str) -> None:
    from bench.peers.straightforward.models import Call, CallEvent

    if not Call.objects.filter(id=call_id, status="queued").update(status="dialing"):
        return
    call = Call.objects.select_related("agent").get(id=call_id)
    order = {
        "call_id": str(call.id),
        "from_number": call.from_number,
        "to_number": call.to_number,
        "prompt": call.agent.prompt,
        "params": call.params,
    }
    answer = _session().post(settings.CARRIER_URL, json=order, timeout=10)
    answer.raise_for_status()
    Call.objects.filter(id=call_id).update(carrier_id=answer.json()["id"])
    CallEvent.objects.create(call=call, type="accepted_by_carrier")


def _session() -> requests.Session:
    """A thread's own, so that its connection is kept."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    return _local.session
