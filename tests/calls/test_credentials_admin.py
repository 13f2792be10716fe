"""The operators' pages about carriers' credentials: what is secret goes in, and never comes out."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as product
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from agents.models import Account
from calls.carriers.base import Carrier, CredentialField
from calls.models import CarrierCredentials
from tests.operator import Operator

LIST = "calls/carriercredentials/"
TWILIO = {
    "carrier": "twilio",
    "twilio_account_sid": f"AC{'0123456789abcdef' * 2}",
    "twilio_auth_token": "hush",
    "twilio_api_base_url": "",
}
URL, SECRET = "https://voice.example.org/outdial", "hush, nobody may see this"


class PostCarrier(Carrier):
    credential_fields = (
        CredentialField("stamp", "Stamp"),
        CredentialField("box", "Box", is_required=False),
    )


@pytest.fixture
def operator(db: None) -> Operator:
    return Operator()


@pytest.fixture
def post() -> Iterator[None]:
    product.CARRIERS["post"] = f"{__name__}.PostCarrier"
    yield
    del product.CARRIERS["post"]


def add(operator: Operator, account: Account, **fields: str) -> Any:
    given = {"carrier": "dialer", "dialer_url": URL, "dialer_secret": SECRET, **fields}
    return operator.post(f"{LIST}add/", account=account.id, **given)


@pytest.fixture
def row(operator: Operator, account: Account) -> CarrierCredentials:
    assert add(operator, account).status_code == 302
    return CarrierCredentials.objects.get()


def test_those_of_twilio_are_taken(operator: Operator, account: Account) -> None:
    assert add(operator, account, **TWILIO).status_code == 302
    assert CarrierCredentials.objects.get().values == {
        name.removeprefix("twilio_"): value for name, value in TWILIO.items() if name != "carrier"
    }


def test_what_is_stored_is_encrypted(row: CarrierCredentials, account: Account) -> None:
    assert (row.account, row.carrier) == (account, "dialer")
    assert row.values == {"url": URL, "secret": SECRET}
    assert SECRET not in row.encrypted
    assert URL not in row.encrypted


def test_no_page_ever_shows_a_secret(operator: Operator, row: CarrierCredentials) -> None:
    path = f"{LIST}{row.id}"
    operator.post(f"{path}/change/", url="http://elsewhere/", secret=f"{SECRET} 2")
    refused = operator.post(f"{path}/change/", url="nonsense", secret=f"{SECRET} 3")

    pages = [operator.read(LIST), operator.read(f"{path}/change/"), refused.content.decode()]
    pages += [operator.read(f"{path}/history/"), operator.read(f"{path}/remove/")]
    assert "http://elsewhere/" in pages[0]
    assert "http://elsewhere/" in pages[1]
    assert not any("hush" in page for page in pages)
    told = [entry.get_change_message() for entry in LogEntry.objects.order_by("id")]
    assert told == ["Added.", "Changed URL and Secret."]
    assert "hush" not in str(LogEntry.objects.values())
    assert "hush" not in str(operator.browser.session.items())


def test_an_empty_secret_is_kept(operator: Operator, row: CarrierCredentials) -> None:
    operator.post(f"{LIST}{row.id}/change/", url="http://elsewhere/", secret="")

    row.refresh_from_db()
    assert row.values == {"url": "http://elsewhere/", "secret": SECRET}


def test_a_new_secret_replaces_the_old_one(operator: Operator, row: CarrierCredentials) -> None:
    operator.post(f"{LIST}{row.id}/change/", url=URL, secret="another")

    row.refresh_from_db()
    assert row.values == {"url": URL, "secret": "another"}


def test_account_and_carrier_stay(
    operator: Operator, row: CarrierCredentials, stranger: Account, post: None
) -> None:
    operator.post(f"{LIST}{row.id}/change/", url=URL, account=stranger.id, carrier="post")

    owner = row.account
    row.refresh_from_db()
    assert (row.account, row.carrier) == (owner, "dialer")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"dialer_url": ""}, "This field is required"),
        ({"dialer_secret": ""}, "This field is required"),
        ({"dialer_url": "ftp://voice.example.org"}, "Write it as https://"),
        ({"dialer_url": "https://user:pass@voice.example.org"}, "Write it as https://"),
        ({"dialer_url": "https://voice.example.org/?a=b"}, "Write it as https://"),
        ({"dialer_url": "https://voice.example.org:99999"}, "Port out of range"),
        ({"dialer_url": "https://"}, "Write it as https://"),
        ({"dialer_secret": "whsec_***"}, "base64 must follow"),
        ({"dialer_secret": "whsec_"}, "base64 must follow"),
        ({**TWILIO, "twilio_account_sid": "xx"}, "AC and 32 hexadecimal digits"),
        ({**TWILIO, "twilio_account_sid": f"AC{'g' * 32}"}, "AC and 32 hexadecimal digits"),
        ({**TWILIO, "twilio_api_base_url": "xx"}, "Write it as https://"),
        ({**TWILIO, "twilio_api_base_url": "https://"}, "Write it as https://"),
        ({"carrier": "simulated"}, "Select a valid choice"),
        ({"carrier": ""}, "This field is required"),
    ],
)
def test_the_form_says_what_is_wrong(
    operator: Operator, account: Account, fields: dict[str, str], complaint: str
) -> None:
    page = add(operator, account, **fields)

    assert page.status_code == 200
    assert complaint in page.content.decode()
    assert not CarrierCredentials.objects.exists()


def test_one_of_a_kind_for_an_account(
    operator: Operator, row: CarrierCredentials, account: Account, stranger: Account
) -> None:
    assert "already exists" in add(operator, account).content.decode()
    assert add(operator, stranger).status_code == 302


def test_the_fields_are_those_of_the_carrier(
    operator: Operator, account: Account, post: None
) -> None:
    page = operator.read(f"{LIST}add/")
    assert "x-show=\"carrier == 'dialer'\"" in page.replace("&#x27;", "'")
    assert "x-show=\"carrier == 'post'\"" in page.replace("&#x27;", "'")

    # What was typed for another carrier before counts for nothing.
    add(operator, account, carrier="post", post_stamp="7", dialer_url="nonsense")
    row = CarrierCredentials.objects.get()
    assert row.values == {"stamp": "7", "box": ""}
    changing = operator.read(f"{LIST}{row.id}/change/")
    assert 'name="stamp"' in changing
    assert 'name="secret"' not in changing


def test_what_no_key_opens_is_filled_in_again(
    operator: Operator, row: CarrierCredentials, settings: Any
) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    path = f"{LIST}{row.id}/change/"
    operator.read(LIST)
    assert "None of ENCRYPTION_KEYS opens" in operator.read(path)
    assert "This field is required" in operator.post(path, url=URL).content.decode()

    assert operator.post(path, url=URL, secret="new").status_code == 302
    row.refresh_from_db()
    assert row.values == {"url": URL, "secret": "new"}


def test_a_carrier_that_is_no_more_has_a_page_still(
    operator: Operator, account: Account, post: None
) -> None:
    add(operator, account, carrier="post", post_stamp="7")
    del product.CARRIERS["post"]
    try:
        assert "Post" in operator.read(LIST)
        operator.read(f"{LIST}{CarrierCredentials.objects.get().id}/change/")
    finally:
        product.CARRIERS["post"] = f"{__name__}.PostCarrier"


def test_they_are_removed_after_asking(operator: Operator, row: CarrierCredentials) -> None:
    path = f"{LIST}{row.id}/remove/"
    assert "those of the settings" in operator.read(path)
    assert CarrierCredentials.objects.exists()

    assert operator.post(path).status_code == 302
    assert not CarrierCredentials.objects.exists()
    assert LogEntry.objects.latest("id").get_change_message() == "Removed."


def test_who_may_only_look_changes_nothing(row: CarrierCredentials) -> None:
    user = User.objects.create(username="victor", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_carriercredentials"))
    browser = Client()
    browser.force_login(user)
    path = f"/admin/{LIST}{row.id}"

    assert SECRET not in browser.get(f"{path}/change/").content.decode()
    assert browser.post(f"{path}/change/", {"url": "http://x/"}).status_code == 403
    assert browser.post(f"{path}/remove/").status_code == 403
    assert CarrierCredentials.objects.get().values["url"] == URL
