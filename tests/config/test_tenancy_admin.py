"""Every page of the admin, as an operator of other accounts and as nobody opens it."""

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from tests.config.others import Others
from tests.config.pages import every_admin
from tests.config.routes import ADMIN, every_route, filled, list_pages, object_pages
from tests.factories import make_account, make_agent
from tests.operator import Operator


@pytest.fixture
def others(db: None) -> Others:
    return Others()


@pytest.fixture
def operator(db: None) -> Operator:
    account = make_account(name="Own")
    make_agent(account)
    return Operator(role="Owner", accounts=[account])


def test_pages_about_anothers_rows_are_closed(others: Others, operator: Operator) -> None:
    before = others.all_there_is()
    for route, kind in object_pages().items():
        id = others.row_of(kind).pk
        path = filled(route, {"object_id": id, "id": id}).removeprefix("/admin/")
        for answer in (operator.get(path), operator.post(path, post="yes", overlap="0")):
            assert answer.status_code in (302, 403, 404), (route, answer)
            given_away = others.are_in(answer.content.decode())
            assert set(given_away) <= {str(id)}, (route, given_away)
            # A redirect leads back, never to something new.
            assert answer.status_code != 302 or leads_back(answer["Location"], id), route
    assert others.all_there_is() == before


def leads_back(location: str, id: Any) -> bool:
    return location in ("/admin/", f"{location.partition(str(id))[0]}{id}/change/")


def test_lists_and_forms_show_nothing_of_anothers(others: Others, operator: Operator) -> None:
    for route in sorted(list_pages()):
        answer = operator.get(route.removeprefix("admin/"))
        assert answer.status_code in (200, 403), route
        assert not others.are_in(answer.content.decode()), route


def test_no_action_of_a_list_touches_anothers_rows(others: Others, operator: Operator) -> None:
    before, done = others.all_there_is(), []
    for path, pages in every_admin().items():
        for name in [*pages._extract_action_names(pages.actions), "delete_selected"]:
            id = others.row_of(path).pk
            operator.post(f"{path}/", action=name, _selected_action=id, post="yes")
            done.append(f"{path} {name}")
    assert "webhooks/delivery redeliver_selected" in done
    assert others.all_there_is() == before


def test_the_other_pages_show_nothing_of_anothers(others: Others, operator: Operator) -> None:
    for route, status in ADMIN.items():
        path = filled(route, {"app_label": "calls", "url": "nothing/here"})
        answer = operator.get(path.removeprefix("/admin/"), s="Xeno", q="Xeno")
        assert answer.status_code == status, route
        assert not others.are_in(answer.content.decode()), route


def test_no_row_is_found_by_its_kind(others: Others, operator: Operator) -> None:
    for path, row in others.rows.items():
        kind = ContentType.objects.get_for_model(type(row))
        assert operator.get(f"r/{kind.pk}/{row.pk}/").status_code == 404, path


def test_no_field_offers_anothers_rows(others: Others, operator: Operator) -> None:
    answered = 0
    for pages in every_admin().values():
        for field in pages.model._meta.get_fields():
            if not field.many_to_one or field.auto_created:
                continue
            label, model = pages.model._meta.app_label, pages.model._meta.model_name
            query = {"app_label": label, "model_name": model, "field_name": field.name, "term": ""}
            answer = operator.get("autocomplete/", **query)
            assert answer.status_code in (200, 403, 404), query
            assert not others.are_in(answer.content.decode()), query
            answered += answer.status_code == 200
    assert answered > 5


def test_who_is_not_logged_in_is_asked_to(others: Others) -> None:
    before, browser = others.all_there_is(), Client()
    open_to_all = {"admin/login/", "admin/logout/", "admin/jsi18n/"}
    for route in every_route():
        if not route.startswith("admin/") or route in open_to_all or route.endswith("<url>"):
            continue
        id = others.row_of(object_pages().get(route, "agents/agent")).pk
        path = filled(
            route, {"object_id": id, "id": id, "content_type_id": 1, "app_label": "calls"}
        )
        for answer in (browser.get(path), browser.post(path, {"post": "yes"})):
            assert answer.status_code == 302, (route, answer)
            assert "/login/" in answer["Location"] or leads_back(answer["Location"], id), route
    assert others.all_there_is() == before
