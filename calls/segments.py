"""What a text message weighs: the segments that networks send it in, and bill it by.

A segment carries 140 octets. In the GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1) that is 160
septets; a character of its extension table (6.2.1.1) takes two, the escape and its own. A text with
any other character goes out as UCS-2 (6.2.3): 70 code units of UTF-16. The parts of a longer text
give 6 octets each to the header that joins them (3GPP TS 23.040, 9.2.3.24.1), which leaves 153
septets or 67 code units.
"""

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
ALPHABET = BASIC | EXTENSION
GSM_7, UCS_2 = "GSM-7", "UCS-2"
# Alone, and as one part of several.
ROOM = {GSM_7: (160, 153), UCS_2: (70, 67)}


def encoding_of(text: str) -> str:
    """GSM_7 where its two tables have all of `text`, else UCS_2."""
    return GSM_7 if ALPHABET.issuperset(text) else UCS_2


def split(text: str) -> list[str]:
    """`text` as the segments it is sent in.

    No character is divided: neither the escape from what it escapes, nor a surrogate pair.
    """
    alone, part = ROOM[encoding_of(text)]
    weights = _weights(text)
    if sum(weights) <= alone:
        return [text]
    parts, begin, filled = [], 0, 0
    for at, weight in enumerate(weights):
        if filled + weight > part:
            parts.append(text[begin:at])
            begin, filled = at, 0
        filled += weight
    return [*parts, text[begin:]]


def _weights(text: str) -> list[int]:
    """What each character takes."""
    if encoding_of(text) == GSM_7:
        return [2 if character in EXTENSION else 1 for character in text]
    return [2 if ord(character) > 0xFFFF else 1 for character in text]
