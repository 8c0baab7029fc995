"""Shops' files as people have them: every line is used, or counted with its reason."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sources.retail import CompleteJourney, RetailError, RetailFiles
from assets.sources.retail_columns import as_dates, as_ids, as_numbers
from tests.retail_files import PRODUCT_HEADER, TRANSACTION_HEADER, retail

PRODUCTS = f"""{PRODUCT_HEADER}
a,1,DAIRY,National,MILK,MILK,1 L
b,1,DAIRY,Private,MILK,MILK,(2) 500 ML
a,2,BAKERY,National,BREAD,BREAD,
,2,BAKERY,National,BREAD,BREAD,
"""
TRANSACTIONS = f"""{TRANSACTION_HEADER}
1,a,h,s,1,2.0,2024-02-29
1,b,h,s,0.4,1.5,2024-02-29 10:11:12
1,a,h,s,-1,-2.0,2024-02-29
,a,h,s,1,2.0,2024-02-29
2,,h,s,0,2.0,2024-02-29
2,b,h,s,two,2.0,2024-02-29
2,b,,,,,someday
3,b,h,s,1,-2.0,2024-02-29
3,b,h,s,1,free,2024-02-29
"""


def test_lines_that_do_not_count_keep_their_first_reason(tmp_path: Path) -> None:
    source = retail(tmp_path, TRANSACTIONS, PRODUCTS)
    lines = source.transactions().collect()
    assert lines["reason"].to_list() == [
        None,
        None,
        "quantity not above 0",
        "no basket",
        "no product",
        "quantity is not a number",
        None,
        "sales value below 0",
        "sales value is not a number",
    ]
    assert lines["kept"].to_list() == lines["reason"].is_null().to_list()
    assert lines.row(1)[:7] == ("1", "b", "h", "s", 1, 1.5, date(2024, 2, 29))
    assert lines.row(6)[:7] == ("2", "b", None, None, None, None, None)
    assert source.products().collect()["reason"].to_list() == [
        None,
        None,
        "same id as an earlier product",
        "no product",
    ]


def test_a_wrong_file_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    source = retail(tmp_path, "basket_id,product,quantity\n1,a,1\n", PRODUCTS)
    with pytest.raises(
        RetailError, match=r"transactions.csv: no column product_id; it has basket_id, product, quantity"
    ):
        source.transactions()
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not Parquet")
    with pytest.raises(RetailError, match=r"broken.parquet: not readable"):
        RetailFiles(broken, broken).products()
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(RetailError, match=r"book.csv: a zip file or an Excel workbook; save the table as CSV"):
        RetailFiles(tmp_path / "book.csv", broken).transactions()
    with pytest.raises(RetailError, match=r"absent.csv"):
        RetailFiles(tmp_path / "absent.csv", broken).version()
    with pytest.raises(RetailError, match=r"absent.csv"):
        RetailFiles(tmp_path / "absent.csv", broken).transactions()


def test_the_version_follows_the_files(tmp_path: Path) -> None:
    before = retail(tmp_path, TRANSACTIONS, PRODUCTS).version()
    assert retail(tmp_path, TRANSACTIONS + "3,a,h,s,1,1,2024-01-01\n", PRODUCTS).version() != before


def test_the_packaged_data_reads_like_files_of_ones_own(tmp_path: Path) -> None:
    packaged, own = CompleteJourney(), retail(tmp_path, TRANSACTIONS, PRODUCTS)
    assert "simulated" in packaged.name
    assert packaged.transactions().collect_schema() == own.transactions().collect_schema()
    assert packaged.products().collect_schema() == own.products().collect_schema()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["12.0", "1.2e1", "12", "12."], ["12"] * 4),
        (["9007199254740993.0", "9007199254740993"], ["9007199254740993"] * 2),
        (["1e+16", "1e16", "3.0"], ["10000000000000000", "10000000000000000", "3"]),
        (["12E3", "A1", "1.5", " 7 "], ["12E3", "A1", "1.5", "7"]),
        (["nan", "NA", "", "<NA>", "None", "NULL", "5"], [None] * 6 + ["5"]),
        ([12.0, None, float("nan"), 12.5], ["12", None, None, "12.5"]),
        ([9007199254740993, None], ["9007199254740993", None]),
    ],
)
def test_whole_numbers_written_as_floats_are_those_ids(written: list, read: list) -> None:
    rows = pl.LazyFrame({"id": written})
    assert rows.select(as_ids(rows, "id").read).collect().to_series().to_list() == read


@given(st.lists(st.integers(0, 2**53), min_size=1), st.sampled_from(["{}", "{}.0", "{}.00", " {}."]))
def test_an_id_is_the_same_in_every_form_and_file(ids: list[int], form: str) -> None:
    for values in ([form.format(each) for each in ids], [float(each) for each in ids], ids):
        rows = pl.LazyFrame({"id": values})
        read = rows.select(as_ids(rows, "id").read).collect().to_series().to_list()
        assert read == [str(each) for each in ids]


def test_ids_that_a_float_cannot_hold_are_counted() -> None:
    rows = pl.LazyFrame({"id": [1.0, 2.0**53 + 2, None]})
    assert "1 ids are larger than a float holds exactly" in as_ids(rows, "id").notes[1]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["2,50", "1.234,56", "1.234", "-3"], [2.5, 1234.56, 1234.0, -3.0]),
        (["2.50", "1,234.56", "1,234", "2,5"], [2.5, 1234.56, 1234.0, None]),
        (["€ 3.20", "4.50 EUR", "$1", "1'234.50"], [3.2, 4.5, 1.0, 1234.5]),
        (["inf", "nan", "1e3", "two"], [None, None, 1000.0, None]),
    ],
)
def test_separators_of_decimals_are_those_of_the_column(written: list[str], read: list[float | None]) -> None:
    rows = pl.LazyFrame({"value": written})
    assert rows.select(as_numbers(rows, "value").read).collect().to_series().to_list() == read


def test_a_comma_that_could_be_either_is_reported() -> None:
    rows = pl.LazyFrame({"value": ["1,250", "3,500"]})
    for delimiter, read in ((",", 1250.0), (";", 1.25)):
        column = as_numbers(rows, "value", delimiter)
        assert rows.select(column.read).collect().to_series()[0] == read and column.notes


MARCH_4 = date(2026, 3, 4)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["25/12/2025", "04/03/2026", "4/3/26 10:11"], [date(2025, 12, 25), MARCH_4, MARCH_4]),
        (["12/25/2025", "03/04/2026"], [date(2025, 12, 25), MARCH_4]),
        (["04.03.2026", "20260304", "2026/3/4"], [MARCH_4] * 3),
        (["04-Mar-2026", "March 4, 2026", "4 March 2026"], [MARCH_4] * 3),
        (["04/03/2026", "2026-03-04T10:11:12Z"], [None, MARCH_4]),
        (["2026-13-04", "someday", "31/31/2026"], [None] * 3),
    ],
)
def test_the_order_of_day_and_month_is_that_of_the_column(written: list[str], read: list[date | None]) -> None:
    rows = pl.LazyFrame({"day": written})
    assert rows.select(as_dates(rows, "day").read).collect().to_series().to_list() == read


GERMAN = """Verkäufe 2025

