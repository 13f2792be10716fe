"""The admin with our own site."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class ConfigConfig(AppConfig):
    name = "config"
    default = True


class AdminConfig(admin.AdminConfig):
    default = False
    default_site = "config.site.OutdialAdminSite"
