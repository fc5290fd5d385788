"""Which certificate a dongle may show: one from `inverter.tls.ca`, else the one seen first.

Dongles make their own certificate, so no public authority can vouch for it. Whoever is at the
address when it is read for the first time is believed; from then on a change is an error.
"""

import hashlib
import logging
import ssl
from collections.abc import MutableMapping

from sungather import errors
from sungather.transports.winet_endpoints import PIN

log = logging.getLogger(__name__)


class Trust:
    """Judges the certificate of one device. `memory` survives restarts by the caller's doing."""

    def __init__(self, ca: str, memory: MutableMapping[str, str]) -> None:
        self._ca = ca
        self._memory = memory
        self._seen = ""
        self._context: ssl.SSLContext | None = None

    @property
    def wanted(self) -> bool:
        """Whether only a connection with TLS will do: there is something to compare with."""
        return bool(self._ca or PIN in self._memory)

    def context(self) -> ssl.SSLContext:
        """TLS as the device needs it; `check` must follow before anything is sent.

        Raises:
            CertificateUntrusted: `inverter.tls.ca` holds no certificate.
        """
        if self._context is not None:
            return self._context
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # `check` does it, with an exception for the pinned
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._ca:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            try:
                context.load_verify_locations(cadata=self._ca)
            except (ssl.SSLError, ValueError):
                raise errors.CertificateUntrusted(
                    "inverter.tls.ca holds no certificate in PEM form. It begins with "
                    "-----BEGIN CERTIFICATE-----."
                ) from None
        else:
            context.verify_mode = ssl.CERT_NONE
            # Small devices have short keys; what is trusted here is the pin, not a signature.
            context.set_ciphers("DEFAULT:@SECLEVEL=1")
        self._context = context
        return context

    def check(self, connection: ssl.SSLObject, host: str) -> None:
        """Make sure that this is our device.

        Raises:
            CertificateChanged: it shows another certificate than the one pinned.
            CertificateUntrusted: it shows one that `inverter.tls.ca` does not cover.
        """
        certificate = connection.getpeercert(binary_form=True) or b""
        self._seen = hashlib.sha256(certificate).hexdigest()
        if self._ca:
            self._check_name(connection, certificate, host)
            return
        pinned = self._memory.get(PIN, self._seen)
        if pinned != self._seen:
            raise errors.CertificateChanged(
                f"{host} shows another certificate (SHA-256 {self._seen[:16]}…) than the one "
                f"trusted until now ({pinned[:16]}…), so nothing was sent to it. If the dongle "
                f"was replaced or reset, forget the old one with 'sungather forget "
                f"certificate', or put its new certificate into inverter.tls.ca. If not, find out "
                f"what answers at this address."
            )

    def accept(self, host: str) -> None:
        """Remember the certificate checked last: it belongs to a dongle."""
        if self._ca or not self._seen or PIN in self._memory:
            return
        self._memory[PIN] = self._seen
        log.info(
            "The certificate of %s is trusted from now on (SHA-256 %s). To check it against one "
            "of your own, set inverter.tls.ca.",
            host,
            self._seen,
        )

    def untrusted(self, host: str) -> errors.CertificateUntrusted:
        """What to raise when the handshake failed over the certificate."""
        return errors.CertificateUntrusted(
            f"The certificate of {host} is neither in inverter.tls.ca nor signed by what is in "
            f"there. Correct inverter.tls.ca, or leave it out to trust the certificate that is "
            f"seen first."
        )

    def _check_name(self, connection: ssl.SSLObject, certificate: bytes, host: str) -> None:
        """An authority's certificate must be for this host; one that is given itself need not."""
        if ssl.DER_cert_to_PEM_cert(certificate).strip() in self._certificates():
            return
        names = (connection.getpeercert() or {}).get("subjectAltName", ())
        if host.lower() not in {str(entry[1]).lower() for entry in names}:
            raise errors.CertificateUntrusted(
                f"The certificate of {host} is signed by inverter.tls.ca, but for another name. "
                f"Use the name in the certificate as inverter.host."
            )

    def _certificates(self) -> set[str]:
        """The certificates in `inverter.tls.ca`, in the form that `ssl` writes them in."""
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        parts = [part.split(end)[0] for part in self._ca.split(begin)[1:]]
        ders = [ssl.PEM_cert_to_DER_cert(f"{begin}{part}{end}\n") for part in parts]
        return {ssl.DER_cert_to_PEM_cert(der).strip() for der in ders}
