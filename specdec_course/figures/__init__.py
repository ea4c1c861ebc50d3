"""What people look at: one module per unit. Functions take data and return a matplotlib Figure; none calls show()."""
