"""A do-not-call list as people keep it: a CSV file of numbers, and perhaps notes. Pure."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from core.errors import InvalidNumber
from core.phone import to_e164

MOST_LINES = 200_000
LONGEST_NOTE = 200
NUMBER_NAMES = {"number", "phone", "phone number", "phone_number", "telephone", "to_number"}
NOTE_NAMES = {"note", "notes", "reason", "comment"}
SEPARATORS = ",;\t"
# Tabs and line ends are none of them; a text in the wrong encoding has a few.
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
MOST_CONTROL_CHARACTERS = 0.05
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


class UnreadableFile(Exception):
    """With a sentence that says why."""


@dataclass(frozen=True)
class Line:
    """A line of the file: its number as E.164, or a complaint. Lines count from 1."""

    line: int
    written: str
    number: str = ""
    note: str = ""
    complaint: str = ""


def read_lines(raw: bytes, *, region: str | None = None) -> list[Line]:
    """Each line that is not empty. Numbers without + are read as those of `region`.

    Raises UnreadableFile for what is no CSV, or too long.
    """
    text = _text(raw)
    if len(CONTROL_CHARACTERS.findall(text)) > MOST_CONTROL_CHARACTERS * len(text):
        raise UnreadableFile("This is no text file: export the list as CSV")
    records = _records(text)
    first = next(records, None)
    if first is None:
        raise UnreadableFile("The file has no lines")
    columns = _columns(first[1])
    lines = [] if columns else [_first_line(*first, region=region)]
    for line, cells in records:
        if len(lines) == MOST_LINES:
            raise UnreadableFile(f"The file has more than {MOST_LINES:,} lines")
        lines.append(_line(line, cells, columns=columns or (0, 1), region=region))
    return lines


def _text(raw: bytes) -> str:
    if raw.startswith(BYTE_ORDER_MARKS):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Every byte means something in it.
        return raw.decode("latin-1")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with the line that it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, [cell.strip() for cell in cells]
            begins = reader.line_num + 1
    except csv.Error:
        raise UnreadableFile(
            f"Line {begins}: a quote at the start of a column must be closed at its end"
        ) from None


def _separator(text: str) -> str:
    """What comes first in the first line: neither numbers nor names of columns have any of them."""
    first = text.lstrip().split("\n", 1)[0]
    found = [sign for sign in first if sign in SEPARATORS]
    return found[0] if found else SEPARATORS[0]


def _columns(cells: list[str]) -> tuple[int, int | None] | None:
    """Where a line of names says that numbers and notes are; None for a line of values."""
    names = [cell.lower() for cell in cells]
    number = next((at for at, name in enumerate(names) if name in NUMBER_NAMES), None)
    note = next((at for at, name in enumerate(names) if name in NOTE_NAMES), None)
    return None if number is None else (number, note)


def _first_line(line: int, cells: list[str], *, region: str | None) -> Line:
    """A line of values, or of names that are none of ours."""
    found = _line(line, cells, columns=(0, 1), region=region)
    if any(sign.isdigit() for cell in cells for sign in cell):
        return found
    names = ", ".join(f'"{cell}"' for cell in cells if cell)
    return replace(found, complaint=f'No known name of a column: {names}. Write "number", "note"')


def _line(
    line: int, cells: list[str], *, columns: tuple[int, int | None], region: str | None
) -> Line:
    written, note = (_cell(cells, at) for at in columns)
    if complaint := _complaint(note):
        return Line(line, written, note=note, complaint=complaint)
    try:
        return Line(line, written, number=to_e164(written, region=region), note=note)
    except InvalidNumber:
        return Line(line, written, note=note, complaint=_about(written, region=region))


def _cell(cells: list[str], at: int | None) -> str:
    return cells[at] if at is not None and at < len(cells) else ""


def _complaint(note: str) -> str:
    if len(note) > LONGEST_NOTE:
        return f"The note is longer than {LONGEST_NOTE} characters"
    if "\n" in note or "\r" in note:
        return "The note goes over several lines: a quote may be missing"
    if "\x00" in note:
        return "The note has a character that cannot be kept"
    return ""


def _about(written: str, *, region: str | None) -> str:
    if not written:
        return "There is no number"
    if written.startswith("+") or region:
        return "This is no phone number"
    return "Without + it needs a country"
