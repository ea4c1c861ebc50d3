"""Unit 01, forward_latency: one call timed (clock), a curve measured (curve) and read (region), what a pass costs
(forward) and how long it takes at least (roofline)."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .clock import time_call
from .curve import latency_profile
from .region import flat_region
from .forward import forward_cost
from .roofline import roofline_latency

__all__ = ["flat_region", "forward_cost", "latency_profile", "roofline_latency", "time_call"]
