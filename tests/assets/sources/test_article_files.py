"""Files of articles: every row becomes an article or a problem."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.outcomes import Problem, SourceError
from assets.sources.article_files import ArticleFile
from assets.sources.protocol import Article

TITLES = {"Paint a Chair": ("Home and Garden", "Furniture"), "Bathe a Cat": ("Pets and Animals",), "Whistle": ()}


def written(path: Path) -> Path:
    """The same three articles in the form that the suffix says."""
    match path.suffix:
        case ".csv" | ".tsv":
            comma = "," if path.suffix == ".csv" else "\t"
            rows = [f'"How to {title}"{comma}{" > ".join(names)}' for title, names in TITLES.items()]
            path.write_text("\n".join([f"Title{comma}categories", *rows]), encoding="utf-8-sig")
        case ".jsonl":
            rows = [json.dumps({"title": title, "categories": names}) for title, names in TITLES.items()]
            path.write_text("\n".join(rows) + "\n\n")
        case ".parquet":
            pl.DataFrame(
                {"title": list(TITLES), "categories": [list(names) for names in TITLES.values()]}
            ).write_parquet(path)
    return path


@pytest.mark.parametrize("name", ["articles.csv", "articles.tsv", "articles.jsonl", "articles.parquet"])
def test_the_same_articles_come_from_every_form(tmp_path: Path, name: str) -> None:
    source = ArticleFile(written(tmp_path / name))
    assert {article.title: article.categories for article in source.articles()} == TITLES
    assert source.problems() == []
    assert len({article.article_id for article in source.articles()}) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [("titles.txt", "Whistle\nHow to Paint a Chair\n"), ("titles.jsonl", '"Whistle"\n"Paint a Chair"')],
)
def test_a_list_of_titles_is_enough(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    articles = list(ArticleFile(tmp_path / name).articles())
    assert [(article.title, article.categories) for article in articles] == [("Whistle", ()), ("Paint a Chair", ())]


def test_bad_rows_are_named_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "articles.csv"
    rows = [
        b"article_id,title,url,categories",
        b"7,Paint a Chair,https://example.org/7,Home|Chairs",
        b"7,Sand a Chair,,Home",
        b"8,,,Home",
        b"9,Bake,Home",
        b"10,Saut\xe9 Squash,,Home",
        b"11," + b"x" * 400 + b",,",
        b'12,Fold a Crane,,"[""Hobbies"", ""Origami""]"',
        b'13,Fold a Boat,,"[""Hobbies"", 3]"',
    ]
    path.write_bytes(b"\n".join(rows))
    source = ArticleFile(path)
    assert list(source.articles()) == [
        Article("7", "Paint a Chair", "https://example.org/7", ("Home", "Chairs")),
        Article("12", "Fold a Crane", None, ("Hobbies", "Origami")),
    ]
    assert [(problem.name, problem.problem) for problem in source.problems()] == [
        ("articles.csv:3", "the same article as in row 2, which is used"),
        ("articles.csv:4", "no title"),
        ("articles.csv:5", "3 fields instead of 4"),
        ("articles.csv:6", "not in UTF-8: Saut\ufffd Squash"),
        ("articles.csv:7", f"the title is longer than 300 characters: {'x' * 80}..."),
        ("articles.csv:9", "the categories are neither a list of names nor text: '[\"Hobbies\", 3]'"),
    ]


def test_bad_json_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "articles.jsonl"
    path.write_text('{"title": "Bake"}\n{"title": \n[1]\n{"title": 7}\n{}\n"\\ud800"\n')
    assert [each.name for each in ArticleFile(path).problems()] == [f"articles.jsonl:{line}" for line in range(2, 7)]
    assert [article.title for article in ArticleFile(path).articles()] == ["Bake"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("articles.csv", "name,kind\nBake,Food\n", r"no column title \(only name, kind\)"),
        ("articles.csv", "", "none at all"),
        ("articles.parquet", "not parquet", "not a Parquet file"),
    ],
)
def test_a_file_in_another_form_is_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=said):
        list(ArticleFile(tmp_path / name).articles())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="HOWTO_ARTICLES"):
        ArticleFile(tmp_path / "none.csv")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.one_of(st.text(), st.none(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
)
def test_no_row_is_lost(tmp_path: Path, rows: list) -> None:
    path = tmp_path / "any.jsonl"
    path.write_text("".join(json.dumps({"title": row, "categories": row}) + "\n" for row in rows))
    source = ArticleFile(path)
    articles, problems = list(source.articles()), source.problems()
    assert len(articles) + len(problems) == len(rows)
    assert all(isinstance(problem, Problem) and problem.problem for problem in problems)


def test_a_quotation_mark_without_its_partner_costs_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "articles.csv"
    rows = [
        "Bake;Food",
        '"Sew;Hobbies',
        "Fold;Hobbies",
        '"Paint, twice";"Home"',
        'Cut;"Food',
        'Glue a 5" pipe;Home',
        "Mix;",
    ]
    path.write_text("\n".join(["title;categories", *rows]))
    source = ArticleFile(path)
    assert [article.title for article in source.articles()] == ["Bake", "Fold", "Paint, twice", 'Glue a 5" pipe', "Mix"]
    assert [each.name for each in source.problems()] == ["articles.csv:3", "articles.csv:6"]
    assert {each.problem for each in source.problems()} == {"a quotation mark without its partner"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_the_encoding_is_detected(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "titles.txt"
    path.write_bytes("Sauté Squash\r\nBake\r\n".encode(encoding))
    assert [article.title for article in ArticleFile(path).articles()] == ["Sauté Squash", "Bake"]


def test_half_an_emoji_costs_nothing_else_and_ids_are_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "articles.jsonl"
    path.write_text(
        '{"title": "Bake \\ud83d", "article_id": 7.0, "url": ["x"], "categories": ["Food \\ud83d"]}\n"Sew"\n'
    )
    source = ArticleFile(path)
    bake, sew = source.articles()
    assert (bake.title, bake.article_id, bake.url, sew.title) == ("Bake", "7", None, "Sew")
    repr(bake).encode()
    assert source.problems() == []


@given(st.binary(max_size=200) | st.text(st.sampled_from('ab,;"\n\t'), max_size=60).map(str.encode))
def test_any_bytes_cost_no_article_before_them(content: bytes) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "articles.csv"
        path.write_bytes(b"title\nBake\nSew\n" + content)
        source = ArticleFile(path)
        assert [article.title for article in source.articles()][:2] == ["Bake", "Sew"]
        assert all(each.name.startswith("articles.csv:") and each.problem for each in source.problems())
