"""The events that webhooks tell of."""

CALL_STARTED = "call.started"
CALL_COMPLETED = "call.completed"
CALL_FAILED = "call.failed"
SMS_SENT = "sms.sent"
SMS_DELIVERED = "sms.delivered"
SMS_FAILED = "sms.failed"
ENDPOINT_DISABLED = "endpoint.disabled"
TEST = "test"

# What a subscription may choose.
TYPES = (
    CALL_STARTED,
    CALL_COMPLETED,
    CALL_FAILED,
    SMS_SENT,
    SMS_DELIVERED,
    SMS_FAILED,
    ENDPOINT_DISABLED,
)
