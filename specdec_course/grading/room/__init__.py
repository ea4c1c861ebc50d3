"""What is carried into the room: it stands alone and knows no answers. Inside, these files lie side by side in /room."""
