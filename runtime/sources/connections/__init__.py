"""What a stream from the network needs beside its decoder: addresses, limits, stamps, reasons."""
