"""Reads messages as Python's email package does. The decoded bytes of each part go into a file, what the part is is a line of JSON.

Arguments: the folder for the parts, the messages."""

import email
import email.policy
import json
import pathlib
import sys

for number, path in enumerate(sys.argv[2:]):
    stored = pathlib.Path(path).read_bytes()
    # A mailbox has lines that end with LF, and whoever reads it makes CRLF of it; a CR that was on the way is seen here.
    assert b"\r" not in stored, "a bare CR was on the way"
    message = email.message_from_bytes(stored.replace(b"\n", b"\r\n"), policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    for at, part in enumerate(parts):
        file = pathlib.Path(sys.argv[1], f"{number}.{at}")
        file.write_bytes(part.get_payload(decode=True))
        told = {
            "subject": message["Subject"],
            "file": str(file),
            "type": part.get_content_type(),
            "name": part.get_filename(),
            "id": part["Content-ID"],
            "defects": [str(defect) for defect in part.defects + message.defects],
        }
        print(json.dumps(told))
