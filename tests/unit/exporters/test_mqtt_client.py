"""What aiomqtt gets wrong, and our client does not."""

import asyncio
import socket
from typing import Any

import aiomqtt
import pytest

from sungather.exporters.mqtt_client import MqttClient


def unlucky(client: Any) -> list[str]:
    """Ask for a socket to be watched that is closed before the loop turns; what it complains."""
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    near, far = socket.socketpair()
    client._on_socket_register_write(client._client, None, near)
    near.close()
    far.close()
    return complaints


async def test_a_socket_that_was_closed_meanwhile_is_not_waited_for() -> None:
    complaints = unlucky(MqttClient("127.0.0.1"))
    await asyncio.sleep(0)
    assert complaints == []


async def test_another_socket_that_got_its_number_is_left_alone() -> None:
    client: Any = MqttClient("127.0.0.1")
    unlucky(client)
    near, far = socket.socketpair()
    await asyncio.sleep(0)
    with near, far:
        assert not asyncio.get_running_loop().remove_writer(near)
        assert not asyncio.get_running_loop().remove_writer(far)


async def test_a_socket_that_is_open_is_written_to() -> None:
    client: Any = MqttClient("127.0.0.1")
    near, far = socket.socketpair()
    with near, far:
        client._on_socket_register_write(client._client, None, near)
        await asyncio.sleep(0)
        assert asyncio.get_running_loop().remove_writer(near)


async def test_the_library_still_needs_it() -> None:
    complaints = unlucky(aiomqtt.Client("127.0.0.1"))
    await asyncio.sleep(0)
    if not complaints:
        pytest.fail("aiomqtt has mended it: MqttClient can go")
