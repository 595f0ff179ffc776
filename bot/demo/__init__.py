"""What it takes to try Confidant at home: a homeserver, a model, and a chat in the terminal."""
