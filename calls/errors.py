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


class CallAlreadyEnded(Conflict):
    code = "call_already_ended"
    message = "The call has ended already"


class NumberOnDoNotCallList(DomainError):
    status = 403
    code = "do_not_call"
    message = "This number is on the account's do-not-call list"
    zapier = "do not call"


class CountryNotAllowed(DomainError):
    status = 403
    code = "country_not_allowed"
    message = "The account's calling rules do not allow this number's country"
    zapier = "country not allowed"


class OutsideCallingHours(DomainError):
    status = 403
    code = "outside_calling_hours"
    message = "The calling hours do not open for this number before the call would expire"
    zapier = "outside calling hours"


class PersonCalledTooOften(DomainError):
    status = 403
    code = "person_called_too_often"
    message = "This number was called as often today as the account's calling rules allow"
    zapier = "person called too often"


class NumberNotFound(DomainError):
    status = 404
    code = "number_not_found"
    message = "This number is not on the do-not-call list"
    zapier = "number not found"


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
