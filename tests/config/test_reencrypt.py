"""`reencrypt`: a new key can take the place of an old one without anybody typing a secret again."""

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from agents.models import Account
from calls.models import CarrierCredentials
from tests.factories import Api
from webhooks.models import Subscription

NEW, OLD = (Fernet.generate_key().decode() for _ in range(2))
GIVEN = {"account_sid": "AC0", "auth_token": "secret"}


@pytest.fixture
def secrets_of_webhook(api: Api, account: Account, settings: Settings) -> list[str]:
    """A webhook amid the rotation of its secret, and credentials, all under the old key."""
    settings.ENCRYPTION_KEYS = [OLD]
    body = {"url": "https://example.org/hook", "events": ["call.completed"]}
    made = api.post("/api/v1/webhooks", body).json()
    rotated = api.post(f"/api/v1/webhooks/{made['id']}/rotate-secret").json()
    credentials = CarrierCredentials(account=account, carrier="twilio")
    credentials.keep(GIVEN)
    credentials.save()
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    return [made["secret"], rotated["secret"]]


def test_old_key_can_be_dropped(
    secrets_of_webhook: list[str],
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("reencrypt")

    assert capsys.readouterr().out.startswith("3 secrets are encrypted anew")
    settings.ENCRYPTION_KEYS = [NEW]
    webhook = Subscription.objects.get()
    assert webhook.signing_secrets(now=timezone.now()) == secrets_of_webhook
    assert CarrierCredentials.objects.get().values == GIVEN
    call_command("reencrypt")
    assert capsys.readouterr().out.startswith("0 secrets are encrypted anew")


def test_what_no_key_opens_is_named_and_the_rest_is_encrypted_anew(
    secrets_of_webhook: list[str], settings: Settings
) -> None:
    lost = Fernet(Fernet.generate_key()).encrypt(b"{}").decode()
    CarrierCredentials.objects.update(encrypted=lost)
    credentials = CarrierCredentials.objects.get()

    with pytest.raises(CommandError, match=f"carrier credentials {credentials.pk}$"):
        call_command("reencrypt")

    settings.ENCRYPTION_KEYS = [NEW]
    webhook = Subscription.objects.get()
    assert webhook.signing_secrets(now=timezone.now()) == secrets_of_webhook
    with pytest.raises(InvalidToken):
        _ = credentials.values
