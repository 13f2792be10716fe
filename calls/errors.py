"""What can be wrong with a call a client asks for or about."""

from core.errors import Conflict, DomainError, InternalError


class FromNumberMissing(DomainError):
    code = "from_number_missing"
    message = "Give a fromNumber: the agent has no defaultNumber"
    zapier = "from_number missing and agent has no default_number"


class FromNumberNotAllowed(DomainError):
    code = "from_number_not_allowed"
    message = (
        "A real carrier shows only the agent's defaultNumber or one of the account's caller ids; "
        "an operator approves them in the admin"
    )
    zapier = "from_number not allowed"


class CallNotFound(DomainError):
    status = 404
    code = "call_not_found"
    message = "There is no such call"
    zapier = "call not found"


class IdempotencyConflict(Conflict):
    code = "idempotency_conflict"
    message = "This Idempotency-Key was used for a different request"


class CallIdAlreadyUsed(Conflict):
    code = "call_id_already_used"
    message = "This call_id was used for a different call"
    zapier = "call_id already used"


class CallNotRecorded(InternalError):
    message = "The call could not be recorded"
    zapier = "Failed to initiate outbound call"
