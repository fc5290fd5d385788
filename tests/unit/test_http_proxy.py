"""Which proxy is used: curl's rules as a table."""

import pytest

from sungather.http_proxy import excepted, proxy_for

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("exceptions", "host", "port", "expected"),
    [
        ("", "influx.example", 80, False),
        ("*", "influx.example", 80, True),
        ("other.example, *", "influx.example", 80, False),  # only alone, as in curl
        ("influx.example", "influx.example", 80, True),
        ("INFLUX.example", "influx.Example", 80, True),
        ("example", "influx.example", 80, True),
        (".example", "influx.example", 80, True),
        (".influx.example", "influx.example", 80, True),
        ("influx.example.", "influx.example", 80, True),
        ("influx.example", "influx.example.", 80, True),
        ("lux.example", "influx.example", 80, False),  # whole labels only
        ("other.example influx.example", "influx.example", 80, True),
        ("influx.example:8086", "influx.example", 8086, True),
        ("influx.example:8086", "influx.example", 80, False),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("0.0.1", "127.0.0.1", 80, False),  # addresses have no domains
        ("localhost", "127.0.0.1", 80, False),
        ("192.168.0.0/16", "192.168.7.9", 80, True),
        ("192.168.0.0/16", "192.169.7.9", 80, False),
        ("192.168.0.0/33", "192.168.0.0", 80, False),
        ("192.168.7.9:8086", "192.168.7.9", 8086, True),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:8086", "::1", 8086, True),
        ("[::1]:8086", "::1", 80, False),
        ("fd00::/8", "fd12::1", 80, True),
        ("fd00::/8", "fe80::1", 80, False),
        ("0:0:0:0:0:0:0:1", "::1", 80, True),
        (", ,", "influx.example", 80, False),
        (".", "influx.example", 80, False),
    ],
)
def test_exceptions_are_curls(exceptions: str, host: str, port: int, expected: bool) -> None:
    assert excepted(exceptions, host, port) is expected


@pytest.mark.parametrize(
    ("scheme", "environment", "expected"),
    [
        ("http", {}, None),
        ("http", {"http_proxy": PROXY}, "proxy.example"),
        ("http", {"https_proxy": PROXY}, None),
        ("https", {"http_proxy": PROXY}, None),
        ("https", {"HTTPS_PROXY": PROXY}, "proxy.example"),
        ("https", {"https_proxy": "http://a:1", "HTTPS_PROXY": PROXY}, "a"),
        ("https", {"https_proxy": "", "all_proxy": PROXY}, "proxy.example"),
        ("http", {"ALL_PROXY": PROXY}, "proxy.example"),
        ("http", {"all_proxy": PROXY, "http_proxy": "b:1"}, "b"),  # without a scheme: http
        ("http", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),  # a CGI script
        ("http", {"http_proxy": PROXY, "no_proxy": "server.example"}, None),
        ("http", {"http_proxy": PROXY, "NO_PROXY": "server.example"}, None),
        ("http", {"http_proxy": "http://[fd00::1]:3128"}, "fd00::1"),
    ],
)
def test_the_environment_names_the_proxy(
    scheme: str, environment: dict[str, str], expected: str | None
) -> None:
    found = proxy_for(scheme, "server.example", 80, environment)
    assert (found and found.host) == expected


def test_user_name_and_password_are_decoded() -> None:
    found = proxy_for("http", "x", 80, {"http_proxy": "http://site:p%40ss@proxy.example"})
    assert found is not None
    assert found.headers == {"Proxy-Authorization": "Basic c2l0ZTpwQHNz"}


@pytest.mark.parametrize(
    "url", ["socks5://u:secret@p:1080", "http://u:secret@p:port", "http://", "http://[u:secret"]
)
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="environment's all_proxy") as raised:
        proxy_for("https", "x", 443, {"all_proxy": url})
    assert "secret" not in str(raised.value)
