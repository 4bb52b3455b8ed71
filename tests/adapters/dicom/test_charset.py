"""Character sets: what is declared, what is meant, and what falls."""

from __future__ import annotations

import pytest

from adapters.dicom import charset


@pytest.mark.parametrize(
    ("declared", "raw", "text"),
    [
        ("", b"Yamada^Tarou", "Yamada^Tarou"),
        ("ISO_IR 100", b"\xc4neas^R\xfcdiger", "Äneas^Rüdiger"),
        ("ISO 100", b"R\xfcdiger", "Rüdiger"),
        ("ISO-IR 100", b"R\xfcdiger", "Rüdiger"),
        ("ISO_IR 203", b"100 \xa4", "100 €"),
        ("ISO_IR 192", "王^小東".encode(), "王^小東"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("GBK", "王^小东".encode("gbk"), "王^小东"),
        (
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (
            "\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="),
        ("ISO 2022 IR 6\\ISO 2022 IR 100", b"Buc^J\x1b-A\xe9r\xf4me", "Buc^Jérôme"),
    ],
)
def test_decodes(declared: str, raw: bytes, text: str) -> None:
    assert charset(declared).decode(raw) == (text, "")


@pytest.mark.parametrize("declared", ["ISO_IR 100", "", "ISO_IR 101"])
def test_utf_8_under_another_name_is_read_and_said(declared: str) -> None:
    text, said = charset(declared).decode("Łukasz^Müller".encode())
    assert text == "Łukasz^Müller"
    assert "UTF-8" in said


@pytest.mark.parametrize(
    ("declared", "raw"),
    [("ISO_IR 192", b"R\xfcdiger"), ("", b"R\xfcdiger"), ("GB18030", b"\xff\xff"), ("\\ISO 2022 IR 87", b"\x1b%Gabc")],
)
def test_what_can_not_be_meant_falls(declared: str, raw: bytes) -> None:
    text, said = charset(declared).decode(raw)
    assert text is None
    assert said


def test_an_unknown_term_is_known_as_such() -> None:
    assert charset("ISO_IR 999").unknown
    assert not charset("ISO_IR 192\\ISO 2022 IR 87").unknown
