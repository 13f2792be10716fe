"""The integration in docs/zapier-app, run by Zapier's own client against a booted server."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import pytest

from tests import npm
from tests.e2e.conftest import HAS_SERVICES
from tests.e2e.product import ROOT, Product, installed, wait_until
from tests.receiver import Receiver, Reply

NUMBER = "+14155550123"
TRIGGER = "triggers.call_disposition.operation"
CREATE = "creates.outbound_call.operation.perform"
UNKNOWN = "01940a6e-1400-7000-8000-000000000001"


class ZapierError(Exception):
    """What Zapier would show. `name` is the client's error class, the rest what it says."""

    def __init__(self, *, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.says = json.loads(message)

    @property
    def told(self) -> tuple[int, str]:
        """The server's status and sentence."""
        return self.says["status"], self.says["message"]


@dataclass(frozen=True)
class Client:
    """The integration in Zapier's tester."""

    node: "subprocess.Popen[str]"

    def ask(self, question: str, **details: Any) -> Any:
        questions, answers = self._pipes
        questions.write(json.dumps({"question": question, **details}) + "\n")
        questions.flush()
        answer = json.loads(answers.readline())
        if "error" in answer:
            raise ZapierError(**answer["error"])
        return answer["result"]

    @property
    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self.node.stdin
        assert self.node.stdout
        return self.node.stdin, self.node.stdout


@dataclass(frozen=True)
class Connection:
    """A person's connection to an account, and what Zapier does with it."""

    client: Client
    auth: dict[str, str]
    demo: dict[str, str] = field(repr=False)

    def with_auth(self, **fields: str) -> "Connection":
        return Connection(client=self.client, auth={**self.auth, **fields}, demo=self.demo)

    def run(self, method: str, **bundle: Any) -> Any:
        return self.client.ask("run", method=method, bundle={"authData": self.auth, **bundle})

    def test(self) -> Any:
        return self.run("authentication.test")

    def subscribe(self, url: str) -> Any:
        return self.run(f"{TRIGGER}.performSubscribe", targetUrl=url)

    def unsubscribe(self, subscription: Any) -> Any:
        return self.run(f"{TRIGGER}.performUnsubscribe", subscribeData=subscription)

    def samples(self) -> Any:
        return self.run(f"{TRIGGER}.performList")

    def place(self, **inputs: Any) -> Any:
        return self.run(CREATE, inputData=inputs)

    def request(self, path: str, **options: Any) -> Any:
        """A request that the integration does not make, by Zapier's client all the same."""
        headers = {"X-API-Key": self.auth["api_key"], **options.pop("headers", {})}
        options |= {"url": self.auth["server_url"] + path, "headers": headers}
        return self.client.ask("request", options=options, bundle={"authData": self.auth})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The integration as an operator has it: a copy, installed from its lock file."""
    node, _ = _tool("node"), _tool("npm")
    app = npm.installed(ROOT / "docs/zapier-app", factory=tmp_path_factory)
    # Zapier's client takes any variable that looks like a secret for one; it gets none of ours.
    environment = {"PATH": os.environ["PATH"], "NODE_ENV": "test"}
    script = ROOT / "tests/e2e/zapier/app_tester.js"
    with subprocess.Popen(
        [node, script],
        cwd=app,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Client(process)
        process.terminate()


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with installed(tmp_path_factory.mktemp("product"), runs_apart=HAS_SERVICES) as product:
        product.boot()
        yield product


@pytest.fixture(scope="module")
def connection(client: Client, booted: Product) -> Connection:
    """To an account that nobody subscribes to."""
    return connect(client, booted)


@pytest.fixture(scope="module")
def stranger(client: Client, booted: Product) -> Connection:
    """To another account."""
    return connect(client, booted)


@pytest.fixture
def fresh(client: Client, booted: Product) -> Connection:
    """To an account that no other test has used."""
    return connect(client, booted)


def connect(client: Client, product: Product) -> Connection:
    demo = json.loads(product.manage("create_demo", "--json"))
    auth = {
        "server_url": product.url,
        "api_key": demo["test_key"],
        "agent_id": demo["agent_id"],
        "agent_secret": demo["agent_secret"],
    }
    return Connection(client=client, auth=auth, demo=demo)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed")
    assert path, f"{name} is not installed"
    return path


def test_the_lock_file_installs_from_whatever_registry_npm_knows() -> None:
    lock = (ROOT / "docs/zapier-app/package-lock.json").read_text()
    assert "resolved" not in lock
    assert "registry" not in lock


def test_zapier_would_take_the_integration(client: Client) -> None:
    assert client.ask("validate") == []


class TestConnection:
    def test_is_labelled(self, connection: Connection) -> None:
        answer = connection.test()
        assert answer == {"ok": True, "account": "Demo", "agent_name": "Reminders"}
        label = connection.run("authentication.connectionLabel", inputData=answer)
        assert label == "Demo: Reminders"

    @pytest.mark.parametrize("key", ["live_key", "test_key"])
    def test_without_an_agent(self, connection: Connection, key: str) -> None:
        bare = connection.with_auth(api_key=connection.demo[key], agent_id="", agent_secret="")
        answer = bare.test()
        assert answer == {"ok": True, "account": "Demo"}
        assert bare.run("authentication.connectionLabel", inputData=answer) == "Demo"

    def test_forgives_a_slash_after_the_server_url(self, connection: Connection) -> None:
        slashed = connection.with_auth(server_url=f" {connection.auth['server_url']}/ ")
        assert slashed.test()["ok"]

    @pytest.mark.parametrize(
        ("fields", "status", "sentence"),
        [
            ({"agent_secret": ""}, 401, "agent_id and agent_secret required"),
            ({"agent_id": ""}, 401, "agent_id and agent_secret required"),
            ({"agent_secret": "guess"}, 401, "invalid agent credentials"),
            ({"agent_id": UNKNOWN}, 404, "agent not found"),
            ({"agent_id": "nonsense"}, 404, "agent not found"),
            ({"api_key": ""}, 401, "Missing API key"),
            ({"api_key": "nonsense"}, 401, "Invalid API key"),
        ],
    )
    def test_says_what_is_wrong(
        self, connection: Connection, fields: dict[str, str], status: int, sentence: str
    ) -> None:
        with pytest.raises(ZapierError) as refusal:
            connection.with_auth(**fields).test()
        assert refusal.value.told == (status, sentence)

    def test_of_another_accounts_agent(self, connection: Connection, stranger: Connection) -> None:
        theirs = {name: stranger.auth[name] for name in ("agent_id", "agent_secret")}
        with pytest.raises(ZapierError) as refusal:
            connection.with_auth(**theirs).test()
        assert refusal.value.told == (404, "agent not found")

    def test_waits_as_long_as_the_server_asks(self, fresh: Connection) -> None:
        live = fresh.with_auth(api_key=fresh.demo["live_key"])
        for _ in range(60):
            live.test()
        with pytest.raises(ZapierError) as refusal:
            live.test()
        assert refusal.value.name == "ThrottledError"
        assert 1 <= refusal.value.says["delay"] <= 60


class TestTrigger:
    def test_from_subscribing_to_unsubscribing(self, fresh: Connection, receiver: Receiver) -> None:
        subscription = fresh.subscribe(receiver.url)
        assert subscription == {
            "id": subscription["id"],
            "agent_id": fresh.auth["agent_id"],
            "trigger_key": "call_disposition",
            "callback_url": receiver.url,
            "created_at": subscription["created_at"],
        }
        assert fresh.subscribe(receiver.url) == subscription
        made_up = fresh.samples()
        assert len(made_up) == 1

        placed = fresh.place(to_number=NUMBER, params={"customer_name": "John"})
        (delivered,) = receiver.wait_for(1)
        told = fresh.run(f"{TRIGGER}.perform", cleanedRequest=delivered.json)

        assert [(one["call_id"], one["status"], one["params"]) for one in told] == [
            (placed["call_id"], "completed", {"customer_name": "John"})
        ]
        assert fresh.samples() == told
        assert made_up[0].keys() == told[0].keys() == sample_keys(fresh)

        assert fresh.unsubscribe(subscription) == {"success": True}
        self.assert_unknown(fresh, subscription["id"])
        fresh.place(to_number="+14155550101")
        wait_until(lambda: len(fresh.samples()) == 2, what="the second call has ended")
        assert len(receiver.requests) == 1

    @pytest.mark.parametrize("subscription_id", [UNKNOWN, "nonsense"])
    def test_unsubscribing_what_is_not_there(
        self, connection: Connection, subscription_id: str
    ) -> None:
        self.assert_unknown(connection, subscription_id)

    def test_another_accounts_subscription(
        self, fresh: Connection, stranger: Connection, receiver: Receiver
    ) -> None:
        subscription = fresh.subscribe(receiver.url)
        self.assert_unknown(stranger, subscription["id"])
        assert fresh.unsubscribe(subscription) == {"success": True}

    @pytest.mark.parametrize(
        ("fields", "status", "sentence"),
        [
            (
                {"agent_id": "", "agent_secret": ""},
                400,
                "agent_id, agent_secret and callback_url (or target_url) are required",
            ),
            ({"agent_secret": "guess"}, 401, "invalid agent credentials"),
            ({"agent_id": UNKNOWN}, 404, "agent not found"),
            ({"api_key": "nonsense"}, 401, "Invalid API key"),
        ],
    )
    def test_subscribing_says_what_is_wrong(
        self,
        connection: Connection,
        receiver: Receiver,
        fields: dict[str, str],
        status: int,
        sentence: str,
    ) -> None:
        with pytest.raises(ZapierError) as refusal:
            connection.with_auth(**fields).subscribe(receiver.url)
        assert refusal.value.told == (status, sentence)

    def test_subscribing_to_another_accounts_agent(
        self, connection: Connection, stranger: Connection, receiver: Receiver
    ) -> None:
        theirs = {name: stranger.auth[name] for name in ("agent_id", "agent_secret")}
        with pytest.raises(ZapierError) as refusal:
            connection.with_auth(**theirs).subscribe(receiver.url)
        assert refusal.value.told == (404, "agent not found")

    def test_gone_turns_the_subscription_off_and_subscribing_on_again(
        self, fresh: Connection, receiver: Receiver
    ) -> None:
        receiver.reply = lambda received: Reply(410)
        subscription = fresh.subscribe(receiver.url)
        fresh.place(to_number="+14155550101")
        receiver.wait_for(1)
        fresh.place(to_number="+14155550101")
        wait_until(lambda: len(fresh.samples()) == 2, what="the second call has ended")
        assert len(receiver.requests) == 1

        receiver.reply = lambda received: Reply()
        assert fresh.subscribe(receiver.url) == subscription
        receiver.wait_for(3)
        assert fresh.unsubscribe(subscription) == {"success": True}

    def assert_unknown(self, connection: Connection, subscription_id: str) -> None:
        with pytest.raises(ZapierError) as refusal:
            connection.unsubscribe({"id": subscription_id})
        assert refusal.value.told == (404, "subscription not found")


class TestAction:
    def test_blank_optional_fields(self, connection: Connection) -> None:
        blank = dict.fromkeys(["from_number", "params", "agent_id", "call_id", "campaign_id"], "")
        answer = connection.place(to_number=NUMBER, **blank)
        assert answer == {"success": True, "call_id": answer["call_id"]}

    @pytest.mark.parametrize(
        ("inputs", "kept"),
        [
            ({}, {}),
            ({"params": {"city": "Bengaluru", "n": "1"}}, {"city": "Bengaluru", "n": "1"}),
            ({"params": '{"city": "Bengaluru", "n": 1}'}, {"city": "Bengaluru", "n": 1}),
            ({"params": "nonsense"}, {}),
        ],
    )
    def test_params(
        self,
        fresh: Connection,
        receiver: Receiver,
        inputs: dict[str, Any],
        kept: dict[str, Any],
    ) -> None:
        fresh.subscribe(receiver.url)
        fresh.place(to_number="+14155550101", **inputs)
        (delivered,) = receiver.wait_for(1)
        assert delivered.json["params"] == kept

    def test_every_field(self, fresh: Connection, receiver: Receiver) -> None:
        fresh.subscribe(receiver.url)
        call_id, campaign_id = UNKNOWN, "01940a6e-1400-7000-8000-00000000000c"
        order = {
            "to_number": "+14155550101",
            "from_number": "+14155550111",
            "agent_id": fresh.auth["agent_id"],
            "call_id": call_id,
            "campaign_id": campaign_id,
        }
        placed = {"success": True, "call_id": call_id}
        assert fresh.place(**order) == placed
        (delivered,) = receiver.wait_for(1)
        told = {name: delivered.json[name] for name in order}
        assert told == order
        assert fresh.place(**order) == placed
        with pytest.raises(ZapierError) as refusal:
            fresh.place(**{**order, "to_number": NUMBER})
        assert refusal.value.told == (409, "call_id already used")

    @pytest.mark.parametrize(
        ("inputs", "status", "sentence"),
        [
            ({}, 400, "Missing required: to_number"),
            ({"to_number": ""}, 400, "Missing required: to_number"),
            ({"to_number": "nonsense"}, 400, "invalid to_number"),
            ({"to_number": NUMBER, "from_number": "1"}, 400, "invalid from_number"),
            ({"to_number": NUMBER, "call_id": "7"}, 400, "call_id must be a UUID"),
            ({"to_number": NUMBER, "agent_id": UNKNOWN}, 404, "agent not found"),
            ({"to_number": "+14155550110"}, 402, "insufficient credits"),
        ],
    )
    def test_says_what_is_wrong(
        self, connection: Connection, inputs: dict[str, str], status: int, sentence: str
    ) -> None:
        with pytest.raises(ZapierError) as refusal:
            connection.place(**inputs)
        assert refusal.value.told == (status, sentence)

    def test_without_any_agent(self, connection: Connection) -> None:
        with pytest.raises(ZapierError) as refusal:
            connection.with_auth(agent_id="", agent_secret="").place()
        expected = (400, "Missing required: agent_id, to_number")
        assert refusal.value.told == expected

    def test_without_any_from_number(self, connection: Connection) -> None:
        silent = connection.demo["agent_without_number_id"]
        with pytest.raises(ZapierError) as refusal:
            connection.place(to_number=NUMBER, agent_id=silent)
        expected = (400, "from_number missing and agent has no default_number")
        assert refusal.value.told == expected

    def test_another_accounts_agent(self, connection: Connection, stranger: Connection) -> None:
        with pytest.raises(ZapierError) as refusal:
            connection.place(to_number=NUMBER, agent_id=stranger.auth["agent_id"])
        assert refusal.value.told == (404, "agent not found")

    def test_a_call_that_cannot_be_recorded(self, connection: Connection) -> None:
        with pytest.raises(ZapierError) as refusal:
            connection.place(to_number="+14155550109")
        status, sentence = refusal.value.told
        assert status == 500
        assert sentence.startswith(
            "Failed to initiate outbound call: The call could not be recorded. Request id: "
        )


class TestAsConfiguredInZapiersPages:
    """What an integration made by hand from the guide sends, through the same client."""

    path = "/api/zapier/actions/outbound-call"

    def test_form_mode_with_blank_fields(self, connection: Connection) -> None:
        fields = {
            "agent_id": connection.auth["agent_id"],
            "to_number": NUMBER,
            "from_number": "",
            "params": "",
        }
        answer = connection.request(self.path, method="POST", form=fields)
        assert (answer["status"], answer["data"]["success"]) == (200, True)

    def test_the_guides_template_with_params_unset(self, connection: Connection) -> None:
        body = (
            f'{{"agent_id": "{connection.auth["agent_id"]}", "to_number": "{NUMBER}", "params": }}'
        )
        answer = connection.request(
            self.path, method="POST", body=body, headers={"Content-Type": "application/json"}
        )
        assert answer == {"status": 400, "data": {"error": "The body is not valid JSON"}}

    def test_query_only(self, connection: Connection) -> None:
        params = {"agent_id": connection.auth["agent_id"], "to_number": NUMBER}
        answer = connection.request(self.path, method="POST", params=params)
        assert (answer["status"], answer["data"]["success"]) == (200, True)

    def test_a_path_that_is_not_there(self, connection: Connection) -> None:
        answer = connection.request("/api/zapier/auth/test/", method="GET")
        assert answer == {"status": 404, "data": {"error": "not found"}}


def sample_keys(connection: Connection) -> Any:
    """The keys of the sample that the integration itself carries."""
    return connection.client.ask("read", path=f"{TRIGGER}.sample").keys()
