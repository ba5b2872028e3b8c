"""The words of the grammar: tables, and what an expression of each type can be made of."""

from __future__ import annotations

from dataclasses import dataclass

TYPES = ("text", "text", "text", "int", "bool", "date", "jsonb", "texts", "num")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the twins, or of a query over them.

    :ivar secret: the twins may differ in it.
    """

    name: str
    type: str
    secret: bool


def _columns(text: str) -> list[Column]:
    """``name:type`` each; a ``*`` in front makes it secret."""
    found = []
    for word in text.split():
        name, type_ = word.removeprefix("*").rsplit(":", 1)
        found.append(Column(name, type_, word.startswith("*")))
    return found


TABLES = {
    name: _columns(columns)
    for name, columns in {
        "patients": "id:int *ssn:text *name:text *dob:date *mrn:text *email:text sex:char *zip:text"
        " *notes:jsonb weight:num",
        "encounters": "id:int patient_id:int admit:ts dept:text dx:text *note:text",
        "codes": "dx:text descr:text",
        "staff": "id:int *name:text born:date *initial:text",
        "events": "id:int at:date *who:text what:text",
        "events_23": "id:int at:date *who:text what:text",
        "person": "id:int *name:text",
        "ONLY doctor": "id:int *name:text grade:int",
        "surgeon": "id:int *name:text grade:int tool:text",
        "members": "id:int plain:text",
        "kinds": "id:int label:text *s_bool:bool *s_int4:int *s_numeric:num *s_date:date"
        " *s_jsonb:jsonb *s_texts:texts *s_varchar:text *s_tag:text *s_text:text *s_bpchar:char",
        "v_pat": "id:int *s:text *n:text",
        "v_deep": "who:int *joint:text",
        "v_star": "id:int *ssn:text *dob:date sex:char *notes:jsonb weight:num",
        "v_barrier": "id:int *name:text sex:char",
        "v_union": "id:int *t:text",
        "v_rec": "n:int *who:text",
        "m_pat": "id:int *who:text sex:char",
        "m_deep": "*w2:text id:int",
        "account": "n:int *mrn:text",
        "ledger": "id:int *mrn:text amount:int",
        "indexed": "id:int *name:text sex:char filler:text",
        "dropped": "a:int *b:text",
        '"We.ird"."T""able"': 'id:int *"naïve":text',
        "other.patients": "id:int ssn:text",
        "branch": "id:int root_id:int *pin:int",
        "partly": "id:int *code:text live:bool",
        "cover": "id:int plan:int *grade:text x:int",
        "cover_late": "id:int plan:int *grade:text",
        "tariff": "plan:int *grade:text x:int",
        "nulled": "id:int *pin:int x:int",
        "blanked": "id:int *handle:text x:int",
        "presets": "id:int *code:text x:int",
        "packed": "id:int x:int fill:text *pin:text",
    }.items()
}
#: Relations whose columns above are all that they have, in order.
WHOLE = frozenset(
    {"patients", "encounters", "codes", "person", "v_pat", "v_deep", "m_pat", "m_deep", "account"}
)
#: The first key of those that do not begin with 1; and views, which cannot be sampled.
FIRST = {"ONLY doctor": 6, "surgeon": 10, "v_barrier": 11, "other.patients": 1}
#: What INSERT, UPDATE and DELETE go to: keyed by their first column.
WRITTEN = (
    *(
        "patients",
        "encounters",
        "kinds",
        "members",
        "partly",
        "branch",
        "ledger",
        "person",
        "surgeon",
    ),
    *("dropped", "v_pat", "v_star", "events"),
    *("cover", "cover_late", "tariff", "nulled", "blanked", "presets", "packed"),
)

LITERALS = {
    "text": ("'x'::text", "'Name1'::text", "''::text", "NULL::text", "'101-11-0007'::text"),
    "char": ("'F'", "'M'::char(1)"),
    "int": ("0", "1", "7", "NULL::int", "-1"),
    "bool": ("true", "false", "NULL::bool"),
    "date": ("date '1950-02-01'", "date '2024-01-01'", "NULL::date"),
    "ts": ("timestamp '2024-01-02'",),
    "jsonb": ("'{\"a\": 1}'::jsonb", "'[1, 2]'::jsonb", "NULL::jsonb"),
    "texts": ("ARRAY['x', 'y']", "'{}'::text[]"),
    "num": ("1.5", "0::numeric"),
}

#: What cannot fail, whatever it is given; ``{type}`` is an expression, ``{n}`` a small number.
TOTAL = {
    "text": (
        "upper({text})",
        "lower({text})",
        "initcap({text})",
        "left({text}, {n})",
        "right({text}, {n})",
        "left({text}, {int})",
        "reverse({text})",
        "md5({text})",
        "{text} || {text}",
        "concat({text}, {int})",
        "concat_ws('-', {text}, {date}, {text})",
        "btrim({text})",
        "ltrim({text}, 'N')",
        "substr({text}, {n})",
        "translate({text}, 'a', 'b')",
        "coalesce({text}, {text})",
        "nullif({text}, {text})",
        "greatest({text}, {text})",
        "CASE WHEN {bool} THEN {text} ELSE {text} END",
        "CASE {text} WHEN {text} THEN {text} END",
        "({text})::varchar(3)",
        "({text})::varchar",
        "({text})::char(4)::text",
        "({int})::text",
        "({date})::text",
        "({num})::text",
        "{jsonb}->>'phone'",
        "({jsonb})::text",
        '({text}) COLLATE "C"',
        "(SELECT {text})",
        "({text})::tag",
        "(ARRAY[{text}, {text}])[{n}]",
        "(ROW({int}, {text})).f2",
        "({bool})::text",
    ),
    "char": ("coalesce({char}, {char})",),
    "int": (
        "length({text})",
        "ascii({text})",
        "strpos({text}, {text})",
        "octet_length({text})",
        "coalesce({int}, {int})",
        "CASE WHEN {bool} THEN {int} ELSE {int} END",
        "({bool})::int",
        "nullif({int}, {int})",
        "least({int}, {int})",
        "num_nulls({text}, {int})",
        "(SELECT {int})",
        "sign({num})::int",
    ),
    "bool": (
        "{text} = {text}",
        "{text} < {text}",
        "{text} IS NULL",
        "{text} IS NOT NULL",
        "{text} IN ({text}, 'x')",
        "{text} BETWEEN {text} AND {text}",
        "{text} IS DISTINCT FROM {text}",
        "starts_with({text}, {text})",
        "{int} < {int}",
        "{int} = {int}",
        "{date} > {date}",
        "{char} = {char}",
        "NOT ({bool})",
        "({bool} AND {bool})",
        "({bool} OR {bool})",
        "({bool}) IS TRUE",
        "({bool}) IS UNKNOWN",
        "{jsonb} ? 'phone'",
        "{jsonb} @> '{}'",
        "({int}, {text}) < ({int}, {text})",
        "coalesce({bool}, true)",
        "(SELECT {bool})",
        "{num} > {num}",
    ),
    "date": (
        "coalesce({date}, {date})",
        "greatest({date}, {date})",
        "CASE WHEN {bool} THEN {date} ELSE {date} END",
        "nullif({date}, {date})",
        "(SELECT {date})",
    ),
    "ts": ("coalesce({ts}, {ts})",),
    "jsonb": (
        "{jsonb}->'phone'",
        "{jsonb}->0",
        "{jsonb} #> '{a,b}'",
        "coalesce({jsonb}, {jsonb})",
        "jsonb_extract_path({jsonb}, {text})",
        "CASE WHEN {bool} THEN {jsonb} END",
    ),
    "texts": (
        "ARRAY[{text}, {text}]",
        "coalesce({texts}, {texts})",
        "ARRAY[{text}, ({int})::text]",
    ),
    "num": (
        "coalesce({num}, {num})",
        "abs({num})",
        "({int})::numeric",
        "CASE WHEN {bool} THEN {num} ELSE {num} END",
        "greatest({num}, {num})",
    ),
}

#: What may fail, or grow, or has state.
FALLIBLE = {
    "text": (
        "repeat({text}, {n})",
        "lpad({text}, 9, {text})",
        "replace({text}, {text}, 'b')",
        "regexp_replace({text}, 'a+', 'b')",
        "format('%s-%s', {text}, {int})",
        "to_char({date}, 'YYYY')",
        "substring({text} from 1 for {int})",
        "split_part({text}, 'a', {n})",
        "encode(sha256(({text})::bytea), 'hex')",
        "quote_literal({text})",
        "xmlelement(name a, {text})::text",
        "json_build_object('k', {text})::text",
        "to_json({text})::text",
        "array_to_string({texts}, ',')",
        "overlay({text} placing 'x' from {n})",
        "chr({int} + 64)",
        "jsonb_path_query_first({jsonb}, '$.*') #>> '{}'",
        "pg_typeof({text})::text",
        "(ROW({text}, {text})::contact).phone",
        "(({text})::contact).mail",
        "substring({text} from 'a(.)')",
        "string_to_array({text}, 'a')::text",
        "({text})::short",
    ),
    "char": ("lower({char})::char(1)",),
    "int": (
        "{int} + {int}",
        "{int} / {int}",
        "({text})::int",
        "{date} - {date}",
        "jsonb_array_length({jsonb})",
        "extract(year FROM {date})::int",
        "cardinality({texts})",
        "hashtext({text})",
        "nextval('counter')::int",
        "({num})::int",
        "abs({int})",
        "width_bucket({int}, 0, 9, {n})",
    ),
    "bool": (
        "{text} LIKE 'N%'",
        "{text} ILIKE {text}",
        "{text} ~ 'a'",
        "{text} = ANY ({texts})",
        "{texts} @> {texts}",
        "{jsonb} @@ '$.n > 3'",
        "({int} / {int}) > 1",
        "({text})::bool",
        "{text} SIMILAR TO '%a%'",
        "to_tsvector('simple', {text}) @@ 'name1'",
    ),
    "date": (
        "{date} + {int}",
        "make_date(2000, 1, {int})",
        "({text})::date",
        "({ts})::date",
        "date_trunc('year', {date})::date",
    ),
    "ts": ("{date} + time '12:00'",),
    "jsonb": (
        "to_jsonb({text})",
        "jsonb_build_object('a', {text}, 'b', {int})",
        "jsonb_build_array({text}, {date})",
        "{jsonb} || {jsonb}",
        "{jsonb} - 'a'",
        "jsonb_set({jsonb}, '{a}', '1')",
        "to_jsonb({texts})",
    ),
    "texts": (
        "string_to_array({text}, 'a')",
        "{texts} || {text}",
        "array_append({texts}, {text})",
        "({texts})[1:2]",
        "regexp_split_to_array({text}, 'a')",
    ),
    "num": (
        "{num} + 1",
        "round({num})",
        "{num} / {num}",
        "({text})::numeric",
        "sqrt(abs({num}))",
    ),
}
