"""What expressions over dates have of them: their years, and nothing else."""

# ruff: noqa: E501 - expressions in lines

from __future__ import annotations

import pytest
from conftest import Twins
from side_psycopg import SESSION, PsycopgSide, finished

from hoopgate.events import Resolution, Statement
from hoopgate.sql.analysis import analyze
from hoopgate.sql.resolver import Resolver
from hoopgate.sql.shape import plain, scan, shape

#: e.admit is a timestamp, p.dob a date, both of patient 1; p.sex and e.dept are text.
FORMS = {
    "date": """
        date_trunc('month', e.admit) | date_trunc('day', p.dob::timestamp) | e.admit::date
        p.dob::timestamp | date_trunc('QUARTER', e.admit)::date | (SELECT max(dob) FROM patients)
        coalesce(e.admit, p.dob) | greatest(e.admit, p.dob::timestamp) | least(p.dob, date '2001-01-01')
        CASE WHEN p.sex = 'F' THEN p.dob END | CASE p.sex WHEN 'F' THEN p.dob ELSE '2001-01-01' END
        lag(p.dob) OVER (ORDER BY p.id) | first_value(e.admit) OVER (ORDER BY e.id)
        lead(p.dob, 1, current_date) OVER (ORDER BY p.id) | max(p.dob) OVER () | (SELECT p.dob)
        coalesce(date_trunc('year', e.admit), e.admit) | CASE WHEN p.weight > 60 THEN e.admit::date ELSE p.dob END
    """,
    "year": """
        extract(year FROM p.dob) | date_part('year', e.admit) | date_part('YEAR', p.dob)::int
        extract(year FROM p.dob)::int::bigint | date_trunc('year', e.admit) | date_trunc('decade', e.admit)::date
        extract(year FROM date_trunc('month', e.admit)) | max(extract(year FROM p.dob)) OVER ()
        coalesce(extract(year FROM p.dob), 0) | date_trunc('month', date_trunc('year', e.admit))
        extract('year' FROM p.dob) | extract(year FROM (SELECT max(dob) FROM patients))
    """,
    "whole": """
        to_char(e.admit, 'YYYY') | to_char(p.dob, 'YYYY') | to_char(p.dob, 'yyyy') | date_trunc('year', p.dob)
        date_trunc('year', p.dob)::date | extract(decade FROM p.dob) | extract(year FROM p.dob) - 1
        extract(year FROM p.dob)::text | 'FY' || to_char(e.admit, 'YYYY') | date_trunc('year', p.dob) + interval '1 month'
        extract(year FROM e.admit) - extract(year FROM p.dob) | extract(year FROM p.dob) * p.weight
        extract(week FROM date_trunc('year', e.admit)) | round(extract(year FROM p.dob), -1)
        to_char(date_trunc('year', p.dob), 'DD') | date_trunc('week', date_trunc('year', e.admit))
    """,
    "": """
        date_trunc('week', e.admit) | date_trunc('month', p.dob) | date_trunc('week', p.dob) | e.admit::timestamptz
        extract(isoyear FROM p.dob) | extract(month FROM p.dob) | extract(doy FROM e.admit) | extract(epoch FROM p.dob)
        to_char(e.admit, 'YYYY-MM') | to_char(e.admit, 'IYYY') | to_char(p.dob, 'MM') | to_char(p.dob, p.sex)
        p.dob + 1 | p.dob - 1 | e.admit + interval '1 day' | age(p.dob) | p.dob::text | e.admit::timestamp(0)
        date_trunc(p.sex, e.admit) | date_trunc('ye' || 'ar', e.admit) | date_trunc(lower('YEAR'), e.admit)
        nullif(p.dob, date '2001-01-01') | extract(year FROM p.dob) + extract(day FROM p.dob)
        extract(year FROM p.dob + 1) | extract(year FROM e.admit + interval '1 day') | extract(year FROM age(p.dob))
        CASE WHEN extract(day FROM p.dob) = 3 THEN p.dob END | CASE p.dob WHEN '2001-01-01' THEN p.dob END
        CASE WHEN (SELECT count(*) FROM patients) > 1 THEN p.dob END | make_date(extract(day FROM p.dob)::int, 1, 1)
        coalesce(p.dob, p.dob + 1) | greatest(p.dob, p.dob + 200) | lag(p.dob, 1, p.dob + 200) OVER (ORDER BY p.id)
        lag(p.dob, extract(day FROM p.dob)::int) OVER (ORDER BY p.id) | max(p.dob + 200) OVER ()
        max(p.dob) FILTER (WHERE extract(day FROM p.dob) = 3) OVER () | ARRAY[p.dob] | ROW(p.dob)
        (SELECT max(dob + 200) FROM patients) | extract(year FROM e.admit AT TIME ZONE 'UTC')
        date_trunc('year', e.admit::timestamptz + interval '1 day') | date_part('year', e.admit::timestamptz)
        date_trunc('year', p.dob, 'Asia/Tokyo') | mode() WITHIN GROUP (ORDER BY p.dob) | p.weight
        extract(year FROM p.dob) || p.dob::text | to_char(p.dob, 'FMYYYY') | (p.dob = e.admit) | to_jsonb(p.dob)
        jsonb_build_object('y', extract(year FROM p.dob), 'd', p.dob)
    """,
}  # fmt: skip


def _cases() -> list[tuple[str, str]]:
    return [
        (expression.strip(), form)
        for form, texts in FORMS.items()
        for line in texts.strip().split("\n")
        for expression in line.split(" | ")
    ]


