"""The conversation with a room: what is carried in, what is lent, calls and answers. Nothing that comes out is
trusted."""
