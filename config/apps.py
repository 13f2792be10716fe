"""The admin with our own site, and the roles of those who use it."""

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    name = "config"
    default = True

    def ready(self) -> None:
        from config.roles import create_roles  # models are there from now on

        apps.get_app_config("auth").verbose_name = "Operators"
        # The last app with rows of its own: by then the permissions of all others exist.
        post_migrate.connect(create_roles, sender=apps.get_app_config("sessions"))


class AdminConfig(admin.AdminConfig):
    default = False
    default_site = "config.site.OutdialAdminSite"
