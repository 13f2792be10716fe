"""What an operator logs in with beside the password: codes of an authenticator app (RFC 6238), and
recovery codes for the day it is lost.

The secret that both sides share is encrypted, for it has to be read to check a code; recovery codes
are kept as hashes.
"""

import base64
import os
import re
import secrets as random
import time

from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken as WrongCode
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q

from core import secrets

STEP_SECONDS = 30
DIGITS = 6
# 160 bits, as RFC 4226 recommends.
SECRET_BYTES = 20
# A phone's clock may be half a minute off, and so may whoever types.
STEPS_AROUND = (0, -1, 1)
RECOVERY_CODES = 10
# Without those that look like another: 20 of 30 are 98 bits.
LETTERS = "abcdefghjkmnpqrstvwxyz23456789"
RECOVERY_LETTERS = 20


class SecondFactor(models.Model):
    """An operator's authenticator app. Another one is another row: its id says which was meant."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor"
    )
    encrypted_secret = models.TextField(editable=False)
    # Of the code that was taken last: neither it nor an older one is taken again.
    last_step = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        # Nobody is given any: each has their own, and owners reset those of others.
        default_permissions = ()

    def __str__(self) -> str:
        return f"second factor of {self.user}"

    def takes(self, text: str) -> bool:
        """Whether this is a code of the app, or a recovery code; either is taken once."""
        code = re.sub(r"[\s-]", "", text).lower()
        if re.fullmatch(rf"[0-9]{{{DIGITS}}}", code):
            return self._takes_code(code)
        # The row goes with the code, so of two who come with it one is too late.
        used, _ = self.recovery_codes.filter(digest=secrets.digest(code)).delete()
        return used > 0

    def _takes_code(self, code: str) -> bool:
        try:
            step = step_of(code, secret=secrets.decrypt(self.encrypted_secret))
        except InvalidToken:  # none of ENCRYPTION_KEYS opens it; the doctor says so
            return False
        if step is None:
            return False
        newer = SecondFactor.objects.filter(Q(last_step__lt=step), pk=self.pk)
        return newer.update(last_step=step) > 0


class RecoveryCode(models.Model):
    """One that was not used yet."""

    factor = models.ForeignKey(
        SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    digest = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["factor", "digest"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.factor}"


def new_secret() -> str:
    """In base32, as apps take it."""
    return base64.b32encode(os.urandom(SECRET_BYTES)).decode()


def address_of(secret: str, *, username: str, issuer: str) -> str:
    """What the QR code says to an app: `otpauth://totp/…`."""
    return _totp(secret).get_provisioning_uri(username, issuer)


def step_of(code: str, *, secret: str) -> int | None:
    """The half minute, counted from 1970, whose code this is; None where it is none of these."""
    now = int(time.time()) // STEP_SECONDS
    totp = _totp(secret)
    for step in (now + around for around in STEPS_AROUND):
        try:
            totp.verify(code.encode(), step * STEP_SECONDS)
        except WrongCode:
            continue
        return step
    return None


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - what apps know


@transaction.atomic
def set_up(user_id: int, *, secret: str, step: int) -> tuple[SecondFactor, list[str]]:
    """From now on this is the user's app, proven by the code of `step`; and its recovery codes.

    Sessions that went by an earlier app have to prove themselves again.
    """
    SecondFactor.objects.filter(user=user_id).delete()
    factor = SecondFactor.objects.create(
        user_id=user_id, encrypted_secret=secrets.encrypt(secret), last_step=step
    )
    return factor, new_recovery_codes(factor)


@transaction.atomic
def new_recovery_codes(factor: SecondFactor) -> list[str]:
    """Those that the factor takes from now on, readable only here."""
    codes = [
        "".join(random.choice(LETTERS) for _ in range(RECOVERY_LETTERS))
        for _ in range(RECOVERY_CODES)
    ]
    factor.recovery_codes.all().delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(factor=factor, digest=secrets.digest(code)) for code in codes
    )
    return ["-".join(re.findall(".{5}", code)) for code in codes]


def factor_of(user_id: int) -> SecondFactor | None:
    return SecondFactor.objects.filter(user=user_id).first()


def reset(user_id: int) -> bool:
    """Forget the user's app; whether there was one."""
    return SecondFactor.objects.filter(user=user_id).delete()[0] > 0