Order ID;SKU;Total;Invoice Date
1;100;2,50;25.12.2025
1;200;1.234,00;26.12.2025
2;100;NA;someday
2;300;1,00;26.12.2025
2;200
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_dialect_is_detected_and_reported(tmp_path: Path, encoding: str, delimiter: str) -> None:
    source = retail(tmp_path, GERMAN.replace(";", delimiter).encode(encoding), "sku,dept\n100.0,Käse\n200.0,Brot\n")
    lines = source.transactions().collect()
    assert lines["product_id"].to_list() == ["100", "200", "100", "300", None]
    assert lines["sales_value"].to_list() == [2.5, 1234.0, None, 1.0, None]
    assert lines["purchased_on"].to_list() == [date(2025, 12, 25), date(2025, 12, 26), None, date(2025, 12, 26), None]
    assert lines["reason"].to_list() == [None] * 4 + ["line 8: fewer fields than the header"]
    assert lines["store_id"].null_count() == 5
    assert source.products().collect()["department"].to_list() == ["Käse", "Brot"]
    notes = source.transaction_notes()
    detected = "\n".join(notes.detected)
    for said in (
        "the first 2 lines",
        "Order ID is read as basket_id",
        "decimal commas",
        "day/month/year",
        "no column h",
    ):
        assert said in detected
    assert ("not in UTF-8" in detected) == (encoding in ("cp1252", "utf-16"))
    assert [warning.partition(": ")[2] for warning in notes.warnings] == [
        "1 of 5 (20 %) lines do not count: fewer fields than the header 1",
        "1 of 4 (25 %) dates in column Invoice Date are not read, such as 'someday'",
        "1 of 3 (33.3 %) product ids are not in products.csv",
    ]
    assert "2 ids are whole numbers written as floats, such as 100.0" in source.product_notes().detected[-1]


