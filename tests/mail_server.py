"""A real mail server on loopback that keeps what it is given."""

import email
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from socketserver import StreamRequestHandler, ThreadingTCPServer


@dataclass
class MailServer:
    port: int
    # As lines of the protocol: who sent it, to whom, and the mail itself.
    envelopes: list[list[str]] = field(default_factory=list)
    mails: list[Message] = field(default_factory=list)
    # What it says of each recipient.
    answer: str = "250 Yes"


@contextmanager
def receiving_mail(port: int = 0) -> Iterator[MailServer]:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 mail.example.org")
            envelope: list[str] = []
            for line in iter(self.rfile.readline, b""):
                command = line.decode().strip()
                verb = command.upper()[:4]
                if verb in ("MAIL", "RCPT"):
                    envelope.append(command)
                if verb == "DATA":
                    self.take(envelope)
                    envelope = []
                    continue
                self.say(server.answer if verb == "RCPT" else "250 Yes")
                if verb == "QUIT":
                    return

        def take(self, envelope: list[str]) -> None:
            self.say("354 Go on")
            lines = list(iter(self.rfile.readline, b".\r\n"))
            server.envelopes.append(envelope)
            server.mails.append(email.message_from_bytes(b"".join(lines)))
            self.say("250 Taken")

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as listener:
        server = MailServer(port=listener.server_address[1])
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            listener.shutdown()
