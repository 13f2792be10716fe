"""What can be wrong with a call a client asks for or about."""

from core.errors import Conflict, DomainError, InternalError


class FromNumberMissing(DomainError):
    code = "from_number_missing"
    message = "Give a fromNumber: the agent has no defaultNumber"
    zapier = "from_number missing and agent has no default_number"


class CallNotFound(DomainError):
    status = 404
    code = "call_not_found"
    message = "There is no such call"
    zapier = "call not found"


class CallAlreadyEnded(Conflict):
    code = "call_already_ended"
    message = "The call has ended already"


class MessageNotFound(DomainError):
    status = 404
    code = "message_not_found"
    message = "There is no such message"


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
