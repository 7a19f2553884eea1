"""Behind a proxy: what is believed of whom, and the recipes of deploy/proxy in real proxies."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ermu.errors import OptionError
from ermu.runtime.serve.access.proxy import Proxy, inner_path
from ermu.runtime.serve.server import check_access
from tests.runtime.conftest import free_port, until
from tests.runtime.serve.conftest import Access, Serving
from tests.support.processes import running

Serve = Callable[..., Serving]
ROOT = Path(__file__).parents[4]
RECIPES = ROOT / "deploy" / "proxy"
NAME, TOKEN = "cams.example.org", "a-long-random-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def scope(path: str = "/", client: str = "127.0.0.1", **headers: str) -> dict[str, object]:
    named = {"host": "127.0.0.1:8000", **{name.replace("_", "-"): text for name, text in headers.items()}}
    pairs = [(name.encode(), text.encode()) for name, text in named.items()]
    return {"type": "http", "client": (client, 5), "scheme": "http", "path": path, "headers": pairs}


FORWARDED = dict(
    x_forwarded_for="198.51.100.9, 203.0.113.5, 10.1.1.1", x_forwarded_proto="https", x_forwarded_host=NAME
)


def test_headers_are_believed_of_trusted_proxies_alone() -> None:
    proxy = Proxy.of(trusted=["127.0.0.1", "10.0.0.0/8"])
    seen = proxy.seen(scope(**FORWARDED))
    assert seen["client"][0] == "203.0.113.5"  # what stands before it, the client may have written itself
    assert seen["scheme"] == "https" and (b"host", NAME.encode()) in seen["headers"]
    unseen = proxy.seen(scope(client="192.0.2.1", x_forwarded_prefix="/evil", **FORWARDED))
    assert (unseen["client"][0], unseen["scheme"], unseen["path"]) == ("192.0.2.1", "http", "/")
    assert (b"host", b"127.0.0.1:8000") in unseen["headers"]


@pytest.mark.parametrize(
    ("headers", "client", "scheme", "host"),
    [
        ({"x_forwarded_for": "nonsense"}, "127.0.0.1", "http", b"127.0.0.1:8000"),
        ({"x_forwarded_for": "10.0.0.1,10.0.0.2"}, "10.0.0.1", "http", b"127.0.0.1:8000"),
        ({"x_forwarded_proto": "javascript"}, "127.0.0.1", "http", b"127.0.0.1:8000"),
        ({"x_forwarded_proto": "http, https"}, "127.0.0.1", "https", b"127.0.0.1:8000"),
        ({"x_forwarded_host": "a b"}, "127.0.0.1", "http", b"127.0.0.1:8000"),
        ({"x_forwarded_host": "evil.example, a.org:444"}, "127.0.0.1", "http", b"a.org:444"),
    ],
)
def test_what_proxies_may_say(headers: dict[str, str], client: str, scheme: str, host: bytes) -> None:
    seen = Proxy.of(trusted=["127.0.0.1", "10.0.0.0/8"]).seen(scope(**headers))
    assert (seen["client"][0], seen["scheme"], dict(seen["headers"])[b"host"]) == (client, scheme, host)


@pytest.mark.parametrize("path", ["/api/streams", "/ermu/api/streams"])
def test_the_root_may_be_taken_off_or_not(path: str) -> None:
    seen = Proxy.of("https://cams.example.org/ermu/").seen(scope(path))
    assert (seen["root_path"], inner_path(seen)) == ("/ermu", "/api/streams")
    prefixed = Proxy.of(trusted=["127.0.0.1"]).seen(scope("/x/api", x_forwarded_prefix="/x"))
    assert (prefixed["root_path"], inner_path(prefixed)) == ("/x", "/api")


@pytest.mark.parametrize(
    "options",
    [
        {"url": "cams.example.org"}, {"url": "ftp://a.org/"}, {"url": "https://u:p@a.org/"},
        {"url": "https://a.org/?x"}, {"root": "ermu"}, {"root": "/a b"}, {"root": "//evil.example"},
        {"trusted": ["proxy"]},
    ],
)  # fmt: skip
def test_options_that_will_not_do(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        Proxy.of(**options)  # type: ignore[arg-type]


def test_a_public_address_needs_a_token() -> None:
    with pytest.raises(OptionError, match=r"not on https://cams\.example\.org"):
        check_access("127.0.0.1", None, "https://cams.example.org/")
    assert not check_access("127.0.0.1", TOKEN, "https://cams.example.org/")
    assert check_access("127.0.0.1", None, "http://localhost:8080/ermu/")


def test_the_slash_that_relative_addresses_need(serve: Serve) -> None:
    serving = serve(access=Access(token=TOKEN, proxy=Proxy.of(root="/ermu")))
    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(f"http://127.0.0.1:{serving.port}/ermu", params={"token": TOKEN})
        assert page.status_code == 200 and page.url.path == "/ermu/"
        assert next(iter(browser.cookies.jar)).path == "/ermu/"
        described = browser.get(f"http://127.0.0.1:{serving.port}/ermu/openapi.json").json()
        assert described["servers"] == [{"url": "/ermu"}]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the recipes' name and its key, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, signed = folder / "key.pem", folder / "certificate.pem"
    words = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME}".split()
    files = ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(signed)]
    subprocess.run([*words, *files], check=True, capture_output=True, timeout=60)
    return signed, key


@contextmanager
def nginx(folder: Path, site: str) -> Iterator[None]:
    """nginx with a site of its own, its files in `folder`."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no nginx: apt-get install nginx-light")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}\n{site}\n}}\n"
    )
    command = [program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    with running([*command, "-g", "daemon off;"]) as process:
        yield
        process.terminate()  # which its workers end with
        process.wait(20)


@contextmanager
def caddy(folder: Path, site: str) -> Iterator[None]:
    """Caddy with a site of its own."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("no Caddy: apt-get install caddy")
    options = "{\nadmin off\nauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(options + site)
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with running(
        [program, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"], env=environment
    ):
        yield


def outside(port: int, certificate: Path) -> httpx.Client:
    """A browser that finds the recipes' name on this machine, at a port."""
    context = ssl.create_default_context(cafile=str(certificate))

    class Here(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            here = request.url.copy_with(host="127.0.0.1")
            named = {**request.extensions, "sni_hostname": NAME}
            more = {"headers": request.headers, "stream": request.stream, "extensions": named}
            return super().handle_request(httpx.Request(request.method, here, **more))

    return httpx.Client(base_url=f"https://{NAME}:{port}", transport=Here(verify=context), timeout=20)


def check_page(browser: httpx.Client, port: int, serving: Serving) -> None:
    """The page, its files, a change and the video, as a browser asks for them below /ermu/."""
    assert until(lambda: reached(browser), 20)
    arrived = browser.get("/ermu/", params={"token": TOKEN})
    assert arrived.status_code == 303
    assert "Secure" in arrived.headers["set-cookie"] and "Path=/ermu/" in arrived.headers["set-cookie"]
    page = browser.get(arrived.url.join(arrived.headers["location"]))
    assert page.status_code == 200 and "<html" in page.text
    style = browser.get("/ermu/style/base.css")
    assert style.status_code == 200 and style.headers["content-type"].startswith("text/css"), style.text
    body, control = {"action": "pause"}, "/ermu/api/streams/0/control"
    own = {"origin": f"https://{NAME}:{port}", "sec-fetch-site": "same-origin"}
    assert browser.post(control, json=body, headers=own).json()["paused"] is True
    for origin in ("https://evil.example", f"http://{NAME}:{port}", f"https://{NAME}:1", "null"):
        assert browser.post(control, json=body, headers={"origin": origin}).status_code == 403
    assert browser.post(control, json={"action": "resume"}, headers=own).json()["paused"] is False
    with browser.stream("GET", "/ermu/streams/0/video.mjpeg") as video:
        assert b"image/jpeg" in next(video.iter_bytes())
    serving.streams["0"].pipeline.resume()


def reached(browser: httpx.Client) -> bool:
    try:
        return browser.get("/ermu/healthz").status_code == 200
    except httpx.TransportError:
        return False


def behind(serve: Serve, port: int, *trusted: str) -> Serving:
    proxy = Proxy.of(f"https://{NAME}:{port}/ermu/", trusted=trusted)
    return serve(access=Access(token=TOKEN, local_only=False, proxy=proxy, rate=1000, burst=1000))


def adapted(recipe: str, places: dict[str, str]) -> str:
    """A recipe with what is written in it, by what is to stand there here."""
    site = (RECIPES / recipe).read_text()
    for written, here in places.items():
        assert written in site
        site = site.replace(written, here)
    return site


def test_the_recipe_for_nginx(serve: Serve, tmp_path: Path) -> None:
    port = free_port()
    serving = behind(serve, port, "127.0.0.1")
    signed, key = certificate(tmp_path)
    places = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{serving.port}",
        f"/etc/ssl/certs/{NAME}.pem": str(signed),
        f"/etc/ssl/private/{NAME}.key": str(key),
    }
    with nginx(tmp_path, adapted("nginx.conf", places)), outside(port, signed) as browser:
        check_page(browser, port, serving)


def test_nginx_that_passes_nothing_on_but_the_request(serve: Serve, tmp_path: Path) -> None:
    """No `Host`, no `X-Forwarded-*`, the root taken off: `--public-url` alone does."""
    port = free_port()
    serving = behind(serve, port)
    signed, key = certificate(tmp_path)
    site = (
        f"server {{\nlisten 127.0.0.1:{port} ssl;\nssl_certificate {signed};\nssl_certificate_key {key};\n"
        f"location /ermu/ {{ proxy_pass http://127.0.0.1:{serving.port}/; }}\n}}"
    )
    with nginx(tmp_path, site), outside(port, signed) as browser:
        check_page(browser, port, serving)


def test_the_recipe_for_caddy(serve: Serve, tmp_path: Path) -> None:
    port = free_port()
    serving = behind(serve, port, "127.0.0.1")
    signed, key = certificate(tmp_path)
    places = {
        f"\n{NAME} {{": f"\nhttps://{NAME}:{port} {{\n\ttls {signed} {key}\n\tbind 127.0.0.1",
        "127.0.0.1:8000 {": f"127.0.0.1:{serving.port} {{",
    }
    with caddy(tmp_path, adapted("Caddyfile", places)), outside(port, signed) as browser:
        check_page(browser, port, serving)


def test_the_recipe_for_traefik_names_what_it_needs() -> None:
    """There is no Traefik in Debian to run it with; its keys are those of Traefik's file provider."""
    yaml = pytest.importorskip("yaml", reason="the recipe is YAML")
    recipe = yaml.safe_load((RECIPES / "traefik.yml").read_text())["http"]
    (router,) = recipe["routers"].values()
    assert router["rule"] == f"Host(`{NAME}`) && PathPrefix(`/ermu`)"
    (service,) = recipe["services"].items()
    assert service[0] == router["service"] and service[1]["loadBalancer"]["passHostHeader"] is True
