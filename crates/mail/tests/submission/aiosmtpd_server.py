"""A mail server with TLS and AUTH for the tests: aiosmtpd. Says its port, then one line of JSON for each message: envelope and parts as
Python's email package reads them. Ends when standard input ends.

Arguments: off|starttls|implicit, for the last two a certificate and a key, and then the certificate that a client has to show, if any."""

import asyncio
import base64
import email
import email.policy
import hashlib
import hmac
import json
import os
import ssl
import sys

from aiosmtpd.smtp import MISSING, SMTP, AuthResult

USER, PASSWORD = b"user", b"pencil"


def part_of(part):
    return {
        "type": part.get_content_type(),
        "name": part.get_filename(),
        "id": part["Content-ID"],
        "bytes": base64.b64encode(part.get_payload(decode=True)).decode(),
        "defects": [str(defect) for defect in part.defects],
    }


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "login": session.authenticated,
            "tls": session.ssl is not None,
            "client": server.transport.get_extra_info("peercert"),
            "fields": [[name, str(value)] for name, value in message.items()],
            "defects": [str(defect) for defect in message.defects],
            "parts": [part_of(part) for part in message.walk() if not part.is_multipart()],
        }
        print(json.dumps(told), flush=True)
        return "250 2.0.0 kept"

    async def auth_SCRAM__SHA__256(self, server, args):
        """The server's side of RFC 7677, from the standard and nothing else."""
        first = base64.b64decode(args[1])
        header, bare = first[: first.index(b",,") + 2], first[first.index(b",,") + 2 :]
        nonce = bare.split(b",r=")[1] + base64.b64encode(os.urandom(12))
        salt, rounds = os.urandom(16), 4096
        server_first = b"r=" + nonce + b",s=" + base64.b64encode(salt) + b",i=%d" % rounds
        final = await server.challenge_auth(server_first)
        if final is MISSING:
            return AuthResult(success=False, handled=False)
        without_proof, proof = final.rsplit(b",p=", 1)
        signed = bare + b"," + server_first + b"," + without_proof
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD, salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        expected = bytes(a ^ b for a, b in zip(client_key, signature))
        bound = b"c=" + base64.b64encode(header) + b",r=" + nonce
        if without_proof != bound or base64.b64decode(proof) != expected:
            return AuthResult(success=False, handled=False)
        server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        await server.challenge_auth(b"v=" + base64.b64encode(server_signature))
        return AuthResult(success=True, auth_data=USER)


def check(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (USER, PASSWORD), handled=False, auth_data=mechanism)


def main():
    mode = sys.argv[1]
    context = None
    if mode != "off":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        if len(sys.argv) > 4:
            context.load_verify_locations(sys.argv[4])
            context.verify_mode = ssl.CERT_REQUIRED

    def connection():
        return SMTP(
            Handler(),
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=check,
            # Under implicit TLS aiosmtpd does not know that the connection is encrypted.
            auth_require_tls=mode == "starttls",
            data_size_limit=64 << 20,
            enable_SMTPUTF8=True,
        )

    loop = asyncio.new_event_loop()
    encrypted = context if mode == "implicit" else None
    server = loop.run_until_complete(loop.create_server(connection, "127.0.0.1", 0, ssl=encrypted))
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin, loop.stop)
    loop.run_forever()


main()
