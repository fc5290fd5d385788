"""A self-signed certificate as dongles make it for themselves, from the openssl command."""

import ssl
import subprocess
import tempfile
from pathlib import Path


def self_signed(directory: Path, name: str = "WiNet-S") -> tuple[Path, Path]:
    """Make certificate and key (PEM) below `directory`.

    Raises:
        FileNotFoundError: the openssl command is missing.
    """
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(  # noqa: S603 (nothing in it comes from outside)
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",  # noqa: S607 (wherever PATH has it)
         "-nodes", "-days", "3650", "-subj", f"/CN={name}", "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server that shows `certificate`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def throwaway_context() -> ssl.SSLContext:
    """TLS with a new self-signed certificate that leaves no file behind."""
    with tempfile.TemporaryDirectory() as directory:
        return server_context(*self_signed(Path(directory)))
