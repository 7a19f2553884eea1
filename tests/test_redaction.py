"""No credential leaves the process, whatever address it stands in and whichever way out it takes."""

from __future__ import annotations

import json
import logging
import pickle
import re
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ermu.errors import SourceError
from ermu.redaction import redact, shown_address

SECRET_NAMES = (
    "password", "passwd", "pwd", "pw", "pass", "loginpas", "loginuse", "token", "access_token", "jwt", "sid",
    "session", "sessionId", "code", "key", "apikey", "api-key", "auth", "sig", "signature", "secret", "user",
    "passphrase", "streamid", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
    "X-Goog-Signature", "p%61ssword", "%74oken", "t%256Fken",
)  # fmt: skip
PLAIN_NAMES = ("channel", "subtype", "resolution", "fps", "profile", "x")
SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "srt", "udp", "RTSP")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:pa@ss@cam/1", "rtsp://***@cam/1"),
        ("hf://a/b@c, not https://a:b@host/", "hf://a/b@c, not https://***@host/"),
        ("rtsp://admin:pa ss?w#d/@cam/1", "rtsp://***@cam/1"),
        ("rtsp://10.0.0.1/user=admin_password=secret_channel=1", "rtsp://10.0.0.1/user=***"),
        ("rtsp://10.0.0.1/channel=1_password=secret_x=1", "rtsp://10.0.0.1/channel=1_password=***"),
        ("https://cam/live?channel=2&token=abc&x=1", "https://cam/live?channel=2&token=***&x=1"),
        ("https://cam/live?token=ab/c+d==&x=1", "https://cam/live?token=***&x=1"),
        ("http://cam/?loginuse=a&loginpas=b&pw=c d&jwt=e", "http://cam/?loginuse=***&loginpas=***&pw=***&jwt=***"),
        ("http://cam/?mail=a@b&token=c", "http://***@b&token=***"),
        ("http://cam/?token=a@b&x=1", "http://***@***&x=1"),
        ("admin:hunter2@cam/1", "***@cam/1"),
        ("frames/*.jpg", "frames/*.jpg"),
        ("udp://@239.0.0.1:5000", "udp://@239.0.0.1:5000"),
        ("scene:7,objects=3,size=240x416", "scene:7,objects=3,size=240x416"),
    ],
)  # fmt: skip
def test_credentials_are_taken_out(text: str, shown: str) -> None:
    assert redact(text) == shown_address(text) == shown
    assert redact(shown) == shown_address(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://a:b@cam/1: no answer; connecting again", "rtsp://***@cam/1: no answer; connecting again"),
        ("'http://cam/?pw=a b' is gone", "'http://cam/?pw=***' is gone"),
        ("http://cam/?token=abc: no answer.", "http://cam/?token=***: no answer."),
        ("two lines\nrtsp://a:b@cam/1\nthe end", "two lines\nrtsp://***@cam/1\nthe end"),
        ("Authorization: Basic YWRtaW46aHVudGVyMg==", "Authorization: ***"),
        ("sent Bearer abcdef.ghijkl", "sent Bearer ***"),
        ("size 3x4, expected: at least 1, or None", "size 3x4, expected: at least 1, or None"),
    ],
)
def test_the_text_around_an_address_stays(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


ENDS = re.compile(r"[.:;,)](\s|$)|['\"]([\s.:;,)\]}]|$)")
SECRETS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=7, max_size=20)


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, list[str]]:
    """An address as people write it, and the secrets in it."""
    user, password = draw(SECRETS), draw(SECRETS)
    value = SECRETS.filter(lambda text: "&" not in text)
    fields = draw(st.lists(st.tuples(st.sampled_from(SECRET_NAMES), value), max_size=3))
    encoded = draw(st.booleans())
    write = (lambda value: quote(value, safe="")) if encoded else str
    plain = [(name, "1") for name in draw(st.lists(st.sampled_from(PLAIN_NAMES), max_size=2))]
    query = draw(st.permutations([*((name, write(value)) for name, value in fields), *plain]))
    info = draw(st.sampled_from(["", f"{write(user)}:{write(password)}@"]))
    url = f"{draw(st.sampled_from(SCHEMES))}://{info}camera.local:554/live"
    if query:
        url += draw(st.sampled_from("?/;")) + "&".join(f"{name}={value}" for name, value in query)
    secrets = [value for _, value in fields] + ([user, password] if info else [])
    assume(not any("***" in secret for secret in secrets))
    return url, [form for secret in secrets for form in {secret, write(secret)}]


@given(addresses())
def test_no_secret_of_a_whole_address_is_shown(drawn: tuple[str, list[str]]) -> None:
    url, secrets = drawn
    shown = shown_address(url)
    assert not [secret for secret in secrets if secret in shown]
    assert shown_address(shown) == shown


@given(addresses())
def test_no_secret_leaves_in_a_sentence(drawn: tuple[str, list[str]]) -> None:
    url, secrets = drawn
    # In a query a blank behind punctuation ends the address: nothing else says where a sentence goes on.
    assume(not any(ENDS.search(secret) for secret in secrets))
    error = SourceError(f"'{url}' is gone", fix=f"see {url}: 3 tries")
    for text in (str(error), error.problem, str(error.fix), str(pickle.loads(pickle.dumps(error)))):
        assert not [secret for secret in secrets if secret in text]


def test_a_log_record_says_no_secret_whoever_listens(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("ermu.anything.of.a.plugin")
    try:
        raise ValueError("rtsp://admin:hunter2@cam/1")
    except ValueError:
        logger.exception("at %s, %d", "http://cam/?token=hunter2", 100)
    (record,) = caplog.records
    assert record.getMessage() == "at http://cam/?token=***, 100"
    assert "hunter2" not in caplog.text and "ValueError: rtsp://***@cam/1" in caplog.text
    logging.getLogger("another").warning("token=%s", "theirs")
    assert "token=theirs" in caplog.text


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_command_prints_on_its_way_down_has_no_secret(form: str) -> None:
    script = (
        "import logging, sys, threading\n"
        "import ermu.cli, ermu.demo\n"
        "def fail(*_, **__):\n"
        "    url = 'rtsp://admin:hunter2@cam/1'\n"
        "    logging.getLogger('ermu.x').warning('lost %s', url, extra={'where': url, 'all': [url]})\n"
        "    thread = threading.Thread(target=lambda: {}[url]); thread.start(); thread.join()\n"
        "    raise KeyError(url)\n"
        "ermu.demo.run_demo = fail\n"
        f"sys.argv = ['ermu', '--log-format', '{form}', 'demo']\n"
        "ermu.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr.replace(script, "")
    assert done.stderr.count("KeyError: 'rtsp://***@cam/1'") == 2
    if form == "json":
        entry = json.loads(done.stderr.splitlines()[0])
        assert entry["message"] == "lost rtsp://***@cam/1" and entry["where"] == "rtsp://***@cam/1"
