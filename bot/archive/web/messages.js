// Conversations: a room without its threads, or one thread, from the first message to the last.

function messagesView(chosen, target) {
  if (!conversations.length) {
    return [heading("Messages"), nothing("No messages yet.",
      "What you say to Confidant is kept unless you make it private, and is then shown here.")];
  }
  const conversation = chosen ?? latest()[0];
  return [el("div", { class: `reading ${chosen ? "open" : ""}` },
    el("nav", { class: "conversations", "aria-label": "Conversations" },
      el("h2", {}, "Conversations"),
      paged(latest(), (one) => conversationItem(one, one === conversation), { list: el("ul") })),
    el("article", { class: "conversation" }, conversationPane(conversation, target)))];
}

function latest() {
  return [...conversations].sort((one, other) => other.last.at - one.last.at);
}

function conversationName({ room, isThread }) {
  return isThread ? `Thread in ${room.name.toLowerCase()}` : room.name;
}

function beginning(text, length = 90) {
  const line = unmarked(String(text ?? "").slice(0, 400)).replace(/\s+/g, " ").trim();
  return line.length > length ? `${line.slice(0, length).replace(/[\ud800-\udbff]$/, "")}…` : line;
}

function conversationItem(one, isShown) {
  return el("li", {}, link(`conversation/${one.number}`, { "aria-current": isShown ? "true" : null },
    el("strong", {}, conversationName(one)),
    theirs("span", beginning(one.isThread ? one.first.text : one.last.text), { class: "opening" }),
    el("span", { class: "about" }, `${count(one.messages.length, "message")} · ${told(one.last.at)}`)));
}

function conversationPane(one, target) {
  const begin = Math.max(0, (target?.position ?? 0) - (target ? 10 : 0));
  const draw = (message) => messageItem(message, message === target);
  const between = (message, before) => (before && dayOf(before.at) === dayOf(message.at) ? null
    : el("li", { class: "day" }, el("h2", {}, time(message.at, told(message.at, "longDay")))));
  return [
    link("messages", { class: "back" }, "All conversations"),
    el("header", { class: "heading" },
      el("h1", { tabindex: "-1", title: one.room.id }, conversationName(one)),
      el("p", { class: "lede" }, `${count(one.messages.length, "message")}, ${stretch(one.first.at, one.last.at)}`),
      months(one, target)),
    paged(one.messages, draw, { list: el("ol", { class: "talk" }), start: begin, between }),
  ];
}

// A way to any month of a long conversation.
function months(one, target) {
  const firsts = [...grouped(one.messages, (message) => dayOf(message.at).slice(0, 7)).values()].map(([first]) => first);
  if (firsts.length < 2) return "";
  const current = dayOf(target?.at ?? NaN).slice(0, 7);
  const choice = el("select", {}, ...firsts.map((first) => el("option",
    { value: `message/${first.id}`, selected: dayOf(first.at).slice(0, 7) === current }, told(first.at, "month"))));
  choice.addEventListener("change", () => { location.hash = choice.value; });
  return el("label", { class: "months" }, "Go to ", choice);
}

function messageItem(one, isTarget) {
  const who = one.who === "me" ? "You" : "Confidant";
  return el("li", { id: `message-${one.id}`, class: `message ${one.who}${isTarget ? " target" : ""}`, tabindex: "-1" },
    el("p", { class: "about" }, el("strong", {}, who), " ",
      link(`message/${one.id}`, { title: "Link to this message" }, time(one.at, told(one.at, "time"))),
      one.model ? [" ", theirs("span", one.model, { class: "model" })] : ""),
    prose(one.text, { class: "text" }),
    one.note ? prose(one.note, { class: "note" }) : "",
    learnedFrom(one),
    basis(one));
}

function learnedFrom(one) {
  const learned = memoriesFrom.get(one.event_id);
  if (!learned) return "";
  return el("p", { class: "learned" }, "Learned from this: ", memoryLinks([...learned]));
}

function memoryLinks(ids) {
  return ids.flatMap((id, at) => [at ? ", " : "", link(`memory/${id}`, {}, `memory ${id}`)]);
}

// What an answer was given with, and what it cost.
function basis(one) {
  const used = (memoriesUsedBy.get(one.event_id) ?? []).map((row) => memoryById.get(row.memory_id)).filter(Boolean);
  const earlier = (messagesUsedBy.get(one.event_id) ?? []).map((row) => messageById.get(row.turn_id)).filter(Boolean);
  const cost = costWords(one);
  if (!used.length && !earlier.length && !cost) return "";
  const parts = [
    used.length ? count(used.length, "memory", "memories") : "",
    earlier.length ? count(earlier.length, "earlier message") : "",
  ].filter(Boolean);
  return el("details", { class: "basis" },
    el("summary", {}, parts.length ? `Rests on ${listed(parts)}` : "About this answer"),
    used.length ? el("ul", {}, ...used.map((memory) => el("li", {},
      link(`memory/${memory.id}`, {}, `Memory ${memory.id}`), " ", theirs("span", memory.text)))) : "",
    earlier.length ? el("ul", {}, ...earlier.map((message) => el("li", {},
      link(`message/${message.id}`, {}, toldWhole(message.at)),
      `, ${message.who === "me" ? "you" : "Confidant"}: `, theirs("q", beginning(message.text))))) : "",
    cost ? theirs("p", cost, { class: "quiet" }) : "");
}

function costWords(one) {
  const parts = [
    one.model ? `Model: ${one.model}` : "",
    one.gateway_host ? `at ${one.gateway_host}` : "",
    one.provider ? `run by ${one.provider}` : "",
    one.prompt_tokens === null ? "" : count(one.prompt_tokens, "token") + " read",
    one.completion_tokens === null ? "" : count(one.completion_tokens, "token") + " written",
  ];
  return parts.filter(Boolean).join(" · ");
}
