"""Unit 01, forward_latency: one call timed (clock), a curve measured and read (curve), a pass computed (roofline)."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .clock import time_call
from .curve import latency_profile, flat_region
from .roofline import forward_cost, roofline_latency

__all__ = ["flat_region", "forward_cost", "latency_profile", "roofline_latency", "time_call"]
