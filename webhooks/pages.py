"""Pages of the log of some accounts, read webhook by webhook.

An index has the deliveries of each webhook by time, none has those of an account: for the newest of
one that is told little, PostgreSQL would walk past those of all others, or sort all it ever had.
"""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.paginator import Page
from django.db.models import Func, OuterRef, QuerySet
from unfold.paginator import InfinitePaginator

from webhooks.models import Delivery, Subscription

# Of every webhook as many are looked up as lie before the page; further back that is no gain.
DEEPEST = 40


class Unnest(Func):
    function = "unnest"
    set_returning = True


class PaginatorByWebhook(InfinitePaginator):
    """For PostgreSQL: of each webhook as many as could be on the page, then the page of these."""

    def __init__(
        self,
        deliveries: QuerySet[Delivery],
        *args: Any,
        webhooks: QuerySet[Subscription],
        **kwargs: Any,
    ) -> None:
        super().__init__(deliveries, *args, **kwargs)
        self.webhooks = webhooks

    def page(self, number: int | str) -> "Page[Any]":
        place = int(self.validate_number(number))
        if place > DEEPEST:
            found: Page[Any] = super().page(place)
            return found
        end = place * self.per_page
        of_webhook = self.object_list.filter(subscription=OuterRef("id")).values("id")[:end]
        ids = self.webhooks.order_by().values_list(Unnest(ArraySubquery(of_webhook)))
        rows = self.object_list.filter(id__in=ids)[end - self.per_page : end]
        page: Page[Any] = self._get_page(rows, place, self)
        return page
