"""Prints the packets of stamp_suite.txt: those of stamp-suite (crates.io, version 1 or later), another implementation of STAMP.

Both ways: what its sender asks, and what its reflector answers to `switchboard ping`, each unauthenticated and authenticated,
on loopback. It fails when one of the two does not understand the other. Both programs have to be on the path; stamp-suite is
installed by `cargo install stamp-suite` in two minutes of processor time.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading

KEY = bytes(range(32)).hex()
SESSION = 0xBEEF


class Relay:
    """Passes datagrams on to a reflector and back, and keeps the first of each."""

    def __init__(self, reflector):
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind(("127.0.0.1", 0))
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.connect(("127.0.0.1", reflector))
        self.outside.settimeout(5)
        self.request = self.reply = None
        self.port = self.inside.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            request, sender = self.inside.recvfrom(65535)
            self.outside.send(request)
            reply = self.outside.recv(65535)
            self.request, self.reply = self.request or request, self.reply or reply
            self.inside.sendto(reply, sender)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def its_sender(key):
    """Its sender against our reflector."""
    keys = ["--keys", "ours.key"] if key else []
    reflector = subprocess.Popen(
        ["switchboard", "reflect", "--json", "--listen", "127.0.0.1:0", *keys], stdout=subprocess.PIPE, text=True
    )
    port = int(json.loads(reflector.stdout.readline())["addresses"][0].rsplit(":", 1)[1])
    relay = Relay(port)
    keys = ["-A", "A", "--hmac-key-file", "theirs.key"] if key else []
    arguments = ["-r", "127.0.0.1", "-p", str(relay.port), "-c", "3", "-d", "20", "--ssid", str(SESSION), "--cos"]
    arguments += ["--direct-measurement", "--follow-up-telemetry"]
    ran = subprocess.run(["stamp-suite", *arguments, *keys], capture_output=True, text=True, timeout=30)
    reflector.terminate()
    assert re.search(r"Packets received: 3\b", ran.stdout + ran.stderr), ran.stdout + ran.stderr
    return relay.request


def its_reflector(key):
    """Our sender against its reflector."""
    port = free_port()
    keys = ["-A", "A", "--hmac-key-file", "theirs.key", "--verify-tlv-hmac"] if key else []
    arguments = ["-i", "-S", "127.0.0.1", "-o", str(port), "--stateful-reflector"]
    reflector = subprocess.Popen(["stamp-suite", *arguments, *keys], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    keys = ["--key", "ours.key"] if key else []
    relay = Relay(port)
    ran = None
    # It does not say when it listens.
    for _ in range(50):
        arguments = ["ping", "--json", "-c", "3", "-i", "0.02", "-W", "0.3", *keys, f"127.0.0.1:{port}"]
        ran = subprocess.run(["switchboard", *arguments], capture_output=True, text=True, timeout=30)
        if json.loads(ran.stdout.splitlines()[-1])["targets"][0]["answered"] == 3:
            break
    else:
        sys.exit(f"no answers: {ran.stdout}{ran.stderr}")
    subprocess.run(["switchboard", "ping", "-c", "1", *keys, f"127.0.0.1:{relay.port}"], check=True, capture_output=True)
    reflector.terminate()
    return relay.reply


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, text in [("ours.key", f"{SESSION} {KEY}\n"), ("theirs.key", KEY)]:
        pathlib.Path(name).write_text(text)
        pathlib.Path(name).chmod(0o600)
    for name, key in [("open", False), ("authenticated", True)]:
        print(f"request-{name}", its_sender(key).hex())
        print(f"reply-{name}", its_reflector(key).hex())
