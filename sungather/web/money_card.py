"""What energy has cost and what was saved, as HTML; pure. Only where somebody has told prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sungather.history.cashbook import Cashbook, Outlook, Statement
from sungather.history.periods import month_end
from sungather.money import Balance
from sungather.web.language import SPACE, Language

_COLUMNS = ("today", "month", "year", "total")


@dataclass(frozen=True, slots=True)
class Money:
    """What the cashbook says."""

    currency: str
    statements: Mapping[str, Statement]
    """Period -> what it comes to."""
    paid: float | None
    paid_back: float | None
    """The share of `paid`."""
    outlook: Outlook | None = None


def money_of(book: Cashbook | None, today: date) -> Money | None:
    """What there is to show; None without prices."""
    if book is None:
        return None
    tariff = book.tariff
    statements = dict(book.statements(today))
    return Money(
        tariff.currency, statements, tariff.paid, book.paid_back(today), book.outlook(today)
    )


def card(money: Money, today: date, say: Language) -> str:
    """The table of bills and savings, and what of the price is paid back."""
    head = f'<h2 id="money-title">{say("money.title")}</h2>'
    if not money.statements:
        return f'{head}<p class="empty">{say("money.none-yet")}</p>'
    shown = [money.statements.get(name) for name in _COLUMNS]
    titles = (say("time.today"), say.month(today), str(today.year), say("money.total"))
    heads = "".join(
        f'<th scope="col">{title}{_since(one, name, today, say)}</th>'
        for name, title, one in zip(_COLUMNS, titles, shown, strict=True)
    )
    return (
        f"{head}{_paid_back(money, today, say)}"
        f'<table class="totals amounts"><caption class="hidden">{say("money.caption")}</caption>'
        f'<thead><tr><th scope="col">{money.currency}</th>{heads}</tr></thead>'
        f"<tbody>{_rows(shown, say)}</tbody></table>{_notes(shown[-1], say)}"
    )


def _since(one: Statement | None, name: str, today: date, say: Language) -> str:
    since = one.first if one and name == "total" else one.since if one else None
    if since is None:
        return ""
    day = f'<span class="whole">{say.day(since, today)}</span>'
    return f"<small>{say('time.since', day=day)}</small>"


def _rows(shown: Sequence[Statement | None], say: Language) -> str:
    balances = [None if one is None else one.balance for one in shown]
    known = [one for one in balances if one is not None]
    told = [
        ("bill", [say.money(one and one.bill) for one in balances]),
        ("without", [say.money(one and one.without_system) for one in balances]),
        ("saved", [say.money(one and one.saving) for one in balances]),
    ]
    if any(one.discharged for one in known):
        told.append(("battery", [say.money(battery_saving(one)) for one in balances]))
    for name in ("self-sufficiency", "self-consumption"):
        shares = [_share(one, name) for one in balances]
        if any(share is not None for share in shares):
            told.append((name, [say.percent(share) for share in shares]))
    return "".join(
        f'<tr><th scope="row">{say(f"money.{name}")}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
        for name, cells in told
    )


def battery_saving(balance: Balance | None) -> float | None:
    """What the battery saved; None where no day tells what came from where."""
    return balance.battery_saving if balance is not None and balance.split else None


def _share(balance: Balance | None, name: str) -> float | None:
    """In percent."""
    share = balance and getattr(balance, name.replace("-", "_"))
    return None if share is None else 100 * share


def _paid_back(money: Money, today: date, say: Language) -> str:
    if money.paid is None or money.paid_back is None:
        return ""
    share = 100 * money.paid_back
    told = say(
        "money.paid-back-of",
        saved=say.money(money.paid * money.paid_back),
        paid=f"{say.money(money.paid)}{SPACE}{money.currency}",
    )
    if (known := money.outlook) is not None:
        left = f"{say.money(known.left)}{SPACE}{money.currency}"
        told = f"{told} {say('money.left', left=left)} {_time_left(known, today, say)}"
    width = max(0.0, min(100.0, share))
    return (
        f'<div class="meter"><p><b>{say.percent(share)}</b> <span>{say("money.paid-back")}</span>'
        '</p><svg height="8" width="100%" aria-hidden="true"><rect class="track" width="100%"'
        f' height="8" rx="4"/><rect class="fill" width="{width:.1f}%" height="8" rx="4"/></svg>'
        f'<p class="quiet">{told}</p></div>'
    )


def _time_left(known: Outlook, today: date, say: Language) -> str:
    if known.years is None or known.first is None:
        return say("money.years-unknown")
    years = say.number(known.years, 1)
    return say("money.years-left", years=years, day=say.day(known.first, today))


def _notes(whole: Statement | None, say: Language) -> str:
    """How good the figures are."""
    if whole is None:
        return ""
    one, told = whole.balance, list[str]()
    if whole.missing:
        told.append(say("money.missing", n=whole.missing))
    if one.estimated:
        told.append(say("money.estimated", n=one.estimated))
    if one.split < one.days:
        told.append(say("money.split", n=one.split, days=one.days))
    if one.grid_charged >= 0.05:
        told.append(say("money.grid-charged", energy=f"{say.kwh(one.grid_charged)}{SPACE}kWh"))
    return f'<p class="quiet">{" ".join(told)}</p>' if told else ""


def sums_of_month(book: Cashbook, day: date, say: Language) -> list[tuple[str, str]]:
    """Title and text of each figure of the month of `day`, for a report."""
    found = book.between(day.replace(day=1), month_end(day))
    if found is None:
        return []
    one, currency = found.balance, book.tariff.currency
    amounts = [("bill", one.bill), ("without", one.without_system), ("saved", one.saving)]
    if one.discharged and one.split:
        amounts.append(("saved-by-battery", one.battery_saving))
    return [
        (say(f"money.{name}"), f"{say.money(amount)}{SPACE}{currency}") for name, amount in amounts
    ]
