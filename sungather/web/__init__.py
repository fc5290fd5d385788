"""The page, the JSON API, the metrics and the live stream: what people and scrapers look at."""

from sungather.web.server import WebServer

__all__ = ["WebServer"]
