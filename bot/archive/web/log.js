// The person's own entries of the audit log, newest first.

function logView(target) {
  const newest = entries.toReversed();
  const head = heading("Log", newest.length
    ? `What Confidant did that concerns you: ${count(newest.length, "entry", "entries")}, none of which holds any of your words.` : "");
  if (!newest.length) return [head, nothing("No entries yet.", "What Confidant does for you is recorded, in counts and never in your words.")];
  const start = target ? Math.max(0, newest.indexOf(target) - 5) : 0;
  const between = (entry, before) => (before && dayOf(before.at) === dayOf(entry.at) ? null
    : el("li", { class: "day" }, el("h2", {}, time(entry.at, told(entry.at, "longDay")))));
  return [head, witness(), paged(newest, (one) => entryItem(one, one === target), { list: el("ol", { class: "log" }), start, between })];
}

// The head of the whole log, signed: whoever keeps it can tell later whether the log was rewritten.
function witness() {
  return given.audit_head ? el("details", {}, el("summary", {}, "Head of the whole log"),
    el("pre", {}, given.audit_head)) : "";
}

function entryItem(one, isTarget) {
  return el("li", { id: `entry-${one.id}`, class: `entry ${one.outcome === "ok" ? "" : "bad"}${isTarget ? " target" : ""}`, tabindex: "-1" },
    el("p", { class: "about" }, link(`log/${one.id}`, {}, number(one.id)), " ", time(one.at, told(one.at, "time"))),
    el("div", {},
      el("p", {}, theirs("span", actionWords(one), { class: "done" }), entryTarget(one)),
      one.facts.length ? el("ul", { class: "facts" }, ...one.facts.map((fact) => theirs("li", factWords(fact)))) : "",
      proof(one)));
}

function entryTarget({ target }) {
  const memory = /^memory (\d+)$/.exec(target ?? "");
  if (memory) return [": ", memoryById.has(Number(memory[1])) ? memoryLinks([Number(memory[1])]) : `memory ${memory[1]}, which is gone`];
  const message = messageByEvent.get(target);
  return message ? [" · ", link(`message/${message.id}`, {}, "read it")] : "";
}

// What the public log commits to, so that this entry can be proved later.
function proof(one) {
  const parts = [
    ["Action", one.action],
    ["By", one.actor],
    ["On", one.target],
    ["Commitment", one.commitment],
    ["Salt", one.salt],
  ].filter(([, value]) => value);
  return el("details", { class: "proof" }, el("summary", {}, "Details"),
    el("dl", {}, ...parts.flatMap(([name, value]) => [el("dt", {}, name), theirs("dd", value)])));
}
