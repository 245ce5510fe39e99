"""Serves every repository of this machine by dulwich's web application behind TLS.

Arguments: port, certificate, key, and a file that holds NAME:PASSWORD and is read for each request.
"""

import base64
import socketserver
import ssl
import sys
from wsgiref.simple_server import WSGIServer, make_server

from dulwich.server import FileSystemBackend
from dulwich.web import WSGIRequestHandlerLogger, make_wsgi_chain

port, certificate, key, users = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def get_request(self):
        plain, address = super().get_request()
        # The handshake comes with the first read, on the connection's own thread.
        return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    def shutdown_request(self, request):
        try:
            # Says that the answer ends here, which is no matter of course for a server of HTTP/1.0.
            request.unwrap()
        except OSError:
            pass
        super().shutdown_request(request)


git = make_wsgi_chain(FileSystemBackend("/"))


def application(environ, start_response):
    with open(users, "rb") as file:
        allowed = b"Basic " + base64.b64encode(file.read().rstrip(b"\n"))
    if environ.get("HTTP_AUTHORIZATION", "").encode("latin-1") != allowed:
        headers = [("WWW-Authenticate", 'Basic realm="git"'), ("Content-Type", "text/plain")]
        start_response("401 Unauthorized", headers)
        return [b"who are you?\n"]
    return git(environ, start_response)


make_server("127.0.0.1", int(port), application, Server, WSGIRequestHandlerLogger).serve_forever()
