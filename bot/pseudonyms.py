"""Who somebody is, as people see it: a pseudonym with the picture of its animal, or an id.

An animal without a picture of its own has its nearest relative's.
"""

import re

from storage import NOBODY, SYSTEM

PAW = "🐾"  # of an animal that a newer version knows

# fmt: off
PICTURES = {
    "ant": "🐜", "badger": "🦡", "bat": "🦇", "bear": "🐻", "beaver": "🦫", "bee": "🐝",
    "bison": "🦬", "boar": "🐗", "camel": "🐫", "cat": "🐱", "cheetah": "🐆", "cobra": "🐍",
    "crab": "🦀", "crane": "🦩", "crow": "🐦‍⬛", "deer": "🦌", "dingo": "🐕", "dog": "🐶",
    "dolphin": "🐬", "dove": "🕊️", "duck": "🦆", "eagle": "🦅", "elk": "🫎", "falcon": "🦅",
    "ferret": "🦦", "finch": "🐦", "fox": "🦊", "frog": "🐸", "gecko": "🦎", "gibbon": "🐒",
    "goat": "🐐", "goose": "🪿", "hamster": "🐹", "hare": "🐇", "hawk": "🦅", "hedgehog": "🦔",
    "heron": "🦩", "horse": "🐴", "ibex": "🐐", "ibis": "🦩", "jackal": "🐕", "jay": "🐦",
    "koala": "🐨", "lark": "🐦", "lemur": "🐒", "leopard": "🐆", "lion": "🦁", "llama": "🦙",
    "lynx": "🐱", "magpie": "🐦", "marmot": "🐿️", "mole": "🐀", "moose": "🫎", "moth": "🦋",
    "mouse": "🐭", "newt": "🦎", "octopus": "🐙", "orca": "🐋", "otter": "🦦", "owl": "🦉",
    "panda": "🐼", "parrot": "🦜", "penguin": "🐧", "pigeon": "🐦", "puffin": "🐧", "puma": "🐆",
    "quail": "🐦", "rabbit": "🐰", "raccoon": "🦝", "raven": "🐦‍⬛", "robin": "🐦", "salmon": "🐟",
    "seal": "🦭", "shark": "🦈", "sheep": "🐑", "skunk": "🦨", "sloth": "🦥", "snail": "🐌",
    "sparrow": "🐦", "spider": "🕷️", "squid": "🦑", "squirrel": "🐿️", "stork": "🦩", "swan": "🦢",
    "tapir": "🐗", "tiger": "🐯", "toad": "🐸", "trout": "🐟", "turtle": "🐢", "walrus": "🦭",
    "wasp": "🐝", "weasel": "🦦", "whale": "🐳", "wolf": "🐺", "wombat": "🐨", "wren": "🐦",
    "yak": "🐂", "zebra": "🦓",
}
# fmt: on


def pictured(pseudonym: str) -> str:
    """The pseudonym with its picture: "🦊 fox-31"; whoever has none is "somebody"."""
    if pseudonym == NOBODY:
        return "somebody"
    if pseudonym == SYSTEM:
        return "the bot"
    animal = pseudonym.partition("-")[0]
    return f"{PICTURES.get(animal, PAW)} {pseudonym}"


def plain(text: str) -> str:
    """An id in which nothing is markup: ids come from other servers."""
    return re.sub(r"[^!-_a-~]", "?", text)
