"""What the API schema says of how its operations follow from each other."""

from typing import Any

# The ids that an operation answers, where they stand, and what takes them.
LEADS_ON: dict[tuple[str, str], tuple[str, str, tuple[str, ...]]] = {
    ("sendCall", "201"): ("call_id", "callId", ("getCall", "listCallEvents", "cancelCall")),
    ("sendMessage", "201"): ("message_id", "messageId", ("getMessage",)),
    ("createAgent", "201"): (
        "agent_id",
        "id",
        ("getAgent", "changeAgent", "rotateAgentSecret", "deleteAgent"),
    ),
    ("createWebhook", "201"): (
        "webhook_id",
        "id",
        (
            "getWebhook",
            "changeWebhook",
            "rotateWebhookSecret",
            "testWebhook",
            "recoverWebhook",
            "getWebhookHealth",
            "listDeliveries",
            "deleteWebhook",
        ),
    ),
    ("testWebhook", "202"): ("delivery_id", "id", ("getDelivery", "redeliver")),
    ("addDoNotCall", "201"): ("number", "number", ("getDoNotCall", "removeDoNotCall")),
    ("zapierSubscribe", "201"): ("subscription_id", "id", ("zapierUnsubscribe",)),
}
# An id in an address, as it may be written there.
IDS = {
    "call_id": "call_01a200fd4bcb7fb4938dc8cac8247ccf",
    "message_id": "sms_01a200fd4bcb7fb4938dc8cac8247ccf",
    "agent_id": "agent_01a200fd3af671c09d1a349227a8fae4",
    "webhook_id": "whk_01a200fd4bcb7fb4938dc8cac8247ccf",
    "delivery_id": "dlv_01a200fd4bcb7fb4938dc8cac8247ccf",
    "subscription_id": "01a200fd-4bcb-7fb4-938d-c8cac8247ccf",
    "number": "+14155550123",
}


def add_links(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular postprocessing hook: links from answers to what can be asked next."""
    for operations in result["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["example"] = IDS[parameter["name"]]
            for status, response in operation["responses"].items():
                if (operation["operationId"], status) in LEADS_ON:
                    response["links"] = _links(*LEADS_ON[operation["operationId"], status])
    # Either of the two; a serializer cannot say so.
    one_of_both = [{"required": [name]} for name in ("callback_url", "target_url")]
    result["components"]["schemas"]["SubscribeRequest"]["anyOf"] = one_of_both
    return result


def _links(parameter: str, field: str, operations: tuple[str, ...]) -> dict[str, Any]:
    value = {parameter: f"$response.body#/{field}"}
    return {name: {"operationId": name, "parameters": value} for name in operations}
