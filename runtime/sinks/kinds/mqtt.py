"""Events to an MQTT broker, with Home Assistant's discovery."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote
from uuid import uuid4

from ermu.errors import DependencyError, OptionError
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.address import Address
from ermu.runtime.sinks.base import Sink, SinkContext, needed_target
from ermu.runtime.sinks.events import Event, EventKind, EventWatch
from ermu.runtime.sinks.home_assistant import Device
from ermu.runtime.sinks.outbox import Outbox, UndeliveredError
from ermu.runtime.sources.backoff import Backoff
from ermu.runtime.sources.base import Frame
from ermu.runtime.timing.wall_clock import utc

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo

_EXAMPLE = "mqtt://broker/ermu"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_CONFIRM_SECONDS = 5.0
_GOODBYE_SECONDS = 0.3
_CLOSE_SECONDS = {True: 0.8, False: 30.0}  # by whether the stream is live: then the end is to come soon
_WAITING = 3000  # messages, three an event at most


class _Message(NamedTuple):
    topic: str
    payload: str
    retain: bool


class MqttSink(Sink):
    """Publishes events, and every object's latest state, retained.

    Below `<prefix>/<stream>`: `events` gets each event; `objects/<id>` has its object's latest (empty once
    it is removed); `status` says `online`, or `offline`, also where the process was killed. Home Assistant
    finds an occupancy sensor an object, and an event entity a stream.

    Args:
        address: mqtt or mqtts; its path is the prefix (`ermu`), `?discovery=` Home Assistant's own
            (`homeassistant`; empty, none of it).
        context: Of the stream.

    Raises:
        DependencyError: paho-mqtt is missing.
        OptionError: the prefix cannot be part of a topic.
    """

    name = "mqtt"
    help = "each object that appears, is lost or returns, to an MQTT broker, for Home Assistant too"

    def __init__(self, address: Address, context: SinkContext) -> None:
        path, _, query = address.path.partition("?")
        prefix = unquote(path).strip("/") or "ermu"
        discovery = parse_qs(query, keep_blank_values=True).get("discovery", ["homeassistant"])[0]
        if any(sign in prefix + discovery for sign in "+#\0"):
            raise OptionError("A topic to publish to has neither + nor #.", expected=_EXAMPLE)
        self._base = f"{prefix}/{context.name}"
        self._device = Device(discovery, prefix, context.name) if discovery else None
        self._live = context.live
        self._watch = EventWatch(context.name)
        self._names: dict[int, str] = {}  # of the objects that the broker knows from us
        self._refusal: str | None = None
        self._sent: tuple[_Message, MQTTMessageInfo] | None = None
        self._lock = Lock()
        self._client = self._connect(address)
        about = context.name if context.live else None
        pauses = Backoff(limit=2.0)
        self.outbox = Outbox(self._publish, str(address), limit=_WAITING, backoff=pauses, stream=about)

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> MqttSink:
        """See `Sink.open`."""
        return cls(Address.of(needed_target(target, cls.name, _EXAMPLE), tuple(_PORTS), _EXAMPLE), context)

    @property
    def problem(self) -> str | None:
        """See `Sink.problem`."""
        return self.outbox.problem

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `Sink.write`."""
        for event in self._watch.observe(frame, result):
            for message in self._messages(event, utc(frame.stamp)):
                self.outbox.put(message)

    def close(self) -> None:
        """See `Sink.close`; raises where events were lost."""
        try:
            self.outbox.close(_CLOSE_SECONDS[self._live])
        finally:
            if self._client.is_connected():
                self._confirmed(self._client.publish(f"{self._base}/status", "offline", 1, retain=True))
            self._client.disconnect()  # its thread ends by itself, however long a try to connect takes

    def _connect(self, address: Address) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise DependencyError("paho-mqtt", "The sink mqtt", "mqtt") from error
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"ermu-{uuid4().hex[:16]}")
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if address.scheme == "mqtts":
            client.tls_set()
        client.will_set(f"{self._base}/status", "offline", 1, retain=True)
        client.reconnect_delay_set(1, 60)
        client.connect_timeout = 3.0
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_message = self._on_message
        client.connect_async(address.host, address.port or _PORTS[address.scheme])
        client.loop_start()
        return client

    def _messages(self, event: Event, when: str) -> list[_Message]:
        """What the broker is told of an event, and Home Assistant where it does not know the object yet."""
        state = f"{self._base}/objects/{event.id}"
        record = {"event_type": event.kind.value, **event.record(), "utc": when}
        told = [_Message(f"{self._base}/events", json.dumps(record), False)]
        if event.kind is EventKind.REMOVED:
            with self._lock:
                self._names.pop(event.id, None)
            return [*told, *self._forgetting(event.id)]
        with self._lock:
            new = self._names.get(event.id) != event.name
            self._names[event.id] = event.name
        if new and self._device is not None:
            topic, config = self._device.sensor(event.id, event.name, self._base)
            told.append(_Message(topic, json.dumps(config), True))
        visible = "lost" if event.kind is EventKind.LOST else "visible"
        return [*told, _Message(state, json.dumps({"state": visible, **record}), True)]

    def _forgetting(self, object_id: int) -> list[_Message]:
        topics = [f"{self._base}/objects/{object_id}"]
        if self._device is not None:
            topics.insert(0, self._device.sensor_topic(object_id))
        return [_Message(topic, "", True) for topic in topics]

    def _publish(self, message: _Message) -> None:
        """Returns once the broker has confirmed it; a second try waits for the first, which paho repeats."""
        if not self._client.is_connected():
            raise UndeliveredError(self._refusal or "no connection", again=True)
        if self._sent is None or self._sent[0] is not message:
            self._sent = message, self._client.publish(*message[:2], 1, retain=message.retain)
        if not self._confirmed(self._sent[1], _CONFIRM_SECONDS):
            raise UndeliveredError("no confirmation", again=True)
        self._sent = None

    @staticmethod
    def _confirmed(sent: MQTTMessageInfo, seconds: float = _GOODBYE_SECONDS) -> bool:
        try:
            sent.wait_for_publish(seconds)
            return sent.is_published()
        except (RuntimeError, ValueError):  # the connection went meanwhile
            return False

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._refusal = f"the broker refuses: {reason}" if reason.is_failure else None
        if reason.is_failure:
            return
        client.subscribe(f"{self._base}/objects/+", 1)  # what a run before this one has left
        if self._device is not None:
            topic, config = self._device.events(self._base)
            client.publish(topic, json.dumps(config), 1, retain=True)
        client.publish(f"{self._base}/status", "online", 1, retain=True)

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        self._refusal = None

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        """Forgets an object that the broker holds from an earlier run."""
        last = message.topic.rpartition("/")[2]
        if not (message.retain and message.payload and last.isdecimal()):
            return
        with self._lock:
            known = int(last) in self._names
        if not known:
            for each in self._forgetting(int(last)):
                client.publish(*each[:2], 1, retain=True)


PLUGIN = MqttSink
