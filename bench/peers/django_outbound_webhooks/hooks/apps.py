from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "hooks"

    def ready(self) -> None:
        from hooks import events  # noqa: F401 - the relay has to know what it may read
