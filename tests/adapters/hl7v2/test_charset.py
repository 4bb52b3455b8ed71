"""Character sets: what MSH-18 declares, what the bytes are, and what is said when the two differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import Message, cns11643, iso2022, read, unescape

CHINESE, KOREAN, JAPANESE, TAIWANESE = "王小明^北京", "김민준", "山田^太郎", "陳小明"


def message(declared: str, name: bytes) -> Message:
    return read(b"MSH|^~\\&|||||||ADT^A01|1|P|2.5||||||" + declared.encode() + b"\rPID|||||" + name)


DECLARED = [
    ("UNICODE UTF-8", "utf-8", "Zoë " + CHINESE, "utf-8"),
    ("UTF-8", "utf-8", "Zoë", "utf-8"),
    ("8859/1", "iso8859-1", "Zoë Müller", "iso8859-1"),
    ("8859/1~8859/2", "iso8859-1", "Zoë", "iso8859-1"),
    ("ISO-8859-1", "iso8859-1", "Ærø", "iso8859-1"),
    ("8859/2", "iso8859-2", "Łódź", "iso8859-2"),
    ("8859/3", "iso8859-3", "Ħal", "iso8859-3"),
    ("8859/4", "iso8859-4", "Šķēle", "iso8859-4"),
    ("8859/5", "iso8859-5", "Борис", "iso8859-5"),
    ("8859/6", "iso8859-6", "محمد", "iso8859-6"),
    ("8859/7", "iso8859-7", "Γιώργος", "iso8859-7"),
    ("8859/8", "iso8859-8", "דוד", "iso8859-8"),
    ("8859/9", "iso8859-9", "Şükrü", "iso8859-9"),
    ("8859/15", "iso8859-15", "Œuvre €", "iso8859-15"),
    ("GB 18030-2000", "gb18030", CHINESE, "gb18030"),
    ("GB18030", "gb18030", CHINESE, "gb18030"),
    ("BIG-5", "big5", TAIWANESE, "big5hkscs"),
    ("KS X 1001", "cp949", KOREAN, "cp949"),
    ("~ISO IR87", "iso2022_jp", JAPANESE, "iso2022_jp_ext"),
    ("ISO IR87", "iso2022_jp", JAPANESE, "iso2022_jp_ext"),
    ("ASCII~ISO IR87", "iso2022_jp", JAPANESE, "iso2022_jp_ext"),
    ("ISO IR14~ISO IR87", "iso2022_jp", JAPANESE, "iso2022_jp_ext"),
    ("ISO IR6", "ascii", "Smith", "utf-8"),
    ("ASCII", "ascii", "Smith", "utf-8"),
    ("CNS 11643-1992", cns11643.NAME, TAIWANESE, cns11643.NAME),
    ("CNS 11643-1992", "ascii", "Smith", cns11643.NAME),
    ("ISO IR13", "shift_jis", "ﾔﾏﾀﾞ", "shift_jis"),
    ("ISO IR14~ISO IR13~ISO IR87", "iso2022_jp_ext", "ﾔﾏﾀﾞ^山田", "iso2022_jp_ext"),
    ("~ISO IR159", "iso2022_jp_ext", "丂^乂", "iso2022_jp_ext"),
    ("8859/1~ISO IR87", "iso2022_jp", JAPANESE, "iso8859-1"),
    ("GB 18030-2000", "gb18030", "联通^Zoë", "gb18030"),  # its bytes are valid UTF-8 by chance
    ("GBK", "gbk", CHINESE, "gb18030"),
    ("GB2312", "gb2312", CHINESE, "gb18030"),
    ("windows-1252", "cp1252", "“Zoë”", "cp1252"),
    ("latin1", "iso8859-1", "Zoë", "iso8859-1"),
    ("ISO_IR 100", "iso8859-1", "Zoë", "iso8859-1"),
    ("8859-1", "iso8859-1", "Zoë", "iso8859-1"),
    ("SJIS", "cp932", JAPANESE, "cp932"),
    ("EUC-KR", "euc_kr", KOREAN, "cp949"),
    ("ISO-2022-JP", "iso2022_jp", JAPANESE, "iso2022_jp_ext"),
    ("TIS-620", "tis_620", "สมชาย", "iso8859-11"),
    ("UTF8", "utf-8", CHINESE, "utf-8"),
    ("UNICODE UTF-8^local", "utf-8", CHINESE, "utf-8"),
    ("", "utf-8", "Zoë", "utf-8"),
    ("", "ascii", "Smith", "utf-8"),
    ("8859/1", "ascii", "Smith", "iso8859-1"),
]


@pytest.mark.parametrize(("declared", "codec", "name", "used"), DECLARED)
def test_as_declared(declared: str, codec: str, name: str, used: str) -> None:
    """The first repetition of MSH-18 governs; the text comes out as it was meant, without an issue."""
    read_ = message(declared, name.encode(codec))
    assert (read_.segments[1].fields[5], read_.charset, read_.issues) == (name, used, [])


WRONG = [
    # declared, bytes, text, codec, severity
    ("UNICODE UTF-8", "Zoë".encode("latin-1"), "Zoë", "utf-8", "error"),
    ("UNICODE UTF-8", "王".encode() + b" Zo\xeb", "王 Zoë", "utf-8", "error"),  # one bad byte doesn't spoil the rest
    ("ASCII", "Zoë".encode(), "Zoë", "utf-8", "warning"),
    ("ASCII", "Zoë".encode("latin-1"), "Zoë", "cp1252", "warning"),
    ("", "Zoë €".encode("cp1252"), "Zoë €", "cp1252", "warning"),
    ("8859/1", "Zoë 王".encode(), "Zoë 王", "utf-8", "warning"),
    ("8859/1", "“Zoë”".encode("cp1252"), "“Zoë”", "cp1252", "information"),
    ("8859/6", "Zoë".encode(), "Zoë", "utf-8", "warning"),
    ("GB 18030-2000", "王小".encode("gb18030") + b"\xff", "王小ÿ", "gb18030", "error"),
    ("BIG-5", "Zoë Łódź".encode(), "Zoë Łódź", "utf-8", "warning"),
    ("EBCDIC", "Zoë".encode(), "Zoë", "utf-8", "error"),
    ("CNS 11643-1992", "陳小明".encode("big5"), "陳小明", "big5hkscs", "warning"),
    ("ISO IR87", "山田".encode("cp932"), "山田", "cp932", "warning"),
    ("", b"\x1b$B;3ED\x1b(B", "山田", "iso2022_jp_ext", "warning"),
    ("8859/15", "“€”".encode("cp1252"), "“€”", "iso8859-15", "information"),
    # valid in what is declared, too, but then a separator would be swallowed, or the text be no word
    ("GB 18030-2000", "王^小明".encode(), "王^小明", "utf-8", "warning"),
    ("BIG-5", "陳小明".encode(), "陳小明", "utf-8", "warning"),
    ("KS X 1001", "김민준".encode(), "김민준", "utf-8", "warning"),
    ("8859/5", "Борис".encode(), "Борис", "utf-8", "warning"),
    ("8859/7", "Γιώργος".encode(), "Γιώργος", "utf-8", "warning"),
    ("windows-1251", "Борис".encode(), "Борис", "utf-8", "warning"),
    # a set that MSH-18 names, but not first
    ("ASCII~GB 18030-2000", CHINESE.encode("gb18030"), CHINESE, "gb18030", "warning"),
    ("~8859/2", "Łódź".encode("iso8859-2"), "Łódź", "iso8859-2", "warning"),
    ("~KS X 1001", KOREAN.encode("cp949"), KOREAN, "cp949", "warning"),
    ("UNICODE UTF-16", b"Smith", "Smith", "utf-8", "warning"),
]


@pytest.mark.parametrize(("declared", "name", "text", "used", "severity"), WRONG)
def test_wrong_declaration(declared: str, name: bytes, text: str, used: str, severity: str) -> None:
    """A declaration that the bytes contradict is reported; no byte is lost."""
    read_ = message(declared, name)
    assert (read_.segments[1].fields[5], read_.charset) == (text, used)
    assert severity in [issue.severity for issue in read_.issues]
    assert {issue.path for issue in read_.issues} == {"MSH[1]-18[1].1.1"}


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_wide(codec: str, mark: str) -> None:
    """UTF-16 and UTF-32 are recognised by their first bytes, and `\\X..\\` is in them."""
    text = f"{mark}MSH|^~\\&|||||||ADT^A01|1|P|2.5||||||UNICODE UTF-16\rPID|||||王^\\X41\\"
    read_ = read(text.encode(codec))
    assert read_.charset == codec
    assert read_.segments[1].fields[5].startswith("王^")
    assert unescape("\\X004A\\", read_.delimiters, "utf-16-be") == "J"


def test_delimiters_inside_double_byte_characters() -> None:
    """In GB18030 and BIG-5 a character's second byte may be `|`, `^` or `\\`: text is decoded before it is split."""
    tricky = "".join(
        chr(code) for code in range(0x4E00, 0x9FA5) if chr(code).encode("gb18030")[1:] in (b"|", b"^", b"\\")
    )
    assert len(tricky) > 100
    assert message("GB 18030-2000", tricky.encode("gb18030")).segments[1].fields[5] == tricky
    assert message("BIG-5", "許功蓋".encode("big5")).segments[1].fields[5] == "許功蓋"