def test_lines_that_cannot_be_read_cost_no_other_line(tmp_path: Path) -> None:
    odd = b'3,"a,h,s,1,1,2024-01-01\n3,a,h,s,1,1,2024-01-01,surplus\n3,\xff,h,s,1,1,2024-01-01\n'
    good = "\n".join(["4,bé,h,s,1,1,2024-01-01"] * 2) + "\n"
    content = TRANSACTIONS.encode() + odd + good.encode()
    lines = retail(tmp_path, content, PRODUCTS).transactions().collect()
    assert lines["product_id"][9:].to_list() == ["bé", "bé", None, None, None]
    assert lines["reason"][11:].to_list() == [
        "line 11: a quotation mark without its partner",
        "line 12: more fields than the header",
        "line 13: not in UTF-8",
    ]


def test_files_that_name_no_product_alike_are_refused_in_their_own_words(tmp_path: Path) -> None:
    source = retail(tmp_path, "Order ID,SKU\n1,P-7\n1,P-8\n", "Item ID,department\n7,A\n8,B\n")
    said = r"none of the 2 ids in its column SKU is in the column Item ID of .*products.csv \(P-7, P-8 against 7, 8\)"
    with pytest.raises(RetailError, match=said):
        source.transactions()


def test_parquet_reads_like_text_and_damage_is_named(tmp_path: Path) -> None:
    text = retail(tmp_path, TRANSACTIONS, PRODUCTS)
    ids = {"basket_id": [1.0, 1.0, None], "product_id": [1001.0, 1002.0, 1001.0], "quantity": [1, 2, 3]}
    pl.DataFrame(ids).write_parquet(tmp_path / "t.parquet")
    pl.DataFrame({"product_id": [1001, 1002]}).write_parquet(tmp_path / "p.parquet")
    source = RetailFiles(tmp_path / "t.parquet", tmp_path / "p.parquet")
    lines = source.transactions().collect()
    assert lines.columns == text.transactions().collect().columns
    assert lines["product_id"].to_list() == ["1001", "1002", "1001"] and lines["kept"].to_list() == [True, True, False]
    pl.DataFrame({"basket_id": [[1], [2]], "product_id": [1, 2]}).write_parquet(tmp_path / "nested.parquet")
    with pytest.raises(RetailError, match=r"nested.parquet: column basket_id holds List"):
        RetailFiles(tmp_path / "nested.parquet", tmp_path / "p.parquet").transactions()
    large = pl.DataFrame(
        {"basket_id": [str(i * 7919) for i in range(5000)], "product_id": [str(i) for i in range(5000)]}
    )
    large.write_parquet(tmp_path / "d.parquet")
    content = bytearray((tmp_path / "d.parquet").read_bytes())
    content[2000:2100] = bytes(100)
    (tmp_path / "d.parquet").write_bytes(content)
    with pytest.raises(RetailError, match=r"d.parquet: not readable as Parquet"):
        RetailFiles(tmp_path / "d.parquet", tmp_path / "p.parquet").transactions()


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n\r"])
def test_lines_may_end_in_different_ways(end: bytes, tmp_path: Path) -> None:
    header, *lines = TRANSACTIONS.encode().splitlines()
    source = retail(tmp_path, header + b"\n" + lines[0] + end + b"\n".join(lines[1:]), PRODUCTS)
    products = source.transactions().collect()["product_id"].to_list()
    assert products[:6] == ["a", "b", "a", "a", None, "b"]


@settings(max_examples=40)
@given(st.binary(max_size=200) | st.text(st.sampled_from('ab1,;"\n\t.é'), max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused_by_name_and_cost_no_line_before_them(content: bytes) -> None:
    with TemporaryDirectory() as name:
        source = retail(Path(name), TRANSACTIONS.encode() + content, PRODUCTS)
        lines = source.transactions().collect()
        assert lines["product_id"][:6].to_list() == ["a", "b", "a", "a", None, "b"]
        source.transaction_notes()
        (Path(name) / "transactions.csv").write_bytes(content)
        try:
            source.transactions().collect()
        except RetailError as error:
            assert "transactions.csv: " in str(error)
