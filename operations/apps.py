from django.apps import AppConfig
from django.db.models.signals import post_migrate

from core.observing import observe


class OperationsConfig(AppConfig):
    name = "operations"

    def ready(self) -> None:
        from operations.alerts import create_rules  # models are loaded only now
        from operations.usage import record

        observe(record)
        post_migrate.connect(create_rules, sender=self)
