"""Records graphs on the emulated GPU while another thread decodes a video there; prints what came of both."""

from __future__ import annotations

import json
import sys
from threading import Thread
from time import sleep

import numpy as np

from ermu.devices.repeating import RepeatingDevice
from ermu.errors import ErmuError
from ermu.runtime.sources.opening import open_source


def main(video: str) -> None:
    """Fifty graphs, and the video as often as it fits beside them."""
    device, frames, said = RepeatingDevice(), [], []
    source = open_source(video)
    source.decode_on("cuda")
    source.leave_on("cuda")
    stopped = False

    def decode() -> None:
        while not stopped:
            frames.extend(frame.picture.shape for frame in source)

    thread = Thread(target=decode)
    thread.start()
    tensors = [device.empty((64,), np.uint8) for _ in range(2)]

    def work() -> None:
        sleep(0.002)
        super(RepeatingDevice, device).copy(*tensors)

    for _ in range(50):
        try:
            device.capture(work).close()
        except ErmuError as error:
            said.append(str(error))
        sleep(0.002)
    stopped = True
    thread.join()
    source.close()
    device.close()
    print(json.dumps({"frames": len(frames), "refused": said}))


if __name__ == "__main__":
    main(sys.argv[1])