@pytest.mark.parametrize(
    ("country", "declared", "name", "used"),
    [
        ("CHN", "", "王小明".encode("gb18030"), "gb18030"),
        ("CN", "UNICODE UTF-8", "王小明".encode("gb18030"), "gb18030"),
        ("TWN", "", "陳小明".encode("big5"), "big5hkscs"),
        ("KOR", "UNICODE", "김민준".encode("cp949"), "cp949"),
        ("JPN", "", "山田太郎".encode("cp932"), "cp932"),
        ("CHN", "UNICODE UTF-8", "王小明王小明".encode()[:-1], "utf-8"),  # UTF-8 that was cut inside a character
        ("CHE", "", "Müller".encode("latin-1"), "cp1252"),
    ],
)
def test_the_country_where_nothing_else_is_said(country: str, declared: str, name: bytes, used: str) -> None:
    header = f"MSH|^~\\&|||||||ADT^A01|1|P|2.5|||||{country}|{declared}\rPID|||||"
    read_ = read(header.encode() + name)
    assert (read_.charset, len(read_.issues)) == (used, 1)
    assert read_.issues[0].path == "MSH[1]-18[1].1.1"
    if used not in ("utf-8", "cp1252"):
        assert read_.segments[1].fields[5] == name.decode(used)


def test_a_separator_inside_a_character_before_the_declaration() -> None:
    """MSH-4 in GB18030 whose second byte is `|`: MSH-18 is still found."""
    tricky = b"\x8a\x7c".decode("gb18030")
    header = f"MSH|^~\\&|HIS|{tricky}医院|||||ADT^A01|1|P|2.5||||||GB 18030-2000\rPID|||||王"
    read_ = read(header.encode("gb18030"))
    assert (read_.charset, read_.control_id, read_.segments[0].fields[4]) == ("gb18030", "1", tricky + "医院")
    assert read_.segments[1].fields[5] == "王"


