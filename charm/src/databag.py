"""Writing to relations: only what changed, so that nobody is woken for nothing."""

from collections.abc import Mapping

import ops


def write(bag: ops.RelationDataContent, wanted: Mapping[str, str]) -> None:
    """Make these keys of the databag what they should be; "" removes one."""
    for key, text in wanted.items():
        if bag.get(key, "") != text:
            bag[key] = text
