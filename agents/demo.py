"""A fresh account to try things with."""

from dataclasses import asdict, dataclass
from decimal import Decimal

from django.db import transaction

from agents.models import Mode
from agents.services import create_agent, create_key, open_account

CREDITS = Decimal(1000)
DEFAULT_NUMBER = "+14155550100"


@dataclass(frozen=True)
class Demo:
    """Ids as plain UUIDs; keys and secrets that nobody will be shown again."""

    account_id: str
    live_key: str
    test_key: str
    agent_id: str
    agent_secret: str
    agent_without_number_id: str
    agent_without_number_secret: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


@transaction.atomic
def create_demo(*, credits: Decimal = CREDITS) -> Demo:
    """An account with credits, a key of each mode, an agent with a number and one without."""
    account = open_account(name="Demo", credits=credits)
    live_key = create_key(account, name="Demo, live", mode=Mode.LIVE)[1]
    test_key = create_key(account, name="Demo, test", mode=Mode.TEST)[1]
    agent, agent_secret = create_agent(
        account,
        name="Reminders",
        default_number=DEFAULT_NUMBER,
        prompt="You remind {{customer_name}} of an appointment. Be brief and friendly.",
        greeting="Hello {{customer_name}}, this is a reminder of your appointment.",
    )
    without_number, without_number_secret = create_agent(account, name="Callbacks")
    return Demo(
        account_id=str(account.id),
        live_key=live_key,
        test_key=test_key,
        agent_id=str(agent.id),
        agent_secret=agent_secret,
        agent_without_number_id=str(without_number.id),
        agent_without_number_secret=without_number_secret,
    )
