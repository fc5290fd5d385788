"""The files that the page is made of, as they are served."""

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Final

import sungather
from sungather.web.http import Request, Response, gzip, takes_gzip

_TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "icon-180.png": "image/png",
    "icon-192.png": "image/png",
    "icon-512.png": "image/png",
    "manifest.webmanifest": "application/manifest+json",
}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class StaticFiles:
    """The static files: read at the first request, kept packed."""

    def __init__(self) -> None:
        self._packed: dict[str, tuple[bytes, bytes]] = {}
        self._addresses: dict[str, str] = {}

    @property
    def addresses(self) -> Mapping[str, str]:
        """File name -> relative address that changes with the file."""
        if not self._addresses:
            for name in _TYPES:
                body = _read(name)
                self._packed[name] = body, gzip(body, 9)
                mark = hashlib.sha256(body).hexdigest()[:10]
                self._addresses[name] = f"static/{name}?v={mark}"
        return self._addresses

    def answer(self, request: Request) -> Response:
        """A static file."""
        name = request.path.removeprefix("/static/")
        if name not in self.addresses:
            return Response(b"There is no such file.\n", status=404)
        plain, packed = self._packed[name]
        headers = {**_FOR_EVER, "Vary": "Accept-Encoding"}
        if takes_gzip(request):
            return Response(packed, _TYPES[name], headers={**headers, "Content-Encoding": "gzip"})
        return Response(plain, _TYPES[name], headers=headers)

    def openapi(self) -> bytes:
        """The description of the API, with the program's version."""
        document = json.loads(_read("openapi.json"))
        document["info"]["version"] = sungather.__version__
        return json.dumps(document).encode()


def _read(name: str) -> bytes:
    return resources.files("sungather.web").joinpath("static", name).read_bytes()
