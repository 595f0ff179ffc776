"""The homeserver: log-in, encryption, what comes in, what goes out. Only here is nio used."""
