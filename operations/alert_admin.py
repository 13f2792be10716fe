"""The operators' pages about what is wrong, and when they are told of it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import Count, Model, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display

from core.admin import NONE, OperatorAdmin, ReadOnlyAdmin, at, labelled, seconds
from core.wake import wake
from operations.alerts import KINDS, Unit
from operations.models import AlertRule, Incident, Notice
from operations.notices import recipients, write_tests
from operations.telling import FAILURES
from webhooks.explanations import explain

STATE_LABELS = {"open": "danger", "over": "success"}
ON_LABELS = {"on": "success", "off": "default"}
NOTICE_LABELS = {"pending": "info", "sent": "success", "failed": "danger"}
NOTICES_SHOWN = 5


# Rules --------------------------------------------------------------------------------------------


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = AlertRule
        fields = ["is_on", "threshold", "holds_for"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("threshold"):
            kind = KINDS[self.instance.kind]
            field.label = f"Threshold ({kind.unit})"
            field.help_text = kind.meaning
            field.required = True

    def clean_threshold(self) -> Any:
        threshold = self.cleaned_data["threshold"]
        if KINDS[self.instance.kind].unit == Unit.PER_CENT and not 0 < threshold <= 100:
            raise forms.ValidationError("Say more than 0 and at most 100 per cent.")
        return threshold


@admin.register(AlertRule)
class AlertRuleAdmin(OperatorAdmin):
    form = AlertRuleForm
    account_path = None
    list_display = ["name", "state", "limit", "hold", "incidents_open"]
    list_before_template = "admin/operations/alertrule/told.html"
    list_after_template = "admin/operations/alertrule/notices.html"
    readonly_fields = ["name", "meaning", "advice"]
    actions_list = ["send_test"]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        # A kind that is gone leaves its row, for the incidents that it found.
        rules: QuerySet[AlertRule] = super().get_queryset(request).filter(kind__in=list(KINDS))
        is_open = Q(incidents__opened_at__isnull=False, incidents__resolved_at=None)
        return rules.annotate(open=Count("incidents", filter=is_open))

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        compared = ["threshold"] if obj and obj.threshold is not None else []
        return [
            (None, {"fields": ["is_on", *compared, "holds_for"]}),
            ("About", {"fields": ["name", "meaning", "advice"]}),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        newest = Notice.objects.all()[:NOTICES_SHOWN]
        told = {
            "recipients": [(Notice.Channel(one).label, to) for one, to in recipients().items()],
            "notices": [shown_notice(one) for one in newest],
        }
        page: HttpResponse = super().changelist_view(request, {**told, **(extra_context or {})})
        return page

    def has_test_permission(self, request: HttpRequest) -> bool:
        return bool(recipients()) and self.has_change_permission(request)

    @action(description="Send a test", icon="send", permissions=["test"])
    def send_test(self, request: HttpRequest) -> HttpResponse:
        listed = reverse("admin:operations_alertrule_changelist")
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "back": listed,
                "title": "Send a test",
                "original": ", ".join(recipients().values()),
                "question": "Everybody who is told of incidents is told that this is a test.",
                "button": "Send it",
                "variant": "primary",
            }
            return TemplateResponse(request, "admin/confirm.html", context)
        for notice in write_tests(now=timezone.now()):
            self.log_change(request, notice, "Sent as a test.")
        wake("operations.alert")
        messages.success(request, "A test is on its way. What became of it is shown here.")
        return redirect(listed)

    @display(description="Alert", ordering="kind")
    def name(self, rule: AlertRule) -> str:
        return KINDS[rule.kind].title

    @display(description="State", ordering="is_on", label=ON_LABELS)
    def state(self, rule: AlertRule) -> str:
        return "on" if rule.is_on else "off"

    @display(description="Threshold")
    def limit(self, rule: AlertRule) -> str:
        if rule.threshold is None:
            return NONE
        return f"{rule.threshold.normalize():f} {KINDS[rule.kind].unit}"

    @display(description="Told after", ordering="holds_for")
    def hold(self, rule: AlertRule) -> str:
        return f"{rule.holds_for} min" if rule.holds_for else "at once"

    @display(description="Open now", ordering="open")
    def incidents_open(self, rule: Any) -> str:
        return f"{rule.open:,}" if rule.open else NONE

    @display(description="What it looks at")
    def meaning(self, rule: AlertRule) -> str:
        return KINDS[rule.kind].meaning

    @display(description="What to do")
    def advice(self, rule: AlertRule) -> str:
        return KINDS[rule.kind].advice


# Incidents ----------------------------------------------------------------------------------------


class IncidentKind(SimpleListFilter):
    title = "alert"
    parameter_name = "alert"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.title) for kind in KINDS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        return queryset.filter(rule=self.value()) if self.value() else queryset


class IncidentState(SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        if self.value() == "open":
            return queryset.filter(resolved_at=None)
        return queryset.filter(resolved_at__isnull=False) if self.value() == "over" else queryset


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    account_path = "account"
    id_prefix = "inc"
    list_display = ["opened", "what", "account", "state", "lasted", "told"]
    list_filter = [
        ("account", AutocompleteSelectFilter),
        IncidentKind,
        IncidentState,
        "opened_at",
    ]
    list_select_related = ["account"]
    search_fields = ["title"]
    search_help_text = "Part of the title, or the incident's id (inc_…)"
    fields = readonly_fields = ["opened"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        rows: QuerySet[Incident] = super().get_queryset(request)
        told = Prefetch("notices", Notice.objects.only("status"))
        return rows.filter(opened_at__isnull=False).prefetch_related(told)

    def page(self, obj: Incident) -> dict[str, Any]:
        kind = KINDS.get(obj.rule_id)
        return {
            "incident": obj,
            "state": _state(obj),
            "state_label": STATE_LABELS[_state(obj)],
            "alert": kind.title if kind else str(obj.rule),
            "advice": kind.advice if kind else "",
            "button": kind.button if kind else "Look at it",
            "lasted": self.lasted(obj),
            "notices": [shown_notice(one) for one in obj.notices.order_by("created_at", "id")],
        }

    @display(description="Since (UTC)", ordering="opened_at")
    def opened(self, incident: Incident) -> str:
        return at(incident.opened_at)

    @display(description="Incident")
    def what(self, incident: Incident) -> str:
        return incident.title

    @labelled(description="State", labels=STATE_LABELS)
    def state(self, incident: Incident) -> str:
        return _state(incident)

    @display(description="Lasted")
    def lasted(self, incident: Incident) -> str:
        ends = incident.resolved_at or timezone.now()
        return seconds((ends - incident.opened_at).total_seconds()) if incident.opened_at else NONE

    @display(description="Told")
    def told(self, incident: Incident) -> str:
        notices = list(incident.notices.all())
        unsent = sum(one.status == Notice.Status.FAILED for one in notices)
        waiting = sum(one.status == Notice.Status.PENDING for one in notices)
        counts = [(len(notices) - unsent - waiting, "sent"), (waiting, "waiting")]
        words = [f"{count} {word}" for count, word in [*counts, (unsent, "failed")] if count]
        return ", ".join(words) or "nobody"


def shown_notice(notice: Notice) -> dict[str, Any]:
    """A notice as templates/admin/operations/notice.html shows it."""
    failure = FAILURES.get(notice.failure) or explain(notice.failure) if notice.failure else ""
    return {"row": notice, "label": NOTICE_LABELS[notice.status], "failure": failure}


def _state(incident: Incident) -> str:
    return "over" if incident.is_over else "open"