SEQUENCES = [
    # JIS X 0201 Roman has the yen sign where `\` stands and an overline for `~`: separators all the same
    (b"\x1b(Ja\\T\\b~c^\x1b$B;3ED\x1b(J^d\\", "a\\T\\b~c^山田^d\\"),
    (b"\x1b(I4@\x1b(B", "ｴﾀ"),
    (b"\x1b$(D0!\x1b(B", "丂"),
    (b"\x1b-F\xe1\xe2\x1b-A\xe9", "αβé"),
    (b"\x1b$)C\xb1\xe8^\xb9\xce", "김^민"),
    (b"\x1b$AMu\x1b(B", "王"),
    (b"\x1b$B;3E", "山E"),  # half a character is what its byte is
]


@pytest.mark.parametrize(("name", "text"), SEQUENCES)
def test_iso_2022(name: bytes, text: str) -> None:
    """Sets by escape sequence; the line's end takes all back."""
    read_ = read(b"MSH|^~\\&|||||||ADT^A01|1|P|2.5||||||8859/1~ISO IR87\rPID|||||" + name + b"\rPV1|1|\xe9")
    assert (read_.segments[1].fields[5], read_.segments[2].fields[2], read_.issues) == (text, "é", [])


@given(st.binary(max_size=60))
def test_any_sequence_has_a_text(body: bytes) -> None:
    for name in ("ascii", "iso8859-1", "shift_jis"):
        iso2022.decoded(b"\x1b$B" + body, name, "tabellion.lossless").encode("utf-8")
    body.decode(cns11643.NAME, "replace")
    try:
        text = body.decode(cns11643.NAME)
    except UnicodeDecodeError:
        return
    assert text.encode(cns11643.NAME).decode(cns11643.NAME) == text


