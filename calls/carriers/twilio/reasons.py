"""Twilio's and SIP's numbers for what went wrong, as reasons.

https://www.twilio.com/docs/api/errors
"""

from calls.models import DialStatus

# By error code: of a refused request, of a call that failed, of a message that did not arrive.
ERRORS = {
    10001: "carrier_account_suspended",
    13223: "to_number_invalid",
    13224: "to_number_invalid",
    13225: "number_blocked",
    13226: "to_number_invalid",
    13227: "country_not_enabled",
    20003: "carrier_credentials_refused",
    20005: "carrier_account_suspended",
    20404: "carrier_credentials_refused",  # there is no such account
    20429: "carrier_busy",
    21202: "number_blocked",
    21203: "country_not_enabled",
    21205: "callback_url_refused",
    21210: "from_number_refused",
    21211: "to_number_invalid",
    21212: "from_number_refused",
    21213: "from_number_refused",
    21214: "to_number_invalid",
    21215: "country_not_enabled",
    21216: "number_blocked",
    21217: "to_number_invalid",
    21219: "number_not_verified",
    21408: "country_not_enabled",
    21601: "from_number_refused",
    21603: "from_number_refused",
    21604: "to_number_invalid",
    21606: "from_number_refused",
    21608: "number_not_verified",
    21609: "callback_url_refused",
    21610: "recipient_opted_out",
    21611: "carrier_busy",
    21612: "number_cannot_receive",
    21614: "number_cannot_receive",
    21617: "message_too_long",
    21659: "from_number_refused",
    21660: "from_number_refused",
    30001: "carrier_busy",
    30002: "carrier_account_suspended",
    30003: "handset_unreachable",
    30004: "message_blocked",
    30005: "number_not_in_service",
    30006: "number_cannot_receive",
    30007: "message_filtered",
    30008: "carrier_failed",
    30032: "sender_not_registered",
    30034: "sender_not_registered",
    32018: "instructions_too_long",
    572005: "number_not_verified",
    573005: "number_not_verified",
}

Ending = tuple[DialStatus, str]
NO_ANSWER: Ending = (DialStatus.NO_ANSWER, "")
BUSY: Ending = (DialStatus.BUSY, "")
DECLINED: Ending = (DialStatus.BUSY, "declined")
NOT_IN_SERVICE: Ending = (DialStatus.FAILED, "number_not_in_service")
REJECTED: Ending = (DialStatus.FAILED, "rejected")
NETWORK: Ending = (DialStatus.FAILED, "network_failure")

# By the SIP response that a dial ended with (RFC 3261, section 21; RFC 8197; RFC 8688).
SIP = {
    401: REJECTED,
    403: REJECTED,
    404: NOT_IN_SERVICE,
    407: REJECTED,
    408: NO_ANSWER,
    410: NOT_IN_SERVICE,
    480: NO_ANSWER,
    484: NOT_IN_SERVICE,
    486: BUSY,
    488: NETWORK,
    500: NETWORK,
    502: NETWORK,
    503: NETWORK,
    504: NETWORK,
    600: BUSY,
    603: DECLINED,
    604: NOT_IN_SERVICE,
    607: DECLINED,
    608: REJECTED,
}
