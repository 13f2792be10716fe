"""The operators' pages about what the server watches."""

from operations.alert_admin import AlertRuleAdmin as AlertRuleAdmin
from operations.alert_admin import IncidentAdmin as IncidentAdmin
from operations.key_admin import UsedKeyAdmin as UsedKeyAdmin
