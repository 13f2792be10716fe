"""Reading a do-not-call list from a CSV file."""

import io
import zipfile

import pytest

from calls.do_not_call_file import MOST_LINES, Line, UnreadableFile, read_lines

NUMBER, OTHER = "+14155550123", "+442079460000"


def read(text: str, **options: str) -> list[tuple[int, str, str, str]]:
    """Line, number, note and complaint of each line."""
    lines = read_lines(text.encode(), **options)
    return [(line.line, line.number, line.note, line.complaint) for line in lines]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_separators_and_line_ends(separator: str, ends: str) -> None:
    text = ends.join([f"{NUMBER}{separator}Asked", "", f"{OTHER}{separator}", ""])
    assert read(text) == [(1, NUMBER, "Asked", ""), (3, OTHER, "", "")]


def test_numbers_alone() -> None:
    assert read(f"+1 (415) 555-0123\n{OTHER}") == [(1, NUMBER, "", ""), (2, OTHER, "", "")]


def test_names_of_columns_say_where_they_are() -> None:
    text = f"Customer;Reason;Phone Number\nAda;Moved away;{NUMBER}\nBob\n"
    assert read(text) == [(2, NUMBER, "Moved away", ""), (3, "", "", "There is no number")]


def test_without_names_the_second_column_is_the_note() -> None:
    assert read(f"{NUMBER};a, b;c") == [(1, NUMBER, "a, b", "")]


def test_unknown_names_are_named() -> None:
    assert read(f"Mobil;Notiz\n{NUMBER};x") == [
        (1, "", "Notiz", 'No known name of a column: "Mobil", "Notiz". Write "number", "note"'),
        (2, NUMBER, "x", ""),
    ]


def test_a_first_line_of_values_is_a_line_like_any_other() -> None:
    assert read("12;x")[0] == (1, "", "x", "Without + it needs a country")


def test_what_is_no_text() -> None:
    spreadsheet = io.BytesIO()
    with zipfile.ZipFile(spreadsheet, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/worksheets/sheet1.xml", "".join(f"<v>{n * n}</v>" for n in range(2000)))
    for raw in (spreadsheet.getvalue(), f"{NUMBER}\n".encode("utf-16-le")):
        with pytest.raises(UnreadableFile, match="This is no text file: export the list as CSV"):
            read_lines(raw)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings(encoding: str) -> None:
    lines = read_lines(f"phone,note\n{NUMBER},Café Zürich".encode(encoding))
    assert lines == [Line(2, NUMBER, number=NUMBER, note="Café Zürich")]


def test_quotes() -> None:
    assert read(f'"{NUMBER}","said ""no"", twice"\n{OTHER},said "no"') == [
        (1, NUMBER, 'said "no", twice', ""),
        (2, OTHER, 'said "no"', ""),
    ]


def test_a_quote_that_swallows_lines_is_told_of() -> None:
    text = f'{NUMBER},"one\n{OTHER},two"\n+14155550124,three'
    assert read(text) == [
        (1, "", f"one\n{OTHER},two", "The note goes over several lines: a quote may be missing"),
        (3, "+14155550124", "three", ""),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no lines"),
        (" \n\n", "no lines"),
        (f'{NUMBER},ok\n{OTHER},"open\nand on', "Line 2: a quote"),
        (f'{NUMBER},"a"b', "Line 1: a quote"),
    ],
)
def test_what_cannot_be_read(text: str, complaint: str) -> None:
    with pytest.raises(UnreadableFile, match=complaint):
        read(text)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("+1234567890", "This is no phone number"),
        ("1.41556E+10", "Without + it needs a country"),
        (",a note", "There is no number"),
        (f"{NUMBER},{'x' * 201}", "The note is longer than 200 characters"),
        (f"{NUMBER},a\x00b", "The note has a character that cannot be kept"),
    ],
)
def test_invalid_lines_say_why(line: str, complaint: str) -> None:
    assert [found[3] for found in read(f"{OTHER}\n{line}")] == ["", complaint]


def test_a_note_of_200_characters_is_kept() -> None:
    assert read(f"{NUMBER},{'x' * 200}") == [(1, NUMBER, "x" * 200, "")]


def test_a_country_for_numbers_without_plus() -> None:
    assert read(f"(415) 555-0123\n{OTHER}\n12", region="US") == [
        (1, NUMBER, "", ""),
        (2, OTHER, "", ""),
        (3, "", "", "This is no phone number"),
    ]


def test_so_many_lines_and_no_more() -> None:
    assert len(read("phone\n" + "12\n" * MOST_LINES)) == MOST_LINES
    with pytest.raises(UnreadableFile, match="more than 200,000 lines"):
        read("12\n" * (MOST_LINES + 1))
