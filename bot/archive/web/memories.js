// Memories, each with what it rests on and what became of it.

const RANK = new Map([["pending", 0], ["active", 1], ["superseded", 2]]);

function memoriesView(target) {
  const sorted = [...memories].sort((one, other) => (RANK.get(one.status) ?? 1) - (RANK.get(other.status) ?? 1)
    || other.pinned - one.pinned || byTime(other, one));
  const head = heading("Memories", sorted.length ? memoriesWords() : "");
  if (!sorted.length) {
    return [head, nothing("No memories yet.",
      "What Confidant learns about you, or what you tell it to remember, is shown here with where it comes from.")];
  }
  const start = target ? Math.max(0, sorted.indexOf(target) - 3) : 0;
  return [head, paged(sorted, (one) => memoryItem(one, one === target), { list: el("ol", { class: "cards" }), start })];
}

function memoriesWords() {
  const of = grouped(memories, (memory) => memory.status);
  const amount = (status) => of.get(status)?.length ?? 0;
  return listed([
    `${count(amount("active"), "memory", "memories")} in use`,
    amount("pending") ? `${number(amount("pending"))} waiting for your approval` : "",
    amount("superseded") ? `${number(amount("superseded"))} replaced by newer ones` : "",
  ].filter(Boolean)) + ".";
}

function memoryItem(one, isTarget) {
  return el("li", { id: `memory-${one.id}`, class: `card memory ${one.status}${isTarget ? " target" : ""}`, tabindex: "-1" },
    el("p", { class: "about" }, link(`memory/${one.id}`, {}, `Memory ${one.id}`), badges(one)),
    theirs("p", one.text, { class: "text" }),
    one.quote ? theirs("blockquote", one.quote) : "",
    el("ul", { class: "facts" }, ...memoryFacts(one).map((fact) => el("li", {}, fact))),
    formerly(one), alsoSaid(one), usedIn(one));
}

function badges(one) {
  const shown = [
    one.status === "pending" ? "waits for your approval" : "",
    one.status === "superseded" ? "replaced" : "",
    one.pinned ? "pinned" : "",
  ];
  return shown.filter(Boolean).map((words) => [" ", el("span", { class: "badge" }, words)]);
}

function memoryFacts(one) {
  const revisions = revisionsOf.get(one.id) ?? [];
  const changed = moment(one.updated_at);
  const facts = [[`${capital(ORIGINS.get(one.origin) ?? one.origin)} on `, time(one.at, told(one.at)), after(", ", source(one, 0, one.at))]];
  if (one.updated_at && (revisions.length || changed !== one.at)) {
    facts.push([`Last changed on ${told(changed)}`, revisions.length ? after(", ", source(one, revisions.length, changed)) : ""]);
  }
  if (one.valid_until) facts.push(`Holds until ${told(moment(one.valid_until))}`);
  if (one.superseded_by) facts.push(["Replaced by ", memoryLinks([one.superseded_by])]);
  if (one.replaces) facts.push(["Would replace ", memoryLinks([one.replaces])]);
  for (const share of sharesOf.get(one.id) ?? []) {
    facts.push([`May be used in ${roomName(share.room_id).toLowerCase()} `, theirs("bdi", share.room_id, { class: "address" }),
      `, shared on ${told(moment(share.shared_at))}`]);
  }
  return facts;
}

function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// Where the text comes from that a memory had after so many changes; `at` is when, if that was told.
// What is typed into a command has no quote, and a command is no message that was ever kept.
function source(one, changes, at) {
  const revisions = revisionsOf.get(one.id) ?? [];
  const { source_event_id: eventId, quote } = revisions[changes] ?? one;
  const by = changes ? revisions[changes - 1].changed_by : one.origin;
  if (!eventId) return "";
  if (quote || messageByEvent.has(eventId)) return ["from ", messageLink(eventId, at)];
  return by === "person" ? typedWith(changes ? "memory edit" : "memory add") : "";
}

const GONE = "a message that is not kept any more";

function typedWith(command) {
  return ["typed with ", el("code", {}, `!${command}`)];
}

function after(mark, parts) {
  return parts && [mark, parts];
}

function messageLink(eventId, at = NaN) {
  const message = messageByEvent.get(eventId);
  if (!message) return GONE;
  const when = dayOf(at) === dayOf(message.at) ? "then" : `on ${toldWhole(message.at)}`;
  return link(`message/${message.id}`, {}, `what ${message.who === "me" ? "you" : "Confidant"} said ${when}`);
}

function formerly(one) {
  const revisions = revisionsOf.get(one.id);
  if (!revisions) return "";
  const who = new Map([["person", "by you"], ["model", "by Confidant"], ["import", "by an import"]]);
  return el("details", {}, el("summary", {}, `What it said before (${number(revisions.length)})`),
    el("ol", { class: "former" }, ...revisions.map((row, at) => el("li", {},
      theirs("p", row.text), row.quote ? theirs("blockquote", row.quote) : "",
      el("p", { class: "quiet" }, `Until ${toldWhole(moment(row.changed_at))}, when it was changed ${who.get(row.changed_by) ?? row.changed_by}`,
        after(" · ", source(one, at))))).reverse()));
}

// With the quote of a message; without one it was typed once more.
function again({ quote, event_id: eventId }) {
  if (quote || messageByEvent.has(eventId)) return [quote ? [theirs("q", quote), " "] : "", messageLink(eventId)];
  return typedWith("memory add");
}

function alsoSaid(one) {
  const said = saidOf.get(one.id);
  if (!said) return "";
  return el("details", {}, el("summary", {}, `Also said (${number(said.length)})`),
    el("ul", {}, ...said.map((row) => el("li", {}, again(row)))));
}

function usedIn(one) {
  const answers = (answersWith.get(one.id) ?? []).map((row) => messageByEvent.get(row.answer_event_id)).filter(Boolean);
  const uses = answersWith.get(one.id)?.length ?? 0;
  if (!uses) return el("p", { class: "quiet" }, "Not used in any answer yet.");
  return el("details", {}, el("summary", {}, `Used in ${count(uses, "answer")}`),
    el("ul", {}, ...answers.toReversed().slice(0, 100).map((message) => el("li", {},
      link(`message/${message.id}`, {}, toldWhole(message.at)), ": ", theirs("q", beginning(message.text))))));
}
