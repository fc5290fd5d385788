"""The wrapping of encrypted Modbus/TCP frames, apart from any socket."""

from hypothesis import given
from hypothesis import strategies as st

from sungather.transports.sungrow import ENCRYPTED_WIDEST, KEY_REQUEST, session_cipher, wrap

DEVICE_KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
REQUEST = bytes.fromhex("12340000000601041387000a")


def test_the_key_is_the_devices_half_xor_the_apps_half() -> None:
    # From: openssl enc -aes-128-ecb -nopad, key = device key XOR "Grow#0*2Sun68CbE".
    expected = bytes.fromhex("4eb237b012ee92fce0365a4567c68d13")
    assert session_cipher(DEVICE_KEY).encrypt(bytes(16)) == expected


def test_the_key_request_asks_eight_registers_of_unit_247() -> None:
    assert KEY_REQUEST.hex(" ") == "68 68 00 00 00 06 f7 04 0a e7 00 08"


def test_a_request_is_wrapped_with_its_lengths_in_clear_and_without_its_transaction_id() -> None:
    cipher = session_cipher(DEVICE_KEY)
    wrapped = wrap(REQUEST, cipher)
    assert wrapped[:4] == bytes([1, 0, 12, 4])
    assert cipher.decrypt(wrapped[4:]) == b"\x68\x68" + REQUEST[2:] + b"\xff" * 4


@given(st.binary(min_size=8, max_size=255))
def test_every_frame_that_fits_one_byte_of_length_survives_wrapping(frame: bytes) -> None:
    cipher = session_cipher(DEVICE_KEY)
    wrapped = wrap(frame, cipher)
    _, _, length, pad = wrapped[:4]
    assert length == len(frame)
    assert 1 <= pad <= 16
    assert len(wrapped) == 4 + length + pad
    assert cipher.decrypt(wrapped[4:])[2:length] == frame[2:]


def test_the_answer_to_the_widest_read_fits_one_byte_of_length() -> None:
    header, function, byte_count = 7, 1, 1
    assert header + function + byte_count + 2 * ENCRYPTED_WIDEST <= 255
