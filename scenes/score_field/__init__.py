"""The score as a field of arrows: where it leads, and how well a network learns it."""
