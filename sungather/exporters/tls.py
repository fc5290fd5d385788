"""Certificates from options: PEM text as it is, or the path of a file."""

import ssl
import tempfile
from pathlib import Path

from sungather.errors import Blocked
from sungather.http_client import tls_context


def client_context(
    group: str, ca: str, cert: str = "", key: str = "", *, insecure: bool
) -> ssl.SSLContext:
    """What a client needs to talk TLS; empty texts mean "none" or "the machine's own CAs".

    `group` is that of the options, such as "mqtt".

    Raises:
        Blocked: a certificate or the key cannot be used.
    """
    if not (ca or cert or insecure):
        return tls_context()
    try:
        context = ssl.create_default_context(cadata=_pem(ca) if ca else None)
    except (ssl.SSLError, ValueError) as error:
        raise Blocked(f"{group}.tls.ca holds no certificate that can be used.") from error
    except OSError as error:
        raise Blocked(f"{group}.tls.ca cannot be read: {error.strerror}.") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        _load_pair(context, group, cert, key)
    return context


def _load_pair(context: ssl.SSLContext, group: str, cert: str, key: str) -> None:
    # The library wants a file; nobody but us ever sees it.
    try:
        with tempfile.TemporaryDirectory(prefix="sungather-") as directory:
            file = Path(directory) / "pair.pem"
            file.touch(0o600)
            file.write_text(f"{_pem(cert)}\n{_pem(key) if key else ''}\n", encoding="utf-8")
            context.load_cert_chain(file, password="")
    except (ssl.SSLError, ValueError) as error:
        raise Blocked(
            f"{group}.tls.cert and {group}.tls.key are no certificate with its key "
            "(without password)."
        ) from error
    except OSError as error:
        raise Blocked(
            f"{group}.tls.cert or {group}.tls.key cannot be read: {error.strerror}."
        ) from error


def _pem(text: str) -> str:
    return text if "-----BEGIN" in text else Path(text).read_text(encoding="ascii")
