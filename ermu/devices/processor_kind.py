"""What tells one kind of machine from another where times are kept: the processor's model, and its cores."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def machine_kind() -> str:
    """The processor's name, family, model and cores, as a file may be called."""
    name, model = _name_and_model()
    words = [name, *model, f"{os.cpu_count() or 1} cores"]
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower()).strip("-")


def processor_name() -> str:
    """For people: its name, and where the system tells them, family and model."""
    name, model = _name_and_model()
    return " ".join([name, *(f"(family and model {each})" for each in model)])


def _name_and_model() -> tuple[str, list[str]]:
    cpu = _cpu_facts()
    name = cpu.get("model name") or platform.processor() or platform.machine()
    model = [f"{cpu['cpu family']}.{cpu['model']}"] if "cpu family" in cpu and "model" in cpu else []
    return name, model


def _cpu_facts() -> dict[str, str]:
    """The first core's entry in /proc/cpuinfo; empty where there is none."""
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        return {}
    lines = file.read_text().split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
