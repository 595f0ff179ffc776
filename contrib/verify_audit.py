"""Check an exported audit log, or one person's proof, with nothing of the bot's own code:
  python3 verify_audit.py KEY LOG.jsonl [HEADS …]   # of confidant audit key, audit export --heads
  python3 verify_audit.py --proof PROOF.json [KEY]  # which is what !audit proof N sends
HEADS: files with more signed heads, c2sp.org/tlog-checkpoint. The tree: RFC 9162, section 2.1."""
import base64, functools, hashlib, json, pathlib, re, sys
from Crypto.Signature import eddsa  # pip install pycryptodome
def need(holds, otherwise): return holds or sys.exit(f"NOT PROVED: {otherwise}")
def once(pairs): return need(len(dict(pairs)) == len(pairs), "a name twice in JSON") and dict(pairs)
def read(text): return json.loads(text, object_pairs_hook=once)
def canonical(x): return json.dumps(x, sort_keys=True, ensure_ascii=False, separators=",:").encode()
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
NAMES = "specversion", "source", "id", "type", "datacontenttype", "data", "time"  # cloudevents.io
def half(size): return 1 << (size - 1).bit_length() - 1  # the largest power of two below
def opened(head, key):  # how many entries it is of, and the root of the tree over them
    (name, key_id, public), (*text, _, by, sign) = key.split("+", 2), head.split()
    public, sign, root = (base64.b64decode(x, validate=True) for x in (public, sign, text[2]))
    fits = sha256(f"{name}\n".encode(), public).hex()[:8] == sign[:4].hex() == key_id
    need(fits and text[0] == by == name, "a head is of another log than the key")
    signer = eddsa.new(eddsa.import_public_key(public[1:]), "rfc8032")
    signer.verify("\n".join([*text, ""]).encode(), sign[4:])  # or ValueError
    return int(text[1]), root
def heads_in(path):  # however they are indented, quoted, or put into JSON such as export.json
    text = re.sub(r'(\\n|[\s"<>])+', " ", pathlib.Path(path).read_text("utf-8"))
    return need(re.findall(r"org.confidant.audit\S+ \d+ (?:\S+ ?){,4}", text), f"no head in {path}")
def log(key, path, *others):
    leaves, heads = [], [one for other in others for one in heads_in(other)]
    for event in map(read, pathlib.Path(path).open(encoding="utf-8")):
        data, form, time = event["data"], "application/json", []  # a head says of no time when
        if isinstance(data, str):
            heads.append(data)
            name, kind, form = f"checkpoint-{data.split()[1]}", "audit.checkpoint", "text/plain"
        else:
            leaves.append(sha256(b"\0", canonical({x: data[x] for x in {*data} - {"leaf_hash"}})))
            data = {**data, "seq": len(leaves), "leaf_hash": leaves[-1].hex()}
            name, kind, time = str(len(leaves)), data["action"], [f"{data['occurred_at'][:16]}:00Z"]
        told = ["1.0", key.split("+")[0], name, f"org.confidant.{kind}", form, data, *time]
        need(event == dict(zip(NAMES, told, strict=False)), f"entry {name} is not as recorded")
    root = functools.cache(lambda at, size: leaves[at] if size == 1 else sha256() if not size else
        sha256(b"\1", root(at, half(size)), root(at + half(size), size - half(size))))
    for size, signed in (heads := sorted({opened(head, key) for head in heads})):
        need(size <= len(leaves), f"a head is of {size} entries, and there are {len(leaves)}")
        need(root(0, size) == signed, f"the first {size} entries are not those of a signed head")
    need(heads and (size or not leaves), "no signed head of any entry")
    return f"{len(leaves)} entries, of which the first {size} are as {len(heads)} signed heads say"
def climbed(leaf, at, size, path):  # the root that a path leads to, from its last; or ValueError
    if (at, size, path) == (0, 1, []): return leaf
    if at < half(size): return sha256(b"\1", climbed(leaf, at, half(size), path[:-1]), path[-1])
    return sha256(b"\1", path[-1], climbed(leaf, at - half(size), size - half(size), path[:-1]))
def proof(path, key=None):
    given = read(pathlib.Path(path).read_text("utf-8"))
    entry, seq, key = given["entry"], given["seq"], given["key"] if key is None else key
    public = {"seq": seq, **{name: entry[name] for name in ("action", "outcome")}}
    public["commitment"] = sha256(bytes.fromhex(given["salt"]), canonical(entry)).hex()
    public["occurred_at"] = f"{entry['occurred_at'][:16]}Z"
    (size, signed), path = opened(given["head"], key), [*map(bytes.fromhex, given["path"])]
    need(climbed(sha256(b"\0", canonical(public)), seq - 1, size, path) == signed, "another root")
    return f"entry {seq} of {size}, if this is the key of the log: {key!a}\n{json.dumps(entry)}"
if len(sys.argv) < 3: sys.exit(__doc__)
try: print("INTACT:", proof(*sys.argv[2:]) if sys.argv[1] == "--proof" else log(*sys.argv[1:]))
except Exception as error: sys.exit(f"NOT PROVED: {error!r}")
