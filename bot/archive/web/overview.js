// The first page: whose archive this is, how much is in it, and when it was written.

function overviewView() {
  return [
    cover(),
    figures(),
    messages.length ? activity() : nothing("No messages yet.",
      "What you write to Confidant from now on is in your next export."),
    el("div", { class: "pair" }, latestMemories(), whereTalked()),
  ];
}

function cover() {
  const made = moment(given.created_at);
  return el("header", { class: "cover" },
    el("p", { class: "eyebrow" }, "Everything that Confidant keeps about you"),
    el("h1", { tabindex: "-1" }, theirs("bdi", me)),
    el("p", { class: "lede" }, period()),
    el("p", { class: "made" }, "Exported on ", time(made, `${told(made, "longDay")}, ${told(made, "time")}`)));
}

function period() {
  const dated = messages.filter((message) => !Number.isNaN(message.at));
  if (!dated.length) return "There are no messages in it.";
  return `Your conversations ${stretch(dated[0].at, dated.at(-1).at, { on: "of ", from: "from " })}.`;
}

function figures() {
  const mine = messages.filter((message) => message.who === "me").length;
  const tokens = usage.reduce((sum, row) => sum + row.prompt_tokens + row.completion_tokens, 0);
  const shown = [
    ["messages", mine, "message of yours", "messages of yours"],
    ["messages", messages.length - mine, "answer", "answers"],
    ["messages", conversations.length, "conversation", "conversations"],
    ["memories", memories.length, "memory", "memories"],
    ["log", entries.length, "log entry", "log entries"],
    ["settings", tokens, "token used", "tokens used"],
  ];
  return el("ul", { class: "figures" }, ...shown.map(([place, amount, one, many]) => el("li", {},
    link(place, {}, el("strong", {}, short(amount)), " ", el("span", {}, amount === 1 ? one : many)))));
}

function short(amount) {
  if (amount < 100000) return number(amount);
  return amount < 1e6 ? `${Math.round(amount / 1000)}k` : `${(amount / 1e6).toFixed(1)}M`;
}

function latestMemories() {
  const active = memories.filter((memory) => memory.status === "active").toReversed().slice(0, 4);
  return el("section", { class: "card" }, el("h2", {}, "Remembered lately"),
    active.length
      ? el("ul", { class: "brief" }, ...active.map((memory) => el("li", {},
        link(`memory/${memory.id}`, {}, theirs("span", memory.text)),
        el("span", { class: "about" }, time(memory.at, told(memory.at))))))
      : el("p", { class: "quiet" }, "No memories yet."),
    active.length ? link("memories", { class: "onwards" }, "All memories") : "");
}

function whereTalked() {
  const busiest = [...conversations].sort((one, other) => other.messages.length - one.messages.length).slice(0, 4);
  return el("section", { class: "card" }, el("h2", {}, "Where you talked"),
    busiest.length
      ? el("ul", { class: "brief" }, ...busiest.map((one) => el("li", {},
        link(`conversation/${one.number}`, {}, conversationName(one)),
        el("span", { class: "about" }, `${count(one.messages.length, "message")}, last on ${told(one.last.at)}`))))
      : el("p", { class: "quiet" }, "No conversations yet."),
    busiest.length ? link("messages", { class: "onwards" }, "All conversations") : "");
}
