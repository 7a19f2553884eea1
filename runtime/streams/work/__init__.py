"""Who works for the streams: one worker gives them turns on one backend, several do so side by side."""
