"""Two hosts on this machine: network namespaces with a cable between them that can be cut."""

import os
import secrets
import shutil
import subprocess

# Addresses for documentation (RFC 5737), which nobody has.
ADDRESSES = {"a": "198.51.100.1", "b": "198.51.100.2"}
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class TwoHosts:
    """The hosts 'a' and 'b', while a `with` block lasts."""

    def __enter__(self):
        self.word = secrets.token_hex(2)
        try:
            self.connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def connect(self):
        for host in ADDRESSES:
            ip("netns", "add", self.namespace(host))
        first, second = (["name", self.link(host), "netns", self.namespace(host)] for host in ADDRESSES)
        ip("link", "add", *first, "type", "veth", "peer", *second)
        for host, address in ADDRESSES.items():
            self.on(host, "addr", "add", f"{address}/24", "dev", self.link(host))
            self.on(host, "link", "set", "lo", "up")
            self.on(host, "link", "set", self.link(host), "up")

    def __exit__(self, *exception):
        for host in ADDRESSES:
            subprocess.run(["ip", "netns", "delete", self.namespace(host)], env=PATH, capture_output=True, check=False)

    def namespace(self, host):
        return f"handson-{self.word}-{host}"

    def link(self, host):
        return f"h{self.word}{host}"

    def on(self, host, *arguments):
        ip("-n", self.namespace(host), *arguments)

    def start(self, host, command, env):
        """Start a process on a host."""
        env = env | {"GLOO_SOCKET_IFNAME": self.link(host), "PATH": SEARCHED}
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace(host), *command],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def cut(self):
        self.on("b", "link", "set", self.link("b"), "down")


PATH = {"PATH": SEARCHED}


def ip(*arguments):
    subprocess.run(["ip", *arguments], env=PATH, capture_output=True, check=True, timeout=20)


def missing():
    """Why there can be no second host here, None if there can."""
    if shutil.which("ip", path=SEARCHED) is None:
        return "the program ip (package iproute2) is not installed"
    try:
        with TwoHosts():
            return None
    except subprocess.CalledProcessError as error:
        return f"this user may make no network namespaces: {error.stderr.decode().strip()}"