class _Desk:
    def __init__(self, twins: Twins) -> None:
        self._side = PsycopgSide(twins.one)
        self._resolver = Resolver(lambda: 0.0)

    def resolve(self, sql: str) -> Resolution:
        statement = Statement(sql)
        (facts,) = analyze(sql)
        known = self._resolver.cached(self._resolver.key(statement, facts, SESSION))
        if known is not None:
            return known
        found: Resolution = finished(self._resolver.ask(self._side, statement, facts, SESSION))
        return found

    def forms(self, sql: str) -> list[str]:
        return [column.form for column in self.resolve(sql).columns or ()]


@pytest.fixture
def desk(twins: Twins) -> _Desk:
    return _Desk(twins)


FROM = "FROM patients p JOIN encounters e ON e.patient_id = p.id"


def test_expressions_have_the_form_that_they_have(desk: _Desk) -> None:
    wrong = []
    for expression, form in _cases():
        group = "" if "mode()" not in expression else "GROUP BY p.sex"
        found = desk.forms(f"SELECT {expression} {FROM} {group}")
        if found != [form]:
            wrong.append((expression, form, found))
    assert not wrong, "\n".join(map(str, wrong))


def test_forms_are_seen_through_whatever_a_column_is_seen_through(desk: _Desk) -> None:
    for sql in (
        "SELECT extract(year FROM d) FROM (SELECT dob AS d FROM patients OFFSET 0) q",
        "SELECT y FROM (SELECT extract(year FROM dob) AS y FROM patients) q",
        "WITH q AS MATERIALIZED (SELECT extract(year FROM dob) AS y FROM patients) SELECT max(y) FROM q",
        "SELECT extract(year FROM dob), count(*) FROM patients GROUP BY 1 ORDER BY 1",
        "SELECT extract(year FROM dob) AS y FROM patients UNION SELECT 2001",
        "SELECT extract(year FROM dob) FROM patients p JOIN encounters e USING (id)",
        "SELECT extract(year FROM l.d) FROM patients p, LATERAL (SELECT p.dob AS d) l",
        "SELECT extract(year FROM min(dob)) FROM patients GROUP BY sex",
    ):
        assert desk.forms(sql)[0] == "year", sql
    for sql in (
        "SELECT extract(year FROM dob) FROM patients UNION ALL SELECT extract(day FROM dob) FROM patients",
        "SELECT dob FROM patients UNION ALL SELECT dob + 200 FROM patients",
        "WITH RECURSIVE r(d) AS (SELECT min(dob) FROM patients UNION ALL SELECT d + 200 FROM r) SELECT d FROM r LIMIT 5",
        "WITH RECURSIVE r(d, n) AS (SELECT date '2001-01-01', 1 UNION ALL SELECT p.dob + 1, n + 1 FROM r, patients p)"
        " SELECT d FROM r LIMIT 5",
        "SELECT extract(year FROM d) FROM (SELECT dob + 200 AS d FROM patients) q",
        "SELECT x FROM (VALUES ((SELECT extract(day FROM dob) FROM patients LIMIT 1))) q(x)",
    ):
        assert desk.forms(sql)[0] == "", sql


def test_a_date_that_is_made_an_instant_elsewhere_too_may_be_another_year_by_then(
    desk: _Desk,
) -> None:
    fine = "SELECT date_trunc('year', dob), to_char(dob, 'YYYY') FROM patients"
    assert desk.forms(fine) == ["whole", "whole"]
    assert (
        desk.forms(f"{fine} WHERE date_trunc('month', dob) > '2001-01-01' ORDER BY 1")[0] == "whole"
    )
    for more in (
        "GROUP BY dob, dob::timestamptz",
        "ORDER BY dob::timestamptz",
        "WHERE dob::timestamptz = now()",
    ):
        assert desk.forms(f"{fine} {more}") == ["", ""], more
    sql = "SELECT date_trunc('year', t) FROM (SELECT dob::timestamptz AS t FROM patients) q"
    assert desk.forms(sql) == [""]


def test_what_a_unit_is_called_is_a_part_of_the_statements_shape(desk: _Desk) -> None:
    text = "SELECT date_trunc({}, admit) FROM encounters"
    years = ["'year'", "E'year'", "$$year$$", "U&'ye\\0061r'", "'ye'\n'ar'", "'YEAR'"]
    others = ["'week'", "E'week'", "$$week$$", "U&'wee\\006b'", "'we'\n'ek'", "'WEEK'"]
    for year, other in zip(years, others, strict=True):
        for one, form in ((year, "year"), (other, ""), (year, "year")):
            assert desk.forms(text.format(one)) == [form], one

    def shape_of(sql: str) -> str:
        return shape(sql.encode(), scan(sql.encode(), sql))

    assert plain(text.format("'week'")) != plain(text.format("'month'"))
    assert plain(text.format("'week'")) == plain(text.format("'other'"))
    assert shape_of(text.format("'week'")) == shape_of(text.format("'O''Brien'"))
    assert len({shape_of(text.format(one)) for one in (*years, "'month'", "'yyyy'")}) == 8


def test_columns_of_many_joins_are_read_once_each(desk: _Desk) -> None:
    joins = " ".join(
        f"FULL JOIN (SELECT id, dob AS d{n} FROM patients) t{n} USING (id)" for n in range(30)
    )
    assert desk.forms(f"SELECT extract(year FROM d7), id, dob + 1 FROM patients {joins}") == [
        "year",
        "",
        "",
    ]
