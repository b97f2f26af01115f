"""From scenes to files: recordings, speech, rendering, muxing, manifests."""