@pytest.mark.parametrize(
    ("char", "code"), [("一", "c4a1"), ("乂", "8ea2a1a1"), ("龘", "8ea2f2c4"), ("Ａ", "a4c1"), ("籲", "fdcb")]
)
def test_cns_11643(char: str, code: str) -> None:
    """First and last characters of plane 1 and 2, as the standard's code charts have them."""
    assert char.encode(cns11643.NAME).hex() == code
    assert bytes.fromhex(code).decode(cns11643.NAME) == char
    with pytest.raises(UnicodeEncodeError):
        "é".encode(cns11643.NAME)


def test_byte_order_mark() -> None:
    """A UTF-8 mark before MSH is no content."""
    read_ = read(b"\xef\xbb\xbfMSH|^~\\&|||||||ADT^A01|1|P|2.5\rPID|||||Zo\xc3\xab")
    assert (read_.segments[1].fields[5], read_.issues) == ("Zoë", [])


NAMES = [
    "",
    "ASCII",
    "UNICODE UTF-8",
    "8859/1",
    "8859/6",
    "8859/15",
    "GB 18030-2000",
    "BIG-5",
    "KS X 1001",
    "~ISO IR87",
]


@given(st.binary(max_size=80), st.sampled_from([*NAMES, "ISO IR14", "UNICODE", "UNICODE UTF-16", "nonsense"]))
def test_any_bytes_have_a_text(name: bytes, declared: str) -> None:
    """Whatever is declared and sent: text without lone surrogates and without control characters that FHIR forbids."""
    for segment in message(declared, name).segments:
        for field in segment.fields:
            field.encode("utf-8")
            assert not [char for char in field if ord(char) < 32 and char not in "\t\r\n"]


@given(st.binary(max_size=40), st.sampled_from(["", "ASCII", "UNICODE UTF-8", "8859/1", "8859/6"]))
def test_no_byte_is_lost(name: bytes, declared: str) -> None:
    """Single-byte and UTF-8 text: each byte above 127 is in some character."""
    high = bytes(byte for byte in name if byte >= 128)
    text = message(declared, b"x" + high).segments[1].fields[5][1:]
    assert sum(1 for char in text if ord(char) >= 128) == len(text)
    assert len(text) in (len(high), len(high.decode("utf-8", "ignore"))) or len(text.encode()) >= len(high)


def test_a_byte_that_is_no_character_of_cns_11643_before_msh_18() -> None:
    body = b"MSH|^~\\&|\xa1\xa1\x80A|F|B|C|2026||ADT^A01|1|P|2.5||||||CNS 11643-1992"
    assert read(body).segments[0].field(10) == "1"
    assert "\ufffd".encode(cns11643.NAME, "replace") == b"?"
