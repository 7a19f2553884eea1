"""Events through a real mosquitto, as Home Assistant and others read them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ermu.errors import OptionError, SinkError
from ermu.runtime.sinks.base import SinkContext
from ermu.runtime.sinks.kinds.mqtt import MqttSink
from ermu.runtime.sinks.opening import open_sink
from tests.runtime.conftest import free_port, until
from tests.runtime.sinks.test_events import EMPTY, HERE, story_of_a_cat
from tests.support.processes import running

pytest.importorskip("paho.mqtt.client", reason="the sink mqtt needs the extra `mqtt`")
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="needs a mosquitto (apt install mosquitto)")

SENSOR = "homeassistant/binary_sensor/ermu_yard/3/config"


class Broker:
    """A mosquitto with one user, `me`, whose password is `hunter2`."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        (folder / "passwords").touch(mode=0o600)
        command = ["mosquitto_passwd", "-b", str(folder / "passwords"), "me", "hunter2"]
        subprocess.run(command, check=True, capture_output=True)
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\npassword_file {folder}/passwords\nallow_anonymous false\n"
            "user root\npersistence false\n"
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        with running([MOSQUITTO, "-c", self._folder / "mosquitto.conf"], stderr=subprocess.DEVNULL):
            yield

    def url(self, rest: str = "", password: str = "hunter2") -> str:
        return f"mqtt://me:{password}@127.0.0.1:{self.port}{rest}"

    @contextmanager
    def listener(self) -> Iterator[Listener]:
        listener = Listener(self.port)
        try:
            yield listener
        finally:
            listener.close()


class Listener:
    """Everything that the broker passes on."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, Any, bool]] = []
        self.ready = False
        self._client = client = Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("me", "hunter2")
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda *_: client.subscribe("#", 1)
        client.on_subscribe = lambda *_: setattr(self, "ready", True)
        client.on_message = self._hear
        client.connect_async("127.0.0.1", port)
        client.loop_start()
        assert until(lambda: self.ready, 20)

    def _hear(self, client: Any, data: Any, message: MQTTMessage) -> None:
        text = message.payload.decode()
        value = json.loads(text) if text.startswith("{") else text
        self.heard.append((message.topic, value, message.retain))

    def of(self, topic: str) -> list[Any]:
        return [value for heard, value, _ in self.heard if heard == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Broker(tmp_path)


def opened(url: str) -> MqttSink:
    sink = open_sink(f"mqtt={url}", SinkContext(25, name="yard", live=True))
    assert isinstance(sink, MqttSink)
    return sink


def test_events_states_and_discovery(broker: Broker) -> None:
    with broker.running(), broker.listener() as listener:
        with opened(broker.url()) as sink:
            story = story_of_a_cat()
            for label in (HERE, EMPTY, EMPTY):
                sink.write(*story.next(label))
            assert until(lambda: len(listener.of("ermu/yard/objects/3")) == 2, 20)
            story.registry.remove(3)
            sink.write(*story.next(EMPTY))
            assert until(lambda: listener.of(SENSOR)[-1:] == [""], 20)
        assert until(lambda: listener.of("ermu/yard/status") == ["online", "offline"], 20)
        events = listener.of("ermu/yard/events")
        assert [event["event_type"] for event in events] == ["appeared", "lost", "removed"]
        about = {"stream": "yard", "id": 3, "name": "cat", "area": 50, "box": [5, 4, 15, 9]}
        assert all(about.items() <= event.items() for event in events)
        states = listener.of("ermu/yard/objects/3")
        assert [state["state"] for state in states[:2]] == ["visible", "lost"] and states[2:] == [""]
        config = listener.of(SENSOR)[0]
        assert config["name"] == "cat" and config["unique_id"] == "ermu_yard_3"
        assert config["state_topic"] == config["json_attributes_topic"] == "ermu/yard/objects/3"
        assert (config["payload_on"], config["payload_off"]) == ("visible", "lost")
        assert config["availability_topic"] == "ermu/yard/status"
        (entity,) = listener.of("homeassistant/event/ermu_yard/events/config")
        assert entity["state_topic"] == "ermu/yard/events"
        assert set(entity["event_types"]) >= {"appeared", "lost", "returned"}
        assert entity["device"]["identifiers"] == config["device"]["identifiers"]


def test_a_broker_that_comes_late_gets_everything(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with opened(broker.url("/site/north?discovery=")) as sink:
        story = story_of_a_cat()
        for label in (HERE, EMPTY, EMPTY):
            sink.write(*story.next(label))
        assert until(lambda: sink.problem is not None)
        with broker.running(), broker.listener() as listener:
            assert until(lambda: len(listener.of("site/north/yard/events")) == 2, 30)
            assert until(lambda: sink.problem is None, 30)
            assert not any(topic.startswith("homeassistant") for topic, _, _ in listener.heard)
    assert "hunter2" not in caplog.text


def test_a_refusal_is_told_without_the_password(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with broker.running():
        sink = opened(broker.url(password="hunter3"))
        sink.write(*story_of_a_cat().next(HERE))
        assert until(lambda: "refuses" in (sink.problem or ""), 20)
        assert sink.problem == f"mqtt://127.0.0.1:{broker.port}: the broker refuses: Not authorized"
        with pytest.raises(SinkError, match="did not reach mqtt://"):
            sink.close()
    assert "hunter" not in caplog.text


def test_a_killed_process_is_offline_and_the_next_one_forgets_its_objects(broker: Broker) -> None:
    script = (
        "import sys, time; from ermu.runtime.sinks.opening import open_sink\n"
        "from ermu.runtime.sinks.base import SinkContext\n"
        "from tests.runtime.sinks.test_events import HERE, story_of_a_cat\n"
        "sink = open_sink('mqtt=' + sys.argv[1], SinkContext(25, name='yard', live=True))\n"
        "sink.write(*story_of_a_cat().next(HERE)); time.sleep(60)"
    )
    with broker.running(), broker.listener() as listener:
        with running([sys.executable, "-c", script, broker.url()], stderr=subprocess.DEVNULL) as process:
            assert until(lambda: len(listener.of("ermu/yard/objects/3")) == 1, 60)
            process.kill()
        assert until(lambda: listener.of("ermu/yard/status") == ["online", "offline"], 20)
        with opened(broker.url()):
            assert until(lambda: listener.of(SENSOR)[-1:] == [""], 20)
            assert listener.of("ermu/yard/objects/3")[-1] == ""


def test_what_is_no_topic_is_refused() -> None:
    for target in ("mqtt://me:hunter2@host/a/%23", "mqtt://host/x?discovery=%2B", "http://hunter2/"):
        with pytest.raises(OptionError) as caught:
            open_sink(f"mqtt={target}", SinkContext(25))
        assert "hunter2" not in str(caught.value)
