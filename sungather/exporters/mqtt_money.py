"""What energy costs and saves, over MQTT: of all inverters together, so once a daemon.

    money/CLIENT    one flat JSON object, retained: amounts, and since when each has counted

Home Assistant gets a device of its own for it, beside those of the inverters.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from sungather import __version__
from sungather.exporters.mqtt_client import MqttClient
from sungather.exporters.mqtt_layout import as_json, in_topic
from sungather.money import Balance, SiteMoney
from sungather.options.all_options import MqttOptions
from sungather.outbox import Feed

_NOTE: Final = "money"
FIGURES: Final[Mapping[str, tuple[str, str, Callable[[Balance], float]]]] = {
    "bill": ("Bill", "cash-minus", lambda one: one.bill),
    "saving": ("Saved", "piggy-bank", lambda one: one.saving),
    "battery_saving": ("Saved by battery", "home-battery", lambda one: one.battery_saving),
}
"""Name -> its words, its icon, and the amount."""
TIMES: Final = {"today": "today", "month": "this month"}


def content_of(money: SiteMoney, wanted: Callable[[str], bool]) -> dict[str, object]:
    """The wanted amounts that are known, and since when each has counted."""
    found: dict[str, object] = {}
    for time in TIMES:
        if (counted := money.times.get(time)) is None:
            continue
        one = counted.balance
        known = [name for name in FIGURES if name != "battery_saving" or _of_battery(one)]
        amounts = {
            f"{name}_{time}": round(FIGURES[name][2](one), 4)
            for name in known
            if wanted(f"{name}_{time}")
        }
        if amounts:
            found |= {f"{time}_begin": counted.begin.isoformat(), **amounts}
    return {"currency": money.currency, **found} if found else {}


def _of_battery(one: Balance) -> bool:
    """Whether there is a battery, and it is known of some day what came from where."""
    return one.split > 0 and (one.discharged > 0 or one.grid_charged > 0)


def discovery_of(
    names: set[str], currency: str, client_id: str, topic: str, status: str, page: str
) -> dict[str, str]:
    """Part of the topic between `<prefix>/device/` and `/config` -> message, of these amounts."""
    identity = "sungather_money_" + re.sub(r"[^A-Za-z0-9_-]", "_", client_id)
    device = {"ids": [identity], "name": "SunGather", "mdl": "Money", "sw": __version__}
    entities: dict[str, object] = {}
    for time, words in TIMES.items():
        for figure, (title, icon, _) in FIGURES.items():
            if (name := f"{figure}_{time}") in names:
                entities[name] = {
                    "p": "sensor",
                    "name": f"{title} {words}",
                    "uniq_id": f"{identity}_{name}",
                    "dev_cla": "monetary",
                    "stat_cla": "total",
                    "unit_of_meas": currency,
                    "sug_dsp_prc": 2,
                    "ic": f"mdi:{icon}",
                    "val_tpl": f"{{{{value_json[{name!r}]|default(none)}}}}",
                    "lrst_val_tpl": f"{{{{value_json['{time}_begin']|default('')}}}}",
                }
    message = {
        "dev": device | ({"cu": page} if page else {}),
        "o": {"name": "SunGather", "sw": __version__},
        "stat_t": topic,
        "avty": [{"t": status}],
        "avty_mode": "all",
        "qos": 1,
        "cmps": entities,
    }
    return {identity: as_json(message)}


@dataclass(slots=True)
class _Noted:
    """What the broker holds of it."""

    topics: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])
    """The amounts that were known once: the entities."""

    def as_note(self) -> str:
        """What `from_note` reads."""
        return json.dumps([sorted(self.topics), sorted(self.names)])

    @classmethod
    def from_note(cls, text: str) -> "_Noted":
        """Nothing for a note that is damaged."""
        try:
            topics, names = cast(list[list[object]], json.loads(text))
            return cls(set(map(str, topics)), set(map(str, names)))
        except (ValueError, TypeError, RecursionError):
            return cls()


class MoneyMessages:
    """Publishes it when it changes, and leaves nothing behind without prices."""

    def __init__(
        self,
        options: MqttOptions,
        feed: Feed,
        wanted: Callable[[str], bool],
        on_news: Callable[[], None],
        *,
        priced: bool,
    ) -> None:
        """`priced`: whether somebody has told prices."""
        self._on_news = on_news
        self._options = options
        self._feed = feed
        self._wanted = wanted
        self._priced = priced
        self._money: SiteMoney | None = None
        self._client_id = self._status = self._page = ""
        self._noted = _Noted()
        self._takers: dict[str, Callable[[bytes], None]] = {}
        """Topic of a price -> who wants it."""
        self._subscribed: set[str] = set()
        self._said: dict[str, str] = {}
        """What was published since the connection began."""

    def load(self, notes: Mapping[str, str], client_id: str) -> None:
        """Take up what earlier runs have noted."""
        self._client_id = client_id
        self._noted = _Noted.from_note(notes.get(_NOTE, "[]"))

    def connected(self, status: str, page: str) -> None:
        """Take up what only a connection tells: our status topic, and the page's address."""
        self._status, self._page = status, page
        self._subscribed.clear()
        self.forget()

    def listen(self, topic: str, taker: Callable[[bytes], None]) -> None:
        """Have what comes on this topic from the next connection on given to `taker`."""
        self._takers[topic] = taker

    def hear(self, topic: str, content: bytes, *, live: bool) -> None:
        """Take a message; one that was retained may be of any time, so it is no price of now."""
        if live and topic in self._takers:
            self._takers[topic](content)

    def forget(self) -> None:
        """The broker may know nothing of us."""
        self._said.clear()

    def take(self, money: SiteMoney) -> None:
        """What is known now."""
        self._money = money
        self._on_news()

    async def publish(self, client: MqttClient) -> None:
        """Publish what was not said yet; what is retained and no more is removed."""
        for one in self._takers.keys() - self._subscribed:
            await client.subscribe(one, 1)
            self._subscribed.add(one)
        topic = f"{self._options.topic}/money/{in_topic(self._client_id)}"
        content = content_of(self._money, self._wanted) if self._money else {}
        messages: dict[str, str] = {}
        gone = self._noted.topics if not self._priced else set[str]()
        if content and self._money:
            names = self._noted.names | {one for one in content if _is_amount(one)}
            if self._options.homeassistant:
                told = discovery_of(
                    names, self._money.currency, self._client_id, topic, self._status, self._page
                )
                prefix = self._options.homeassistant_prefix
                messages = {f"{prefix}/device/{one}/config": text for one, text in told.items()}
            messages[topic] = as_json(content)
            gone = self._noted.topics - messages.keys()
            await self._note(_Noted(self._noted.topics | messages.keys(), names))
        elif self._priced and topic in self._noted.topics:
            # What an earlier run or day has told is not the present.
            messages[topic] = "{}"
        for one, text in {**messages, **dict.fromkeys(gone, "")}.items():
            if self._said.get(one) != text:
                await client.send(one, text, retain=True)
                self._said[one] = text
        if gone:
            await self._note(_Noted(set(messages), self._noted.names if messages else set()))

    async def _note(self, noted: _Noted) -> None:
        if noted != self._noted:
            self._noted = noted
            await self._feed.note({_NOTE: noted.as_note()})


def _is_amount(name: str) -> bool:
    return name.rpartition("_")[0] in FIGURES
