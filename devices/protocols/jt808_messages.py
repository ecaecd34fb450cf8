"""JT/T 808 messages: what a terminal says besides where it is, and what it is answered.

Bodies as in JT/T 808-2011, -2013 and -2019, chapter 8. Four that vendors added or filled, 0701, 0900, 1300 and
6006, hold a text or bytes that nobody here has to understand.
"""

import datetime as dt
import struct
from collections.abc import Callable

from devices.reading import DecodeError

REPLY, HEARTBEAT, LOGOUT, REGISTER, AUTHENTICATE = 0x0001, 0x0002, 0x0003, 0x0100, 0x0102
LOCATION, LOCATION_ASKED, BATCH = 0x0200, 0x0201, 0x0704
GENERAL_REPLY, REGISTER_REPLY, ASK_LOCATION = 0x8001, 0x8100, 0x8201
TIME_ASKED, TIME_REPLY = 0x0004, 0x8004
"""As in JT/T 808-2019."""
VENDOR_TIME_ASKED, VENDOR_TIME_REPLY = 0x0109, 0x8109
"""As some vendors do, with a body of their own."""

NAMES = {
    REPLY: "general reply",
    HEARTBEAT: "heartbeat",
    LOGOUT: "logout",
    REGISTER: "register",
    AUTHENTICATE: "authenticate",
    0x0104: "parameters reply",
    0x0107: "terminal attributes reply",
    TIME_ASKED: "time query",
    VENDOR_TIME_ASKED: "time sync request",
    LOCATION: "location report",
    LOCATION_ASKED: "location query reply",
    0x0210: "vendor location batch / battery",
    0x0701: "vendor command response",
    0x0702: "driver identity report",
    BATCH: "location batch",
    0x0800: "multimedia event",
    0x0801: "multimedia upload",
    0x0900: "transparent uplink",
    0x1007: "vendor time zone sync",
    0x1300: "vendor text response (UTF-16BE)",
    0x2070: "vendor acceleration samples",
    0x5501: "vendor compact location (1-byte serial)",
    0x5502: "vendor compact location, stored (1-byte serial)",
    0x6006: "vendor text report",
    GENERAL_REPLY: "general reply of the platform",
    REGISTER_REPLY: "register reply",
    TIME_REPLY: "time reply",
    VENDOR_TIME_REPLY: "time sync reply",
    ASK_LOCATION: "location query",
}

DONE, FAILED, WRONG, UNSUPPORTED = 0, 1, 2, 3
"""Results of a general reply."""

Facts = dict[str, float | bool | str]

_REGISTER_SIZES = {"2011": (5, 8, 7), "2013": (5, 20, 7), "2019": (11, 30, 30)}
"""Bytes of the manufacturer, the model and the terminal's own number, by edition."""


def read_facts(message: int, body: bytes, version: int | None) -> Facts:
    """Return what a message says, by name; nothing of one that is not known here; raise DecodeError.

    Args:
        message: its id.
        body: its body.
        version: of the protocol, in a header of 2019.
    """
    read = _READERS.get(message)
    if read is None:
        return {}
    try:
        return read(body, version)
    except (struct.error, IndexError) as error:
        raise DecodeError(len(body), f"{NAMES[message]}: cut off after {len(body)} bytes") from error


def text_of(raw: bytes) -> str:
    """Return a text as terminals write it: GBK, filled up with NUL or blanks."""
    return raw.decode("gbk", errors="replace").replace("\0", "").strip(" ")


def _reply(body: bytes, _version: int | None) -> Facts:
    serial, message, result = struct.unpack_from(">HHB", body)
    return {"reply_serial": serial, "reply_message": f"{message:04x}", "result": result}


def _register(body: bytes, version: int | None) -> Facts:
    layout = "2019" if version is not None else "2013" if len(body) >= 37 else "2011"
    manufacturer, model, terminal = _REGISTER_SIZES[layout]
    province, city, *texts, colour = struct.unpack_from(f">HH{manufacturer}s{model}s{terminal}sB", body)
    plate = body[5 + manufacturer + model + terminal :]
    return {
        "layout": layout, "province": province, "city": city,
        **{name: text_of(raw) for name, raw in zip(("manufacturer", "model", "terminal"), texts, strict=True)},
        "plate_colour": colour, "plate": text_of(plate), "plate_hex": plate.hex(),
    }  # fmt: skip


