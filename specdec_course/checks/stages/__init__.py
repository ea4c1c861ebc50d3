"""What several units stage their scenes with: toy models, scripted clocks, logs of loops, caches of other versions.

Knows: no exercise. A unit's checks import from here, and never from another unit's.
"""
