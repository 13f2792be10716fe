from django.apps import AppConfig

from core.observing import observe


class OperationsConfig(AppConfig):
    name = "operations"

    def ready(self) -> None:
        from operations.usage import record  # its models are loaded only now

        observe(record)
