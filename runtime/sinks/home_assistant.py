"""What Home Assistant reads to find a stream and its objects (its documentation, "MQTT Discovery")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ermu.runtime.sinks.events import EventKind
from ermu.version import __version__


@dataclass(frozen=True)
class Device:
    """A stream as a device.

    Attributes:
        discovery: Home Assistant's own prefix, `homeassistant` unless its user changed it.
        prefix: Of our topics.
        stream: Its name.
    """

    discovery: str
    prefix: str
    stream: str

    @property
    def key(self) -> str:
        """Unique among devices, of letters, digits, - and _."""
        return re.sub(r"[^\w-]", "_", f"{self.prefix}_{self.stream}", flags=re.ASCII)

    def sensor_topic(self, object_id: int) -> str:
        """Where an object's description goes; an empty one takes it away."""
        return f"{self.discovery}/binary_sensor/{self.key}/{object_id}/config"

    def sensor(self, object_id: int, name: str, base: str) -> tuple[str, dict[str, Any]]:
        """Topic and description of an object: on while it is visible."""
        state = f"{base}/objects/{object_id}"
        return self.sensor_topic(object_id), {
            **self._common(f"{self.key}_{object_id}", name, base),
            "state_topic": state,
            "value_template": "{{ value_json.state }}",
            "payload_on": "visible",
            "payload_off": "lost",
            "json_attributes_topic": state,
            "device_class": "occupancy",
        }

    def events(self, base: str) -> tuple[str, dict[str, Any]]:
        """Topic and description of what happens on the stream."""
        return f"{self.discovery}/event/{self.key}/events/config", {
            **self._common(f"{self.key}_events", "Events", base),
            "state_topic": f"{base}/events",
            "event_types": [kind.value for kind in EventKind],
        }

    def _common(self, unique: str, name: str, base: str) -> dict[str, Any]:
        return {
            "name": name,
            "unique_id": unique,
            "availability_topic": f"{base}/status",
            "device": {"identifiers": [self.key], "name": f"ERMU {self.stream}", "sw_version": __version__},
            "origin": {"name": "ERMU", "sw_version": __version__},
        }
