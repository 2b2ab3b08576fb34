"""A real SMTP server (aiosmtpd) for tests: takes mail, or misbehaves as standard input says.

Events are lines of JSON on standard output: {"port": N} once, then {"mail": {...}} for every mail that was taken and
{"tried": "..."} for every one that was not.
"""

import argparse
import asyncio
import json
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

modes = ["ok"]


def tell(event):
    print(json.dumps(event), flush=True)


def mode():
    """The next of the modes; the last one stays."""
    return modes.pop(0) if len(modes) > 1 else modes[0]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user"
        if address.startswith("busy@"):
            return "451 4.2.1 mailbox busy"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 taken"

    async def handle_DATA(self, server, session, envelope):
        how = mode()
        if how == "ok":
            tell({"mail": {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "data": envelope.content.decode("ascii", "replace"),
                "tls": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
                "login": session.auth_data.login.decode() if session.authenticated else None,
            }})
            return "250 2.0.0 queued"
        tell({"tried": how})
        if how == "hang":
            await asyncio.sleep(3600)
        return how


def authenticator(arguments):
    def check(server, session, envelope, mechanism, auth_data):
        wanted = (arguments.user.encode(), arguments.password.encode())
        known = isinstance(auth_data, LoginPassword) and (auth_data.login, auth_data.password) == wanted
        return AuthResult(success=known, handled=False, auth_data=auth_data)

    return check


def listen_to_orders():
    for line in sys.stdin:
        modes[:] = json.loads(line)
        tell({"mode": modes[0]})
    # Whoever started this is gone.
    import os

    os._exit(0)


async def serve(arguments):
    context = None
    if arguments.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
    starttls = arguments.tls == "starttls"

    def factory():
        return SMTP(
            Handler(),
            hostname="mail.test",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_require_tls=False,
            auth_required=arguments.user is not None,
            authenticator=authenticator(arguments) if arguments.user is not None else None,
        )

    loop = asyncio.get_running_loop()
    implicit = context if arguments.tls == "implicit" else None
    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=implicit)
    tell({"port": server.sockets[0].getsockname()[1]})
    threading.Thread(target=listen_to_orders, daemon=True).start()
    await server.serve_forever()


parser = argparse.ArgumentParser()
parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--user")
parser.add_argument("--password")
asyncio.run(serve(parser.parse_args()))
