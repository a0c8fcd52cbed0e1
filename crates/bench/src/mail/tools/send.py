"""One message by smtplib. Arguments: host, port, sender, recipient, subject, the file of the text, a file to attach if any."""

import os
import smtplib
import ssl
import sys
from email.message import EmailMessage

host, port, sender, recipient, subject, text, *attached = sys.argv[1:]
message = EmailMessage()
message["From"], message["To"], message["Subject"] = sender, recipient, subject
with open(text, encoding="utf-8") as file:
    message.set_content(file.read())
for name in attached:
    with open(name, "rb") as file:
        message.add_attachment(file.read(), maintype="application", subtype="octet-stream", filename="file")
certificate = os.environ.get("CERTIFICATE")
if certificate:
    context = ssl.create_default_context(cafile=certificate)
    smtp = smtplib.SMTP_SSL(host, int(port), context=context)
    with open(os.environ["PASSWORD_FILE"], encoding="utf-8") as file:
        smtp.login(os.environ["LOGIN"], file.read().strip())
else:
    smtp = smtplib.SMTP(host, int(port))
refused = smtp.send_message(message)
smtp.quit()
sys.exit(1 if refused else 0)
