"""Why a query may give another result on another day or on another machine, as stable words."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import expressions as exp

from sdspec.sql.syntax import word_set

CHANGING = frozenset({"random", "clock", "session"})
"""With these the result itself differs from run to run, so it is no evidence."""

_RANDOM = word_set(
    "random randomblob rand newid uuid uuidv4 uuidv7 gen_random_uuid generate_uuid random_uuid setseed nextval"
)
_CLOCK = word_set(
    "now today getdate getutcdate sysdate sysdatetime curdate curtime current_date current_time current_timestamp "
    "localtime localtimestamp unix_timestamp utc_timestamp transaction_timestamp clock_timestamp get_current_time "
    "get_current_timestamp age"
)
_SESSION = word_set("last_insert_rowid changes total_changes currval current_user user version sqlite_version")
_DATE_FUNCTIONS = word_set("date time datetime julianday unixepoch strftime")
_PICKING = (exp.RowNumber, exp.FirstValue, exp.LastValue)
_COLLECTING = (exp.GroupConcat, exp.ArrayAgg, exp.First, exp.Last, exp.AnyValue)


def volatile_reasons(tree: exp.Expr) -> list[str]:
    """Among `random clock session limit_without_order unordered_aggregate unordered_window sample`, sorted."""
    return sorted({reason for node in tree.walk() for reason in _of(node)})


def _of(node: exp.Expr) -> Iterator[str]:
    if isinstance(node, exp.Rand | exp.Randn | exp.Uuid | exp.NextValueFor):
        yield "random"
    elif isinstance(node, exp.CurrentDate | exp.CurrentTime | exp.CurrentTimestamp | exp.CurrentDatetime):
        yield "clock"
    elif isinstance(node, exp.CurrentUser | exp.SessionUser):
        yield "session"
    elif isinstance(node, exp.TableSample):
        yield "sample"
    elif isinstance(node, exp.Func):
        yield from _of_function(node)
    elif isinstance(node, exp.Query):
        if _cut_off(node):
            yield "limit_without_order"
    elif isinstance(node, exp.Window) and isinstance(node.this, _PICKING) and not node.args.get("order"):
        yield "unordered_window"


def _of_function(node: exp.Func) -> Iterator[str]:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
    arguments = list(node.iter_expressions())
    if name in _RANDOM:
        yield "random"
    elif name in _CLOCK and not (name == "age" and len(arguments) > 1):
        yield "clock"
    elif name in _SESSION:
        yield "session"
    elif isinstance(node, _COLLECTING) and node.find(exp.Order) is None:
        yield "unordered_aggregate"
    if (name in _DATE_FUNCTIONS and not arguments) or any(map(_is_now, node.iter_expressions())):
        yield "clock"


def _is_now(argument: exp.Expr) -> bool:
    """True for SQLite's 'now', through the casts that the parser puts around an argument."""
    while isinstance(argument, exp.Cast | exp.TsOrDsToDate | exp.TsOrDsToTimestamp):
        argument = argument.this
    return isinstance(argument, exp.Literal) and argument.is_string and argument.this.lower() == "now"


def _cut_off(query: exp.Query) -> bool:
    """True when only some rows are taken and no order says which."""
    taken = query.args.get("limit") or query.args.get("offset")
    if not taken or query.args.get("order") or isinstance(query.parent, exp.Exists):
        return False
    return not (isinstance(query, exp.Select) and _one_row(query))


def _one_row(query: exp.Select) -> bool:
    if query.args.get("group") or not query.args.get("from_"):
        return not query.args.get("group")
    return all(_whole(one) for one in query.expressions)


def _whole(expression: exp.Expr) -> bool:
    """True for an expression over an aggregate of all rows."""
    found = expression.find(exp.AggFunc)
    return found is not None and found.find_ancestor(exp.Window) is None
