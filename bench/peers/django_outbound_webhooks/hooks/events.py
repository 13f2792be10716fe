from dataclasses import dataclass

from django_domain_events import event


@event
@dataclass(frozen=True, slots=True)
class CallEnded:
    number: str
    status: str
    duration: int
    summary: str
