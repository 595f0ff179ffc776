"""Check an exported audit log, or one person's proof, with nothing of the bot's own code:
  python3 verify_audit.py KEY LOG.jsonl [HEADS.txt]  # confidant audit export --heads > LOG.jsonl
  python3 verify_audit.py --proof PROOF.json [KEY]   # which is what !audit proof N sends
KEY is what confidant audit key prints; HEADS.txt holds heads as the audit room showed them. Heads
are C2SP checkpoints (c2sp.org/tlog-checkpoint), the tree is that of RFC 9162, section 2.1."""
import base64, functools, hashlib, json, pathlib, re, sys
from Crypto.Signature import eddsa  # pip install pycryptodome
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def half(size): return 1 << (size - 1).bit_length() - 1  # the largest power of two below
def leaf_of(public): return sha256(b"\0", canonical(public).encode())
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
def need(holds, otherwise):
    if not holds: raise ValueError(otherwise)

def opened(note, key):  # how many entries a signed head is of, and the root of the tree over them
    (name, _, public), (text, _, signatures) = key.split("+", 2), note.rpartition("\n\n")
    signature = re.search(rf"(?m)^— {re.escape(name)} (\S+)$", signatures)
    need(signature and text.startswith(f"{name}\n"), "a head is of another log than the key")
    verifier = eddsa.new(eddsa.import_public_key(base64.b64decode(public)[1:]), "rfc8032")
    verifier.verify(f"{text}\n".encode(), base64.b64decode(signature[1])[4:])  # or ValueError
    return int(text.split("\n")[1]), base64.b64decode(text.split("\n")[2])

def log(key, path, *others):
    data = [json.loads(line)["data"] for line in pathlib.Path(path).open(encoding="utf-8")]
    leaves, notes = [], [one for one in data if isinstance(one, str)]
    text = "\n".join(pathlib.Path(one).read_text("utf-8") for one in others)
    notes += re.findall(r"(?m)^\S+\n\d+\n\S{44}\n\n(?:— .+\n?)+", text)
    for number, entry in enumerate([one for one in data if isinstance(one, dict)], start=1):
        kept, leaf = entry.pop("leaf_hash"), leaf_of(entry)
        need((entry["seq"], kept) == (number, leaf.hex()), f"entry {number} is not as recorded")
        leaves.append(leaf)
    @functools.cache
    def root(start, end):
        if end - start < 2: return leaves[start] if end > start else sha256()
        middle = start + half(end - start)
        return sha256(b"\1", root(start, middle), root(middle, end))
    for size, signed in [opened(note, key) for note in notes]:
        need(size <= len(leaves), f"a head is of {size} entries, and there are {len(leaves)}")
        need(root(0, size) == signed, f"the first {size} entries are not those of a signed head")
    return f"{len(leaves)} entries, as {len(notes)} signed heads have them"

def climbed(leaf, at, size, path):  # the root that a path leads to, from the last of it down
    if (at, size, path) == (0, 1, []): return leaf
    *below, beside = path  # or ValueError
    if at < half(size): return sha256(b"\1", climbed(leaf, at, half(size), below), beside)
    return sha256(b"\1", beside, climbed(leaf, at - half(size), size - half(size), below))

def proof(path, key=None):
    given = json.loads(pathlib.Path(path).read_text("utf-8"))
    entry, seq, key = given["entry"], given["seq"], key or given["key"]
    commitment = sha256(bytes.fromhex(given["salt"]), canonical(entry).encode()).hex()
    public = {"seq": seq, "occurred_at": f"{entry['occurred_at'][:16]}Z", "commitment": commitment}
    public |= {"action": entry["action"], "outcome": entry["outcome"]}
    (size, signed), path = opened(given["head"], key), [*map(bytes.fromhex, given["path"])]
    need(climbed(leaf_of(public), seq - 1, size, path) == signed, "the head is of other entries")
    return f"entry {seq} of {size}, if this is the key of the log: {key}"

if len(sys.argv) < 3: sys.exit(__doc__)
try: print("INTACT:", proof(*sys.argv[2:]) if sys.argv[1] == "--proof" else log(*sys.argv[1:]))
except (OSError, ValueError, KeyError) as error: sys.exit(f"NOT PROVED: {error}")