def token_of(body: bytes, version: int | None) -> bytes:
    """Return the authentication code in the body of 0102."""
    if version is None:
        return body
    return body[1 : 1 + body[0]] if body else b""


def _authenticate(body: bytes, version: int | None) -> Facts:
    token = text_of(token_of(body, version))
    if version is None:
        return {"layout": "2011/2013", "token": token}
    behind = body[1 + body[0] :]
    return {"layout": "2019", "token": token, "imei": text_of(behind[:15]), "software": text_of(behind[15:35])}


def _attributes(body: bytes, _version: int | None) -> Facts:
    kind, manufacturer, model, terminal, iccid = struct.unpack_from(">H5s20s7s10s", body)
    return {
        "terminal_type": kind, "manufacturer": text_of(manufacturer), "model": text_of(model),
        "terminal_id": text_of(terminal), "iccid_bcd": iccid.hex(), "tail_hex": body[44:].hex(),
    }  # fmt: skip


def _driver(body: bytes, _version: int | None) -> Facts:
    if len(body) == 7:  # the card was pulled: only that and when
        return {"status": body[0], "time_bcd": body[1:].hex()}
    status, time, result, length = struct.unpack_from(">B6sBB", body)
    at = 9 + length
    driver = body[9:at]
    code, length = struct.unpack_from(">20sB", body, at)
    at += 21
    agency, (validity,) = body[at : at + length], struct.unpack_from(">4s", body, at + length)
    return {
        "status": status, "time_bcd": time.hex(), "card_result": result, "driver_name": text_of(driver),
        "qualification_code": text_of(code), "agency": text_of(agency), "validity_bcd": validity.hex(),
        "tail_hex": body[at + length + 4 :].hex(),
    }  # fmt: skip


def _counted_text(body: bytes, _version: int | None) -> Facts:
    (length,) = struct.unpack_from(">I", body)
    return {"length": length, "text": text_of(body[4 : 4 + length])}


def _transparent(body: bytes, _version: int | None) -> Facts:
    return {"transparent_type": f"{body[0]:02x}", "data_hex": body[1:].hex()}


def _wide_text(body: bytes, _version: int | None) -> Facts:
    (serial,) = struct.unpack_from(">H", body)
    return {"reply_serial": serial, "text_utf16be": body[2:].decode("utf-16-be", errors="replace").replace("\0", "")}


def _coded_text(body: bytes, _version: int | None) -> Facts:
    return {"encoding": body[0], "text": text_of(body[1:])}


_READERS: dict[int, Callable[[bytes, int | None], Facts]] = {
    REPLY: _reply,
    REGISTER: _register,
    AUTHENTICATE: _authenticate,
    0x0107: _attributes,
    0x0701: _counted_text,
    0x0702: _driver,
    0x0900: _transparent,
    0x1300: _wide_text,
    0x6006: _coded_text,
    GENERAL_REPLY: _reply,
}
UNDERSTOOD = frozenset({*_READERS, HEARTBEAT, LOGOUT, TIME_ASKED, VENDOR_TIME_ASKED, LOCATION, LOCATION_ASKED, BATCH})


def general_reply(serial: int, message: int, result: int) -> bytes:
    """Return the body of 8001."""
    return struct.pack(">HHB", serial, message, result)


def register_reply(serial: int, result: int, code: str = "") -> bytes:
    """Return the body of 8100: 0 with the code to authenticate with; 4 if the terminal is not in the books."""
    return struct.pack(">HB", serial, result) + code.encode("ascii")


def time_reply(message: int, time_ms: int) -> tuple[int, bytes]:
    """Return message and body that answer a terminal which asks for the time; all of it is UTC."""
    now = dt.datetime.fromtimestamp(time_ms / 1_000, dt.UTC)
    if message == TIME_ASKED:
        return TIME_REPLY, bytes.fromhex(now.strftime("%y%m%d%H%M%S"))
    fields = (now.year, now.month, now.day, now.hour, now.minute, now.second, DONE)
    return VENDOR_TIME_REPLY, struct.pack(">H6B", *fields)
