"""What makes the pages that nobody writes: the executed units, the pictures of the front page, the tables, the API."""
