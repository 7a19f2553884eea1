"""The networks in torch: one description (`NetworkSpec`), one module (`SegmentationNetwork`)."""
