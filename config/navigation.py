"""How the operators' pages look, and what their sidebar leads to."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def sees(request: HttpRequest, model: str) -> bool:
    """Whether the operator may see the list of `auth.user`, say."""
    from django.apps import apps  # settings are read before there are models
    from django.contrib import admin

    pages = admin.site.get_model_admin(apps.get_model(model))
    return bool(pages.has_view_permission(request))


UNFOLD = {
    "SITE_TITLE": "Outdial",
    "SITE_HEADER": "Outdial",
    "SITE_SYMBOL": "call",
    "SITE_URL": None,
    "SITE_SUBHEADER": "Calls for AI voice agents",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("core/favicon.svg"),
        }
    ],
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Two-factor login", "link": reverse_lazy("admin:second_factor")},
        ]
    },
    "STYLES": [lambda request: static("core/admin.css")],
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "title": "Calls",
                "items": [
                    {
                        "title": "Overview",
                        "icon": "monitoring",
                        "link": reverse_lazy("admin:index"),
                    },
                    {
                        "title": "Calls",
                        "icon": "call",
                        "link": reverse_lazy("admin:calls_call_changelist"),
                    },
                    {
                        "title": "Messages",
                        "icon": "sms",
                        "link": reverse_lazy("admin:calls_message_changelist"),
                    },
                ],
            },
            {
                "title": "Who may call",
                "items": [
                    {
                        "title": "Accounts",
                        "icon": "domain",
                        "link": reverse_lazy("admin:agents_account_changelist"),
                    },
                    {
                        "title": "API keys",
                        "icon": "key",
                        "link": reverse_lazy("admin:agents_apikey_changelist"),
                    },
                    {
                        "title": "Agents",
                        "icon": "support_agent",
                        "link": reverse_lazy("admin:agents_agent_changelist"),
                    },
                    {
                        "title": "Caller ids",
                        "icon": "dialpad",
                        "link": reverse_lazy("admin:agents_callerid_changelist"),
                    },
                    {
                        "title": "Carrier credentials",
                        "icon": "cell_tower",
                        "link": reverse_lazy("admin:calls_carriercredentials_changelist"),
                    },
                    {
                        "title": "Ledger",
                        "icon": "receipt_long",
                        "link": reverse_lazy("admin:agents_ledgerentry_changelist"),
                    },
                    {
                        "title": "Prices",
                        "icon": "sell",
                        "link": reverse_lazy("admin:agents_price_changelist"),
                    },
                ],
            },
            {
                "title": "Who may be called",
                "items": [
                    {
                        "title": "Do not call",
                        "icon": "phone_disabled",
                        "link": reverse_lazy("admin:calls_donotcall_changelist"),
                    },
                    {
                        "title": "Calling rules",
                        "icon": "schedule",
                        "link": reverse_lazy("admin:calls_callingrules_changelist"),
                    },
                ],
            },
            {
                "title": "Who is told",
                "items": [
                    {
                        "title": "Webhooks",
                        "icon": "webhook",
                        "link": reverse_lazy("admin:webhooks_subscription_changelist"),
                    },
                    {
                        "title": "Deliveries",
                        "icon": "outbox",
                        "link": reverse_lazy("admin:webhooks_delivery_changelist"),
                    },
                    {
                        "title": "Events",
                        "icon": "bolt",
                        "link": reverse_lazy("admin:webhooks_event_changelist"),
                    },
                ],
            },
            {
                "title": "What is wrong",
                "items": [
                    {
                        "title": "Incidents",
                        "icon": "notification_important",
                        "link": reverse_lazy("admin:operations_incident_changelist"),
                    },
                    {
                        "title": "Alert rules",
                        "icon": "rule_settings",
                        "link": reverse_lazy("admin:operations_alertrule_changelist"),
                        "permission": lambda request: sees(request, "operations.alertrule"),
                    },
                ],
            },
            {
                "title": "Operators",
                "items": [
                    {
                        "title": "Users",
                        "icon": "person",
                        "link": reverse_lazy("admin:auth_user_changelist"),
                        "permission": lambda request: sees(request, "auth.user"),
                    },
                    {
                        "title": "Roles",
                        "icon": "group",
                        "link": reverse_lazy("admin:auth_group_changelist"),
                        "permission": lambda request: sees(request, "auth.group"),
                    },
                    {
                        "title": "Doctor",
                        "icon": "stethoscope",
                        "link": reverse_lazy("admin:doctor"),
                        "permission": lambda request: sees(request, "auth.user"),
                    },
                ],
            },
        ],
    },
}
