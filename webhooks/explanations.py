"""Failures in plain words: what happened, and what to do about it."""

FAILURES = {
    "url_refused": "The URL is not allowed any more, so nothing was sent. Change the webhook's "
    "URL, or list its host in WEBHOOK_ALLOWED_TARGETS.",
    "address_refused": "The host name points to an address that is not public, so nothing was "
    "sent. List it in WEBHOOK_ALLOWED_TARGETS if it is yours.",
    "dns_lookup_failed": "The host name could not be found. Check the spelling of the URL.",
    "tls_failed": "No secure connection could be made: the certificate is expired, self-signed "
    "or for another name.",
    "connection_timeout": "The server did not take the connection within 5 seconds. It may be "
    "down or behind a firewall.",
    "timeout": "The server did not finish its answer within 15 seconds. It should answer first "
    "and work afterwards.",
    "connection_refused": "Nothing listens at this address and port. Is the server running?",
    "connection_failed": "The server could not be reached.",
    "connection_closed": "The server hung up before it had answered.",
    "response_broken": "The answer is no valid HTTP.",
    "redirect_refused": "The server answered with a redirect, which is not followed. Put the "
    "final address into the webhook's URL.",
    "http_error": "The server answered with an error. Its answer may say why.",
    "secret_unreadable": "The webhook's secret cannot be decrypted, so nothing was sent: a key is "
    "missing from ENCRYPTION_KEYS. Put it back, after the newest one.",
    "not_recorded": "The server answered, but its answer could not be written down. The server's "
    "log says why.",
    "request_failed": "The request failed in a way that has no name yet. The server's log knows "
    "more.",
}

STATUS_REASONS = {
    "gone": "The endpoint answered 410 Gone: it wants to hear no more. Zapier does so when a Zap "
    "is turned off.",
    "failing_for_5_days": "Nothing but failures for five days. Repair the endpoint, then enable "
    "the webhook: what was held is sent.",
}

DELIVERY_STATUSES = {
    "pending": "It is sent as soon as it is due.",
    "retrying": "It was sent before; it is sent again as soon as it is due.",
    "delivered": "The endpoint has it.",
    "failed": "The last attempt failed too; no more are made.",
    "held": "The webhook is paused or disabled. What is held is sent once it is enabled.",
    "canceled": "The webhook was removed before it could be sent.",
}


def explain(reason: str) -> str:
    """A plain sentence for a stored failure or reason; its name where none is written yet."""
    words = {**FAILURES, **STATUS_REASONS}
    return words.get(reason) or reason.replace("_", " ").capitalize()
