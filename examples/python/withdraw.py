#!/usr/bin/python3
"""Withdraws money, then breaks the connection, sends the same call again, and shows that it took effect once.

This is the volatile client of docs/protocol.md, "A client in an afternoon". It needs python3-cbor2.
"""
import argparse
import os
import socket
import struct
import sys
import time
import uuid
import zlib
from typing import Any, NoReturn

import cbor2

HELLO, WELCOME, CALL, REPLY, CANCEL, PING, PONG, GOODBYE = 1, 2, 3, 4, 5, 7, 8, 9
FROM_SERVER = (WELCOME, REPLY, PING, PONG, GOODBYE)
REFUSED, UNAVAILABLE, UNRESOLVED = 1, 69, 75  # exit codes, as in docs/errors.md
SILENCE = 15  # seconds without a byte after which a connection is taken for broken, instead of pings of our own
PATIENCE = 30  # seconds in which the call may take effect, and for which its answer is awaited
REFUSALS = ["not enough money", "below floor", "amount not positive", "amount too large", "overflow",
            "wrong currency", "unknown account", "system account"]
ENDED = {2: "cancelled, it was never executed", 3: "came after its deadline, it was never executed"}


class Stopped(Exception):
    """There is no use in connecting once more."""


class Client:
    """Speaks with one server, over one connection after another. An OSError means: the connection broke."""

    def __init__(self, path: str) -> None:
        """Connects for the first time, and mints the session."""
        self.path = path
        self.hello: dict[int, Any] = {0: 1, 1: 1, 3: [], 5: "withdraw.py/1"}
        self.welcome = self.connect()
        self.session = mint(self.welcome[4])
        self.hello.update({2: self.welcome[1], 3: [self.session]})

    def connect(self) -> dict[int, Any]:
        """Opens a connection, says hello, returns the welcome."""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SILENCE)
        self.socket.connect(self.path)
        self.send(HELLO, self.hello)
        kind, _flags, welcome = self.receive()
        if kind != WELCOME or welcome[1] != self.hello.get(2, welcome[1]):
            raise Stopped("no welcome, or that of another store")
        return welcome

    def send(self, kind: int, item: Any) -> None:
        """Writes one frame: the header, then the payload."""
        payload = cbor2.dumps(item)
        head = struct.pack(">IBB2s", len(payload), kind, 0, b"SB")
        self.socket.sendall(head + struct.pack(">I", zlib.crc32(head + payload)) + payload)

    def read(self, length: int) -> bytes:
        """Reads exactly so many bytes."""
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise ConnectionError("the server closed the connection")
            data += piece
        return data

    def receive(self) -> tuple[int, int, Any]:
        """Reads one frame: kind, flags, payload. Answers the pings that come before it."""
        while True:
            header = self.read(12)
            length, kind, flags, magic, crc = struct.unpack(">IBB2sI", header)
            if magic != b"SB" or length > 1_048_576 or kind not in FROM_SERVER or flags > 1:
                raise ConnectionError("these bytes are not frames of a Switchboard server")
            payload = self.read(length)
            if crc != zlib.crc32(header[:8] + payload):
                raise ConnectionError("a frame was damaged on the way")
            item = cbor2.loads(payload)
            if kind == GOODBYE:
                say_goodbye(*item)
            if kind != PING:
                return kind, flags, item
            self.send(PONG, item)

    def settle(self, kind: int, call_id: list[Any], item: list[Any]) -> tuple[bytes, bool]:
        """Sends a call or a cancel until it is answered; returns the answer's bytes and whether it is replayed."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            try:
                if self.socket.fileno() < 0:  # closed
                    self.connect()
                if kind == CALL:
                    item[6] += 1  # attempt: all else is the same in every copy
                self.send(kind, item)
                answer, replayed = self.wait_for(call_id)
                code, *detail = cbor2.loads(answer)
                if code < 50:
                    return answer, replayed
                print(f"not now (code {code}), the same again later", file=sys.stderr)
                time.sleep(detail[0] / 1000)
            except (OSError, cbor2.CBORDecodeError) as error:
                print(f"not known yet ({error}), connecting again", file=sys.stderr)
                self.socket.close()
                time.sleep(1)
        raise Stopped(f"no answer for {PATIENCE} seconds")

    def wait_for(self, call_id: list[Any]) -> tuple[bytes, bool]:
        """Receives up to the reply with this call id."""
        while True:
            kind, flags, reply = self.receive()
            if kind == REPLY and reply[0] == call_id:
                return reply[2], flags == 1


def say_goodbye(reason: int, text: str, retry_after_ms: int) -> NoReturn:
    """Raises what a goodbye means: come back later, or not at all."""
    if reason in (1, 2, 6, 7):  # ProtocolError, UnsupportedVersion, WrongStore, BadCredential
        raise Stopped(f"the server said goodbye, reason {reason}: {text}")
    time.sleep(retry_after_ms / 1000)
    raise ConnectionError(f"the server said goodbye, reason {reason}: {text}")


def mint(mint_time_ms: int) -> bytes:
    """Makes a session: a UUIDv7 whose label is the server's mint time."""
    b = bytearray(mint_time_ms.to_bytes(6, "big") + os.urandom(10))
    b[6] = b[6] & 0x0F | 0x70
    b[8] = b[8] & 0x3F | 0x80
    return bytes(b)


