"""The option `influxdb.tags`. Pure."""

OWN_TAGS = ("name", "kind", "model", "serial", "via")
"""Tags that every point has by itself; "via" those of sub-devices."""


def parse_tags(text: str) -> dict[str, str]:
    """Key -> value of each tag.

    Raises:
        ValueError: with what is wrong.
    """
    tags: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, _, value = (side.strip().rstrip("\\") for side in part.partition("="))
        if not key or not value:
            raise ValueError(f"{part!r} is not of the form key=value")
        if key in OWN_TAGS:
            raise ValueError(f"Every point has a tag {key} already")
        if key == "time" or key.startswith("_"):
            raise ValueError(f"InfluxDB keeps the name {key!r} to itself")
        if key in tags:
            raise ValueError(f"{key} stands there twice")
        tags[key] = value
    return tags
