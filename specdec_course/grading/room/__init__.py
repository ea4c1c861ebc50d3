"""What is carried into the room: it stands alone, and knows no answers. Inside, the files lie side by side in /room."""