def in_words(answer: bytes) -> str:
    """Says what an answer means."""
    code, *detail = cbor2.loads(answer)
    if code == 0:
        _withdrawn, transfer, account, balance, *_ = cbor2.loads(detail[0])
        return f"withdrawn: transfer {transfer}, account {account} now holds {balance[0]} {balance[1]}"
    if code == 1:
        refusal = cbor2.loads(detail[0])[0]
        return f"refused, code {refusal}: {REFUSALS[refusal]}"
    if code in ENDED:
        return ENDED[code]
    return f"answer {code}: {detail[0] if detail else 'see docs/errors.md'}"


def withdraw(client: Client, account: int, amount: int, currency: str) -> int:
    """Sends the call, breaks the connection, sends the call again, compares; returns the exit code."""
    call_id = [client.session, 0, 1]
    nonce, previous = os.urandom(16), bytes(8)
    not_after = client.welcome[3] + PATIENCE * 1_000_000
    body = cbor2.dumps([2, account, [amount, currency]])
    call = ["bank", call_id, nonce, previous, 1, not_after, 0, body]
    print(f"call {uuid.UUID(bytes=client.session)}/0/1")

    first, _replayed = client.settle(CALL, call_id, call)
    code = cbor2.loads(first)[0]
    print(f"attempt {call[6]}: {in_words(first)}")
    if code >= 30:  # turned away at the door: cancelled, so that no copy of it can take effect
        answer, _replayed = client.settle(CANCEL, call_id, [call_id, previous, nonce])
        print(f"cancel: {in_words(answer)}")
        return REFUSED if answer == cbor2.dumps([2]) else UNRESOLVED
    if code > 3:  # 10 and 11 have ended; the others may have taken effect
        return REFUSED if code < 12 else UNRESOLVED

    client.socket.close()  # as if the network broke
    second, replayed = client.settle(CALL, call_id, call)
    print(f"attempt {call[6]}: {in_words(second)}")
    if second != first or not replayed:
        print(f"DIFFERENT: first {first.hex()}, then {second.hex()}, replayed: {replayed}")
        return REFUSED
    print(f"the same {len(first)} bytes, replayed: nothing happened a second time")
    return 0 if code == 0 else REFUSED


def main() -> int:
    """Reads the command line; returns the exit code."""
    usage = argparse.ArgumentParser(
        description="Withdraws money from an account. Sends the call twice, which withdraws once.",
        epilog="Example: withdraw.py data/socket 1 2000 EUR. Exit codes: 0 withdrawn once; 1 refused, or the answers "
        "differ; 69 nothing was sent; 75 not known yet: `switchboard call status` with the printed call id tells.",
    )
    usage.add_argument("socket", help="the server's Unix socket: `socket` in its data folder")
    usage.add_argument("account", type=int, help="the number of the account")
    usage.add_argument("amount", type=int, help="in minor units: 2000 is 20.00 EUR")
    usage.add_argument("currency", help="ISO 4217 code: EUR")
    given = usage.parse_args()
    try:
        client = Client(given.socket)
    except (OSError, cbor2.CBORDecodeError, Stopped) as error:
        print(f"nothing was sent: {error}", file=sys.stderr)
        return UNAVAILABLE
    try:
        return withdraw(client, given.account, given.amount, given.currency)
    except Stopped as error:
        print(f"gave up: {error}", file=sys.stderr)
        return UNRESOLVED


if __name__ == "__main__":
    sys.exit(main())
