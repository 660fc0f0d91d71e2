"""A service that speaks TLS, whose certificate expires."""

import datetime
import http.server
import os
import shutil
import ssl
import subprocess
import threading

from report import Missing

HOUR = datetime.timedelta(hours=1)

CONFIGURATION = """
[ca]
default_ca = drill
[drill]
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = any
x509_extensions = service
unique_subject = no
[any]
commonName = supplied
[service]
subjectAltName = DNS:localhost
extendedKeyUsage = serverAuth
[req]
distinguished_name = nobody
x509_extensions = authority
[nobody]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
"""


class Authority:
    """Issues certificates that only this gateway trusts."""

    def __init__(self, folder):
        if not shutil.which("openssl"):
            raise Missing("`openssl`")
        self.folder = os.path.join(folder, "certificates")
        os.mkdir(self.folder)
        for name, text in [("openssl.cnf", CONFIGURATION), ("index.txt", ""), ("serial", "01\n")]:
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as out:
                out.write(text)
        self.root = os.path.join(self.folder, "root.pem")
        self._openssl(*self._new("root"), "-x509", "-days", "2", "-subj", "/CN=drill", "-out", "root.pem")

    @staticmethod
    def _new(name):
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        return ["req", "-config", "openssl.cnf", *curve, "-nodes", "-keyout", f"{name}.key"]

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def issue(self, left):
        """Returns the files of a certificate, which is valid for this long from now on, and of its key."""
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (f"{time:%Y%m%d%H%M%SZ}" for time in (now - 24 * HOUR, now + left))
        self._openssl(*self._new("service"), "-subj", "/CN=localhost", "-out", "service.csr")
        signed = ["-cert", "root.pem", "-keyfile", "root.key", "-startdate", begin, "-enddate", end]
        self._openssl("ca", "-config", "openssl.cnf", "-batch", *signed, "-in", "service.csr", "-out", "service.pem")
        return os.path.join(self.folder, "service.pem"), os.path.join(self.folder, "service.key")


class Pong(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b'"pong"')

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Ignores errors: a client that refuses the certificate is no news."""


class Secure:
    """The service. It resumes no session, because a resumed one keeps the certificates of the first."""

    def __init__(self, authority):
        self.authority = authority
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.num_tickets = 0
        self.context.options |= ssl.OP_NO_TICKET
        self.renew()
        server = Quiet(("127.0.0.1", 0), Pong)
        # The handshake belongs to the connection's own thread.
        server.socket = self.context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def renew(self):
        self.context.load_cert_chain(*self.authority.issue(HOUR))

    def expire(self):
        """Shows a certificate that was valid until an hour ago, from now on. So nobody has to wait for the end of
        one."""
        self.context.load_cert_chain(*self.authority.issue(-HOUR))
