"""What a lecture shows.  Scenes read recordings; nothing here imports torch."""
