"""What changes of the schema do to labels, and what they tell of stored rows.

Some look at rows, and fail or not by what is in them: ``CREATE UNIQUE INDEX`` tells of duplicates,
``SET NOT NULL`` of NULLs, ``ADD CHECK`` of anything. Some give stored values another name, or take
the parent away whose labels they have, or the expression. What is not listed as harmless counts as
both (``ATExecCmd`` of tablecmds.c).
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

#: Statements that always do: index entries have a size that they must keep to, a view is run, rows
#: are put into the order of an index, which may be that of a secret.
_ALWAYS: Final = frozenset({"IndexStmt", "RefreshMatViewStmt", "ClusterStmt", "RepackStmt"})
#: Kinds of AlterTableCmd that change the catalogue, or rewrite rows without judging them.
_HARMLESS: Final = frozenset(
    """
    AT_DropColumn AT_ColumnDefault AT_CookedColumnDefault AT_DropNotNull AT_SetStatistics
    AT_SetOptions AT_ResetOptions AT_SetStorage AT_SetCompression AT_DropConstraint AT_ChangeOwner
    AT_SetRelOptions AT_ResetRelOptions AT_ReplaceRelOptions AT_EnableTrig AT_EnableAlwaysTrig
    AT_EnableReplicaTrig AT_DisableTrig AT_EnableTrigAll AT_DisableTrigAll AT_EnableTrigUser
    AT_DisableTrigUser AT_EnableRule AT_EnableAlwaysRule AT_EnableReplicaRule AT_DisableRule
    AT_AddInherit AT_DropInherit AT_AddOf AT_DropOf AT_ReplicaIdentity AT_EnableRowSecurity
    AT_DisableRowSecurity AT_ForceRowSecurity AT_NoForceRowSecurity AT_DetachPartition
    AT_DetachPartitionFinalize AT_AddIdentity AT_SetIdentity AT_DropIdentity AT_DropExpression
    AT_SetLogged AT_SetUnLogged AT_SetTableSpace AT_ClusterOn AT_DropCluster AT_SetAccessMethod
    AT_GenericOptions AT_AlterColumnGenericOptions
    """.split()
)
#: Of these, what takes columns from where their labels are.
_LEAVING: Final = frozenset(
    """
    AT_DropInherit AT_DetachPartition AT_DetachPartitionFinalize AT_DropExpression
    """.split()
)
#: Objects whose names and schemas no label goes by: a view's columns have the labels of what they
#: are made of. Not among them: ALTER INDEX, which renames tables, too.
_UNLABELLED: Final = frozenset(
    """
    OBJECT_FUNCTION OBJECT_PROCEDURE OBJECT_ROUTINE OBJECT_AGGREGATE OBJECT_TRIGGER OBJECT_RULE
    OBJECT_TABCONSTRAINT OBJECT_DOMCONSTRAINT OBJECT_POLICY OBJECT_OPERATOR OBJECT_OPCLASS
    OBJECT_OPFAMILY OBJECT_COLLATION OBJECT_CONVERSION OBJECT_TSCONFIGURATION OBJECT_TSDICTIONARY
    OBJECT_TSPARSER OBJECT_TSTEMPLATE OBJECT_STATISTIC_EXT OBJECT_VIEW OBJECT_MATVIEW
    OBJECT_SEQUENCE
    """.split()
)
#: Constraints of a new column that say nothing of the rows there are: all get the same value.
_OF_NEW_COLUMNS: Final = frozenset(
    "CONSTR_NULL CONSTR_NOTNULL CONSTR_DEFAULT CONSTR_IDENTITY CONSTR_UNIQUE".split()
)
#: ALTER DOMAIN … SET DEFAULT, DROP CONSTRAINT, DROP NOT NULL.
_OF_DOMAINS: Final = frozenset("TXN")


def examines_rows(nodes: Iterable[tuple[str, dict[str, Any]]]) -> bool:
    """Whether a statement does.

    :param nodes: every node of its raw tree, with its type.
    """
    return any(_examines(kind, node) for kind, node in nodes)


def _examines(kind: str, node: dict[str, Any]) -> bool:
    if kind in _ALWAYS:
        return True
    if kind == "CreateStmt":
        return "partbound" in node  # rows of a default partition may belong there
    if kind == "CreateStatsStmt":  # expressions are computed when the table is analysed
        return any(one.get("StatsElem", {}).get("expr") for one in node.get("exprs", []))
    if kind == "AlterDomainStmt":
        return node.get("subtype") not in _OF_DOMAINS
    if kind != "AlterTableCmd":
        return False
    subtype = node.get("subtype", "")
    definition = node.get("def", {})
    if subtype == "AT_AddColumn":
        return any(
            one.get("Constraint", {}).get("contype") not in _OF_NEW_COLUMNS
            for one in definition.get("ColumnDef", {}).get("constraints", [])
        )
    if subtype == "AT_AddConstraint":
        return not definition.get("Constraint", {}).get("skip_validation")
    return subtype not in _HARMLESS


def moves_columns(nodes: Iterable[tuple[str, dict[str, Any]]]) -> bool:
    """Whether labels that go by names may find stored columns no longer.

    :param nodes: as above.
    """
    return any(_moves(kind, node) for kind, node in nodes)


def _moves(kind: str, node: dict[str, Any]) -> bool:
    if kind == "RenameStmt":
        return node.get("renameType") not in _UNLABELLED
    if kind == "AlterObjectSchemaStmt":
        return node.get("objectType") not in _UNLABELLED
    if kind in ("ViewStmt", "RuleStmt"):
        # A materialised view of it keeps the rows of what it was before.
        return bool(node.get("replace"))
    return kind == "AlterTableCmd" and node.get("subtype") in _LEAVING


def gives_values(nodes: Iterable[tuple[str, dict[str, Any]]]) -> bool:
    """Whether a statement says what rows have in a column that nothing is written to: a default,
    of a column or of a domain. Those of functions without arguments are nobody's choice.

    :param nodes: as above.
    """
    return any(_gives(kind, node) for kind, node in nodes)


def _gives(kind: str, node: dict[str, Any]) -> bool:
    if kind == "Constraint":
        return node.get("contype") == "CONSTR_DEFAULT" and _chosen(node.get("raw_expr", {}))
    default = (kind == "AlterTableCmd" and node.get("subtype") == "AT_ColumnDefault") or (
        kind == "AlterDomainStmt" and node.get("subtype") == "T"
    )
    return default and "def" in node and _chosen(node["def"])


def _chosen(expression: dict[str, Any]) -> bool:
    call = expression.get("FuncCall")
    return "SQLValueFunction" not in expression and (call is None or bool(call.get("args")))
